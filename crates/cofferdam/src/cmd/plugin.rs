//! `cofferdam plugin`: what authors and operators do with a plugin.

use std::process::ExitCode;

use clap::Subcommand;

use crate::cmd::replay;

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run a recorded death again, offline; exit 0 as recorded, 1 otherwise, 2 when it cannot run
    Replay(replay::Options),
}

pub(crate) fn plugin(verb: &Verb) -> ExitCode {
    match verb {
        Verb::Replay(options) => replay::run(options),
    }
}
