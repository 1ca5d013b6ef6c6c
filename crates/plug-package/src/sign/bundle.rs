//! Sigstore bundles that a key signed: read and written as cosign 3 does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::examine::Subject;
use super::key::PublicKey;
use super::statement::{self, Envelope, decoded, shortened};
use crate::digest::Digest;
use crate::image::manifest;

/// The version that is written.
pub(crate) const WRITTEN: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Versions that are read.
const READ: [&str; 5] = [
    WRITTEN,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.3.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

/// Entries of a log are left aside: who has the key needs nobody to say when it signed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: Option<MessageDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

/// Whether a bundle was signed by a key and not with a certificate, and in which way.
fn read(bytes: &[u8]) -> Result<Bundle, String> {
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|why| format!("it is not understood: {why}"))?;
    if !READ.contains(&bundle.media_type.as_str()) {
        return Err(format!("it is no bundle but `{}`", shortened(&bundle.media_type)));
    }
    Ok(bundle)
}

/// Whether this key signed this plugin.
pub(super) fn verify(bytes: &[u8], subject: &Subject<'_>, key: &PublicKey) -> Result<(), String> {
    let bundle = read(bytes)?;
    if bundle.verification_material.public_key.is_none() {
        return Err(String::from("it was made with a certificate, and a key is wanted"));
    }
    match (bundle.dsse_envelope, bundle.message_signature) {
        (Some(envelope), None) => {
            let payload = envelope.open(|message, signature| key.verifies(message, signature))?;
            statement::claims(&payload, &subject.digests())
        }
        (None, Some(signature)) => message(&signature, subject.module, key),
        _ => Err(String::from("it has not exactly one content")),
    }
}

/// What a bundle with a certificate claims; the certificate itself is judged elsewhere.
pub(super) fn claims(bytes: &[u8], subject: &Subject<'_>) -> Result<Claimed, String> {
    let bundle = read(bytes)?;
    if bundle.verification_material.public_key.is_some() {
        return Err(String::from("a key made it, and a certificate is wanted"));
    }
    let Some(envelope) = bundle.dsse_envelope else {
        return Ok(Claimed::Module);
    };
    let payload = envelope.payload()?;
    statement::claims(&payload, &subject.digests())?;
    // The digest that is held against the statement must be one that it names.
    let image = subject
        .image
        .filter(|image| statement::claims(&payload, &[*image]).is_ok());
    Ok(image.map_or(Claimed::Module, Claimed::Image))
}

/// Of what a bundle speaks.
pub(super) enum Claimed {
    Image(Digest),
    Module,
}

fn message(written: &MessageSignature, module: &[u8], key: &PublicKey) -> Result<(), String> {
    if let Some(digest) = &written.message_digest {
        let is_ours = STANDARD.encode(Digest::of(module).bytes()) == digest.digest;
        if digest.algorithm == "SHA2_256" && !is_ours {
            return Err(String::from(
                "it is a signature of something else: it names another digest",
            ));
        }
    }
    match key.verifies(module, &decoded(&written.signature)?) {
        true => Ok(()),
        false => Err(String::from("it was made by another key, or over other bytes")),
    }
}

/// A bundle with an envelope.
pub(super) fn of_envelope(envelope: &Envelope, key: &PublicKey) -> Vec<u8> {
    manifest::write(&json!({
        "mediaType": WRITTEN,
        "verificationMaterial": { "publicKey": { "hint": hint(key) } },
        "dsseEnvelope": envelope,
    }))
}

/// A bundle with the signature of a file's bytes.
pub(super) fn of_message(module: &[u8], signature: &[u8], key: &PublicKey) -> Vec<u8> {
    manifest::write(&json!({
        "mediaType": WRITTEN,
        "verificationMaterial": { "publicKey": { "hint": hint(key) } },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(Digest::of(module).bytes()) },
            "signature": STANDARD.encode(signature),
        },
    }))
}

fn hint(key: &PublicKey) -> String {
    STANDARD.encode(key.fingerprint().bytes())
}
