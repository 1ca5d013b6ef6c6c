//! What other routes see of a plugin that loops without end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::super::goal::{median, percentile};
use super::super::load::{self, Seen};
use super::Bench;
use super::house::{HANGS_AFTER, House, ask_on, good, is_late, killed_by};
use super::setting::{Guest, Party, Restart, dies_of};

/// Between two of a hundred loops in a second.
const PERIOD: Duration = Duration::from_millis(10);

/// After this time loops are under way.
const UNDER_WAY: Duration = Duration::from_millis(300);

/// How many exchanges with a plugin that loops there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Loops {
    None,
    /// The next one as soon as one has ended.
    OneAtATime,
    /// Whether others have ended or not.
    HundredASecond,
}

/// What was seen of `/b`.
#[derive(Debug, Serialize)]
pub(super) struct Neighbour {
    pub(super) party: Party,
    pub(super) loops: Loops,
    pub(super) rounds: Vec<Round>,
}

/// One round.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pub(super) tally: Tally,
    /// None when the server hangs.
    pub(super) seen: Option<Sight>,
}

/// Exchanges that loop.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Tally {
    pub(super) sent: u64,
    /// With 5xx.
    pub(super) answered: u64,
}

/// The load's figures, and those of one connection alone.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Sight {
    pub(super) load: Seen,
    pub(super) alone_p50_ms: f64,
    pub(super) alone_p99_ms: f64,
    pub(super) alone_longest_ms: f64,
}

impl Loops {
    /// As a table has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::OneAtATime => "one at a time",
            Self::HundredASecond => "100 a second",
        }
    }

    /// Lets the plugin loop until `stop`, or until the server hangs.
    fn run(self, address: SocketAddr, house: &House, stop: &AtomicBool) -> Result<Tally> {
        match self {
            Self::None => Ok(Tally::default()),
            Self::OneAtATime => one_at_a_time(house, stop),
            Self::HundredASecond => hundred_a_second(address, stop),
        }
    }
}

impl Neighbour {
    /// The median of a figure over the rounds; none when the server hung in one.
    pub(super) fn median(&self, figure: impl Fn(&Sight) -> f64) -> Option<f64> {
        let figures: Option<Vec<f64>> = self
            .rounds
            .iter()
            .map(|round| round.seen.as_ref().map(&figure))
            .collect();
        median(figures?)
    }

    pub(super) fn hangs(&self) -> bool {
        self.rounds.iter().any(|round| round.seen.is_none())
    }
}

/// Every row. Rounds outside, rows inside: what disturbs the machine for a while then disturbs all of them.
pub(super) fn measure(bench: &mut Bench<'_>) -> Result<Vec<Neighbour>> {
    let (tireless, default) = (Party::Cofferdam(Restart::Tireless), Party::Cofferdam(Restart::Default));
    let mut rows: Vec<Neighbour> = [
        (tireless, Loops::None),
        (tireless, Loops::OneAtATime),
        (tireless, Loops::HundredASecond),
        (default, Loops::HundredASecond),
        (Party::EnvoyReload, Loops::None),
        (Party::EnvoyReload, Loops::OneAtATime),
    ]
    .into_iter()
    .map(|(party, loops)| Neighbour {
        party,
        loops,
        rounds: Vec::new(),
    })
    .collect();
    for number in 1..=bench.options.rounds {
        for row in &mut rows {
            let name = format!("{}, loops: {}", row.party.name(), row.loops.name());
            let round = one_round(row, bench).with_context(|| format!("{name}, round {number}"))?;
            let shown = round.seen.map_or_else(
                || String::from("hangs"),
                |sight| format!("p99 {:.0} µs", sight.load.p99_us),
            );
            println!("other routes, round {number}  {name:<45} {shown}");
            row.rounds.push(round);
        }
    }
    Ok(rows)
}

fn one_round(row: &Neighbour, bench: &mut Bench<'_>) -> Result<Round> {
    let house = House::start(row.party, Guest::Probe, bench)?;
    let stop = AtomicBool::new(false);
    let (tally, seen) = thread::scope(|scope| {
        let loops = scope.spawn(|| row.loops.run(house.address, &house, &stop));
        let seen = look(&house, bench);
        stop.store(true, Ordering::Relaxed);
        let tally = loops.join();
        (tally, seen)
    });
    let Ok(tally) = tally else {
        bail!("the thread of the loops panicked")
    };
    let (tally, seen) = (tally.context("the loops")?, seen?);
    ensure!(
        row.loops == Loops::None || tally.sent > 0 && (seen.is_none() || tally.answered > 0),
        "no plugin looped: {tally:?}"
    );
    // A server that hangs does not stop when it is asked to: dropping it kills it.
    if seen.is_some() {
        house.stop()?;
    }
    Ok(Round { tally, seen })
}

/// Looks at `/b`; none when it does not answer.
fn look(house: &House, bench: &Bench<'_>) -> Result<Option<Sight>> {
    thread::sleep(UNDER_WAY);
    let mut connection = house.connection();
    match connection.ask(&good("/b")) {
        Ok(answer) => ensure!(answer.status == 200, "`/b` should work:\n{}", answer.head),
        Err(error) if is_late(&error) => return Ok(None),
        Err(error) => return Err(error).context("no answer of `/b`"),
    }
    let time = Duration::from_secs(bench.options.seconds);
    let load = load::send(bench.peers.need("wrk")?, &bench.ground, "/b", time)?;
    let began = Instant::now();
    let alone = ask_on(&mut connection, "/b", || began.elapsed() < time)?;
    let of = |percent| percentile(percent, alone.clone()).context("not one answer in time");
    Ok(Some(Sight {
        load,
        alone_p50_ms: of(50)?,
        alone_p99_ms: of(99)?,
        alone_longest_ms: of(100)?,
    }))
}

fn one_at_a_time(house: &House, stop: &AtomicBool) -> Result<Tally> {
    let mut connection = house.connection();
    let request = dies_of("loop");
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        tally.sent += 1;
        match killed_by(connection.ask(&request))? {
            Some(_) => tally.answered += 1,
            None => break,
        }
    }
    Ok(tally)
}

/// Each over a connection of its own, as clients have it that do not know of one another.
fn hundred_a_second(address: SocketAddr, stop: &AtomicBool) -> Result<Tally> {
    let request = dies_of("loop");
    let mut tally = Tally::default();
    // LIMIT: a hundred for each second of a round.
    let mut open: Vec<TcpStream> = Vec::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += PERIOD;
        let mut stream = TcpStream::connect_timeout(&address, HANGS_AFTER).context("cannot connect")?;
        stream.write_all(&request).context("cannot send")?;
        stream.set_nonblocking(true)?;
        open.push(stream);
        tally.sent += 1;
        let mut waiting = Vec::with_capacity(open.len());
        for mut stream in open {
            if has_answered(&mut stream)? {
                tally.answered += 1;
            } else {
                waiting.push(stream);
            }
        }
        open = waiting;
    }
    Ok(tally)
}

fn has_answered(stream: &mut TcpStream) -> Result<bool> {
    let mut begin = [0; 12];
    match stream.read(&mut begin) {
        Ok(_) if begin.starts_with(b"HTTP/1.1 5") => Ok(true),
        Ok(_) => bail!(
            "a plugin that loops should have died, but the answer was `{}`",
            String::from_utf8_lossy(&begin)
        ),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error).context("no answer of the plugin that loops"),
    }
}
