//! The fuzz target `grpc_frame`.

#![no_main]

#[path = "../bodies/grpc_frame.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
