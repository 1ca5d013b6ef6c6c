//! `pii-mask`: masks personal data and secrets in bodies of requests and responses while they go by.
//!
//! Here live the configuration and what is decided from a message's head, both pure; what is found, and how, is in `log-mask`. `contexts` alone speaks
//! to the host, and is there for WebAssembly only. Nothing that may still become something found leaves before that is certain.

pub mod configuration;
mod digest;
pub mod message;
#[cfg(target_arch = "wasm32")]
mod contexts;
#[cfg(test)]
mod tests;
