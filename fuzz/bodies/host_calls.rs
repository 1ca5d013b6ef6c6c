//! Any host calls with any arguments, in every phase of an exchange.

use std::fmt::Write;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::{HOST_CALLS, HOST_MODULE, HostCall, LogLevel, ValueType};
use plug_host::{
    CallRefused, Caller, Direction, Exchange, Facts, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, Limits,
    LocalFuture, Module, Outside, Plugin, PluginSpec, Process, Property, RedisClient, RequestHead, ResponseHead,
    RestartPolicy, Saying, Services, WorkerPlugins,
};
use tokio::sync::mpsc;

/// Bytes of one call in the script: its number and ten arguments of eight bytes at most, of which each call takes what it needs.
const CALL_BYTES: usize = 1 + 10 * 8;
/// LIMIT: calls that are made in one callback.
const CALLS_MAX: usize = 32;

const STACK_BYTES: u64 = 256 * 1024;

static PROCESS: LazyLock<Arc<Process>> = LazyLock::new(Arc::default);

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let engine = PROCESS
        .engines
        .for_stack(STACK_BYTES, None)
        .expect("there is an engine");
    let bytes = wat::parse_str(guest()).expect("the guest is WebAssembly text");
    Module::load(&engine, &bytes, None).expect("the guest is a module")
});

/// A guest that takes its configuration for a script and makes its calls in every callback. Its allocator never frees, so that it
/// hands out places outside its memory before long.
fn guest() -> String {
    let (mut imports, mut steps, mut table) = (String::new(), String::new(), String::new());
    for call in HOST_CALLS {
        let name = call.name;
        let _ = writeln!(
            imports,
            r#"(import "{HOST_MODULE}" "{name}" (func ${name} {}))"#,
            signature(call)
        );
        let arguments: String = call
            .params
            .iter()
            .enumerate()
            .map(|(index, param)| format!("({}.load offset={} (local.get 0))", param.value_type, 1 + 8 * index))
            .collect();
        let made = format!("(call ${name} {arguments})");
        let made = if call.results.is_empty() {
            made
        } else {
            format!("(drop {made})")
        };
        let _ = writeln!(steps, "(func $step_{name} (param i32) {made})");
        let _ = write!(table, " $step_{name}");
    }
    let callbacks = callbacks();
    let kinds = HOST_CALLS.len();
    format!(
        r#"(module
  {imports}
  (memory (export "memory") 2)
  (table funcref (elem {table}))
  (type $step (func (param i32)))
  (global $free (mut i32) (i32.const 65536))
  (global $script (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $size))))
  (func $load (param $size i32)
    (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
    (global.set $script (i32.load (i32.const 16)))
    (global.set $length (i32.load (i32.const 20))))
  (func $play (local $at i32) (local $end i32)
    (local.set $at (global.get $script))
    (local.set $end (i32.add (global.get $script) (global.get $length)))
    (block $over
      (loop $next
        (br_if $over (i32.gt_u (i32.add (local.get $at) (i32.const {CALL_BYTES})) (local.get $end)))
        (call_indirect (type $step) (local.get $at) (i32.rem_u (i32.load8_u (local.get $at)) (i32.const {kinds})))
        (local.set $at (i32.add (local.get $at) (i32.const {CALL_BYTES})))
        (br $next))))
  {steps}
  {callbacks})"#
    )
}

/// Callbacks that make the calls of the script; the first of them loads it.
fn callbacks() -> String {
    [
        ("proxy_on_configure", 2),
        ("proxy_on_request_headers", 3),
        ("proxy_on_request_body", 3),
        ("proxy_on_request_trailers", 2),
        ("proxy_on_response_headers", 3),
        ("proxy_on_response_body", 3),
        ("proxy_on_done", 1),
    ]
    .iter()
    .map(|(name, arity)| {
        let params = "i32 ".repeat(*arity);
        let load = if *name == "proxy_on_configure" {
            "(call $load (local.get 1))"
        } else {
            ""
        };
        format!(r#"(func (export "{name}") (param {params}) (result i32) {load} (call $play) (i32.const 1))"#)
    })
    .collect::<Vec<_>>()
    .join("\n")
}

fn signature(call: &HostCall) -> String {
    let list = |types: &mut dyn Iterator<Item = ValueType>| types.map(|one| format!("{one} ")).collect::<String>();
    format!(
        "(param {}) (result {})",
        list(&mut call.params.iter().map(|param| param.value_type)),
        list(&mut call.results.iter().copied())
    )
}

/// Makes the calls: whatever they are, the host lives, and what the guest dies of has a name.
pub(crate) fn run(bytes: &[u8]) {
    let script = bytes.get(..bytes.len().min(CALLS_MAX * CALL_BYTES)).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("there is a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, play(script));
}

async fn play(script: &[u8]) {
    let services = Services {
        process: Arc::clone(&PROCESS),
        outside: Rc::new(Nobody),
        worker: 0,
        trial: None,
    };
    let plugin = Plugin::new(spec(script), Arc::clone(&MODULE), 1, 1);
    let plugins = WorkerPlugins::arrange(&[plugin], &services, None);
    if let Err(faults) = plugins.warm().await {
        assert!(faults.iter().all(|fault| !fault.code().is_empty()));
        return;
    }
    let exchange = exchange();
    let handle = plugins.find("fuzzed").expect("the plugin is there");
    let Ok(stream) = handle.open(&exchange).await else {
        return;
    };
    let body = || Bytes::from_static(b"some bytes of a body");
    // A fault ends the instance; what follows must then be answered without it.
    let _ = stream.request_headers(false).await;
    stream.context().request.body.borrow_mut().push(body());
    let _ = stream.body(Direction::Request, true).await;
    let _ = stream.trailers(Direction::Request).await;
    let _ = stream.response_headers(false).await;
    stream.context().response.body.borrow_mut().push(body());
    let _ = stream.body(Direction::Response, true).await;
    stream.end().await;
    drop(stream);
    plugins.close().await;
}

fn spec(script: &[u8]) -> PluginSpec {
    PluginSpec {
        name: "fuzzed".to_owned(),
        config: Bytes::copy_from_slice(script),
        vm_config: Bytes::new(),
        vm_id: String::new(),
        isolation: plug_host::Isolation::Worker,
        root_id: String::new(),
        grant: None,
        folders: None,
        environment: Vec::new(),
        memory_bytes_max: 1024 * 1024,
        cpu_slice: Duration::from_secs(20),
        trusted_after: 1,
        stack_bytes_max: STACK_BYTES,
        limits: Limits::default(),
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        log_level: LogLevel::Trace,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 256 * 1024,
    }
}

fn exchange() -> Rc<Exchange> {
    let mut headers = HeaderMap::new();
    headers.insert("x-name", HeaderValue::from_static("value"));
    let request = RequestHead {
        method: Method::POST,
        scheme: HeaderValue::from_static("http"),
        authority: Some(HeaderValue::from_static("example.org")),
        path: PathAndQuery::from_static("/path?query"),
        headers: headers.clone(),
    };
    let exchange = Exchange::new(request, Rc::new(Nobody), 64 * 1024);
    *exchange.request_trailers.borrow_mut() = Some(headers.clone());
    *exchange.response.borrow_mut() = Some(ResponseHead {
        status: StatusCode::OK,
        headers,
    });
    exchange
}

/// There is nobody outside: callouts are taken and never answered.
struct Nobody;

impl Outside for Nobody {
    fn say(&self, _: Saying<'_>) {}

    fn http_call(&self, _: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        Ok(Box::pin(std::future::pending()))
    }

    fn grpc_call(
        &self,
        _: GrpcCall,
        _: mpsc::UnboundedReceiver<GrpcOut>,
        _: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        Ok(Box::pin(std::future::pending()))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        Some(named.to_owned())
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes, _: Caller<'_>) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(Box::pin(std::future::pending()))
    }
}

impl Facts for Nobody {
    fn property(&self, _: &Exchange, _: &[&[u8]]) -> Property {
        Property::Absent
    }

    fn upstream_hosts(&self, _: &Exchange) -> Vec<(String, String)> {
        Vec::new()
    }
}
