//! The project's own commands: `cargo xtask demo`, `test`, `tidy`, `guests`, `peers`, `bench`, `soak` and `chaos`.
//!
//! Here live the checks and the set-up that a person or CI runs. Nothing of it enters the gateway. Data comes from the
//! work tree and goes to `target/`, and to a folder in the user's cache for what is fetched.

mod demo;
mod suite;
mod tidy;
mod guests;
mod peers;
mod bench;
mod chaos;
mod system;
mod process;
mod http;
mod command;
mod place;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use peers::Purpose;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "What the project does for itself",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the gateway and the sample plugin and start them on 127.0.0.1:8080
    Demo(demo::Options),
    /// Run everything: format, lints, tidy, docs, guests, tests, peers, conformance, parity, higress, e2e, deaths, chaos
    Test(suite::Options),
    /// Check the house rules
    Tidy,
    /// Build our own plugins for wasm32-wasip1 into target/guests
    Guests(guests::Options),
    /// Fetch the peers that tests and benchmarks compare with, and say where they are
    Peers,
    /// Measure against the peers
    Bench(bench::Options),
    /// Keep the gateway under load while one of its plugins dies on and on
    Soak(bench::SoakOptions),
    /// Let everything go wrong at once, for long: swaps, bad modules, wrong configurations, a store that dies, plugins that die
    Chaos(chaos::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().verb {
        Verb::Demo(options) => demo::run(&options),
        Verb::Test(options) => return suite::run(&options),
        Verb::Tidy => tidy::run(),
        Verb::Guests(options) => guests::run(&options),
        Verb::Peers => peers::run(Purpose::Everything).map(|_| ()),
        Verb::Bench(options) => bench::run(&options),
        Verb::Soak(options) => bench::soak(&options),
        Verb::Chaos(options) => chaos::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
