//! The guest's core: what is decided from heads, the configuration's documents and errors, digests and numbers of other implementations.

mod documents;
mod heads;
mod interop;

use std::sync::Arc;

use log_mask::masker::{Masker, Syntax};

use crate::configuration::Configuration;

/// What becomes of a text under a configuration.
pub(super) fn masked(configuration: &str, syntax: Syntax, text: &str) -> String {
    let configuration = Configuration::read(configuration.as_bytes()).unwrap();
    let mut masker = Masker::new(Arc::new(configuration.rules().unwrap()), syntax);
    let mut out = Vec::new();
    masker.push(text.as_bytes(), &mut out);
    masker.finish(&mut out);
    String::from_utf8(out).unwrap()
}
