//! What a plugin that allocates without end costs: memory of the process, and time in which its worker serves nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::super::usage::{forget_peak, peak_mb, resident_mb};
use super::Bench;
use super::house::{House, ask_on, killed_by};
use super::setting::{Guest, Party, Restart, dies_of};
use crate::http::Connection;

/// A bomb may take longer than a server that is said to hang.
const WAIT: Duration = Duration::from_secs(30);

/// Exchanges after which Cofferdam trusts the plugin and runs it on the worker's own stack, where a callback holds up the worker.
const EXCHANGES_BEFORE: u32 = 2_000;

/// How long `/b` is asked without a bomb, and how long after it.
const CALM: Duration = Duration::from_secs(1);

/// Bombs that one server gets: the first meets a plugin that is trusted, the second one that is not any more.
const BOMBS: usize = 2;

/// What was seen of one server, bomb by bomb.
#[derive(Debug, Serialize)]
pub(super) struct Bomb {
    pub(super) party: Party,
    /// Of the server's life.
    pub(super) number: usize,
    pub(super) rounds: Vec<Blast>,
}

/// One bomb.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Blast {
    /// Resident before.
    pub(super) before_mb: f64,
    /// The most that was resident over that.
    pub(super) above_mb: f64,
    /// Resident a second later.
    pub(super) after_mb: f64,
    /// Until the exchange with the bomb was answered.
    pub(super) answered_ms: f64,
    /// Longest time that `/b` took to answer without a bomb, and with it.
    pub(super) calm_longest_ms: f64,
    pub(super) longest_ms: f64,
}

impl Bomb {
    /// The worst of all rounds.
    pub(super) fn most(&self, figure: impl Fn(&Blast) -> f64) -> f64 {
        self.rounds.iter().map(figure).fold(0.0, f64::max)
    }
}

/// Every row.
pub(super) fn measure(bench: &mut Bench<'_>) -> Result<Vec<Bomb>> {
    let row = |party, number| Bomb {
        party,
        number,
        rounds: Vec::new(),
    };
    let mut rows: Vec<Bomb> = (1..=BOMBS)
        .map(|number| row(Party::Cofferdam(Restart::Default), number))
        .collect();
    rows.push(row(Party::EnvoyReload, 1));
    for round in 1..=bench.options.rounds {
        for party in [Party::Cofferdam(Restart::Default), Party::EnvoyReload] {
            let mine = rows.iter_mut().filter(|row| row.party == party);
            explode(party, mine, bench).with_context(|| format!("{}, round {round}", party.name()))?;
        }
    }
    Ok(rows)
}

/// As many bombs as there are rows, on one server.
fn explode<'row>(party: Party, rows: impl Iterator<Item = &'row mut Bomb>, bench: &mut Bench<'_>) -> Result<()> {
    let house = House::start(party, Guest::Probe, bench)?;
    let (mut a, mut b) = (
        Connection::new(house.address, WAIT),
        Connection::new(house.address, WAIT),
    );
    let mut left = EXCHANGES_BEFORE;
    ask_on(&mut a, "/a", || {
        left = left.saturating_sub(1);
        left > 0
    })?;
    for row in rows {
        let blast = one_bomb(&house, &mut a, &mut b)?;
        println!(
            "memory bomb  {:<30} number {}  {:>7.1} MB  {:>7.1} ms",
            party.name(),
            row.number,
            blast.above_mb,
            blast.longest_ms
        );
        row.rounds.push(blast);
    }
    house.stop()
}

fn one_bomb(house: &House, a: &mut Connection, b: &mut Connection) -> Result<Blast> {
    let began = Instant::now();
    let calm = ask_on(b, "/b", || began.elapsed() < CALM)?;
    let before_mb = resident_mb(house.id())?;
    forget_peak(house.id())?;
    let stop = AtomicBool::new(false);
    let (answered_ms, times) = thread::scope(|scope| {
        let times = scope.spawn(|| ask_on(b, "/b", || !stop.load(Ordering::Relaxed)));
        // The bomb falls among requests, not before the first of them.
        thread::sleep(CALM / 10);
        let sent = Instant::now();
        let died = killed_by(a.ask(&dies_of("memory")));
        let answered_ms = sent.elapsed().as_secs_f64() * 1e3;
        thread::sleep(CALM);
        stop.store(true, Ordering::Relaxed);
        (died.map(|answer| answer.map(|_| answered_ms)), times.join())
    });
    let Ok(times) = times else {
        bail!("the thread that asks `/b` panicked")
    };
    let longest = |times: Vec<f64>| times.into_iter().fold(0.0, f64::max);
    Ok(Blast {
        before_mb,
        above_mb: peak_mb(house.id())? - before_mb,
        after_mb: resident_mb(house.id())?,
        answered_ms: answered_ms?.context("no answer to the request with the bomb")?,
        calm_longest_ms: longest(calm),
        longest_ms: longest(times?),
    })
}
