//! `sm-crypto`: checks requests signed by SM2 or SM3-HMAC, decrypts their bodies and encrypts those of responses by SM4.
//!
//! Here live the ciphers' modes, the canonical text and the decisions, all pure; `contexts` alone speaks to the host, and is there for WebAssembly only.
//! No plaintext leaves before its tag or its digest is right, where the mode has one.

pub mod configuration;
mod keyring;
mod cipher;
mod signing;
pub mod exchange;
pub mod gate;
#[cfg(target_arch = "wasm32")]
mod contexts;
#[cfg(test)]
mod tests;
