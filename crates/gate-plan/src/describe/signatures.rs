//! Signers as JSON: names of files and patterns, and nothing out of a file.

use plug_abi::Capability;
use serde_json::{Value, json};

use super::put;
use crate::plan::{Signatures, Signer, SignerIdentity};
use crate::word::ImagePattern;

pub(super) fn describe(signatures: &Signatures) -> Value {
    let signer = |signer: &Signer| {
        let by = match &signer.by {
            SignerIdentity::Key(file) => json!({ "key": file }),
            SignerIdentity::Keyless { identity, issuer } => {
                json!({ "keyless": { "identity": identity, "issuer": issuer } })
            }
        };
        let words = |words: &Vec<Capability>| words.iter().map(|word| word.word()).collect::<Vec<_>>();
        let texts = |images: &Vec<ImagePattern>| images.iter().map(|image| image.text().to_owned()).collect::<Vec<_>>();
        let mut value = json!({ "name": signer.name });
        put(&mut value, "by", by);
        put(
            &mut value,
            "capabilities",
            json!(signer.capabilities.as_ref().map(words)),
        );
        put(&mut value, "images", json!(signer.images.as_ref().map(texts)));
        value
    };
    json!({
        "mode": if signatures.enforced { "enforce" } else { "warn" },
        "trusted_root": signatures.trusted_root,
        "signers": signatures.signers.iter().map(signer).collect::<Vec<_>>(),
    })
}
