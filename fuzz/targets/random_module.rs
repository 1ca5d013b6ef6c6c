//! The fuzz target `random_module`.

#![no_main]

#[path = "../bodies/random_module.rs"]
mod body;

use libfuzzer_sys::Corpus;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| -> Corpus {
    // What was kept are modules already.
    let made = match bytes.starts_with(b"\0asm") {
        true => Ok(bytes.to_vec()),
        false => cofferdam_smith::module(bytes),
    };
    match made {
        Ok(module) => {
            body::run(&module);
            Corpus::Keep
        }
        Err(_) => Corpus::Reject,
    }
});
