//! `request-debug`: tells what a plugin sees of a request, to who has the key: in the log, in an echo, and in `server-timing`.
//!
//! Here live what is told and what is hidden in it, all pure; `contexts` alone speaks to the host, and is there for WebAssembly only.
//! Without the key a request is led through as if this were not there; no value of a secret is told to anybody.

pub mod configuration;
pub mod discretion;
pub mod trace;
pub mod echo;
#[cfg(target_arch = "wasm32")]
mod contexts;
#[cfg(test)]
mod tests;
