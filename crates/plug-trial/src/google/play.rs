//! Runs a suite of Google's: phase after phase through the lanes, the clock standing still.

use std::rc::Rc;

use bytes::Bytes;
use gate_flow::rehearsal::{Came, Halt, Rehearsal, Way};
use gate_plan::document::PluginPart;
use plug_host::{Direction, Exchange};

use super::expectation::Expectation;
use super::http1::Head;
use super::judge::{differences, log_differences};
use super::phase::{Answer, Lines, Phase, of_request, of_response};
use super::suite::{GoogleSuite, Messages, Test};
use crate::cast::Cast;
use crate::facts::Known;
use crate::run::{Ran, Run, Settings, each};
use crate::stage::Idle;
use crate::written::Mocks;

/// Runs a suite.
#[must_use]
pub fn run(suite: &GoogleSuite, settings: &Settings<'_>) -> Run {
    each(
        &suite.tests,
        settings.only,
        |test| (&test.name, test.line),
        async |test, idle| {
            let ran = one(test, suite, settings, idle).await;
            ran.map_err(|why| format!("test `{}`: {why}", test.name))
        },
    )
}

async fn one(test: &Test, suite: &GoogleSuite, settings: &Settings<'_>, idle: &Idle) -> Result<Ran, String> {
    let mut given = PluginPart::default().settings();
    given.config.clone_from(&suite.config);
    let body_bytes_max = given.limits.body_bytes_max;
    let plugin = (settings.make)(given)?;
    let mut cast = Cast::new(plugin, (suite.began, &Mocks::default()), settings, idle);
    cast.body_bytes_max = body_bytes_max;
    let properties = test.properties.iter();
    let properties = properties.map(|(path, value)| (path.clone(), Bytes::copy_from_slice(value)));
    cast.known = Rc::new(Known::of_bytes(properties.collect()));
    let mut wrong = Vec::new();
    let mut lines = Lines::new(suite.log_level);
    let started = cast.time.try_now(cast.plugins.warm()).await;
    let init = Phase {
        name: "plugin_init".to_owned(),
        lines: lines.take(&cast),
        faults: cast.world.faults.take(),
        ..Phase::default()
    };
    wrong.extend(log_differences(
        test.plugin_init.as_ref().unwrap_or(&Expectation::default()),
        &init,
    ));
    if matches!(started, Some(Ok(()))) {
        if !test.has_stream() {
            return Ok(cast.end(wrong, false).await);
        }
        wrong.extend(stream(test, &cast, &mut lines).await?);
        cast.callbacks.extend(cast.time.trial.take_callbacks());
        let is_bench = settings.bench_exchanges > 0 && test.is_benchmark && wrong.is_empty();
        if is_bench {
            cast.callbacks.clear();
            for _ in 0..settings.bench_exchanges {
                stream(test, &cast, &mut lines).await?;
                cast.callbacks.extend(cast.time.trial.take_callbacks());
            }
        }
        return Ok(cast.end(wrong, is_bench).await);
    }
    if wrong.is_empty() {
        wrong.push("plugin_init: the plugin did not start".to_owned());
    }
    Ok(cast.end(wrong, false).await)
}

/// One stream from its beginning to its end.
async fn stream(test: &Test, cast: &Cast<'_>, lines: &mut Lines) -> Result<Vec<String>, String> {
    let default = Head::default();
    let sent = test.request.headers.as_ref().map_or(&default, |(head, _)| head);
    let facts = Rc::<Known>::clone(&cast.known);
    let exchange = Exchange::new(sent.request(), facts, cast.body_bytes_max);
    let rehearsal = Rehearsal::new(cast.handle()?, Rc::clone(&exchange));
    let mut player = Player {
        cast,
        lines,
        exchange,
        wrong: Vec::new(),
        is_over: false,
    };
    let mut way = rehearsal.open_way(Direction::Request);
    let came = cast.time.try_now(way.next()).await;
    let init = Phase {
        name: "stream_init".to_owned(),
        lines: player
            .lines
            .take_while(cast, |callback| callback == Some("proxy_on_context_create")),
        ..Phase::default()
    };
    let nothing = Expectation::default();
    player
        .wrong
        .extend(log_differences(test.stream_init.as_ref().unwrap_or(&nothing), &init));
    player.head(
        ("request", sent),
        came,
        test.request.headers.as_ref().map(|(_, expect)| expect),
    );
    player.bodies("request_body", &mut way, &test.request).await;
    if !test.response.is_absent() {
        let sent = test.response.headers.as_ref().map_or(&default, |(head, _)| head);
        if !player.is_over {
            *player.exchange.response.borrow_mut() = Some(sent.response());
        }
        let mut way = rehearsal.open_way(Direction::Response);
        let came = match player.is_over {
            true => None,
            false => cast.time.try_now(way.next()).await,
        };
        player.head(
            ("response", sent),
            came,
            test.response.headers.as_ref().map(|(_, expect)| expect),
        );
        player.bodies("response_body", &mut way, &test.response).await;
    }
    let _ = cast.time.try_now(rehearsal.end()).await;
    let end = Phase {
        name: "stream_destroy".to_owned(),
        lines: player.lines.take(cast),
        faults: cast.world.faults.take(),
        ..Phase::default()
    };
    player
        .wrong
        .extend(log_differences(test.stream_destroy.as_ref().unwrap_or(&nothing), &end));
    Ok(player.wrong)
}

/// Leads one stream through its phases.
struct Player<'p, 'c> {
    cast: &'p Cast<'c>,
    lines: &'p mut Lines,
    exchange: Rc<Exchange>,
    wrong: Vec<String>,
    /// The plugin has answered, or ended the stream: later phases see nothing.
    is_over: bool,
}

impl Player<'_, '_> {
    fn head(
        &mut self,
        (direction, sent): (&str, &Head),
        came: Option<Result<Came, Halt>>,
        expect: Option<&Expectation>,
    ) {
        let mut phase = self.phase(format!("{direction}_headers"));
        match came {
            None => phase.is_held = !self.is_over,
            Some(Err(halt)) => self.halted(halt, &mut phase),
            Some(Ok(_)) => {
                phase.headers = match direction {
                    "request" => of_request(&self.exchange.request.borrow(), sent),
                    _ => {
                        let head = self.exchange.response.borrow();
                        head.as_ref()
                            .map(|head| of_response(head, Some(sent)))
                            .unwrap_or_default()
                    }
                };
            }
        }
        match expect {
            Some(expect) => self.wrong.extend(differences(expect, &phase)),
            // What the test does not look at still may not kill the plugin.
            None => self.wrong.extend(log_differences(&Expectation::default(), &phase)),
        }
    }

    async fn bodies(&mut self, name: &str, way: &mut Way, messages: &Messages) {
        let last = messages.bodies.len().saturating_sub(1);
        for (at, (chunks, expect)) in messages.bodies.iter().enumerate() {
            let mut body = Vec::new();
            let mut halt = None;
            let last_chunk = chunks.len().saturating_sub(1);
            for (number, chunk) in chunks.iter().enumerate() {
                if self.is_over || halt.is_some() {
                    break;
                }
                way.feed(Bytes::copy_from_slice(chunk), at == last && number == last_chunk);
                halt = self.drain(way, &mut body).await;
            }
            let mut phase = self.phase(name.to_owned());
            phase.body = body;
            if let Some(halt) = halt {
                self.halted(halt, &mut phase);
            }
            self.wrong.extend(differences(expect, &phase));
        }
    }

    /// Takes what comes out until nothing moves any more, and what came instead of more.
    async fn drain(&self, way: &mut Way, body: &mut Vec<u8>) -> Option<Halt> {
        loop {
            match self.cast.time.try_now(way.next()).await {
                None => return None,
                Some(Err(halt)) => return Some(halt),
                Some(Ok(Came::Data { bytes, end })) => {
                    body.extend_from_slice(&bytes);
                    if end {
                        return None;
                    }
                }
                Some(Ok(Came::Head { .. } | Came::Trailers)) => {}
            }
        }
    }

    fn phase(&mut self, name: String) -> Phase {
        Phase {
            name,
            lines: self.lines.take(self.cast),
            faults: self.cast.world.faults.take(),
            ..Phase::default()
        }
    }

    fn halted(&mut self, halt: Halt, phase: &mut Phase) {
        self.is_over = true;
        if let Halt::Reply {
            head,
            body,
            details,
            grpc_status,
        } = halt
        {
            phase.headers = of_response(&head, None);
            phase.body = body.to_vec();
            // A gateway answers for a plugin that died, which is said as what it is.
            phase.answer = phase.faults.is_empty().then_some(Answer {
                status: head.status.as_u16(),
                grpc_status,
                details,
            });
        } else {
            phase.is_held = true;
        }
    }
}
