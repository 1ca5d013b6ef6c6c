//! A case while it runs: its plugin, its clock, its world and what came of them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gate_flow::rehearsal::{Body, Connection, Halt, Rehearsal};
use plug_host::{
    Direction, Exchange, HistogramReading, Plugin, PluginHandle, Process, Reading, Services, Trial, WorkerPlugins,
};

use crate::case::{self, Ready};
use crate::facts::Known;
use crate::judge::Goldens;
use crate::observed::{Observed, Passed, SeenRequest, SeenResponse, pass};
use crate::run::{Ran, Settings};
use crate::shared::Shared;
use crate::stage::{Idle, Time};
use crate::tcp;
use crate::world::World;
use crate::written::{Mocks, Paused, Request, Response, Step};

/// A case while it runs.
pub(crate) struct Cast<'a> {
    pub(crate) time: Time,
    pub(crate) world: Rc<World>,
    pub(crate) plugins: WorkerPlugins,
    pub(crate) plugin: Arc<Plugin>,
    process: Arc<Process>,
    pub(crate) known: Rc<Known>,
    pub(crate) goldens: Goldens<'a>,
    /// The TCP connection of the case, once a step has one.
    pub(crate) connection: Option<Connection>,
    pub(crate) callbacks: Vec<plug_host::Witnessed>,
    pub(crate) body_bytes_max: u64,
}

impl<'a> Cast<'a> {
    /// A case that begins at this time, with these mocks.
    pub(crate) fn new(
        plugin: Arc<Plugin>,
        (began, mocks): (Duration, &Mocks),
        settings: &Settings<'a>,
        idle: &Idle,
    ) -> Self {
        let trial = Trial::at(began);
        let world = World::new(&trial, mocks);
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
            known: Rc::new(Known::new(mocks.properties.clone())),
            goldens: Goldens {
                read: settings.read_file,
                write: settings.write_golden,
            },
            connection: None,
            callbacks: Vec::new(),
            body_bytes_max: 0,
        }
    }

    /// What the case gave. Nobody waits for what the plugin still has to do.
    pub(crate) async fn end(mut self, wrong: Vec<String>, is_bench: bool) -> Ran {
        let facts = &self.plugin.module.facts;
        let stats = self.plugin.workers.first();
        let ran = Ran {
            wrong,
            lines: self
                .world
                .lines
                .borrow()
                .iter()
                .map(|(level, text)| format!("{} {text}", level.word()))
                .collect(),
            exported: facts.callbacks.iter().map(|exported| exported.callback.name).collect(),
            memory_bytes: stats.map_or(0, |stats| stats.memory_bytes.load(Ordering::Relaxed)),
            callbacks: std::mem::take(&mut self.callbacks),
            is_bench,
        };
        if let Some(connection) = self.connection.take() {
            let _ = self.time.wait_for(connection.end()).await;
        }
        let _ = self.time.wait_for(self.plugins.close()).await;
        ran
    }

    pub(crate) fn shared(&self) -> Shared<'_> {
        Shared {
            process: &self.process,
            vm_id: self.plugin.vm_id(),
        }
    }

    pub(crate) async fn step(&mut self, step: &Step) -> Result<Observed, String> {
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

    /// The plugin, for exchanges and connections.
    pub(crate) fn handle(&self) -> Result<&Rc<PluginHandle>, String> {
        let found = self.plugins.find(&self.plugin.spec.name);
        found.ok_or_else(|| "the plugin is not there".to_owned())
    }

    fn connect(&self) -> Result<Connection, String> {
        let handle = self.handle()?;
        let facts = Rc::<Known>::clone(&self.known);
        Ok(Connection::open(handle, facts, self.body_bytes_max))
    }

    /// One exchange, to its end or as far as the plugin lets it.
    async fn exchange(&self, request: &Request, response: &Response) -> Result<Observed, String> {
        let facts = Rc::<Known>::clone(&self.known);
        let exchange = Exchange::new(case::request_head(request)?, facts, self.body_bytes_max);
        let handle = self.handle()?;
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
            (
                Some(Halt::Reply {
                    head, body, details, ..
                }),
                _,
            ) => {
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
            Some(Halt::Reply {
                head, body, details, ..
            }) => {
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
    pub(crate) fn observe(&self, seen: Observed) -> Observed {
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
    pub(crate) async fn bench(&mut self, ready: &Ready, exchanges: u32) -> Result<(), String> {
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
