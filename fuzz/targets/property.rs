//! The fuzz target `property`.

#![no_main]

#[path = "../bodies/property.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
