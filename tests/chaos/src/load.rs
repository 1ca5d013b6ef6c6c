//! Clients that never stop asking, and what each answer must be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use testkit::client::{Connection, End, Request, Response, Version};
use tokio::task::JoinHandle;

use crate::dice::Dice;

/// Ways in which the plugins of `/mortal` and `/spare` die.
const WAYS: [&str; 6] = ["panic", "loop", "memory", "recursion", "exit", "divide"];

/// After the last death was ordered, so long the plugin that died may be the reason of an answer.
const SHADOW: Duration = Duration::from_secs(1);

/// LIMIT: unexplained answers that are told in full.
const TOLD_MAX: usize = 20;

/// What clients know of the world, and what they saw.
pub(crate) struct Scene {
    began: Instant,
    pub(crate) ends: AtomicBool,
    /// The newest build that may mark an answer.
    pub(crate) mark_max: AtomicUsize,
    /// Until when clients let plugins die, in ms after the beginning.
    deaths_until: AtomicU64,
    seen: Mutex<Seen>,
}

/// What clients saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) exchanges: u64,
    /// Answers by what explains them.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    pub(crate) unexplained: u64,
    pub(crate) told: Vec<String>,
}

impl Scene {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            ends: AtomicBool::new(false),
            mark_max: AtomicUsize::new(1),
            deaths_until: AtomicU64::new(0),
            seen: Mutex::default(),
        })
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// For so long plugins die.
    pub(crate) fn let_die(&self, time: Duration) {
        let until = self.now_ms() + time.as_millis() as u64;
        self.deaths_until.store(until, Ordering::Relaxed);
    }

    fn deaths_go_on(&self) -> bool {
        self.now_ms() < self.deaths_until.load(Ordering::Relaxed)
    }

    fn deaths_explain(&self, begun_ms: u64) -> bool {
        begun_ms < self.deaths_until.load(Ordering::Relaxed) + SHADOW.as_millis() as u64
    }

    fn note(&self, judged: Result<&'static str>, what: &str) {
        let mut seen = self.seen.lock();
        seen.exchanges += 1;
        match judged {
            Ok(kind) => *seen.kinds.entry(kind).or_default() += 1,
            Err(why) => {
                seen.unexplained += 1;
                if seen.told.len() < TOLD_MAX {
                    let at = self.began.elapsed();
                    seen.told.push(format!("{at:.1?} {what}: {why:#}"));
                }
            }
        }
    }
}

/// Asks over connections of its own until the scene ends.
pub(crate) fn clients(scene: &Arc<Scene>, address: SocketAddr, seed: u64) -> Vec<JoinHandle<()>> {
    let versions = [Version::Http1, Version::Http1, Version::Http1, Version::Http2];
    let client = |(number, version)| {
        let (scene, mut dice) = (Arc::clone(scene), Dice::of(seed + number));
        tokio::spawn(async move {
            while !scene.ends.load(Ordering::Relaxed) {
                if let Err(why) = ask_on(&scene, (address, version), &mut dice).await {
                    scene.note(Err(why), "a connection");
                }
            }
        })
    };
    (0..).zip(versions).map(client).collect()
}

/// Asks over one connection for as long as it stands.
async fn ask_on(scene: &Scene, (address, version): (SocketAddr, Version), dice: &mut Dice) -> Result<()> {
    let mut connection = Connection::open(address, version).await?;
    while !scene.ends.load(Ordering::Relaxed) {
        let asked = Asked::throw(dice, scene.deaths_go_on());
        let begun_ms = scene.now_ms();
        let answer = connection
            .send(&asked.request())
            .await
            .with_context(|| format!("{asked:?}"))?;
        scene.note(asked.judge(&answer, scene, begun_ms), &format!("{asked:?}"));
        if answer
            .field("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        {
            return Ok(());
        }
    }
    Ok(())
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Marked,
    /// With the right key, or without.
    Guarded(bool),
    /// With a way to die, or without.
    Mortal(Option<&'static str>),
    Spare(Option<&'static str>),
}

impl Asked {
    fn throw(dice: &mut Dice, deaths: bool) -> Self {
        let way = (deaths && dice.below(4) == 0).then(|| WAYS[dice.below(WAYS.len())]);
        match dice.below(4) {
            0 => Self::Marked,
            1 => Self::Guarded(dice.below(2) == 0),
            2 => Self::Mortal(way),
            _ => Self::Spare(way),
        }
    }

    fn request(self) -> Request {
        let dying = |request: Request, way: Option<&str>| match way {
            Some(way) => request.field("x-die", &format!("request_headers {way}")),
            None => request,
        };
        match self {
            Self::Marked => Request::get("/marked"),
            Self::Guarded(true) => Request::get("/guarded").field("authorization", "yes"),
            Self::Guarded(false) => Request::get("/guarded").field("authorization", "no"),
            Self::Mortal(way) => dying(Request::get("/mortal"), way),
            Self::Spare(way) => dying(Request::get("/spare"), way),
        }
    }

    /// What explains the answer; an error when nothing does.
    fn judge(self, answer: &Response, scene: &Scene, begun_ms: u64) -> Result<&'static str> {
        ensure!(matches!(answer.end, End::Complete), "broken off: {answer:?}");
        let is = |status: u16, kind| match answer.status {
            found if found == status => Ok(kind),
            _ => Err(anyhow::anyhow!("not {status}: {answer:?}")),
        };
        let kind = match self {
            Self::Marked => is(200, "served")?,
            Self::Guarded(true) => is(200, "let through")?,
            Self::Guarded(false) => return is(403, "turned away"),
            Self::Mortal(Some(_)) => return is(503, "died, closed"),
            Self::Mortal(None) if answer.status == 503 && scene.deaths_explain(begun_ms) => {
                return Ok("another's death, closed");
            }
            Self::Mortal(None) => is(200, "served beside deaths")?,
            Self::Spare(Some(_)) => is(200, "died, open")?,
            Self::Spare(None) => is(200, "served by the spare one")?,
        };
        let mark: Option<usize> = answer.field("x-mark").and_then(|mark| mark.parse().ok());
        let newest = scene.mark_max.load(Ordering::Relaxed);
        ensure!(
            mark.is_some_and(|mark| (1..=newest).contains(&mark)),
            "marked {mark:?}, newest {newest}"
        );
        Ok(kind)
    }
}
