//! Measures Cofferdam against its peers: always in the same run, on the same cores, with the same work.

mod gateway;
mod contender;
mod configuration;
mod load;
mod usage;
mod report;
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

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.subject {
        Subject::Gateway(options) => gateway::run(options),
    }
}
