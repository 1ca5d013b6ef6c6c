//! Signatures: keys, the forms in which signatures are written, and what each proves of which bytes; no socket, no file.

mod encrypted;
pub(crate) mod key;
mod sm2;
pub(crate) mod statement;
pub(crate) mod document;
mod bundle;
mod simple;
mod module;
pub(crate) mod examine;
pub(crate) mod keyless;
pub(crate) mod make;
pub(crate) use bundle::WRITTEN as BUNDLE;
pub(crate) use statement::COSIGN_SIGN;

#[cfg(test)]
mod tests;
