//! The fuzz target `module`.

#![no_main]

#[path = "../bodies/module.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
