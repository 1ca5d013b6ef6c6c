//! What our own guests share: strict JSON, a configuration's errors, documents that are fetched and kept, last words.
//!
//! Here live no host calls but lines in the log and the clock, and nothing of any one guest. A guest's contexts hand in bytes and times, and
//! get values and sentences, so that all of this is tested natively.

pub mod json;
pub mod configuration;
pub mod fetched;
pub mod headers;
#[cfg(feature = "papers")]
pub mod papers;
#[cfg(target_arch = "wasm32")]
pub mod host;
#[cfg(target_arch = "wasm32")]
pub mod death;
