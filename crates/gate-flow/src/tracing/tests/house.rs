//! A gateway of workers for tests: real sockets before and behind it, and what ended with what its plugins said.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gate_serve::bind::bind;
use gate_serve::worker::Workers;
use gate_upstream::Upstreams;
use log_book::Pen;
use parking_lot::Mutex;
use plug_host::{Engines, Isolation, Limits, Module, Plugin, PluginSpec, Process, RestartPolicy, Saying, TraceIds};
use std::cell::RefCell;
use testkit::backend::{Backend, Speaks};
use testkit::client::{Connection, Request, Response, Version};

use crate::flow::{Change, Flow, FlowParts};
use crate::trace_settings::{Formats, TraceHeaders, TraceSettings};
use crate::traced::Ended;

/// LIMIT: how long a test waits for something.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(super) const SPAN: &str = "00f067aa0ba902b7";

/// A line that a plugin wrote: level, text, ids.
pub(super) type Line = (String, String, Option<TraceIds>);

/// A gateway with one upstream `u`, one for callouts `c`, and the plugins of a guest.
pub(super) struct House {
    workers: Workers<Flow>,
    pub(super) address: std::net::SocketAddr,
    pub(super) upstream: Backend,
    pub(super) called: Backend,
    pub(super) lines: Arc<Mutex<Vec<Line>>>,
}

/// Context headers of W3C in and out, callers believed, and room for spans.
pub(super) fn tracing() -> TraceSettings {
    let w3c = Formats {
        w3c: true,
        ..Formats::NONE
    };
    TraceSettings {
        headers: Some(TraceHeaders {
            accept: Formats { b3: true, ..w3c },
            send: w3c,
            trusts: Vec::new(),
            trust: log_trace::Trust::Callers,
        }),
        spans_max: 32,
        ..TraceSettings::default()
    }
}

pub(super) fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{SPAN}-{flags}")
}

fn plugin(name: &str, code: &[u8]) -> Arc<Plugin> {
    let stack_bytes_max = 512 * 1024;
    let engine = Engines::default().for_stack(stack_bytes_max, None).unwrap();
    let module = Module::load(&engine, code, None).unwrap();
    let spec = PluginSpec {
        name: name.to_owned(),
        config: Default::default(),
        vm_config: Default::default(),
        vm_id: String::new(),
        isolation: Isolation::Worker,
        root_id: String::new(),
        environment: Vec::new(),
        grant: None,
        folders: None,
        memory_bytes_max: 1 << 20,
        cpu_slice: Duration::from_secs(10),
        stack_bytes_max,
        trusted_after: 0,
        limits: Limits::default(),
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        retire_after: Duration::from_secs(60),
        log_level: plug_abi::LogLevel::Info,
        burst: None,
        recording_bytes_max: 0,
    };
    Plugin::new(spec, module, 1, 8)
}

impl House {
    /// One worker and no plugin.
    pub(super) fn plain(settings: TraceSettings) -> Self {
        Self::of(settings, 1, None)
    }

    /// So many workers, and a plugin on the route `led`, whose paths begin with `/led`.
    pub(super) fn of(settings: TraceSettings, workers: usize, guest: Option<Vec<u8>>) -> Self {
        let upstream = Backend::start("u", Speaks::Http1).unwrap();
        let called = Backend::start("c", Speaks::Http1).unwrap();
        let text = text(&upstream, &called, guest.is_some());
        let plan = gate_plan::check(&text, "t.yaml").unwrap_or_else(|findings| panic!("{findings}"));
        let plan = Arc::new(plan);
        let bound = {
            let mut listeners = plan.listeners.clone();
            for listener in &mut listeners {
                Arc::make_mut(listener).listen.set_port(0);
            }
            bind(&listeners, plan.limits, NonZeroUsize::new(workers).unwrap()).unwrap()
        };
        let plugins = guest.map(|code| plugin("led", &code)).into_iter().collect::<Vec<_>>();
        let upstreams = Upstreams::prepare(&plan.upstreams).unwrap();
        let change = Change {
            plan,
            plugins,
            trials: Vec::new(),
            upstreams_of_both: upstreams.clone(),
            upstreams,
            tracing: Arc::new(settings),
        };
        let address = bound[0].address();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let mut workers = Workers::start(NonZeroUsize::new(workers).unwrap(), move |worker| {
            let (change, heard) = (change.clone(), Arc::clone(&heard));
            async move {
                let parts = FlowParts {
                    worker,
                    process: Arc::new(Process::default()),
                    voice: Rc::new(move |saying| {
                        if let Saying::Line(line) = saying {
                            let level = line.level.word().to_owned();
                            heard.lock().push((level, line.text.to_owned(), line.marks.ids));
                        }
                    }),
                    pen: Rc::new(RefCell::new(Pen::dry())),
                };
                let flow = Flow::start(parts, change)
                    .await
                    .map_err(|faults| format!("{faults:?}"))?;
                *flow.tracing().witness.borrow_mut() = Some(Vec::new());
                Ok(flow)
            }
        })
        .unwrap();
        workers.open(bound).unwrap();
        Self {
            workers,
            address,
            upstream,
            called,
            lines,
        }
    }

    /// Makes one exchange on a connection of its own.
    pub(super) fn send(&self, request: Request) -> Response {
        let address = self.address;
        on_client(async move {
            let mut connection = Connection::open(address, Version::Http1).await.unwrap();
            connection.send(&request).await.unwrap()
        })
    }

    /// Asks every worker for something.
    pub(super) fn each<A: Send + 'static>(&self, ask: impl Fn(&Flow) -> A + Clone + Send + 'static) -> Vec<A> {
        let asked = self.workers.mailboxes().map(|mailbox| {
            let ask = ask.clone();
            mailbox.ask(move |flow| async move { ask(&flow) }).unwrap()
        });
        let asked = asked.collect::<Vec<_>>();
        let all = asked.into_iter().map(|answer| answer.wait(DEADLINE).unwrap());
        all.collect()
    }

    /// What has ended since this was last asked, once it is so many.
    pub(super) fn ended(&self, count: usize) -> Vec<Ended> {
        let deadline = Instant::now() + DEADLINE;
        let mut all = Vec::new();
        loop {
            let each = self.each(|flow| flow.tracing().witness.borrow_mut().replace(Vec::new()).unwrap());
            all.extend(each.into_iter().flatten());
            if all.len() >= count {
                assert_eq!(all.len(), count, "more ended than began: {all:?}");
                return all;
            }
            assert!(Instant::now() < deadline, "{} of {count} have ended", all.len());
            std::thread::yield_now();
        }
    }

    /// The one that has ended.
    pub(super) fn one(&self) -> Ended {
        self.ended(1).remove(0)
    }
}

pub(super) fn on_client<R>(work: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn text(upstream: &Backend, called: &Backend, has_plugin: bool) -> String {
    let (chain, plugins) = match has_plugin {
        true => (
            "plugins: [led], ",
            "plugins: [{ name: led, source: { file: g.wasm }, on_fault: close }]\n",
        ),
        false => ("", ""),
    };
    format!(
        "listeners: [{{ name: web, listen: '127.0.0.1:2' }}]\n\
         upstreams:\n  - {{ name: u, endpoints: ['{}'] }}\n  - {{ name: c, endpoints: ['{}'] }}\n  - {{ name: gone, endpoints: ['127.0.0.1:1'] }}\n\
         routes:\n\
         \x20 - {{ name: led, match: {{ path: {{ prefix: /led }} }}, {chain}upstream: u }}\n\
         \x20 - {{ name: gone, match: {{ path: {{ prefix: /gone }} }}, upstream: gone }}\n\
         \x20 - {{ name: set, match: {{ path: {{ prefix: /set }} }}, upstream: u, request_headers: {{ set: {{ traceparent: mine }} }} }}\n\
         \x20 - {{ name: own, match: {{ path: {{ prefix: /own }} }}, respond: {{ status: 418 }} }}\n\
         \x20 - {{ name: plain, match: {{ path: {{ prefix: /plain }} }}, upstream: u }}\n{plugins}",
        upstream.address, called.address
    )
}
