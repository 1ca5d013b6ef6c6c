//! Signatures without a key, that cosign and others made, held against a pinned root.

use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, SIGSTORE_STAGING_TRUSTED_ROOT};

use super::*;
use crate::sign::keyless::{Keyless, TrustedRoot};

const IDENTITY: &str = "w.vollprecht@gmail.com";
const ISSUER: &str = "https://github.com/login/oauth";
const FILE: &[u8] = include_bytes!("../vectors/cosign-keyless.txt");

fn bundle() -> Document {
    Document::new(
        Form::Bundle,
        include_bytes!("../vectors/cosign-keyless.sigstore.json")[..].into(),
    )
}

fn trust(identity: &str, issuer: &str, root: &str) -> Trust {
    Trust::Keyless(Keyless {
        identity: identity.to_owned(),
        issuer: issuer.to_owned(),
        root: TrustedRoot::parse(root.as_bytes()).unwrap(),
    })
}

fn about(module: &[u8]) -> Subject<'_> {
    Subject { image: None, module }
}

#[test]
fn a_file_that_cosign_signed_without_a_key_is_verified_offline() {
    let trust = trust(IDENTITY, ISSUER, SIGSTORE_PRODUCTION_TRUSTED_ROOT);
    let signed = examine(&about(FILE), &[bundle()], &trust).unwrap();
    assert_eq!(signed.by, format!("{IDENTITY}, for whom {ISSUER} vouches"));
}

#[test]
fn another_identity_issuer_file_or_root_is_refused() {
    let root = SIGSTORE_PRODUCTION_TRUSTED_ROOT;
    let good = trust(IDENTITY, ISSUER, root);
    for (subject, trust) in [
        (FILE, trust("w.vollprecht@gmail.co", ISSUER, root)),
        (FILE, trust(&IDENTITY.to_uppercase(), ISSUER, root)),
        (FILE, trust("*", ISSUER, root)),
        (FILE, trust("", ISSUER, root)),
        (FILE, trust(IDENTITY, "https://accounts.google.com", root)),
        (FILE, trust(IDENTITY, ISSUER, SIGSTORE_STAGING_TRUSTED_ROOT)),
        (MODULE, good.clone()),
    ] {
        assert!(examine(&about(subject), &[bundle()], &trust).is_err(), "{trust:?}");
    }
}

/// Everything that the root says of authorities or logs ended before the signature was made.
#[test]
fn a_root_that_had_expired_is_refused() {
    for part in ["certificateAuthorities", "tlogs", "ctlogs"] {
        let mut root: Value = serde_json::from_str(SIGSTORE_PRODUCTION_TRUSTED_ROOT).unwrap();
        for entry in root[part].as_array_mut().unwrap() {
            let valid = match part {
                "certificateAuthorities" => &mut entry["validFor"],
                _ => &mut entry["publicKey"]["validFor"],
            };
            *valid = json!({ "start": "2021-03-07T03:20:29Z", "end": "2021-03-08T03:20:29Z" });
        }
        let trust = trust(IDENTITY, ISSUER, &root.to_string());
        assert!(examine(&about(FILE), &[bundle()], &trust).is_err(), "{part}");
    }
}

#[test]
fn a_bundle_that_was_changed_is_refused() {
    let trust = trust(IDENTITY, ISSUER, SIGSTORE_PRODUCTION_TRUSTED_ROOT);
    let cases: [Change; 5] = [
        &|bundle| {
            bundle["messageSignature"]["signature"] = json!(STANDARD.encode(p256().sign(FILE).unwrap()));
        },
        &|bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([]),
        &|bundle| {
            bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = json!("1600000000");
        },
        &|bundle| {
            bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"] = json!([]);
        },
        &|bundle| {
            bundle["verificationMaterial"] = json!({ "publicKey": { "hint": "" } });
        },
    ];
    for (number, change) in cases.iter().enumerate() {
        assert!(!holds(&about(FILE), &changed(&bundle(), change), &trust), "{number}");
    }
}

#[test]
fn a_key_is_no_certificate_and_a_certificate_no_key() {
    let key = p256();
    let wanted = trust(IDENTITY, ISSUER, SIGSTORE_PRODUCTION_TRUSTED_ROOT);
    for document in [
        sign_image(image(), &key).unwrap(),
        sign_image_simply("r.example/a", image(), &key).unwrap(),
        sign_beside(MODULE, &key).unwrap(),
    ] {
        let why = refused(&subject(), &[document], &wanted);
        assert!(why.contains("a certificate is wanted"), "{why}");
    }
    let signed = sign_module(MODULE, &ed25519()).unwrap();
    let why = refused(&about(&signed), &[], &wanted);
    assert!(why.contains("a certificate is wanted"), "{why}");
    let why = refused(&about(FILE), &[bundle()], &of(&key));
    assert!(why.contains("a key is wanted"), "{why}");
}

#[test]
fn an_attestation_of_something_else_is_no_signature() {
    let document = Document::new(
        Form::Bundle,
        include_bytes!("../vectors/attestation.sigstore.json")[..].into(),
    );
    let trust = trust(IDENTITY, ISSUER, SIGSTORE_PRODUCTION_TRUSTED_ROOT);
    let why = refused(&subject(), &[document], &trust);
    assert!(why.contains("something else than who signed"), "{why}");
}

#[test]
fn what_is_no_trusted_root_is_refused() {
    for text in ["", "{}x", "[]", "{\"mediaType\":\"x\"}"] {
        assert!(TrustedRoot::parse(text.as_bytes()).is_err(), "{text}");
    }
}
