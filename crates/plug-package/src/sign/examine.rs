//! Who signed a plugin: each signature that was found, held against one key or identity.

use super::document::{Document, Form, SIGNATURE_BYTES_MAX};
use super::key::PublicKey;
use super::keyless::{self, Keyless};
use super::{bundle, module, simple};
use crate::digest::Digest;

/// LIMIT: characters of a reason.
const REASON_CHARS_MAX: usize = 300;

/// What signatures are about: an image, where it came in one, and the module that runs.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The digest of the image's manifest.
    pub image: Option<Digest>,
    /// The module's bytes.
    pub module: &'a [u8],
}

impl Subject<'_> {
    /// Digests by which a signature may name it.
    pub(super) fn digests(&self) -> Vec<Digest> {
        [Digest::of(self.module)].into_iter().chain(self.image).collect()
    }
}

/// Whom a signature must be of.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Who has this key.
    Key(PublicKey),
    /// Whom an authority knew when it was made.
    Keyless(Keyless),
}

/// A signature that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// How it is written.
    pub form: Form,
    /// The key's kind and digest, or who signed and who vouched for it.
    pub by: String,
}

/// Looks for a signature that holds.
///
/// # Errors
/// Why each of those that were found does not; nothing when none was found.
pub fn examine(subject: &Subject<'_>, documents: &[Document], trust: &Trust) -> Result<Signed, Vec<String>> {
    let mut reasons = Vec::new();
    for document in documents {
        match one(subject, document, trust) {
            Ok(by) => {
                return Ok(Signed {
                    form: document.form,
                    by,
                });
            }
            Err(why) => reasons.push(reason(document.form, &why)),
        }
    }
    if module::is_signed(subject.module) {
        match within(subject, trust) {
            Ok(by) => return Ok(Signed { form: Form::Module, by }),
            Err(why) => reasons.push(reason(Form::Module, &why)),
        }
    }
    Err(reasons)
}

fn one(subject: &Subject<'_>, document: &Document, trust: &Trust) -> Result<String, String> {
    if u64::try_from(document.bytes.len()).unwrap_or(u64::MAX) > SIGNATURE_BYTES_MAX {
        return Err(format!("it has more than {SIGNATURE_BYTES_MAX} bytes"));
    }
    match trust {
        Trust::Key(key) => {
            with_key(subject, document, key)?;
            Ok(shown(key))
        }
        Trust::Keyless(keyless) if document.form == Form::Bundle => keyless::verify(&document.bytes, subject, keyless),
        Trust::Keyless(_) => Err(String::from("a key made it, and a certificate is wanted")),
    }
}

fn with_key(subject: &Subject<'_>, document: &Document, key: &PublicKey) -> Result<(), String> {
    match document.form {
        Form::Bundle => bundle::verify(&document.bytes, subject, key),
        Form::Simple => simple::verify(&document.bytes, document.beside.as_deref(), (subject, key)),
        Form::Envelope => super::make::verify_envelope(&document.bytes, subject, key),
        Form::Raw => raw(&document.bytes, subject.module, key),
        Form::Module => module::verify(subject.module, key),
    }
}

fn within(subject: &Subject<'_>, trust: &Trust) -> Result<String, String> {
    match trust {
        Trust::Key(key) => module::verify(subject.module, key).map(|()| shown(key)),
        Trust::Keyless(_) => Err(String::from("a key made it, and a certificate is wanted")),
    }
}

/// A signature as it is, or in base64, as cosign writes it.
fn raw(bytes: &[u8], module: &[u8], key: &PublicKey) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).ok();
    let decoded = text.and_then(|text| super::statement::decoded(text).ok());
    let mut forms = [Some(bytes), decoded.as_deref()].into_iter().flatten();
    match forms.any(|signature| key.verifies(module, signature)) {
        true => Ok(()),
        false => Err(String::from("it was made by another key, or over other bytes")),
    }
}

/// What stands in a signature may be in a reason, and is foreign: one line, and not a long one.
fn reason(form: Form, why: &str) -> String {
    let why = why.chars().filter(|letter| !letter.is_control());
    format!(
        "the {}: {}",
        form.said(),
        why.take(REASON_CHARS_MAX).collect::<String>()
    )
}

fn shown(key: &PublicKey) -> String {
    format!("{} key {}", key.algorithm().word(), key.fingerprint())
}
