//! Signatures, made: of images for registries, and of modules, within them or beside.

use bytes::Bytes;

use super::examine::Subject;
use super::key::{Algorithm, PrivateKey, PublicKey};
use super::statement::{self, Envelope};
use super::{bundle, module, simple};
use crate::digest::Digest;
use crate::fault::{PackageFault, Result};
use crate::image::manifest;
use crate::sign::document::{Document, Form};

/// A statement about an image, as cosign 3 signs it; for SM2 in an envelope of its own.
///
/// # Errors
/// When the key cannot sign.
pub fn sign_image(image: Digest, key: &PrivateKey) -> Result<Document> {
    let envelope = statement::envelope(&statement::about(image), |bytes| key.sign(bytes), keyid(key))?;
    Ok(match key.public().algorithm() {
        Algorithm::Sm2 => Document::new(Form::Envelope, manifest::write(&envelope).into()),
        _ => Document::new(Form::Bundle, bundle::of_envelope(&envelope, key.public()).into()),
    })
}

/// The older form, which cosign reads before its third version.
///
/// # Errors
/// When the key cannot sign, or is one of SM2, which cosign does not know.
pub fn sign_image_simply(name: &str, image: Digest, key: &PrivateKey) -> Result<Document> {
    if key.public().algorithm() == Algorithm::Sm2 {
        return Err(PackageFault::Signature(String::from(
            "cosign's older form knows no SM2; hint: leave `--legacy` out",
        )));
    }
    let payload = simple::payload(name, image);
    let signature = key.sign(&payload)?;
    Ok(Document {
        form: Form::Simple,
        beside: Some(statement::encode(&signature)),
        bytes: payload.into(),
    })
}

/// The module with a signature in front of its sections.
///
/// # Errors
/// When the key is none of Ed25519, or the module is broken.
pub fn sign_module(module: &[u8], key: &PrivateKey) -> Result<Vec<u8>> {
    module::sign(module, key)
}

/// A signature that lies beside a module: a Sigstore bundle, and for SM2 the signature alone.
///
/// # Errors
/// When the key cannot sign.
pub fn sign_beside(module: &[u8], key: &PrivateKey) -> Result<Document> {
    let signature = key.sign(module)?;
    Ok(match key.public().algorithm() {
        Algorithm::Sm2 => Document::new(Form::Raw, Bytes::from(statement::encode(&signature))),
        _ => Document::new(
            Form::Bundle,
            bundle::of_message(module, &signature, key.public()).into(),
        ),
    })
}

/// Whether this key signed this plugin in an envelope of its own.
pub(super) fn verify_envelope(bytes: &[u8], subject: &Subject<'_>, key: &PublicKey) -> std::result::Result<(), String> {
    if key.algorithm() != Algorithm::Sm2 {
        return Err(format!(
            "it is one of SM2, and the key is one of {}",
            key.algorithm().word()
        ));
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|why| format!("it is not understood: {why}"))?;
    let payload = envelope.open(|message, signature| key.verifies(message, signature))?;
    statement::claims(&payload, &subject.digests())
}

fn keyid(key: &PrivateKey) -> String {
    match key.public().algorithm() {
        Algorithm::Sm2 => key.public().fingerprint().to_string(),
        // cosign leaves it empty.
        _ => String::new(),
    }
}
