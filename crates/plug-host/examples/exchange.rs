//! Measures what one plugin adds to one exchange: `cargo run --release -p plug-host --example exchange [MODULE] [EXCHANGES]`.
//!
//! One worker; the module is `target/guests/hello.wasm` unless another is named; the exchange is the same each time, so that only the
//! plugin's part is measured: a context, `proxy_on_request_headers`, `proxy_on_response_headers`, log, done and delete; once on the guest's
//! own stack, once on the worker's, and once with an instance of its own, which is made, started, configured and ended.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::LogLevel;
use plug_host::{
    CallRefused, Exchange, Facts, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, Isolation, Limits, LocalFuture,
    Module, Outside, Plugin, PluginSpec, Process, Property, RedisClient, RequestHead, ResponseHead, RestartPolicy,
    Saying, Services, WorkerPlugins,
};
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

    fn knows_upstream(&self, _: &str) -> bool {
        false
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
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

fn plugin(bytes: &[u8], isolation: Isolation, trusted_after: u32, process: &Process) -> Arc<Plugin> {
    let spec = PluginSpec {
        name: "measured".to_owned(),
        config: Bytes::new(),
        vm_config: Bytes::new(),
        vm_id: String::new(),
        isolation,
        root_id: String::new(),
        environment: Vec::new(),
        memory_bytes_max: 64 * 1024 * 1024,
        cpu_slice: Duration::from_millis(50),
        trusted_after,
        stack_bytes_max: 512 * 1024,
        limits: Limits::default(),
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        log_level: LogLevel::Info,
        burst: None,
        recording_bytes_max: 256 * 1024,
    };
    let engine = process.engines.for_stack(spec.stack_bytes_max, None).unwrap();
    Plugin::new(spec, Module::load(&engine, bytes, None).unwrap(), 1, 1)
}

async fn measure(plugins: &WorkerPlugins, exchanges: u32) -> Duration {
    let handle = plugins.find("measured").unwrap();
    let exchange = exchange();
    let began = Instant::now();
    for _ in 0..exchanges {
        let stream = handle.open(&exchange).await.unwrap();
        stream.request_headers(true).await.unwrap();
        stream.response_headers(true).await.unwrap();
        stream.end().await;
        drop(stream);
        // An instance of its own ends in a task of its own.
        tokio::task::yield_now().await;
    }
    began.elapsed()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let module = arguments
        .next()
        .unwrap_or_else(|| "target/guests/hello.wasm".to_owned());
    let exchanges: u32 = arguments.next().map_or(300_000, |number| number.parse().unwrap());
    let bytes = std::fs::read(module).unwrap();
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
        let process = Arc::new(Process::default());
        let plugin = plugin(&bytes, isolation, trusted_after, &process);
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let services = Services {
                process,
                outside: Rc::new(Nothing),
                worker: 0,
            };
            let plugins = WorkerPlugins::arrange(&[plugin], &services, None);
            plugins.warm().await.unwrap();
            measure(&plugins, exchanges / 10).await;
            let mut rounds: Vec<u128> = Vec::new();
            for _ in 0..7 {
                rounds.push(measure(&plugins, exchanges).await.as_nanos() / u128::from(exchanges));
            }
            rounds.sort_unstable();
            println!(
                "{} ns per exchange on {stack} (median of 7 rounds; {rounds:?})",
                rounds.get(3).unwrap()
            );
        });
    }
}
