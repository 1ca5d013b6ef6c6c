//! Lets a plugin die on one route and measures who feels it: how soon the plugin is back, what other routes see of a loop without end,
//! and what a memory bomb costs.

mod setting;
mod house;
mod recovery;
mod neighbours;
mod bomb;
mod outcome;

use std::process::Command;

use anyhow::{Context, Result};

use super::ContainmentOptions;
use super::contender::{Ground, build_release, versions};
use crate::command::output;
use crate::guests;
use crate::peers::{self, Peers, Purpose};
use outcome::Outcome;

/// What every measurement needs.
struct Bench<'run> {
    ground: Ground,
    peers: &'run Peers,
    options: &'run ContainmentOptions,
}

/// Measures, prints the tables and saves them.
pub(super) fn run(options: &ContainmentOptions) -> Result<()> {
    let peers = peers::run(Purpose::Benchmark)?;
    guests::run(&guests::Options::default())?;
    build_release()?;
    let mut bench = Bench {
        ground: Ground::prepare()?,
        peers: &peers,
        options,
    };
    stay_on_core(bench.ground.load_core)?;
    let upstream = bench.ground.start_upstream(&peers)?;
    let recoveries = recovery::measure(&mut bench).context("back in service after a trap")?;
    let neighbours = neighbours::measure(&mut bench).context("other routes while a plugin loops")?;
    let bombs = bomb::measure(&mut bench).context("memory bomb")?;
    upstream.stop()?;
    Outcome {
        recoveries,
        neighbours,
        bombs,
        versions: versions(&peers),
    }
    .publish()
}

/// What we send ourselves comes from the load's core, as what `wrk` sends does; threads and commands that we start stay there too.
fn stay_on_core(core: usize) -> Result<()> {
    let ourselves = std::process::id().to_string();
    let core = core.to_string();
    output(Command::new("taskset").args(["--all-tasks", "--pid", "--cpu-list", &core, &ourselves])).map(drop)
}
