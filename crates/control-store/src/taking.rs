//! What is taken of a store and what is not: bundles with their digests and signatures; pure.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plug_package::{Digest, Document, Form, PublicKey, Subject, Trust, examine};

use crate::layout::{SIGNATURE_BYTES_MAX, TEXT_BYTES_MAX};
use crate::revision::Revision;

/// A configuration out of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The configuration.
    pub text: String,
    /// Its revision.
    pub revision: Revision,
    /// What messages call it.
    pub origin: String,
    /// The folder from which its paths are meant.
    pub folder: PathBuf,
    /// What stands beside it, by name: `grants`.
    pub documents: BTreeMap<String, String>,
    /// Where the grants beside it stand, and as which change of the store where it counts them.
    pub grants_from: Option<String>,
}

impl Delivered {
    /// Whether another one says the same, whatever its number.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.revision == other.revision && self.documents == other.documents
    }
}

/// The text of these bytes.
pub(crate) fn text(key: &str, bytes: &[u8]) -> Result<String, String> {
    if bytes.len() > TEXT_BYTES_MAX {
        return Err(format!("`{key}` has {} bytes, more than {TEXT_BYTES_MAX}", bytes.len()));
    }
    String::from_utf8(bytes.to_vec()).map_err(|why| format!("`{key}` is not text: {why}"))
}

/// The text of a bundle whose digest is the one that was asked for.
pub(crate) fn bundle(key: &str, digest: Digest, bytes: Option<&[u8]>) -> Result<String, String> {
    let Some(bytes) = bytes else {
        return Err(format!("the bundle `{key}` is not there (yet)"));
    };
    let found = Digest::of(bytes);
    if found != digest {
        return Err(format!("the bundle `{key}` has another digest: `{found}`"));
    }
    text(key, bytes)
}

/// Lets a bundle through that this key signed.
pub(crate) fn signed(key: &str, text: &str, signature: Option<&[u8]>, by: &PublicKey) -> Result<(), String> {
    let Some(signature) = signature else {
        return Err(format!("the bundle is not signed: there is no `{key}`"));
    };
    if signature.len() > SIGNATURE_BYTES_MAX {
        return Err(format!("`{key}` has more than {SIGNATURE_BYTES_MAX} bytes"));
    }
    let subject = Subject {
        image: None,
        module: text.as_bytes(),
    };
    let form = match signature.first() {
        Some(b'{') => Form::Bundle,
        _ => Form::Raw,
    };
    let document = Document::new(form, signature.to_vec().into());
    examine(&subject, &[document], &Trust::Key(by.clone()))
        .map(|_| ())
        .map_err(|reasons| format!("the signature `{key}` does not hold: {}", reasons.join("; ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_bundle_is_what_its_digest_says_and_nothing_else() {
        let digest = Digest::of(b"routes: []");
        assert_eq!(bundle("k", digest, Some(b"routes: []")).unwrap(), "routes: []");
        let missing = bundle("k", digest, None).unwrap_err();
        assert!(missing.contains("not there"), "{missing}");
        let half = bundle("k", digest, Some(b"routes: [")).unwrap_err();
        assert!(half.contains("another digest"), "{half}");
        assert!(
            bundle("k", Digest::of(&[0xff]), Some(&[0xff]))
                .unwrap_err()
                .contains("not text")
        );
    }
}
