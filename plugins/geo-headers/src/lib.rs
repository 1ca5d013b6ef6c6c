//! `geo-headers`: tells upstreams the country and the network operator of a client, by its address.
//!
//! Here live the client's address, the databases and the cache, all pure; `contexts` alone speaks to the host, and is there for WebAssembly only.
//! What a client sends under the names of these headers never gets through.

pub mod configuration;
mod network;
pub mod client;
pub mod database;
pub mod atlas;
#[cfg(target_arch = "wasm32")]
mod contexts;
#[cfg(test)]
mod tests;
