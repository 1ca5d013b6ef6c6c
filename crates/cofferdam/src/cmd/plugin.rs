//! `cofferdam plugin`: what authors and operators do with one plugin.

mod debug;
mod packing;
mod pack;
mod profile;
mod pull;
mod push;
mod replay;

use std::process::ExitCode;

use clap::Subcommand;

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run a plugin under LLDB: start it, give it one request; exit 0 when it ended well, 1 when it died
    Debug(debug::Arguments),
    /// Pack a module as an OCI image into a folder; exit 0 done, 1 not
    Pack(pack::Options),
    /// Pull a module out of a registry; exit 0 done, 1 not
    Pull(pull::Options),
    /// Push a module into a registry, as Istio and Higress read it; exit 0 done, 1 not
    Push(push::Options),
    /// Show what a plugin of a running gateway computes, and write a file for the Firefox Profiler; exit 0 done, 1 not
    Profile(profile::Options),
    /// Run a recorded death again, offline; exit 0 as recorded, 1 otherwise, 2 when it cannot run
    Replay(replay::Options),
}

pub(crate) fn plugin(verb: &Verb) -> ExitCode {
    match verb {
        Verb::Debug(arguments) => debug::debug(arguments),
        Verb::Pack(options) => pack::run(options),
        Verb::Pull(options) => pull::run(options),
        Verb::Push(options) => push::run(options),
        Verb::Profile(options) => profile::run(options),
        Verb::Replay(options) => replay::run(options),
    }
}
