//! What is signed by others is read, what we sign holds, and nothing else does.

mod keyless;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::document::{self, Document, Form};
use super::examine::{Subject, Trust, examine};
use super::key::{Algorithm, PrivateKey, PublicKey};
use super::make::{sign_beside, sign_image, sign_image_simply, sign_module};
use crate::digest::Digest;

const MESSAGE: &[u8] = include_bytes!("vectors/message.txt");
const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\0\x05\x04name";

/// What is done to a bundle.
type Change<'a> = &'a dyn Fn(&mut Value);

fn pem(der: &[u8]) -> Vec<u8> {
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der)
    )
    .into_bytes()
}

fn p256() -> PrivateKey {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    PrivateKey::parse(&pem(der.as_ref())).unwrap()
}

fn ed25519() -> PrivateKey {
    let random = aws_lc_rs::rand::SystemRandom::new();
    PrivateKey::parse(&pem(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref())).unwrap()
}

fn of(key: &PrivateKey) -> Trust {
    Trust::Key(key.public().clone())
}

fn image() -> Digest {
    Digest::of(b"a manifest")
}

fn subject() -> Subject<'static> {
    Subject {
        image: Some(image()),
        module: MODULE,
    }
}

/// Why a signature does not hold.
fn refused(subject: &Subject<'_>, documents: &[Document], trust: &Trust) -> String {
    examine(subject, documents, trust).unwrap_err().join("; ")
}

fn holds(subject: &Subject<'_>, document: &Document, trust: &Trust) -> bool {
    examine(subject, std::slice::from_ref(document), trust).is_ok()
}

/// The same bundle with something else in it.
fn changed(document: &Document, change: impl FnOnce(&mut Value)) -> Document {
    let mut value: Value = serde_json::from_slice(&document.bytes).unwrap();
    change(&mut value);
    Document::new(document.form, value.to_string().into())
}

/// What is signed anew with another statement.
fn envelope(key: &PrivateKey, statement: &Value) -> Document {
    let payload = statement.to_string().into_bytes();
    let envelope = super::statement::envelope(&payload, |bytes| key.sign(bytes), String::new()).unwrap();
    Document::new(Form::Bundle, super::bundle::of_envelope(&envelope, key.public()).into())
}

#[test]
fn signatures_of_openssl_hold_over_their_bytes_and_no_others() {
    let vectors: [(&[u8], &str, Algorithm); 6] = [
        (
            include_bytes!("vectors/p256.pub"),
            include_str!("vectors/p256.sig"),
            Algorithm::P256,
        ),
        (
            include_bytes!("vectors/p384.pub"),
            include_str!("vectors/p384.sig"),
            Algorithm::P384,
        ),
        (
            include_bytes!("vectors/p384.pub"),
            include_str!("vectors/p384-sha256.sig"),
            Algorithm::P384,
        ),
        (
            include_bytes!("vectors/rsa.pub"),
            include_str!("vectors/rsa.sig"),
            Algorithm::Rsa,
        ),
        (
            include_bytes!("vectors/rsa.pub"),
            include_str!("vectors/rsa-pss.sig"),
            Algorithm::Rsa,
        ),
        (
            include_bytes!("vectors/ed.pub"),
            include_str!("vectors/ed.sig"),
            Algorithm::Ed25519,
        ),
    ];
    for (pem, signature, algorithm) in vectors {
        let key = PublicKey::parse(pem).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let signature = STANDARD.decode(signature.trim()).unwrap();
        assert!(key.verifies(MESSAGE, &signature), "{algorithm:?}");
        assert!(!key.verifies(b"made by nobody\n", &signature), "{algorithm:?}");
        for (other, ..) in vectors.iter().filter(|(other, ..)| *other != pem) {
            let other = PublicKey::parse(other).unwrap();
            assert!(!other.verifies(MESSAGE, &signature), "{algorithm:?}");
        }
        let raw = Document::new(Form::Raw, signature.clone().into());
        let text = Document::new(Form::Raw, format!("{}\n", STANDARD.encode(&signature)).into());
        let subject = Subject {
            image: None,
            module: MESSAGE,
        };
        assert!(holds(&subject, &raw, &Trust::Key(key.clone())) && holds(&subject, &text, &Trust::Key(key)));
    }
}

#[test]
fn sm2_is_signed_and_verified_as_openssl_does_it() {
    let key = PublicKey::parse(include_bytes!("vectors/sm2.pub")).unwrap();
    let signature = STANDARD.decode(include_str!("vectors/sm2.sig").trim()).unwrap();
    assert_eq!(key.algorithm(), Algorithm::Sm2);
    assert!(key.verifies(MESSAGE, &signature));
    assert!(!key.verifies(b"made by nobody\n", &signature));
    // Of RFC 5958's kind, as OpenSSL writes it.
    let key = PrivateKey::parse(include_bytes!("vectors/sm2.key")).unwrap();
    let signed = sign_image(image(), &key).unwrap();
    assert_eq!(signed.form, Form::Envelope);
    assert!(holds(&subject(), &signed, &of(&key)));
    let bundle = Document::new(Form::Bundle, signed.bytes.clone());
    assert!(!holds(&subject(), &bundle, &of(&key)), "Sigstore has no word for SM2");
    let beside = sign_beside(MODULE, &key).unwrap();
    assert_eq!(beside.form, Form::Raw);
    assert!(holds(&subject(), &beside, &of(&key)));
    assert!(sign_image_simply("r.example/a", image(), &key).is_err());
}

#[test]
fn keys_of_cosign_are_opened_by_their_password_alone() {
    let vectors: [(&[u8], &str, Algorithm); 3] = [
        (include_bytes!("vectors/cosign-locked.key"), "", Algorithm::P256),
        (include_bytes!("vectors/locked-p256.key"), "123", Algorithm::P256),
        (include_bytes!("vectors/locked-ed.key"), "123", Algorithm::Ed25519),
    ];
    for (pem, password, algorithm) in vectors {
        assert!(PrivateKey::is_locked(pem));
        let key = PrivateKey::unlock(pem, password).unwrap();
        assert_eq!(key.public().algorithm(), algorithm);
        assert!(key.public().verifies(MESSAGE, &key.sign(MESSAGE).unwrap()));
        let why = PrivateKey::unlock(pem, "another").err().unwrap().to_string();
        assert!(why.contains("another one"), "{why}");
    }
    assert!(!PrivateKey::is_locked(include_bytes!("vectors/sm2.key")));
}

#[test]
fn a_locked_key_that_asks_for_too_much_or_is_broken_is_refused() {
    let locked = |json: Value| {
        let text = STANDARD.encode(json.to_string());
        format!("-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n{text}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n")
    };
    let with = |n: u64, r: u32, p: u32, cipher: &str, nonce: &str| {
        locked(json!({
            "kdf": {"name": "scrypt", "params": {"N": n, "r": r, "p": p}, "salt": "AAAA"},
            "cipher": {"name": cipher, "nonce": nonce},
            "ciphertext": "AAAA",
        }))
    };
    let nonce = STANDARD.encode([0; 24]);
    for (pem, wanted) in [
        (with(1 << 40, 8, 1, "nacl/secretbox", &nonce), "takes more than"),
        (with(u64::MAX, 8, 1, "nacl/secretbox", &nonce), "takes more than"),
        (with(1024, 8, 1_000_000, "nacl/secretbox", &nonce), "takes more than"),
        (with(1000, 8, 1, "nacl/secretbox", &nonce), "is none"),
        (with(1024, 8, 1, "aes", &nonce), "behind `scrypt` and `aes`"),
        (with(1024, 8, 1, "nacl/secretbox", "AAAA"), "24 bytes"),
        (with(1024, 8, 1, "nacl/secretbox", &nonce), "another one"),
        (locked(json!({})), "not understood"),
    ] {
        let why = PrivateKey::unlock(pem.as_bytes(), "").err().unwrap().to_string();
        assert!(why.contains(wanted), "{why}");
    }
}

#[test]
fn files_that_hold_no_such_key_are_told_apart() {
    for (text, wanted) in [
        ("", "there is no `BEGIN PRIVATE KEY`"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\ne30=\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "it is encrypted",
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n",
            "older form",
        ),
        (
            "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n",
            "a public key",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
            "signs with nothing",
        ),
    ] {
        let why = PrivateKey::parse(text.as_bytes()).err().unwrap().to_string();
        assert!(why.contains(wanted), "{why}");
    }
    for text in ["", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"] {
        assert!(PublicKey::parse(text.as_bytes()).is_err());
    }
}

#[test]
fn a_file_that_cosign_signed_with_a_key_is_verified() {
    let key = PublicKey::parse(include_bytes!("vectors/cosign-key.pub")).unwrap();
    let bundle = Document::new(
        Form::Bundle,
        include_bytes!("vectors/cosign-key.sigstore.json")[..].into(),
    );
    let module = include_bytes!("vectors/cosign-key.txt");
    let subject = Subject { image: None, module };
    assert!(holds(&subject, &bundle, &Trust::Key(key.clone())));
    let other = Subject {
        image: None,
        module: MODULE,
    };
    let why = refused(&other, &[bundle], &Trust::Key(key));
    assert!(why.contains("it names another digest"), "{why}");
}

#[test]
fn an_image_is_signed_in_both_forms_and_by_each_kind_of_key() {
    for key in [p256(), ed25519()] {
        for signed in [
            sign_image(image(), &key).unwrap(),
            sign_image_simply("r.example/a", image(), &key).unwrap(),
        ] {
            let found = examine(&subject(), std::slice::from_ref(&signed), &of(&key)).unwrap();
            assert!(found.by.contains(&key.public().fingerprint().to_string()), "{found:?}");
            let other = Subject {
                image: Some(Digest::of(b"another manifest")),
                ..subject()
            };
            let why = refused(&other, std::slice::from_ref(&signed), &of(&key));
            assert!(why.contains("it names another digest"), "{why}");
            for stranger in [p256(), ed25519()] {
                let why = refused(&subject(), std::slice::from_ref(&signed), &of(&stranger));
                assert!(why.contains("made by another key"), "{why}");
            }
        }
    }
}

#[test]
fn a_payload_that_was_swapped_does_not_hold() {
    let (key, other) = (p256(), Digest::of(b"another manifest"));
    let signed = sign_image(image(), &key).unwrap();
    let swapped = changed(&signed, |bundle| {
        let foreign: Value = serde_json::from_slice(&sign_image(other, &p256()).unwrap().bytes).unwrap();
        bundle["dsseEnvelope"]["payload"] = foreign["dsseEnvelope"]["payload"].clone();
    });
    let about_other = Subject {
        image: Some(other),
        ..subject()
    };
    let why = refused(&about_other, &[swapped], &of(&key));
    assert!(why.contains("over other bytes"), "{why}");
    let mut simple = sign_image_simply("r.example/a", image(), &key).unwrap();
    simple.bytes = sign_image_simply("r.example/a", other, &key).unwrap().bytes;
    let why = refused(&about_other, &[simple], &of(&key));
    assert!(why.contains("over other bytes"), "{why}");
}

#[test]
fn a_bundle_that_is_something_else_does_not_hold() {
    let key = p256();
    let signed = sign_image(image(), &key).unwrap();
    let cases: [(&str, Change); 6] = [
        ("it is no bundle but `application/json`", &|bundle| {
            bundle["mediaType"] = json!("application/json")
        }),
        ("a key is wanted", &|bundle| {
            bundle["verificationMaterial"] = json!({ "certificate": { "rawBytes": "" } });
        }),
        ("not exactly one content", &|bundle| {
            bundle["messageSignature"] = json!({ "signature": "" });
        }),
        ("2 signatures", &|bundle| {
            let one = bundle["dsseEnvelope"]["signatures"][0].clone();
            bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(one);
        }),
        ("no in-toto statement", &|bundle| {
            bundle["dsseEnvelope"]["payloadType"] = json!("text/plain")
        }),
        ("not in base64", &|bundle| {
            bundle["dsseEnvelope"]["payload"] = json!("?")
        }),
    ];
    for (wanted, change) in cases {
        let why = refused(&subject(), &[changed(&signed, change)], &of(&key));
        assert!(why.contains(wanted), "{why}");
    }
}

#[test]
fn a_statement_that_says_something_else_than_mine_is_no_signature() {
    let key = p256();
    let statement = |kind: &str, predicate: &str, digest: &str| {
        json!({
            "_type": kind, "predicateType": predicate, "predicate": {},
            "subject": [{ "digest": { "sha256": digest } }],
        })
    };
    let v1 = "https://in-toto.io/Statement/v1";
    let provenance = "https://slsa.dev/provenance/v1";
    assert!(holds(
        &subject(),
        &envelope(&key, &statement(v1, provenance, &image().hex())),
        &of(&key)
    ));
    assert!(
        holds(
            &subject(),
            &envelope(&key, &statement(v1, provenance, &Digest::of(MODULE).hex())),
            &of(&key)
        ),
        "the module that runs"
    );
    for (kind, predicate, digest, wanted) in [
        (
            v1,
            "https://spdx.dev/Document",
            image().hex(),
            "something else than who signed",
        ),
        (
            v1,
            "https://cosign.sigstore.dev/attestation/vuln/v1",
            image().hex(),
            "something else than who signed",
        ),
        (
            "https://example.com/Statement",
            provenance,
            image().hex(),
            "unknown version",
        ),
        (v1, provenance, String::new(), "names another digest"),
        (v1, provenance, image().hex().to_uppercase(), "names another digest"),
    ] {
        let why = refused(
            &subject(),
            &[envelope(&key, &statement(kind, predicate, &digest))],
            &of(&key),
        );
        assert!(why.contains(wanted), "{why}");
    }
    let many: Vec<Value> = (0..2_000)
        .map(|_| json!({ "digest": { "sha256": image().hex() } }))
        .collect();
    let mut statement = statement(v1, provenance, "");
    statement["subject"] = json!(many);
    let why = refused(&subject(), &[envelope(&key, &statement)], &of(&key));
    assert!(why.contains("more than 1000"), "{why}");
}

#[test]
fn what_is_huge_or_deep_is_refused_and_hides_no_other() {
    let key = p256();
    let huge = Document::new(Form::Bundle, vec![b' '; 2 * 1024 * 1024].into());
    let deep = Document::new(Form::Bundle, "[".repeat(500_000).into());
    let deep_key = Document::new(Form::Bundle, format!("{{\"mediaType\":{}", "[".repeat(500_000)).into());
    let why = refused(&subject(), &[huge.clone(), deep.clone(), deep_key.clone()], &of(&key));
    assert!(
        why.contains("more than 1048576 bytes") && why.contains("not understood"),
        "{why}"
    );
    let signed = sign_image(image(), &key).unwrap();
    assert!(examine(&subject(), &[huge, deep, deep_key, signed], &of(&key)).is_ok());
}

#[test]
fn a_module_is_signed_within_and_by_several() {
    let (first, second) = (ed25519(), ed25519());
    let once = sign_module(MODULE, &first).unwrap();
    let twice = sign_module(&once, &second).unwrap();
    let about = |module| Subject { image: None, module };
    for (module, key, good) in [
        (&once, &first, true),
        (&once, &second, false),
        (&twice, &first, true),
        (&twice, &second, true),
    ] {
        assert_eq!(examine(&about(module), &[], &of(key)).is_ok(), good);
    }
    assert_eq!(
        examine(&about(MODULE), &[], &of(&first)),
        Err(Vec::new()),
        "there is none"
    );
    let why = refused(&about(&once), &[], &of(&p256()));
    assert!(why.contains("the key is one of ecdsa-p256"), "{why}");
    assert!(sign_module(MODULE, &p256()).is_err() && sign_module(b"no module", &first).is_err());
}

#[test]
fn a_module_that_was_changed_or_covered_in_part_is_not_signed() {
    let key = ed25519();
    let signed = sign_module(MODULE, &key).unwrap();
    let about = |module| Subject { image: None, module };
    let mut longer = signed.clone();
    longer.extend(b"\0\x05\x04more");
    let why = refused(&about(&longer), &[], &of(&key));
    assert!(why.contains("covers only a part"), "{why}");
    let mut changed = signed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let why = refused(&about(&changed), &[], &of(&key));
    assert!(why.contains("was changed after"), "{why}");
    for cut in [9, 12, 40, signed.len() - 1] {
        assert!(examine(&about(&signed[..cut]), &[], &of(&key)).is_err(), "{cut}");
    }
}

#[test]
fn a_module_that_wasmsign2_signed_is_verified() {
    let key = PublicKey::parse(include_bytes!("vectors/wasmsign2.pub")).unwrap();
    let module = include_bytes!("vectors/wasmsign2.module");
    let subject = Subject { image: None, module };
    assert_eq!(examine(&subject, &[], &Trust::Key(key)).unwrap().form, Form::Module);
}

/// The document of the format has no lengths in front of its parts; the tool that writes it has.
#[test]
fn a_signature_without_lengths_is_read_too() {
    let key = ed25519();
    let signed = sign_module(MODULE, &key).unwrap();
    let lengths = signed.windows(3).position(|bytes| bytes == [1, 1, 1]).unwrap() + 4;
    let mut bare = signed.clone();
    // One set of one hash, one signature without an identifier: two lengths of a byte each.
    bare.remove(lengths + 1 + 1 + 32 + 1);
    bare.remove(lengths);
    bare[9] -= 2;
    let subject = Subject {
        image: None,
        module: &bare,
    };
    assert!(examine(&subject, &[], &of(&key)).is_ok());
}

#[test]
fn a_signature_beside_a_module_is_of_its_bytes() {
    let key = p256();
    let signed = sign_beside(MODULE, &key).unwrap();
    assert!(holds(&subject(), &signed, &of(&key)));
    let other = Subject {
        image: None,
        module: MESSAGE,
    };
    assert!(!holds(&other, &signed, &of(&key)));
    let without_digest = changed(&signed, |bundle| {
        bundle["messageSignature"]
            .as_object_mut()
            .unwrap()
            .remove("messageDigest");
    });
    assert!(holds(&subject(), &without_digest, &of(&key)));
    assert!(!holds(&other, &without_digest, &of(&key)));
}

#[test]
fn documents_are_kept_as_they_are() {
    let key = p256();
    let documents = [
        sign_image(image(), &key).unwrap(),
        sign_image_simply("r.example/a", image(), &key).unwrap(),
        Document::new(Form::Raw, vec![0, 255].into()),
    ];
    assert_eq!(document::read(&document::write(&documents)).unwrap(), documents);
    assert_eq!(document::read(b"[{\"form\":\"other\",\"bytes\":\"\"}]"), None);
}
