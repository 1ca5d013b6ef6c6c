//! cosign's older form: a small payload that names the image (simple signing), signed beside it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::examine::Subject;
use super::key::PublicKey;
use super::statement::decoded;
use crate::digest::Digest;
use crate::image::manifest;

/// What the payload says that it is.
const KIND: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The payload about an image under this name.
pub(super) fn payload(name: &str, image: Digest) -> Vec<u8> {
    manifest::write(&json!({
        "critical": {
            "identity": { "docker-reference": name },
            "image": { "docker-manifest-digest": image.to_string() },
            "type": KIND,
        },
        "optional": Value::Null,
    }))
}

/// Whether this key signed this image.
pub(super) fn verify(
    bytes: &[u8],
    beside: Option<&str>,
    (subject, key): (&Subject<'_>, &PublicKey),
) -> Result<(), String> {
    let signature = beside.ok_or("it has no signature beside it")?;
    if !key.verifies(bytes, &decoded(signature)?) {
        return Err(String::from("it was made by another key, or over other bytes"));
    }
    let payload: Payload =
        serde_json::from_slice(bytes).map_err(|why| format!("its payload is not understood: {why}"))?;
    if payload.critical.kind != KIND {
        return Err(String::from("its payload is no signature of an image"));
    }
    let image = subject.image.ok_or("it is one of an image, and there is none")?;
    match payload.critical.image.docker_manifest_digest == image.to_string() {
        true => Ok(()),
        false => Err(String::from(
            "it is a signature of something else: it names another digest",
        )),
    }
}
