//! `cofferdam logs`: records that dead processes left, chains of audit records, and what rules would mask.

mod recover;
mod verify;
mod mask;

use std::process::ExitCode;

use clap::Subcommand;

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Write what processes that are gone left in their rings, as lines of JSON; exit 0 all of it was written, 1 something was not, 2 usage
    ///
    /// Rings of processes that live are left alone. The file of a ring is removed when all of it is written; one that is damaged stays.
    Recover(recover::Options),
    /// Read a chain of audit records again and say what was changed, removed, added or moved; exit 0 it is whole, 1 it is not, 2 usage
    ///
    /// A gateway that writes meanwhile may be in the middle of its last line, which is found to have no end: look again.
    Verify(verify::Options),
    /// Show what rules would mask in a file: how much of what, and where, never the values; exit 0 looked through, 1 not, 2 usage
    Mask(mask::Options),
}

pub(crate) fn logs(verb: &Verb) -> ExitCode {
    match verb {
        Verb::Recover(options) => recover::run(options),
        Verb::Verify(options) => verify::run(options),
        Verb::Mask(options) => mask::run(options),
    }
}
