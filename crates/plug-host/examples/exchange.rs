//! Measures what one plugin adds to one exchange: `cargo run --release -p plug-host --example exchange [MODULE] [EXCHANGES] [CALL_DEPTH]`.
//!
//! One worker; the module is `target/guests/hello.wasm` unless another is named, as bytes or text; the exchange is the same each time, so
//! that only the plugin's part is measured: a context, `proxy_on_request_headers`, `proxy_on_response_headers`, log, done and delete; once
//! on the guest's own stack, once on the worker's, and once with an instance of its own, which is made, started, configured and ended.
//! With a `CALL_DEPTH` each round is made once more, in turns: with its frames counted. Always it is made with two grants: of everything, and
//! with lists of headers, so that each call is looked at.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::LogLevel;
use plug_grant::{Access, Grant, Names};
use plug_host::{
    CallRefused, Caller, Exchange, Facts, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, Isolation, Limits,
    LocalFuture, Module, Outside, Plugin, PluginSpec, Process, Property, RedisClient, RequestHead, ResponseHead,
    RestartPolicy, Saying, Services, WorkerPlugins,
};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

struct Nothing;

impl Outside for Nothing {
    fn say(&self, _: Saying<'_>) {}

    fn http_call(&self, _: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        Err(CallRefused::UnknownUpstream)
    }

    fn grpc_call(
        &self,
        _: GrpcCall,
        _: mpsc::UnboundedReceiver<GrpcOut>,
        _: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        Err(CallRefused::UnknownUpstream)
    }

    fn upstream_name(&self, _: &str) -> Option<String> {
        None
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes, _: Caller<'_>) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Err(CallRefused::UnknownUpstream)
    }
}

impl Facts for Nothing {
    fn property(&self, _: &Exchange, _: &[&[u8]]) -> Property {
        Property::Absent
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        Vec::new()
    }
}

fn exchange() -> Rc<Exchange> {
    let mut headers = HeaderMap::new();
    for name in [
        "user-agent",
        "accept",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    ] {
        headers.insert(name, HeaderValue::from_static("some usual value"));
    }
    let request = RequestHead {
        method: Method::GET,
        scheme: HeaderValue::from_static("http"),
        authority: Some(HeaderValue::from_static("127.0.0.1:8080")),
        path: PathAndQuery::from_static("/"),
        headers,
    };
    let exchange = Exchange::new(request, Rc::new(Nothing), 1024 * 1024);
    let head = ResponseHead {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
    };
    *exchange.response.borrow_mut() = Some(head);
    exchange
}

/// How the plugin runs: who shares its instance, when it is trusted, how many frames it may have, and what it is granted.
type Kind = (Isolation, u32, Option<u32>, Option<Grant>);

/// All host calls, and of headers those that this plugin asks for: each call is looked at.
fn narrow() -> Grant {
    let names: Names = ["x-*", "s*", "a*", "u*", ":*"].into_iter().collect();
    let headers = || Access {
        read: names.clone(),
        write: names.clone(),
    };
    Grant {
        request_headers: headers(),
        response_headers: headers(),
        ..Grant::everything()
    }
}

fn plugin(bytes: &[u8], (isolation, trusted_after, call_depth_max, grant): Kind, process: &Process) -> Arc<Plugin> {
    let spec = PluginSpec {
        name: "measured".to_owned(),
        config: Bytes::new(),
        vm_config: Bytes::new(),
        vm_id: String::new(),
        isolation,
        grant: grant.map(Arc::new),
        folders: None,
        root_id: String::new(),
        environment: Vec::new(),
        memory_bytes_max: 64 * 1024 * 1024,
        cpu_slice: Duration::from_millis(50),
        trusted_after,
        stack_bytes_max: 512 * 1024,
        limits: Limits {
            call_depth_max,
            ..Limits::default()
        },
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        log_level: LogLevel::Info,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 256 * 1024,
    };
    let engine = process.engines.for_stack(spec.stack_bytes_max, None).unwrap();
    let module = Module::load_by(None, &engine, (bytes, spec.limits.changes()), None);
    Plugin::new(spec, module.unwrap(), 1, 1)
}

/// CPU time of this thread, so that what else the machine does is left out.
fn now() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

async fn measure(plugins: &WorkerPlugins, exchanges: u32) -> Duration {
    let handle = plugins.find("measured").unwrap();
    let exchange = exchange();
    let began = now();
    for _ in 0..exchanges {
        let stream = handle.open(&exchange).await.unwrap();
        stream.request_headers(true).await.unwrap();
        stream.response_headers(true).await.unwrap();
        stream.end().await;
        drop(stream);
        // An instance of its own ends in a task of its own.
        tokio::task::yield_now().await;
    }
    now() - began
}

fn arrange(bytes: &[u8], kind: Kind) -> WorkerPlugins {
    let process = Arc::new(Process::default());
    let plugin = plugin(bytes, kind, &process);
    let services = Services {
        process,
        outside: Rc::new(Nothing),
        worker: 0,
        trial: None,
    };
    WorkerPlugins::arrange(&[plugin], &services, None)
}

/// Nanoseconds of CPU time for an exchange: the median of some rounds, and all of them.
fn told(mut rounds: Vec<u128>) -> String {
    rounds.sort_unstable();
    let median = rounds.get(rounds.len() / 2).unwrap();
    format!("{median} ns per exchange (median of {}; {rounds:?})", rounds.len())
}

async fn compare(contenders: &[(String, WorkerPlugins)], exchanges: u32) {
    let mut rounds: Vec<Vec<u128>> = vec![Vec::new(); contenders.len()];
    for (_, plugins) in contenders {
        plugins.warm().await.unwrap();
        measure(plugins, exchanges / 10).await;
    }
    for _ in 0..9 {
        for ((_, plugins), rounds) in contenders.iter().zip(&mut rounds) {
            rounds.push(measure(plugins, exchanges).await.as_nanos() / u128::from(exchanges));
        }
    }
    for ((name, _), rounds) in contenders.iter().zip(rounds) {
        println!("{name}: {}", told(rounds));
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let module = arguments
        .next()
        .unwrap_or_else(|| "target/guests/hello.wasm".to_owned());
    let exchanges: u32 = arguments.next().map_or(300_000, |number| number.parse().unwrap());
    let call_depth: Option<u32> = arguments.next().map(|number| number.parse().unwrap());
    let bytes = wat::parse_file(module).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let own = Isolation::Exchange { instances_max: 100 };
    let kinds = [
        ("the guest's stack", Isolation::Worker, 0),
        ("the worker's stack", Isolation::Worker, 1),
        ("the guest's stack in an instance of its own", own, 0),
    ];
    for (stack, isolation, trusted_after) in kinds {
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let as_it_is = (
                stack.to_owned(),
                arrange(&bytes, (isolation, trusted_after, None, None)),
            );
            let counted = call_depth.map(|frames| {
                let name = format!("{stack}, at most {frames} frames");
                (name, arrange(&bytes, (isolation, trusted_after, Some(frames), None)))
            });
            let granted = |(how, grant)| {
                let name = format!("{stack}, {how}");
                (name, arrange(&bytes, (isolation, trusted_after, None, Some(grant))))
            };
            let grants = [
                ("granted everything", Grant::everything()),
                ("granted some headers", narrow()),
            ];
            let contenders = [Some(as_it_is), counted].into_iter().flatten();
            let contenders: Vec<_> = contenders.chain(grants.map(granted)).collect();
            compare(&contenders, exchanges).await;
        });
    }
}
