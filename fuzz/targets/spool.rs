//! The fuzz target `spool`.

#![no_main]

#[path = "../bodies/spool.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
