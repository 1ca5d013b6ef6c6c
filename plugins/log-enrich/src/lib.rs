//! `log-enrich`: a log guest that adds to records where their client is, what it is, and what a table says; and takes members out.
//!
//! Here live the configuration, the record's parts that are read, what is said of them, and the form of batches, all pure; `entry` alone is what the
//! gateway calls, and is there for WebAssembly only. It never meets Proxy-Wasm: docs/log-guests.md says what a log guest is.

pub mod agent;
pub mod configuration;
pub mod place;
pub mod enricher;
pub mod batch;
#[cfg(target_arch = "wasm32")]
mod entry;
#[cfg(test)]
mod tests;
