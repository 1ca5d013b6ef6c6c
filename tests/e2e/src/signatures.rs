//! `cofferdam plugin sign` and `verify`, and a gateway that lets nobody's plugin run but those of signers it knows: beside OpenSSL and
//! Sigstore's own libraries, with a real registry.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::backend::{Backend, Reply, Speaks, Step};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::process::DEADLINE;
use testkit::registry::{Registry, openssl, oras, registry, sigstore_js};

use crate::packages::Desk;
use crate::setting::{Ended, complete, finish, golden};

/// Verifies a bundle with a key: BUNDLE KEY [FILE].
const VERIFY: &str = "
const fs = require('fs'), crypto = require('crypto');
const { bundleFromJSON } = require('@sigstore/bundle');
const { toSignedEntity, toTrustMaterial, Verifier } = require('@sigstore/verify');
const [bundle, key, file] = process.argv.slice(1).filter((word) => word !== '--');
const content = bundleFromJSON(JSON.parse(fs.readFileSync(bundle)));
const root = { tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] };
const publicKey = crypto.createPublicKey(fs.readFileSync(key));
const trust = toTrustMaterial(root, () => ({ publicKey, validFor: () => true }));
const none = { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0, timestampThreshold: 0 };
new Verifier(trust, none).verify(toSignedEntity(content, file && fs.readFileSync(file)));
console.log('verified');
";

/// Signs a statement about a digest: KEY DIGEST PREDICATE OUT.
const SIGN: &str = "
const fs = require('fs'), crypto = require('crypto');
const { DSSEBundleBuilder } = require('@sigstore/sign');
const { bundleToJSON } = require('@sigstore/bundle');
const [key, sha256, predicateType, out] = process.argv.slice(1).filter((word) => word !== '--');
const privateKey = crypto.createPrivateKey(fs.readFileSync(key));
const publicKey = crypto.createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
const sign = async (data) => ({
  signature: crypto.sign('sha256', data, privateKey),
  key: { $case: 'publicKey', hint: 'hint', publicKey },
});
const statement = {
  _type: 'https://in-toto.io/Statement/v1', subject: [{ name: 'plugin', digest: { sha256 } }], predicateType, predicate: {},
};
new DSSEBundleBuilder({ signer: { sign }, witnesses: [] })
  .create({ data: Buffer.from(JSON.stringify(statement)), type: 'application/vnd.in-toto+json' })
  .then((bundle) => fs.writeFileSync(out, JSON.stringify(bundleToJSON(bundle))));
";

/// A desk with keys on it: `NAME.key` and `NAME.pub`.
fn desk(keys: &[(&str, &[&str])]) -> Result<Desk> {
    let desk = Desk::new()?;
    for (name, words) in keys {
        let (key, public) = (format!("{name}.key"), format!("{name}.pub"));
        openssl(&[&["genpkey"], *words, &["-out", &key]].concat(), desk.folder.path())?;
        openssl(&["pkey", "-in", &key, "-pubout", "-out", &public], desk.folder.path())?;
    }
    Ok(desk)
}

const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const ED25519: &[&str] = &["-algorithm", "ed25519"];

/// Pushes the module; gives the name and the digest of its image.
async fn pushed(desk: &Desk, registry: &Registry, image: &str) -> Result<(String, String)> {
    let name = registry.name(image);
    let told = desk.told(&["push", "hello.wasm", &name]).await?;
    let digest = told["digest"].as_str().context("no digest")?.to_owned();
    Ok((name, digest))
}

/// Whether somebody's key verifies it; what was said.
async fn verified(desk: &Desk, what: &str, key: &str) -> Result<(bool, Value)> {
    let ended = desk.plugin(&["verify", what, "--key", key, "--format", "json"]).await?;
    ensure!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    let told: Value = serde_json::from_str(&ended.out).with_context(|| format!("{ended:?}"))?;
    ensure!(told["verified"] == json!(ended.code == Some(0)), "{told}");
    Ok((ended.code == Some(0), told))
}

#[tokio::test]
async fn an_image_is_signed_in_a_registry_and_verified_by_us_and_by_sigstore() -> Result<()> {
    let desk = desk(&[("ours", P256), ("theirs", P256), ("edwards", ED25519)])?;
    let registry = registry(None).await?;
    let (name, digest) = pushed(&desk, &registry, "team/hello:1").await?;
    let (good, told) = verified(&desk, &name, "ours.pub").await?;
    assert!(!good && told["signers"][0]["reasons"] == json!([]), "{told}");
    for key in ["ours.key", "edwards.key"] {
        let signed = desk.told(&["sign", &name, "--key", key]).await?;
        assert_eq!((&signed["digest"], &signed["form"]), (&json!(digest), &json!("bundle")));
    }
    for (key, wanted) in [("ours.pub", true), ("edwards.pub", true), ("theirs.pub", false)] {
        let (good, told) = verified(&desk, &name, key).await?;
        assert_eq!(good, wanted, "{told}");
    }
    // What lies in the registry, as others pull it.
    let pulled = desk.told(&["pull", &name, "--attached", "attached"]).await?;
    let attached = pulled["attached"].as_array().context("nothing is attached")?;
    assert_eq!(attached.len(), 2, "{attached:?}");
    let mut by_key = Vec::new();
    for attachment in attached {
        assert_eq!(attachment["kind"], "application/vnd.dev.sigstore.bundle.v0.3+json");
        let file = attachment["file"].as_str().context("no file")?;
        let holds = |key: &str| sigstore_js(VERIFY, &[file, key], desk.folder.path()).is_ok();
        assert!(!holds("theirs.pub"));
        by_key.push((holds("ours.pub"), holds("edwards.pub")));
    }
    by_key.sort_unstable();
    assert_eq!(by_key, [(false, true), (true, false)]);
    Ok(())
}

#[tokio::test]
async fn an_image_is_signed_as_cosign_did_before_and_openssl_verifies_it() -> Result<()> {
    let desk = desk(&[("ours", P256), ("theirs", P256)])?;
    let registry = registry(None).await?;
    let (name, digest) = pushed(&desk, &registry, "team/hello:1").await?;
    for key in ["theirs.key", "ours.key"] {
        let signed = desk.told(&["sign", &name, "--key", key, "--legacy"]).await?;
        assert_eq!(signed["form"], "simple");
    }
    for key in ["ours.pub", "theirs.pub"] {
        assert!(verified(&desk, &name, key).await?.0, "{key}");
    }
    let tag = format!("{}.sig", digest.replace(':', "-"));
    let script = format!(
        "import oras.provider, json\nprint(json.dumps(oras.provider.Registry(insecure=True).get_manifest('{}')))",
        registry.name(&format!("team/hello:{tag}"))
    );
    let manifest: Value = serde_json::from_str(oras(&script, desk.folder.path())?.trim())?;
    let layers = manifest["layers"].as_array().context("no layers")?;
    assert_eq!(layers.len(), 2);
    let layer = &layers[1];
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    let hex = layer["digest"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("sha256:");
    fs::copy(registry.blob(hex), desk.path("payload.json"))?;
    let payload: Value = serde_json::from_slice(&fs::read(desk.path("payload.json"))?)?;
    assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], json!(digest));
    let signature = layer["annotations"]["dev.cosignproject.cosign/signature"].as_str();
    fs::write(desk.path("payload.b64"), signature.context("no signature")?)?;
    let folder = desk.folder.path();
    openssl(
        &["base64", "-d", "-A", "-in", "payload.b64", "-out", "payload.sig"],
        folder,
    )?;
    let verify = |key| {
        openssl(
            &[
                "dgst",
                "-sha256",
                "-verify",
                key,
                "-signature",
                "payload.sig",
                "payload.json",
            ],
            folder,
        )
    };
    verify("ours.pub")?;
    assert!(verify("theirs.pub").is_err());
    Ok(())
}

#[tokio::test]
async fn what_sigstores_library_signed_is_verified_when_it_says_so() -> Result<()> {
    let desk = desk(&[("ours", P256)])?;
    let registry = registry(None).await?;
    for (number, predicate, of_it, wanted) in [
        (1, "https://sigstore.dev/cosign/sign/v1", true, true),
        (2, "https://slsa.dev/provenance/v1", true, true),
        (3, "https://slsa.dev/provenance/v1", false, false),
        (4, "https://spdx.dev/Document", true, false),
    ] {
        let (name, digest) = pushed(&desk, &registry, &format!("team/hello{number}:1")).await?;
        let hex = if of_it {
            digest.trim_start_matches("sha256:")
        } else {
            "00"
        };
        sigstore_js(SIGN, &["ours.key", hex, predicate, "bundle.json"], desk.folder.path())?;
        desk.told(&["push", "hello.wasm", &name, "--provenance", "bundle.json"])
            .await?;
        let (good, told) = verified(&desk, &name, "ours.pub").await?;
        assert_eq!(good, wanted, "{predicate}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_module_is_signed_within_and_beside() -> Result<()> {
    let desk = desk(&[("ours", P256), ("edwards", ED25519)])?;
    let folder = desk.folder.path();
    fs::copy(&desk.module, desk.path("within.wasm"))?;
    desk.told(&["sign", "within.wasm", "--key", "edwards.key"]).await?;
    assert_eq!(
        verified(&desk, "within.wasm", "edwards.pub").await?.1["signers"][0]["form"],
        "module"
    );
    assert!(!verified(&desk, "within.wasm", "ours.pub").await?.0);
    desk.told(&["inspect", "within.wasm"]).await?;
    let mut longer = fs::read(desk.path("within.wasm"))?;
    longer.extend(b"\0\x05\x04more");
    fs::write(desk.path("longer.wasm"), longer)?;
    let (good, told) = verified(&desk, "longer.wasm", "edwards.pub").await?;
    assert!(!good && told.to_string().contains("covers only a part"), "{told}");
    // Beside it, as `cosign sign-blob` writes it.
    desk.told(&["sign", "hello.wasm", "--key", "ours.key", "--detached"])
        .await?;
    assert!(verified(&desk, "hello.wasm", "ours.pub").await?.0);
    let words = ["hello.wasm.sigstore.json", "ours.pub", "hello.wasm"];
    sigstore_js(VERIFY, &words, folder)?;
    fs::remove_file(desk.path("hello.wasm.sigstore.json"))?;
    assert!(!verified(&desk, "hello.wasm", "ours.pub").await?.0);
    // And as OpenSSL writes it.
    let words = [
        "dgst",
        "-sha256",
        "-sign",
        "ours.key",
        "-out",
        "hello.wasm.sig",
        "hello.wasm",
    ];
    openssl(&words, folder)?;
    assert_eq!(
        verified(&desk, "hello.wasm", "ours.pub").await?.1["signers"][0]["form"],
        "raw"
    );
    Ok(())
}

/// What `check` says of plugins and signatures.
async fn check(desk: &Desk, source: Value, signatures: Value) -> Result<Ended> {
    let file = desk.path("gateway.yaml");
    fs::write(&file, configuration(desk, source, signatures))?;
    let mut command = Command::new(place::cofferdam().await?);
    command.env("DOCKER_CONFIG", desk.folder.path());
    finish(command.arg("check").arg(&file), desk.folder.path()).await
}

fn configuration(desk: &Desk, source: Value, signatures: Value) -> String {
    let whole = complete(json!({
        "cache_dir": desk.path("cache"),
        "signatures": signatures,
        "plugins": [{"name": "hello", "source": source}],
        "routes": [{"name": "r", "echo": true, "plugins": ["hello"]}],
    }));
    whole.to_string()
}

fn signer(desk: &Desk, name: &str) -> Value {
    json!({"name": name, "key": desk.path(&format!("{name}.pub"))})
}

async fn greets(gateway: &Gateway) -> Result<()> {
    let answer = send(gateway.listener("web")?, Version::Http1, &Request::get("/")).await?;
    ensure!(answer.text().contains("x-hello"), "{}", answer.text());
    Ok(())
}

/// A desk with a gateway's plugin in a registry, and what was said of it so far.
struct Trial {
    desk: Desk,
    registry: Registry,
    said: String,
}

impl Trial {
    /// What `check` says, as a person reads it.
    async fn note(&mut self, what: &str, source: &Value, signatures: Value) -> Result<()> {
        let ended = check(&self.desk, source.clone(), signatures).await?;
        let lines = ended
            .err
            .lines()
            .filter(|line| line.contains("error") || line.contains("warning"));
        let text: String = lines
            .map(|line| format!("{}\n", line.replace(&self.registry.name(""), "REGISTRY/")))
            .collect();
        self.said += &format!("== {what}\nexit {}\n{text}", ended.code.unwrap_or(-1));
        Ok(())
    }

    /// A policy with one signer, of whom more is said.
    fn with(&self, name: &str, more: Value) -> Value {
        let mut signer = signer(&self.desk, name);
        if let Some(signer) = signer.as_object_mut() {
            signer.extend(more.as_object().cloned().unwrap_or_default());
        }
        json!({"signers": [signer]})
    }
}

#[tokio::test]
async fn a_gateway_lets_only_signed_plugins_run_and_says_why() -> Result<()> {
    let (desk, registry) = (desk(&[("ours", P256), ("theirs", P256)])?, registry(None).await?);
    let (name, _) = pushed(&desk, &registry, "team/hello:1").await?;
    let (source, file) = (json!({"oci": name}), json!({"file": desk.module}));
    let mut trial = Trial {
        desk,
        registry,
        said: String::new(),
    };
    let both = json!({"signers": [signer(&trial.desk, "ours"), signer(&trial.desk, "theirs")]});
    let warn = json!({"mode": "warn", "signers": [signer(&trial.desk, "ours")]});
    let ours = |trial: &Trial, more: Value| trial.with("ours", more);
    let elsewhere = json!({"images": ["registry.example.com/team/*"]});
    trial.note("not signed", &source, both.clone()).await?;
    trial.note("not signed, and nobody minds", &source, warn).await?;
    for more in [&["--key", "theirs.key"][..], &["--key", "theirs.key", "--legacy"]] {
        trial.desk.told(&[&["sign", &name], more].concat()).await?;
    }
    let policy = ours(&trial, json!({}));
    trial.note("signed by a stranger", &source, policy.clone()).await?;
    trial.desk.told(&["sign", &name, "--key", "ours.key"]).await?;
    trial.note("signed", &source, policy).await?;
    let policy = ours(&trial, json!({"capabilities": ["log", "clock"]}));
    trial.note("more than the signer may give", &source, policy).await?;
    let policy = ours(&trial, elsewhere);
    trial.note("another team's image", &source, policy.clone()).await?;
    trial.note("a file, where images are meant", &file, policy).await?;
    trial.note("a file that nobody signed", &file, both).await?;
    let policy = json!({"signers": [{"name": "ours", "key": trial.desk.path("ours.key")}]});
    trial.note("a key that is none", &source, policy).await?;
    golden().expect("signatures.txt", &text_without_fingerprints(&trial.said))
}

/// Keys are new in each run.
#[tokio::test]
async fn an_audit_takes_a_signer_that_is_not_verified_for_none() -> Result<()> {
    let desk = desk(&[("ours", ED25519)])?;
    fs::copy(&desk.module, desk.path("within.wasm"))?;
    let audited = async |mode: &str| -> Result<Ended> {
        let signatures = json!({"mode": mode, "signers": [signer(&desk, "ours")]});
        let mut whole: Value = serde_json::from_str(&configuration(
            &desk,
            json!({"file": desk.path("within.wasm")}),
            signatures,
        ))?;
        whole["audit"] = json!({"signers": ["ours"]});
        let file = desk.path("gateway.yaml");
        fs::write(&file, whole.to_string())?;
        let mut command = Command::new(place::cofferdam().await?);
        finish(command.arg("check").arg(&file), desk.folder.path()).await
    };
    let refused = audited("warn").await?;
    ensure!(
        refused.code == Some(1) && refused.err.contains("one of ours has to have signed it"),
        "{refused:?}"
    );
    desk.told(&["sign", "within.wasm", "--key", "ours.key"]).await?;
    let passed = audited("warn").await?;
    ensure!(passed.code == Some(0), "{passed:?}");
    Ok(())
}

fn text_without_fingerprints(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive([' ', '\n', '"']) {
        let digest = word.find("sha256:").filter(|at| word.len() >= at + 71);
        words.push(digest.map_or(word.to_owned(), |at| {
            format!("{}sha256:…{}", &word[..at], &word[at + 71..])
        }));
    }
    words.concat()
}

#[tokio::test]
async fn a_signature_outlives_its_registry_and_a_reload_without_one_changes_nothing() -> Result<()> {
    let desk = desk(&[("ours", P256), ("theirs", P256)])?;
    let registry = registry(None).await?;
    let (name, digest) = pushed(&desk, &registry, "team/hello:1").await?;
    desk.told(&["sign", &name, "--key", "ours.key"]).await?;
    let (source, ours) = (
        json!({"oci": name, "digest": digest}),
        json!({"signers": [signer(&desk, "ours")]}),
    );
    let start = async || {
        Gateway::start_with(&configuration(&desk, source.clone(), ours.clone()), |command| {
            command.env("DOCKER_CONFIG", desk.folder.path());
        })
        .await
    };
    let gateway = start().await?;
    greets(&gateway).await?;
    drop(gateway);
    drop(registry);
    let gateway = start().await?;
    greets(&gateway).await?;
    let lines = gateway.process.lines_from(0);
    assert!(
        lines
            .iter()
            .any(|line| line.text.contains("plugin signed plugin=hello signer=ours form=bundle"))
    );
    // The key that verified it is another now.
    fs::copy(desk.path("theirs.pub"), desk.path("ours.pub"))?;
    let before = gateway.process.line_count();
    gateway.process.signal(Signal::HUP)?;
    let applied = "configuration applied";
    gateway
        .process
        .wait_for_line(before, DEADLINE, |line| {
            line.text.contains(applied) && line.text.contains("refused_plugins=1")
        })
        .await?;
    gateway
        .process
        .wait_for_line(before, DEADLINE, |line| line.text.contains("made by another key"))
        .await?;
    greets(&gateway).await
}

#[tokio::test]
async fn signatures_beside_files_and_urls_count_too() -> Result<()> {
    let desk = desk(&[("ours", P256), ("theirs", P256)])?;
    let ours = json!({"signers": [signer(&desk, "ours")]});
    desk.told(&["sign", "hello.wasm", "--key", "ours.key", "--detached"])
        .await?;
    let ended = check(&desk, json!({"file": desk.module}), ours.clone()).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let server = Backend::start("server", Speaks::Http1)?;
    let serve = |path: &str, bytes: Vec<u8>| {
        let head = Step::Head(200, vec![(String::from("content-length"), bytes.len().to_string())]);
        server.reply(path, Reply::of(vec![head, Step::Data(bytes.into())]));
    };
    let missing = || {
        Reply::of(vec![Step::Head(
            404,
            vec![(String::from("content-length"), String::from("0"))],
        )])
    };
    serve("/hello.wasm", fs::read(&desk.module)?);
    server.reply("/hello.wasm.sigstore.json", missing());
    server.reply("/hello.wasm.sig", missing());
    let source = json!({"http": format!("http://{}/hello.wasm", server.address)});
    let ended = check(&desk, source.clone(), ours.clone()).await?;
    ensure!(
        ended.code == Some(1) && ended.err.contains("no signature of `ours` was found"),
        "{ended:?}"
    );
    serve(
        "/hello.wasm.sigstore.json",
        fs::read(desk.path("hello.wasm.sigstore.json"))?,
    );
    let ended = check(&desk, source.clone(), ours).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    let ended = check(&desk, source, json!({"signers": [signer(&desk, "theirs")]})).await?;
    ensure!(ended.code == Some(1), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn sm2_is_signed_as_openssl_does() -> Result<()> {
    let desk = desk(&[("sm", &["-algorithm", "SM2"]), ("other", &["-algorithm", "SM2"])])?;
    let registry = registry(None).await?;
    let (name, _) = pushed(&desk, &registry, "team/hello:1").await?;
    let signed = desk.told(&["sign", &name, "--key", "sm.key"]).await?;
    assert_eq!(signed["form"], "envelope");
    assert!(verified(&desk, &name, "sm.pub").await?.0);
    assert!(!verified(&desk, &name, "other.pub").await?.0);
    let source = json!({"oci": name});
    let policy = json!({"signers": [signer(&desk, "sm")]});
    let ended = check(&desk, source, policy).await?;
    ensure!(ended.code == Some(0), "{ended:?}");
    // Beside a file, both ways.
    let folder = desk.folder.path();
    desk.told(&["sign", "hello.wasm", "--key", "sm.key", "--detached"])
        .await?;
    assert!(verified(&desk, "hello.wasm", "sm.pub").await?.0);
    let decode = ["base64", "-d", "-A", "-in", "hello.wasm.sig", "-out", "raw.sig"];
    openssl(&decode, folder)?;
    let identifier = ["-sigopt", "distid:1234567812345678"];
    let verify = ["dgst", "-sm3", "-verify", "sm.pub", "-signature", "raw.sig"];
    openssl(&[&verify[..], &identifier, &["hello.wasm"]].concat(), folder)?;
    let sign = ["dgst", "-sm3", "-sign", "other.key", "-out", "hello.wasm.sig"];
    openssl(&[&sign[..], &identifier, &["hello.wasm"]].concat(), folder)?;
    assert!(verified(&desk, "hello.wasm", "other.pub").await?.0);
    assert!(!verified(&desk, "hello.wasm", "sm.pub").await?.0);
    Ok(())
}

#[tokio::test]
async fn what_cosign_signed_without_a_key_is_verified() -> Result<()> {
    let desk = desk(&[])?;
    let vectors = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/plug-package/src/sign/vectors"
    );
    for (from, to) in [
        ("cosign-keyless.txt", "file.wasm"),
        ("cosign-keyless.sigstore.json", "file.wasm.sigstore.json"),
        ("trusted_root.json", "trusted_root.json"),
    ] {
        fs::copy(format!("{vectors}/{from}"), desk.path(to))?;
    }
    let verify = async |identity: &str, issuer: &str| {
        let who = ["--certificate-identity", identity, "--certificate-oidc-issuer", issuer];
        let words = [
            &["verify", "file.wasm", "--trusted-root", "trusted_root.json"],
            &who[..],
        ]
        .concat();
        desk.plugin(&words).await
    };
    let (identity, issuer) = ("w.vollprecht@gmail.com", "https://github.com/login/oauth");
    let ended = verify(identity, issuer).await?;
    ensure!(
        ended.code == Some(0) && ended.out.contains("for whom https://github.com/login/oauth vouches"),
        "{ended:?}"
    );
    for (identity, issuer) in [
        ("somebody@gmail.com", issuer),
        (identity, "https://accounts.google.com"),
    ] {
        let ended = verify(identity, issuer).await?;
        ensure!(ended.code == Some(1), "{ended:?}");
    }
    let mut bytes = fs::read(desk.path("file.wasm"))?;
    bytes.push(b'!');
    fs::write(desk.path("file.wasm"), bytes)?;
    ensure!(verify(identity, issuer).await?.code == Some(1), "a changed file");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_asked_is_usage_and_what_a_policy_says_is_what_a_gateway_says() -> Result<()> {
    let desk = desk(&[("ours", P256), ("edwards", ED25519)])?;
    for words in [
        &["verify", "hello.wasm"][..],
        &["verify", "hello.wasm", "--key", "missing.pub"],
        &["verify", "hello.wasm", "--key", "ours.key"],
        &["verify", "hello.wasm", "--certificate-identity", "a@b"],
        &["verify", "hello.wasm", "--policy", "missing.yaml"],
    ] {
        let ended = desk.plugin(words).await?;
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
    }
    desk.told(&["sign", "hello.wasm", "--key", "edwards.key"]).await?;
    let signers = json!({"signers": [
        {"name": "ours", "key": "ours.pub"},
        {"name": "partner", "key": "edwards.pub", "capabilities": ["log"]},
    ]});
    fs::write(
        desk.path("gateway.yaml"),
        configuration(&desk, json!({"file": "hello.wasm"}), signers),
    )?;
    let ended = desk
        .plugin(&["verify", "hello.wasm", "--policy", "gateway.yaml", "--format", "json"])
        .await?;
    let told: Value = serde_json::from_str(&ended.out)?;
    assert_eq!((ended.code, &told["verified"]), (Some(1), &json!(false)));
    assert_eq!(
        told["signers"][0]["reasons"].as_array().map(Vec::len),
        Some(1),
        "{told}"
    );
    let beyond = told["signers"][1]["beyond"].as_array().context("nothing is beyond")?;
    assert!(beyond.contains(&json!("headers")), "{told}");
    let mut said = String::new();
    for whose in [
        ["--key", "edwards.pub"],
        ["--key", "ours.pub"],
        ["--policy", "gateway.yaml"],
    ] {
        let ended = desk.plugin(&[&["verify", "hello.wasm"], &whose[..]].concat()).await?;
        said += &format!(
            "== {}\nexit {}\n{}",
            whose.join(" "),
            ended.code.unwrap_or(-1),
            ended.out
        );
    }
    golden().expect("signatures_verify.txt", &text_without_fingerprints(&said))
}
