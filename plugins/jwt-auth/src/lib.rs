//! `jwt-auth`: lets requests pass that carry a good JSON Web Token, and tells the upstream what it claims.
//!
//! Here live tokens, keys and the decision, all pure; `contexts` alone speaks to the host, and is there for WebAssembly only.
//! Bytes come from the network and are believed in this order: size, form, algorithm, signature, claims.

mod algorithm;
mod key;
mod jwks;
mod signature;
mod token;
pub mod configuration;
mod claims;
pub mod request;
pub mod refusal;
pub mod gate;
#[cfg(target_arch = "wasm32")]
mod contexts;
#[cfg(test)]
mod tests;
