//! Lets the suite `chaos` run for longer than CI has time for.

use anyhow::Result;
use clap::Args;

use crate::command::{cargo, run as run_command};
use crate::guests;
use crate::peers::{self, Purpose};

/// How long, and in which order.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes of it
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// What happens in which order; the same number, the same order
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs it and shows what was seen.
///
/// # Errors
/// When an exchange failed that the policy does not explain, when something was left behind, or gateways serve different things in the end.
pub(crate) fn run(options: &Options) -> Result<()> {
    peers::run(Purpose::Tests)?;
    guests::run(&guests::Options::default())?;
    run_command(
        cargo()
            .args(["test", "--workspace", "--test", "chaos", "--", "--nocapture"])
            .env("CHAOS_SECONDS", (options.minutes * 60).to_string())
            .env("CHAOS_SEED", options.seed.to_string()),
    )
}
