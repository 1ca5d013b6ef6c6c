//! The fuzz target `pairs`.

#![no_main]

#[path = "../bodies/pairs.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
