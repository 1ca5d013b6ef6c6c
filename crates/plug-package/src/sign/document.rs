//! Signatures as they were found, kept as bytes and judged again at each load.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::image::manifest;

/// LIMIT: bytes of one signature with all that comes with it.
pub const SIGNATURE_BYTES_MAX: u64 = 1024 * 1024;
/// LIMIT: signatures of one form that are looked at for one plugin.
pub const SIGNATURES_MAX: usize = 32;

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A Sigstore bundle.
    Bundle,
    /// cosign's older form: a payload, and its signature beside it.
    Simple,
    /// An envelope of DSSE that SM2 signed, which Sigstore has no word for.
    Envelope,
    /// The signature of a file's bytes, as `cosign sign-blob` and `openssl dgst` write it.
    Raw,
    /// Within the module, as the WebAssembly tool conventions have it.
    Module,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Bundle, Self::Simple, Self::Envelope, Self::Raw, Self::Module];

    /// Its name for people and programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Simple => "simple",
            Self::Envelope => "envelope",
            Self::Raw => "raw",
            Self::Module => "module",
        }
    }

    /// What it is called in a sentence.
    #[must_use]
    pub fn said(self) -> &'static str {
        match self {
            Self::Bundle => "Sigstore bundle",
            Self::Simple => "signature under cosign's tag",
            Self::Envelope => "SM2 envelope",
            Self::Raw => "signature beside the module",
            Self::Module => "signature within the module",
        }
    }
}

/// A signature as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// How it is written.
    pub form: Form,
    /// What was found.
    pub bytes: Bytes,
    /// What signs `bytes`, where that lies beside them.
    pub beside: Option<String>,
}

impl Document {
    /// A signature that needs nothing beside it.
    #[must_use]
    pub fn new(form: Form, bytes: Bytes) -> Self {
        Self {
            form,
            bytes,
            beside: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    form: Form,
    bytes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beside: Option<String>,
}

/// Documents as one blob of the store.
pub(crate) fn write(documents: &[Document]) -> Vec<u8> {
    let written = documents.iter().map(|document| Written {
        form: document.form,
        bytes: STANDARD.encode(&document.bytes),
        beside: document.beside.clone(),
    });
    manifest::write(&written.collect::<Vec<_>>())
}

/// The documents of a blob; none when it is no such blob.
pub(crate) fn read(blob: &[u8]) -> Option<Vec<Document>> {
    let written: Vec<Written> = serde_json::from_slice(blob).ok()?;
    let read = written.into_iter().map(|written| {
        Some(Document {
            form: written.form,
            bytes: STANDARD.decode(written.bytes).ok()?.into(),
            beside: written.beside,
        })
    });
    read.collect()
}
