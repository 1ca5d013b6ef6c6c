//! Everything at once: plugins are swapped, modules and configurations are wrong, the store dies and is cut off, plugins die, and clients never
//! stop asking. Nothing fails that the policy does not explain, nothing is left behind, and in the end all gateways serve the same.
//!
//! `CHAOS_SECONDS` says for how long, `CHAOS_SEED` what happens in which order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod dice;
mod gauge;
mod load;
mod modules;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::backend::{Backend, Reply, Speaks};
use testkit::client::{Connection, Request, Version, send};
use testkit::cut::Line;
use testkit::etcd::{Etcd, etcd};
use testkit::gateway::Gateway;
use testkit::process::DEADLINE;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::dice::Dice;
use crate::load::{Scene, clients};
use crate::modules::Wrong;
use crate::world::{Instead, WRONG_TEXTS, World};

const KEY: &str = "/gateway.yaml";
const GATEWAYS: usize = 2;
/// Streams through each gateway that stay open from the beginning to the end.
const STREAMS: usize = 10;
/// How often memory and descriptors are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Shorter runs say nothing of memory: pools fill and code becomes hot.
const MEMORY_TELLS_AFTER: Duration = Duration::from_secs(120);

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Mark,
    Guard,
    Setting,
    WrongMark,
    WrongGuard,
    WrongText,
    Deaths,
    StoreDies,
    Cut,
    Severed,
    Pause,
}

/// With how often it does.
const ACTS: [(usize, Act); 11] = [
    (30, Act::Mark),
    (8, Act::Guard),
    (8, Act::Setting),
    (8, Act::WrongMark),
    (8, Act::WrongGuard),
    (8, Act::WrongText),
    (8, Act::Deaths),
    (3, Act::StoreDies),
    (4, Act::Cut),
    (4, Act::Severed),
    (11, Act::Pause),
];

/// Everything that takes part.
struct Stage {
    etcd: Etcd,
    backend: Backend,
    lines: Vec<Line>,
    gateways: Vec<Gateway>,
    world: World,
    scene: Arc<Scene>,
    done: BTreeMap<Act, usize>,
    /// Requests that came to the upstream past the guard.
    past: usize,
    _folder: tempfile::TempDir,
}

fn number(name: &str, else_: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("`{name}` is no number")),
        Err(_) => Ok(else_),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_at_once_no_exchange_fails_that_the_policy_does_not_explain() -> Result<()> {
    let (time, seed) = (
        Duration::from_secs(number("CHAOS_SECONDS", 20)?),
        number("CHAOS_SEED", 1)?,
    );
    let mut stage = Stage::set().await?;
    let before = stage.instances().await?;
    let (streams, end) = stage.streams().await?;
    let mut asking = Vec::new();
    for (index, gateway) in (0..).zip(&stage.gateways) {
        asking.extend(clients(&stage.scene, gateway.listener("web")?, seed + 100 * index));
    }
    let course = stage.play(time, Dice::of(seed)).await?;
    stage.calm_down().await?;
    stage.scene.ends.store(true, Ordering::Relaxed);
    for client in asking {
        client.await?;
    }
    let (seen, said) = (stage.scene.seen(), &stage.done);
    println!("{} exchanges in {time:?}: {:?}", seen.exchanges, seen.kinds);
    println!("what happened: {said:?}");
    for gateway in 0..stage.gateways.len() {
        let resident = course
            .iter()
            .filter_map(|uses| uses.get(gateway))
            .map(|used| used.resident_mb.round());
        println!("gateway {gateway}, MB resident: {:?}", resident.collect::<Vec<_>>());
    }
    ensure!(
        seen.unexplained == 0,
        "{} exchanges failed without a reason:\n{}",
        seen.unexplained,
        seen.told.join("\n")
    );
    let whole = stage.finish_streams(streams, &end).await?;
    println!("{whole} streams whole");
    println!("{}", stage.judge(before, &course, time).await?);
    Ok(())
}

impl Stage {
    async fn set() -> Result<Self> {
        let (folder, etcd) = (tempfile::tempdir()?, etcd().await?);
        let backend = Backend::start("up", Speaks::Http1)?;
        backend.reply("/stream", Reply::new(200).piece("begin").wait("end").piece("end"));
        let mut world = World::new(folder.path(), backend.address)?;
        etcd.ctl(&["put", KEY, &world.text(Instead::Nothing)?])?;
        let (mut lines, mut gateways) = (Vec::new(), Vec::new());
        for index in 0..GATEWAYS {
            let line = Line::to(etcd.address)?;
            gateways.push(start(index, &line, folder.path()).await?);
            lines.push(line);
        }
        Ok(Self {
            etcd,
            backend,
            lines,
            gateways,
            world,
            scene: Scene::new(),
            done: BTreeMap::new(),
            past: 0,
            _folder: folder,
        })
    }

    async fn instances(&self) -> Result<Vec<f64>> {
        let mut all = Vec::new();
        for gateway in &self.gateways {
            all.push(gauge::metric(gateway, "cofferdam_plugin_instances{").await?);
        }
        Ok(all)
    }

    /// Streams that have begun, and what lets them be read to their end.
    async fn streams(&self) -> Result<(Vec<JoinHandle<Result<bool>>>, watch::Sender<bool>)> {
        let (end, ends) = watch::channel(false);
        let mut streams = Vec::new();
        for gateway in &self.gateways {
            for _ in 0..STREAMS {
                let mut connection = Connection::open(gateway.listener("web")?, Version::Http1).await?;
                let mut ends = ends.clone();
                let (begun, has_begun) = tokio::sync::oneshot::channel();
                streams.push(tokio::spawn(async move {
                    let mut exchange = connection.begin(&Request::get("/stream")).await?;
                    exchange.finish(&Vec::new()).await?;
                    let (status, _) = exchange.head().await?;
                    let _ = begun.send(status);
                    ends.wait_for(|ends| *ends).await?;
                    let mut body = Vec::new();
                    while let Some(data) = exchange.data_received().await? {
                        body.extend_from_slice(&data);
                    }
                    Ok(body == b"beginend")
                }));
                ensure!(has_begun.await? == 200, "a stream does not begin");
            }
        }
        Ok((streams, end))
    }

    async fn finish_streams(&self, streams: Vec<JoinHandle<Result<bool>>>, end: &watch::Sender<bool>) -> Result<usize> {
        (0..streams.len()).for_each(|_| self.backend.release("end"));
        end.send_replace(true);
        let mut whole = 0;
        for stream in streams {
            ensure!(stream.await?.context("a stream broke")?, "a stream is not whole");
            whole += 1;
        }
        Ok(whole)
    }

    /// Lets things happen for so long; what was in use meanwhile.
    async fn play(&mut self, time: Duration, mut dice: Dice) -> Result<Vec<Vec<gauge::Use>>> {
        let (began, mut course) = (Instant::now(), Vec::new());
        while began.elapsed() < time {
            let act = dice.weighed(&ACTS);
            self.act(act, &mut dice).await.with_context(|| format!("{act:?}"))?;
            *self.done.entry(act).or_default() += 1;
            self.count_those_past();
            if began.elapsed() >= LOOK_EVERY * course.len() as u32 {
                course.push(self.gateways.iter().map(gauge::in_use).collect::<Result<_>>()?);
            }
        }
        Ok(course)
    }

    async fn act(&mut self, act: Act, dice: &mut Dice) -> Result<()> {
        let wrong = |dice: &mut Dice| Wrong::ALL[dice.below(Wrong::ALL.len())];
        let moment = Duration::from_millis(dice.below(1500) as u64);
        match act {
            Act::Mark => self.world.next_mark()?,
            Act::Guard => self.world.next_guard()?,
            Act::Setting => self.world.next_setting(),
            Act::WrongMark => return self.put(Instead::Mark(wrong(dice))),
            Act::WrongGuard => return self.put(Instead::Guard(wrong(dice))),
            Act::WrongText => {
                return self
                    .etcd
                    .ctl(&["put", KEY, WRONG_TEXTS[dice.below(WRONG_TEXTS.len())]])
                    .map(drop);
            }
            Act::Deaths => {
                self.scene.let_die(moment);
                return Ok(());
            }
            Act::StoreDies => {
                self.etcd.kill().await?;
                tokio::time::sleep(moment).await;
                return self.etcd.start_again().await;
            }
            Act::Cut | Act::Severed => {
                let line = &self.lines[dice.below(self.lines.len())];
                if act == Act::Cut {
                    line.cut()
                } else {
                    line.sever()
                }
                tokio::time::sleep(moment).await;
                line.mend();
                return Ok(());
            }
            Act::Pause => {
                tokio::time::sleep(moment / 5).await;
                return Ok(());
            }
        }
        self.put(Instead::Nothing)
    }

    fn put(&mut self, instead: Instead) -> Result<()> {
        self.scene.mark_max.store(self.world.mark(), Ordering::Relaxed);
        self.etcd.ctl(&["put", KEY, &self.world.text(instead)?]).map(drop)
    }

    fn count_those_past(&mut self) {
        let came = self.backend.take_records();
        let past = came
            .iter()
            .filter(|record| record.target.starts_with("/guarded") && record.field("x-let-through").is_none());
        self.past += past.count();
    }

    /// A last change that everybody is to serve.
    async fn calm_down(&mut self) -> Result<()> {
        self.world.next_mark()?;
        self.world.next_guard()?;
        self.put(Instead::Nothing)?;
        let began = Instant::now();
        for gateway in &self.gateways {
            let wanted = self.world.mark().to_string();
            loop {
                let answer = send(gateway.listener("web")?, Version::Http1, &Request::get("/marked")).await?;
                let plugins = gauge::serving(gateway).await?.to_string();
                if answer.field("x-mark") == Some(&wanted) && !plugins.contains("former") {
                    break;
                }
                ensure!(
                    began.elapsed() < DEADLINE,
                    "it does not serve what is wanted: {answer:?} {plugins}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    async fn judge(mut self, before: Vec<f64>, course: &[Vec<gauge::Use>], time: Duration) -> Result<String> {
        self.count_those_past();
        ensure!(self.past == 0, "{} requests came past the guard", self.past);
        let (mut all, mut said) = (Vec::new(), String::new());
        for (gateway, before) in self.gateways.iter().zip(before) {
            gauge::settles(gateway, "cofferdam_plugin_instances{", before).await?;
            all.push(gauge::serving(gateway).await?);
            let lines = gateway.process.lines_from(0);
            let panicked = lines
                .iter()
                .find(|line| line.text.starts_with("thread '") && line.text.contains("panicked at"));
            ensure!(panicked.is_none(), "the gateway panicked: {panicked:?}");
            let applied = gauge::metric(gateway, "cofferdam_config_changes_total{result=\"applied\"").await?;
            let refused = gauge::metric(gateway, "cofferdam_config_changes_total{result=\"refused\"").await?;
            let left = gauge::in_use(gateway)?;
            writeln!(said, "applied {applied}, refused {refused}, at the end {left:?}")?;
            ensure!(applied > 0.0 && refused > 0.0, "nothing happened");
        }
        ensure!(
            all.windows(2).all(|pair| pair[0] == pair[1]),
            "they serve different things: {all:#?}"
        );
        for (index, gateway) in self.gateways.iter().enumerate() {
            // The first look is at a gateway that has just begun.
            let Some(first) = course.get(course.len() / 5).map(|look| look[index]) else {
                continue;
            };
            let last = gauge::in_use(gateway)?;
            ensure!(
                last.descriptors <= first.descriptors + STREAMS,
                "descriptors: {first:?}, then {last:?}"
            );
            ensure!(last.threads <= first.threads + 4, "threads: {first:?}, then {last:?}");
            let may_grow = time < MEMORY_TELLS_AFTER || last.resident_mb <= first.resident_mb * 1.25 + 16.0;
            ensure!(may_grow, "memory: {first:?}, then {last:?}");
        }
        Ok(said)
    }
}

async fn start(index: usize, line: &Line, folder: &Path) -> Result<Gateway> {
    let store = json!({ "etcd": { "endpoints": [line.address.to_string()] }, "key": KEY, "node": format!("gw-{index}"), "wait": "20s" });
    let text = json!({ "workers": 2, "admin": { "listen": "127.0.0.1:0" }, "store": store }).to_string();
    let cache = folder.join("cache");
    Gateway::start_with(&text, |command| {
        command.env("XDG_CACHE_HOME", cache);
    })
    .await
}
