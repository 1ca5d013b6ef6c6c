//! Measures what a record costs: our own loggers and those of others in Rust, and the steps of ours by themselves. One process measures one thing and prints one object.

mod exchange;
mod usage;
mod logger;
mod ours;
mod appender;
mod spdlog_pool;
mod slog_queue;
mod phase;
mod rooms;
mod text;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::logger::Name;
use crate::phase::Phase;

#[derive(Parser)]
struct Arguments {
    /// Whom to measure; without one, the steps of ours by themselves
    #[arg(long, value_enum)]
    logger: Option<Name>,
    /// How it is written to
    #[arg(long, value_enum, default_value = "cost")]
    phase: Phase,
    /// How many records
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Where files may be written
    #[arg(long)]
    folder: PathBuf,
    /// Print the names of the loggers and nothing else
    #[arg(long)]
    list: bool,
    /// Write the texts and records that scanners look through into the folder, and nothing else
    #[arg(long)]
    texts: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.list {
        let names = Name::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        names.for_each(|name| println!("{}", name.get_name()));
        return Ok(());
    }
    if arguments.texts {
        return text::save(&arguments.folder);
    }
    let seen = match arguments.logger {
        Some(name) => serde_json::to_value(phase::run(name, arguments.phase, arguments.records, &arguments.folder)?)?,
        None => serde_json::to_value(rooms::run(arguments.records)?)?,
    };
    println!("{seen}");
    Ok(())
}
