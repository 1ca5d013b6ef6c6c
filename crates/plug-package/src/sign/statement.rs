//! What is signed: an in-toto statement about a digest, in the envelope of DSSE, as cosign 3 writes both.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::digest::Digest;
use crate::image::manifest;

/// Says no more than that somebody signed.
pub(crate) const COSIGN_SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// Statements that mean "this is mine". A bill of materials or a scan says something about a plugin, and may say that it is bad.
const SIGNING: [&str; 3] = [
    COSIGN_SIGN,
    "https://slsa.dev/provenance/v1",
    "https://slsa.dev/provenance/v0.2",
];
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];
/// The type of what lies in the envelope.
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// LIMIT: things that one statement speaks of.
const SUBJECTS_MAX: usize = 1_000;

/// An envelope of DSSE.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    pub(crate) payload: String,
    pub(crate) payload_type: String,
    pub(crate) signatures: Vec<Signature>,
}

/// A signature in an envelope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) sig: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) keyid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    sha256: Option<String>,
}

/// The statement that an image or module is the signer's.
pub(super) fn about(digest: Digest) -> Vec<u8> {
    manifest::write(&json!({
        "_type": STATEMENTS.first(),
        "subject": [{ "name": "", "digest": { "sha256": digest.hex() } }],
        "predicateType": COSIGN_SIGN,
        "predicate": {},
    }))
}

/// An envelope around a statement; `sign` gets the bytes that are signed.
pub(super) fn envelope<E>(
    statement: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    keyid: String,
) -> Result<Envelope, E> {
    Ok(Envelope {
        payload: STANDARD.encode(statement),
        payload_type: IN_TOTO.to_owned(),
        signatures: vec![Signature {
            sig: STANDARD.encode(sign(&encoded(IN_TOTO, statement))?),
            keyid,
        }],
    })
}

/// What DSSE signs: type and payload, each with its length, so that neither can be taken for the other.
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Reads the statement once `verifies` has said yes to the bytes and their one signature.
    pub(super) fn open(&self, verifies: impl FnOnce(&[u8], &[u8]) -> bool) -> Result<Vec<u8>, String> {
        let [signature] = self.signatures.as_slice() else {
            return Err(format!(
                "its envelope has {} signatures, not one",
                self.signatures.len()
            ));
        };
        if self.payload_type != IN_TOTO {
            return Err(String::from("its envelope holds no in-toto statement"));
        }
        let payload = decoded(&self.payload)?;
        if !verifies(&encoded(&self.payload_type, &payload), &decoded(&signature.sig)?) {
            return Err(String::from("it was made by another key, or over other bytes"));
        }
        Ok(payload)
    }

    /// The statement, whoever signed it.
    pub(super) fn payload(&self) -> Result<Vec<u8>, String> {
        decoded(&self.payload)
    }
}

/// Whether a statement says that one of these digests is the signer's.
pub(super) fn claims(payload: &[u8], digests: &[Digest]) -> Result<(), String> {
    let statement: Statement =
        serde_json::from_slice(payload).map_err(|why| format!("its statement is not understood: {why}"))?;
    if !STATEMENTS.contains(&statement.kind.as_str()) {
        return Err(String::from("it holds a statement of an unknown version"));
    }
    if !SIGNING.contains(&statement.predicate_type.as_str()) {
        return Err(format!(
            "it says something else than who signed: `{}`",
            shortened(&statement.predicate_type)
        ));
    }
    if statement.subject.len() > SUBJECTS_MAX {
        return Err(format!("it speaks of more than {SUBJECTS_MAX} things"));
    }
    let wanted: Vec<String> = digests.iter().map(Digest::hex).collect();
    let named = statement
        .subject
        .iter()
        .filter_map(|subject| subject.digest.sha256.as_ref());
    match named.into_iter().any(|named| wanted.contains(named)) {
        true => Ok(()),
        false => Err(String::from(
            "it is a signature of something else: it names another digest",
        )),
    }
}

pub(super) fn decoded(text: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(text.trim())
        .map_err(|why| format!("it is not in base64: {why}"))
}

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A text out of a signature, fit for a line.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}
