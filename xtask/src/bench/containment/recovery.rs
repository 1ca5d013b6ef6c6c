//! How long a plugin is out of service after a trap: from the end of the failed answer to the end of the first good one.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::super::goal::percentile;
use super::Bench;
use super::house::{HANGS_AFTER, House, ask_on, good, is_late, killed_by};
use super::setting::{Guest, Party, Restart};
use crate::http::Connection;

/// Life between two deaths, in which a plugin with `recovered_after: 5ms` recovers.
const SHORT_LIFE: Duration = Duration::from_millis(10);

/// Life after which Cofferdam's default policy has forgotten a death, and Envoy's backoff of 1 to 1.5 s is over.
const LONG_LIFE: Duration = Duration::from_secs(2);

/// Good answers before the first death, to know what an exchange takes.
const ROUND_TRIPS: Duration = Duration::from_millis(500);

/// What was seen of one server.
#[derive(Debug, Serialize)]
pub(super) struct Recovery {
    pub(super) name: String,
    pub(super) party: Party,
    pub(super) guest: Guest,
    /// What a good exchange takes before any death: it is part of each recovery.
    pub(super) round_trip_p50_ms: f64,
    pub(super) round_trip_p99_ms: f64,
    /// None for a plugin that was not back within 5 s.
    pub(super) recoveries_ms: Vec<Option<f64>>,
}

impl Recovery {
    /// A percentile over all deaths; none when the plugin did not come back once.
    pub(super) fn percentile_ms(&self, percent: usize) -> Option<f64> {
        let times: Option<Vec<f64>> = self.recoveries_ms.iter().copied().collect();
        percentile(percent, times?)
    }
}

/// A plugin, how long it lives before each death, and how often it dies.
struct Case {
    name: &'static str,
    party: Party,
    guest: Guest,
    life: Duration,
    deaths: usize,
}

/// Every row.
pub(super) fn measure(bench: &mut Bench<'_>) -> Result<Vec<Recovery>> {
    let (many, few) = (bench.options.deaths, bench.options.deaths_few);
    let case = |name, party, guest, life, deaths| Case {
        name,
        party,
        guest,
        life,
        deaths,
    };
    let soon = Party::Cofferdam(Restart::SoonRecovered);
    let cases = [
        case("", soon, Guest::Probe, SHORT_LIFE, many),
        case("", soon, Guest::Transformer, SHORT_LIFE, many),
        case(
            ", 2 s between deaths",
            Party::Cofferdam(Restart::Default),
            Guest::Probe,
            LONG_LIFE,
            few,
        ),
        case(", 2 s between deaths", Party::EnvoyReload, Guest::Probe, LONG_LIFE, few),
        case(
            ", 10 ms between deaths",
            Party::EnvoyReload,
            Guest::Probe,
            SHORT_LIFE,
            few,
        ),
        case("", Party::Envoy, Guest::Probe, SHORT_LIFE, 1),
    ];
    cases
        .iter()
        .map(|case| {
            let name = case.party.name().to_owned() + case.name;
            let recovery = die_often(case, &name, bench).with_context(|| name.clone())?;
            let shown = recovery
                .percentile_ms(99)
                .map_or_else(|| String::from("never"), |time| format!("{time:.3} ms"));
            println!("back in service  {name:<45} {:?} p99 {shown}", case.guest);
            Ok(recovery)
        })
        .collect()
}

fn die_often(case: &Case, name: &str, bench: &mut Bench<'_>) -> Result<Recovery> {
    let house = House::start(case.party, case.guest, bench)?;
    let mut connection = house.connection();
    let began = Instant::now();
    let trips = ask_on(&mut connection, "/a", || began.elapsed() < ROUND_TRIPS)?;
    let trip = |percent| percentile(percent, trips.clone()).context("not one exchange in time");
    let (round_trip_p50_ms, round_trip_p99_ms) = (trip(50)?, trip(99)?);
    let recoveries_ms: Result<Vec<_>> = (0..case.deaths).map(|_| die_once(&mut connection, case)).collect();
    house.stop()?;
    Ok(Recovery {
        name: name.to_owned(),
        party: case.party,
        guest: case.guest,
        round_trip_p50_ms,
        round_trip_p99_ms,
        recoveries_ms: recoveries_ms?,
    })
}

fn die_once(connection: &mut Connection, case: &Case) -> Result<Option<f64>> {
    // A long life need not be a busy one; a short one is, so that it ends with certainty after the time and not before.
    if case.life >= LONG_LIFE {
        thread::sleep(case.life);
    }
    let born = Instant::now();
    ask_on(connection, "/a", || born.elapsed() < SHORT_LIFE)?;
    if killed_by(connection.ask(&case.guest.trap()))?.is_none() {
        bail!("no answer to the request that kills the plugin");
    }
    let died = Instant::now();
    let request = good("/a");
    while died.elapsed() < HANGS_AFTER {
        match connection.ask(&request) {
            Ok(answer) if answer.status == 200 => return Ok(Some(died.elapsed().as_secs_f64() * 1e3)),
            Ok(answer) if answer.status >= 500 => {}
            Ok(answer) => bail!("neither good nor out of service:\n{}", answer.head),
            Err(error) if is_late(&error) => return Ok(None),
            // The server ended the connection on which the plugin had died.
            Err(_) => {}
        }
    }
    Ok(None)
}
