//! The fuzz target `chain`.

#![no_main]

#[path = "../bodies/chain.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
