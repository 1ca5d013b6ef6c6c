//! Swaps plugins of a long chain under load, and reloads configurations across open streams: how long a swap takes, and whether anybody notices.

mod builds;
mod driver;
mod events;
mod loads;
mod outcome;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use self::builds::Chain;
use self::driver::Driver;
use self::events::{Listeners, Source};
use self::outcome::{Outcome, Row};
use super::ChangeOptions;
use super::contender::{Ground, build_release};
use super::usage;
use crate::guests;
use crate::peers::{self, Purpose};

/// Streams that stay open for seconds while swaps go on.
const LONG_STREAMS: usize = 50;

/// Measures, prints the table and saves it.
///
/// # Errors
/// When a request failed, a stream was reset, or a goal of time is missed by so much that something must be broken.
pub(super) fn run(options: &ChangeOptions) -> Result<()> {
    let peers = peers::run(Purpose::Benchmark)?;
    guests::run(&guests::Options::default())?;
    build_release()?;
    let ground = Ground::prepare()?;
    let upstream = ground.start_upstream(&peers)?;
    let events = Source::start()?;
    let chain = Chain::prepare(&ground.folder)?;
    let mut driver = Driver::start(&ground, &chain, events.address())?;
    // Each build has been compiled once before anything is measured.
    driver.swap_all(&chain)?;
    let mut rows = Vec::new();
    let half = options.requests / 2;
    rows.push(swaps(&mut driver, &chain, "HTTP/1.1, wrk", |stop| {
        loads::wrk(&peers, &ground, half, stop)
    })?);
    let long = Listeners::open(ground.server, LONG_STREAMS)?;
    rows.push(swaps(
        &mut driver,
        &chain,
        "HTTP/2 beside long streams, h2load",
        |stop| loads::h2load(&peers, &ground, half, stop),
    )?);
    rows.push(swaps(&mut driver, &chain, "long streams, alone", |_| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(loads::Seen::default())
    })?);
    let long = long.close();
    ensure!(long.broken == 0, "{} of {LONG_STREAMS} long streams broke", long.broken);
    let reloads = reloads(&mut driver, &ground, options)?;
    let metrics = driver.end()?;
    upstream.stop()?;
    Outcome { rows, reloads, metrics }.publish()
}

/// Swaps plugins one after the other for as long as the load lasts.
fn swaps(
    driver: &mut Driver,
    chain: &Chain,
    name: &'static str,
    load: impl FnOnce(&AtomicBool) -> Result<loads::Seen> + Send,
) -> Result<Row> {
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let (seen, times) = std::thread::scope(|scope| {
        let loads = scope.spawn(|| load(&stop));
        let mut times = Vec::new();
        while !loads.is_finished() {
            match driver.swap(chain) {
                Ok(time) => times.push(time),
                Err(why) => {
                    stop.store(true, Ordering::Relaxed);
                    return (loads.join(), Err(why));
                }
            }
        }
        (loads.join(), Ok(times))
    });
    let times = times?;
    let seen = seen.map_err(|_| anyhow::anyhow!("the load panicked"))??;
    Ok(Row::new(name, times, began.elapsed(), seen))
}

/// Reloads the whole configuration so often while streams of events are open.
fn reloads(driver: &mut Driver, ground: &Ground, options: &ChangeOptions) -> Result<outcome::Reloads> {
    let before = usage::resident_mb(driver.id())?;
    let listeners = Listeners::open(ground.server, options.streams)?;
    let began = Instant::now();
    let mut times = Vec::new();
    for number in 0..options.reloads {
        times.push(driver.reload(number).with_context(|| format!("reload {number}"))?);
    }
    let seconds = began.elapsed().as_secs_f64();
    let seen = listeners.close();
    Ok(outcome::Reloads {
        streams: options.streams,
        broken: seen.broken,
        events: seen.events,
        row: Row::new(
            "reloads of the configuration",
            times,
            Duration::from_secs_f64(seconds),
            loads::Seen::default(),
        ),
        resident_before_mb: before,
        resident_after_mb: usage::resident_mb(driver.id())?,
    })
}
