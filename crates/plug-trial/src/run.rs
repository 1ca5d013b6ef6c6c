//! Runs a suite: each case with an instance, a clock and a world of its own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use gate_flow::rehearsal::{Body, Connection, Halt, Rehearsal};
use gate_plan::document::{Findings, Page, PluginSettings};
use plug_host::{Direction, Exchange, HistogramReading, Plugin, Process, Reading, Services, Trial, WorkerPlugins};

use crate::case::{self, Ready};
use crate::facts::Known;
use crate::judge::{Goldens, Judge};
use crate::observed::{Observed, Passed, SeenRequest, SeenResponse, pass};
use crate::outcome::{CaseOutcome, Outcome};
use crate::settle::Mistake;
use crate::shared::Shared;
use crate::stage::{Idle, Time};
use crate::tcp;
use crate::world::World;
use crate::written::{Expect, Paused, Request, Response, Step, Suite};

/// Makes a plugin of the module under test, with what it is given.
pub type Make<'a> = dyn Fn(PluginSettings) -> Result<Arc<Plugin>, String> + 'a;

/// Writes a golden file beside the suite.
pub type WriteGolden<'a> = dyn Fn(&str, &[u8]) -> Result<(), String> + 'a;

/// How a suite is run.
pub struct Settings<'a> {
    /// Only cases whose name contains this.
    pub only: Option<&'a str>,
    /// Makes the plugin.
    pub make: &'a Make<'a>,
    /// Reads a file beside the suite.
    pub read_file: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Writes a golden file, with `--update`.
    pub write_golden: Option<&'a WriteGolden<'a>>,
    /// Exchanges of each case for `--bench`; 0 for none.
    pub bench_exchanges: u32,
}

/// What becomes of a suite.
pub enum Run {
    /// It ran.
    Done(Outcome),
    /// It is wrong itself.
    Wrong(Findings),
    /// It could not run.
    Failed(String),
}

/// Runs a suite.
#[must_use]
pub fn run(page: &Page<'_, Suite>, settings: &Settings<'_>) -> Run {
    let ready = match case::ready(page, settings.read_file) {
        Ok(ready) => ready,
        Err(mistakes) => {
            let complaints: Vec<_> = mistakes.iter().map(Mistake::complaint).collect();
            return Run::Wrong(page.findings(&complaints));
        }
    };
    let idle = Idle::default();
    let runtime = match idle.runtime() {
        Ok(runtime) => runtime,
        Err(why) => return Run::Failed(format!("no runtime: {why}")),
    };
    let mut outcome = Outcome::default();
    let chosen = |ready: &&Ready| settings.only.is_none_or(|part| ready.name.contains(part));
    for ready in ready.iter().filter(chosen) {
        let local = tokio::task::LocalSet::new();
        let began = Instant::now();
        let ran = local.block_on(&runtime, one(ready, page, settings, &idle));
        match ran {
            Ok(ran) => {
                outcome.note(&ran);
                outcome.cases.push(CaseOutcome {
                    name: ready.name.clone(),
                    line: ready.line,
                    wrong: ran.wrong,
                    lines: ran.lines,
                    took: began.elapsed(),
                });
            }
            Err(why) => return Run::Failed(format!("case `{}`: {why}", ready.name)),
        }
    }
    Run::Done(outcome)
}

/// What one case gave.
pub(crate) struct Ran {
    pub(crate) wrong: Vec<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) callbacks: Vec<plug_host::Witnessed>,
    pub(crate) exported: Vec<&'static str>,
    pub(crate) memory_bytes: u64,
    pub(crate) is_bench: bool,
}

/// A case while it runs.
struct Cast<'a> {
    time: Time,
    world: Rc<World>,
    plugins: WorkerPlugins,
    plugin: Arc<Plugin>,
    process: Arc<Process>,
    known: Rc<Known>,
    goldens: Goldens<'a>,
    /// The TCP connection of the case, once a step has one.
    connection: Option<Connection>,
    callbacks: Vec<plug_host::Witnessed>,
    body_bytes_max: u64,
}

async fn one(ready: &Ready, page: &Page<'_, Suite>, settings: &Settings<'_>, idle: &Idle) -> Result<Ran, String> {
    let suite = &page.content;
    let part = ready.case.plugin.as_ref().or(suite.plugin.as_ref());
    let mut given = part.cloned().unwrap_or_default().settings();
    if let Some(bytes) = &ready.case.config_bytes {
        given.config = Some(bytes.bytes().to_vec());
    }
    let body_bytes_max = given.limits.body_bytes_max;
    let plugin = (settings.make)(given)?;
    let mut cast = Cast::new(ready, plugin, settings, idle);
    cast.body_bytes_max = body_bytes_max;
    let mut wrong = Vec::new();
    cast.shared().begin(&ready.case.mocks)?;
    let started = cast.time.wait_for(cast.plugins.warm()).await;
    let is_started = matches!(started, Some(Ok(())));
    for (at, step) in ready.steps.iter().enumerate() {
        let seen = match (is_started, at) {
            (true, _) => cast.step(step).await?,
            // A start that fails is what the first step sees.
            (false, 0) => cast.observe(Observed::default()),
            (false, _) => break,
        };
        let nothing = Expect::default();
        let expect = step.expect.as_ref().unwrap_or(&nothing);
        let differences = Judge::judge((expect, &cast.shared()), &seen, &cast.goldens);
        let prefix = if ready.steps.len() > 1 {
            format!("step {}: ", at + 1)
        } else {
            String::new()
        };
        wrong.extend(
            differences
                .into_iter()
                .map(|difference| format!("{prefix}{difference}")),
        );
        cast.callbacks.extend(seen.callbacks);
        if !wrong.is_empty() {
            break;
        }
    }
    if settings.bench_exchanges > 0 && wrong.is_empty() && is_started {
        cast.bench(ready, settings.bench_exchanges).await?;
    }
    let facts = &cast.plugin.module.facts;
    let memory = cast
        .plugin
        .workers
        .first()
        .map_or(0, |stats| stats.memory_bytes.load(std::sync::atomic::Ordering::Relaxed));
    let lines = cast
        .world
        .lines
        .borrow()
        .iter()
        .map(|(level, text)| format!("{} {text}", level.word()))
        .collect();
    let ran = Ran {
        wrong,
        lines,
        exported: facts.callbacks.iter().map(|exported| exported.callback.name).collect(),
        memory_bytes: memory,
        callbacks: std::mem::take(&mut cast.callbacks),
        is_bench: settings.bench_exchanges > 0,
    };
    if let Some(connection) = cast.connection.take() {
        let _ = cast.time.wait_for(connection.end()).await;
    }
    // Nobody waits for what it still has to do.
    let _ = cast.time.wait_for(cast.plugins.close()).await;
    Ok(ran)
}

impl<'a> Cast<'a> {
    fn new(ready: &Ready, plugin: Arc<Plugin>, settings: &Settings<'a>, idle: &Idle) -> Self {
        let trial = Trial::at(ready.began);
        let world = World::new(&trial, &ready.case.mocks);
        let process = Arc::<Process>::default();
        let services = Services {
            process: Arc::clone(&process),
            outside: Rc::<World>::clone(&world),
            worker: 0,
            trial: Some(Rc::clone(&trial)),
        };
        Self {
            time: Time {
                trial,
                idle: idle.clone(),
            },
            world,
            plugins: WorkerPlugins::arrange(std::slice::from_ref(&plugin), &services, None),
            plugin,
            process,
            known: Rc::new(Known(ready.case.mocks.properties.clone())),
            goldens: Goldens {
                read: settings.read_file,
                write: settings.write_golden,
            },
            connection: None,
            callbacks: Vec::new(),
            body_bytes_max: 0,
        }
    }

    fn shared(&self) -> Shared<'_> {
        Shared {
            process: &self.process,
            vm_id: self.plugin.vm_id(),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<Observed, String> {
        if let Some(length) = &step.advance {
            self.time.advance(length.length()).await;
        }
        let refused = step.enqueue.iter().filter_map(|queue| self.shared().put(queue).err());
        let refused: Vec<String> = refused.collect();
        let nothing = Response::default();
        let seen = match (&step.request, &step.connection) {
            (Some(request), _) => {
                self.exchange(request, step.response.as_ref().unwrap_or(&nothing))
                    .await?
            }
            (None, Some(events)) => {
                if self.connection.is_none() {
                    self.connection = Some(self.connect()?);
                }
                match &self.connection {
                    Some(connection) => tcp::play(events, connection, &self.time).await,
                    None => Observed::default(),
                }
            }
            (None, None) => Observed::default(),
        };
        self.time.idle.settled().await;
        Ok(self.observe(Observed { refused, ..seen }))
    }

    fn connect(&self) -> Result<Connection, String> {
        let handle = self
            .plugins
            .find(&self.plugin.spec.name)
            .ok_or("the plugin is not there")?;
        let facts = Rc::<Known>::clone(&self.known);
        Ok(Connection::open(handle, facts, self.body_bytes_max))
    }

    /// One exchange, to its end or as far as the plugin lets it.
    async fn exchange(&self, request: &Request, response: &Response) -> Result<Observed, String> {
        let facts = Rc::<Known>::clone(&self.known);
        let exchange = Exchange::new(case::request_head(request)?, facts, self.body_bytes_max);
        let handle = self
            .plugins
            .find(&self.plugin.spec.name)
            .ok_or("the plugin is not there")?;
        let rehearsal = Rehearsal::new(handle, Rc::clone(&exchange));
        let mut seen = Observed::default();
        let body = case::body(request.body.as_ref(), request.json.as_ref(), &request.trailers)?;
        let mut way = rehearsal.way(Direction::Request, body);
        let passed = pass(&mut way, &self.time).await;
        if passed.head {
            seen.request = Some(seen_request(&exchange, &passed));
        }
        let back = match (passed.halt, passed.is_paused) {
            (Some(Halt::Reset), _) => {
                seen.is_reset = true;
                None
            }
            (Some(Halt::Reply { head, body, details }), _) => {
                seen.details = Some(details);
                *exchange.response.borrow_mut() = Some(head);
                Some(Body {
                    pieces: if body.is_empty() { Vec::new() } else { vec![body] },
                    trailers: None,
                })
            }
            (None, true) => {
                seen.paused = Some(Paused::Request);
                None
            }
            (None, false) => {
                *exchange.response.borrow_mut() = Some(case::response_head(response)?);
                Some(case::body(
                    response.body.as_ref(),
                    response.json.as_ref(),
                    &response.trailers,
                )?)
            }
        };
        if let Some(body) = back {
            self.lead_back(&rehearsal, &exchange, body, &mut seen).await;
        }
        // A plugin that is asked to end takes its time, as it does in a gateway.
        let _ = self.time.wait_for(rehearsal.end()).await;
        let state = exchange.state.borrow();
        seen.properties = state
            .iter()
            .map(|(path, value)| {
                let path = String::from_utf8_lossy(path).replace('\0', ".");
                (path, String::from_utf8_lossy(value).into_owned())
            })
            .collect();
        Ok(seen)
    }

    async fn lead_back(&self, rehearsal: &Rehearsal, exchange: &Rc<Exchange>, body: Body, seen: &mut Observed) {
        let mut way = rehearsal.way(Direction::Response, body);
        let passed = pass(&mut way, &self.time).await;
        match passed.halt {
            Some(Halt::Reset) => seen.is_reset = true,
            Some(Halt::Reply { head, body, details }) => {
                seen.details = Some(details);
                seen.response = Some(SeenResponse {
                    status: head.status,
                    headers: head.headers,
                    body,
                    ..SeenResponse::default()
                });
            }
            None if passed.is_paused => seen.paused = Some(Paused::Response),
            None => {
                exchange.response_started.set(true);
                seen.response = Some(seen_response(exchange, &passed));
            }
        }
    }

    /// With what the world and the metrics tell.
    fn observe(&self, seen: Observed) -> Observed {
        let metrics = self
            .process
            .metrics
            .read()
            .into_iter()
            .map(|(_, name, reading)| (name, reading_of(&reading)));
        Observed {
            faults: self.world.faults.take(),
            lines: self.world.lines.borrow().clone(),
            callouts: self.world.callouts.take(),
            grpc: self.world.grpc_calls.take(),
            redis: self.world.redis_calls.take(),
            unanswered: self.world.unanswered.take(),
            callbacks: self.time.trial.take_callbacks(),
            metrics: metrics.collect(),
            ..seen
        }
    }

    /// The first exchange of the case, again and again, in the same instance.
    async fn bench(&mut self, ready: &Ready, exchanges: u32) -> Result<(), String> {
        let Some(step) = ready.steps.iter().find(|step| step.request.is_some()) else {
            return Ok(());
        };
        self.callbacks.clear();
        for _ in 0..exchanges {
            let seen = self.step(step).await?;
            self.callbacks.extend(seen.callbacks);
            self.world.lines.borrow_mut().clear();
        }
        Ok(())
    }
}

fn reading_of(reading: &Reading) -> i64 {
    match reading {
        Reading::Counter(value) => i64::try_from(*value).unwrap_or(i64::MAX),
        Reading::Gauge(value) => *value,
        Reading::Histogram(HistogramReading { count, .. }) => i64::try_from(*count).unwrap_or(i64::MAX),
    }
}

fn seen_request(exchange: &Exchange, passed: &Passed) -> SeenRequest {
    let head = exchange.request.borrow();
    let authority = head
        .authority
        .as_ref()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    SeenRequest {
        method: head.method.to_string(),
        path: head.path.to_string(),
        authority: authority.unwrap_or_default(),
        headers: head.headers.clone(),
        body: passed.body.clone(),
        trailers: exchange.request_trailers.borrow().clone().unwrap_or_default(),
    }
}

fn seen_response(exchange: &Exchange, passed: &Passed) -> SeenResponse {
    let response = exchange.response.borrow();
    SeenResponse {
        status: response.as_ref().map(|head| head.status).unwrap_or_default(),
        headers: response.as_ref().map(|head| head.headers.clone()).unwrap_or_default(),
        body: passed.body.clone(),
        trailers: exchange.response_trailers.borrow().clone().unwrap_or_default(),
    }
}
