//! Any bytes as a signature in each form, and as a module that is signed within.

use plug_package::{Digest, Document, Form, PublicKey, Subject, Trust, examine};

/// Nobody has its private half.
const KEY: &[u8] = include_bytes!("../../crates/plug-package/src/sign/vectors/ed.pub");
const FORMS: [Form; 5] = [Form::Bundle, Form::Simple, Form::Envelope, Form::Raw, Form::Module];

/// None of them holds, and each has a reason on a line of its own.
pub(crate) fn run(bytes: &[u8]) {
    let key = PublicKey::parse(KEY).expect("it is a key");
    let trust = Trust::Key(key);
    let subject = Subject {
        image: Some(Digest::of(b"{}")),
        module: bytes,
    };
    let documents = FORMS.map(|form| Document {
        form,
        bytes: bytes.to_vec().into(),
        beside: Some(String::from("AAAA")),
    });
    let reasons = examine(&subject, &documents, &trust).expect_err("nobody signed it");
    assert!(reasons.len() >= FORMS.len());
    for reason in reasons {
        assert!(!reason.chars().any(char::is_control), "{reason:?}");
        assert!(reason.len() < 1_000, "{reason}");
    }
}
