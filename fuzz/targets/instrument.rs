//! The fuzz target `instrument`.

#![no_main]

#[path = "../bodies/instrument.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    body::run(bytes);
});
