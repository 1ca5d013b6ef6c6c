//! `cofferdam plugin`: what an author does with one module.

mod debug;

use std::process::ExitCode;

use clap::Subcommand;

/// What is done with a module.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run a plugin under LLDB: start it, give it one request; exit 0 when it ended well, 1 when it died
    Debug(debug::Arguments),
}

pub(crate) fn plugin(verb: &Verb) -> ExitCode {
    match verb {
        Verb::Debug(arguments) => debug::debug(arguments),
    }
}
