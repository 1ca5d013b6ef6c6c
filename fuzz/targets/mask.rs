//! The fuzz target `mask`.

#![no_main]

#[path = "../bodies/mask.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
