//! Measures what a record costs: loggers in Rust and Go, the steps of our own way of a record, and whole servers with their logs on and off.

mod loggers;
mod rooms;
mod servers;
mod outage;
mod masks;
mod scanners;
mod page;
mod goals;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::page::Page;
use super::contender::Kind;

/// What can be measured by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// Our pen, `tracing`, `spdlog-rs`, `slog`, and zerolog, zap, slog and logrus of Go: the caller, the file, a flood
    Loggers,
    /// Mask, pack, ring and line of JSON by themselves
    Rooms,
    /// Our mask beside `regex`, Hyperscan, Datadog's scanner and Vector's language, on the same texts; the steps, too
    Masks,
    /// Records through a guest of the log sandbox
    Sandbox,
    /// Cofferdam, Envoy and nginx with Lua under load, logs on and off
    Servers,
    /// A sink that is away while 50,000 records a second come
    Outage,
}

/// What is measured, and how often.
#[derive(Args)]
pub(super) struct LogsOptions {
    /// Measure these parts only
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// How often each is measured; the tables show medians
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Records for each measurement of a logger; ten times as many for a flood
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Seconds of load for each measurement of a server
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Minutes for which the sink is away
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// Measure these servers only
    #[arg(long, value_enum)]
    server: Vec<Kind>,
    /// Take this gateway instead of building one
    #[arg(long)]
    binary: Option<PathBuf>,
}

impl LogsOptions {
    fn has(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }
}

/// Measures, prints the tables and saves them as `target/bench/logs.md` and `logs.json`.
pub(super) fn run(options: &LogsOptions) -> Result<()> {
    let mut page = Page::begin(options.rounds)?;
    if options.has(Part::Loggers) {
        page.loggers = loggers::measure(options, &mut page.versions)?;
    }
    if options.has(Part::Masks) {
        page.scanners = scanners::measure(options, &mut page.versions)?;
    }
    if options.has(Part::Rooms) || options.has(Part::Masks) {
        page.rooms = rooms::measure(options)?;
    }
    if options.has(Part::Sandbox) {
        page.sandbox = rooms::sandbox()?;
    }
    if options.has(Part::Servers) {
        page.servers = servers::measure(options, &mut page.versions)?;
    }
    if options.has(Part::Outage) {
        page.outage = Some(outage::measure(options)?);
    }
    page.publish()
}
