//! The fuzz target `host_calls`.

#![no_main]

#[path = "../bodies/host_calls.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
