//! Measures Cofferdam against its peers: always in the same run, on the same cores, with the same work.

mod gateway;
mod containment;
mod change;
mod logs;
mod contender;
mod configuration;
mod load;
mod usage;
mod metrics;
mod report;
mod goal;
mod soak;

use anyhow::Result;
use clap::{Args, Subcommand};

use contender::Kind;

pub(crate) use soak::{SoakOptions, run as soak};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// Proxy small GETs with 0, 1 and 20 copies of the sample plugin, beside Envoy and nginx
    Gateway(GatewayOptions),
    /// Let a plugin trap, loop and allocate without end, beside Envoy, and see who feels it
    Containment(ContainmentOptions),
    /// Swap plugins of a chain of 16 under load, and reload configurations across open streams
    Change(ChangeOptions),
    /// Write records down: what one costs, beside loggers in Rust and Go, and beside Envoy and nginx with Lua
    Logs(logs::LogsOptions),
}

/// How long and whom to measure.
#[derive(Args)]
struct GatewayOptions {
    /// How often each contender is measured; the table shows medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measure these servers only
    #[arg(long, value_enum)]
    server: Vec<Kind>,
}

/// How often and how long to measure.
#[derive(Args)]
struct ContainmentOptions {
    /// How often a plugin dies that is back at once
    #[arg(long, default_value_t = 200)]
    deaths: usize,
    /// How often one dies that has to live or to wait for seconds
    #[arg(long, default_value_t = 10)]
    deaths_few: usize,
    /// How often loops and bombs are measured; the tables show medians, and the worst of bombs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each measurement of other routes
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// How much is sent and changed.
#[derive(Args)]
struct ChangeOptions {
    /// Requests while plugins are swapped, half of them over HTTP/2
    #[arg(long, default_value_t = 1_000_000)]
    requests: u64,
    /// Reloads of the configuration while streams are open
    #[arg(long, default_value_t = 1_000)]
    reloads: usize,
    /// Open streams of events
    #[arg(long, default_value_t = 200)]
    streams: usize,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.subject {
        Subject::Gateway(options) => gateway::run(options),
        Subject::Containment(options) => containment::run(options),
        Subject::Change(options) => change::run(options),
        Subject::Logs(options) => logs::run(options),
    }
}
