//! `cofferdam plugin`: what authors and operators do with one plugin.

pub(crate) mod admin;
mod alone;
mod build;
mod check;
mod debug;
mod inspect;
mod new;
mod pack;
mod packing;
mod profile;
mod pull;
mod push;
mod replay;
mod sign;
pub(crate) mod test;
mod verify;
mod watch;

pub(crate) use check::policy_schema;

use std::process::ExitCode;

use clap::Subcommand;

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a project for a plugin that builds, with a test, a schema and the steps for CI
    New(new::Options),
    /// Build a plugin with its language's own tool; the lines of source go into a file of their own
    Build(build::Options),
    /// Build, check, test and swap into a running gateway whenever a file of the project changes
    Watch(watch::Options),
    /// Say what is wrong with a module, and whether it starts; exit 0 good, 1 findings, 2 usage
    Check(check::Options),
    /// Show what a module is, what its imports let it do, and what its bytes are spent on; exit 0, 1 refused, 2 usage
    Inspect(inspect::Options),
    /// Run a plugin under LLDB: start it, give it one request; exit 0 when it ended well, 1 when it died
    Debug(debug::Arguments),
    /// Pack a module as an OCI image into a folder; exit 0 done, 1 not
    Pack(pack::Options),
    /// Pull a module out of a registry; exit 0 done, 1 not
    Pull(pull::Options),
    /// Push a module into a registry, as Istio and Higress read it; exit 0 done, 1 not
    Push(push::Options),
    /// Sign an image in its registry as cosign does, or a module within it or beside it; exit 0 done, 1 not
    Sign(sign::Options),
    /// Say who signed a plugin, and whether that is enough; exit 0 verified, 1 not, 2 usage
    Verify(verify::Options),
    /// Show what a plugin of a running gateway computes, and write a file for the Firefox Profiler; exit 0 done, 1 not
    Profile(profile::Options),
    /// Run a suite of test cases over the real module; exit 0 all passed, 1 some did not, 2 it cannot run
    Test(test::Options),
    /// Run a recorded death again, offline; exit 0 as recorded, 1 otherwise, 2 when it cannot run
    Replay(replay::Options),
}

pub(crate) fn plugin(verb: &Verb) -> ExitCode {
    match verb {
        Verb::New(options) => new::run(options),
        Verb::Build(options) => build::run(options),
        Verb::Watch(options) => watch::run(options),
        Verb::Check(options) => check::run(options),
        Verb::Inspect(options) => inspect::run(options),
        Verb::Debug(arguments) => debug::debug(arguments),
        Verb::Pack(options) => pack::run(options),
        Verb::Pull(options) => pull::run(options),
        Verb::Push(options) => push::run(options),
        Verb::Sign(options) => sign::run(options),
        Verb::Verify(options) => verify::run(options),
        Verb::Profile(options) => profile::run(options),
        Verb::Test(options) => test::run_suite(options),
        Verb::Replay(options) => replay::run(options),
    }
}

/// Whether a word names a module in a file, and no image in a registry.
fn is_file(what: &str) -> bool {
    let path = std::path::Path::new(what);
    path.is_file() || path.extension().is_some_and(|ending| ending == "wasm")
}
