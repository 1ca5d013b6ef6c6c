//! The callbacks: each asks the plan whether it is the one that dies.

use std::cell::Cell;

use crate::{guard, host, plan};

/// Every callback that can die, by its word.
pub(crate) static CALLBACKS: &[&str] = &[
    "initialize",
    "context_create",
    "vm_start",
    "configure",
    "tick",
    "queue_ready",
    "new_connection",
    "downstream_data",
    "upstream_data",
    "downstream_close",
    "upstream_close",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "response_body_end",
    "http_call_response",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
    "redis_call_response",
    "done",
    "log",
    "delete",
    "root_done",
    "root_delete",
    "next_start",
    "refuse_vm_start",
    "refuse_configure",
];

thread_local! {
    static ROOT: Cell<u32> = const { Cell::new(0) };
    /// The request that waits for a callout.
    static WAITING: Cell<u32> = const { Cell::new(0) };
}

/// Dies when the plan says this callback.
fn at(callback: &str, context: u32) {
    let plan = plan::of(context);
    let way = plan.way.filter(|_| plan.callback == callback);
    if let Some(way) = way {
        plan::used(plan);
        way();
    }
}

/// Dies in a callback that streams have and the root context too.
fn at_the_end(of_a_stream: &str, of_the_root: &str, context: u32) {
    let is_root = ROOT.get() == context;
    at(if is_root { of_the_root } else { of_a_stream }, context);
}

/// Says the ABI version; never called.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// Runs before everything else.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function; a reactor calls it once, before anything else.
    unsafe { __wasm_call_ctors() };
    plan::set_for_plugin(std::env::var("DIE").unwrap_or_default().as_bytes());
    at("initialize", 0);
}

/// A root context or a stream begins.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    if parent == 0 {
        ROOT.set(context);
    }
    at("context_create", context);
}

/// The VM starts; refused when the plan says `refuse_vm_start`.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_vm_start(context: u32, _size: usize) -> i32 {
    plan::set_for_plugin(&host::buffer(6));
    at("vm_start", context);
    i32::from(plan::of(context).callback != "refuse_vm_start")
}

/// The plugin is configured; refused when the plan says `refuse_configure`.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(context: u32, _size: usize) -> i32 {
    let configuration = host::buffer(7);
    plan::set_for_plugin(&configuration);
    guard::set(&configuration);
    at("configure", context);
    if let Some(way) = plan::of_this_start() {
        way();
    }
    match plan::of(context).callback {
        "tick" => host::set_tick(10),
        "queue_ready" => {
            host::register_queue("die");
        }
        "refuse_configure" => return 0,
        _ => {}
    }
    1
}

/// A request begins; its `x-die` header may hold a plan of its own.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(context: u32, _count: i32, end: i32) -> i32 {
    plan::set_for_request(context, &host::request_header("x-die"));
    at("request_headers", context);
    at("next_start", context);
    let waits = match plan::of(context).callback {
        "http_call_response" => host::callout(),
        "redis_call_response" => host::redis_call(),
        callback if callback.starts_with("grpc_") => host::grpc_stream(),
        "queue_ready" => {
            host::enqueue(host::register_queue("die"), b"wake");
            false
        }
        "tick" => {
            host::set_tick(10);
            false
        }
        _ => false,
    };
    if waits {
        WAITING.set(context);
        return 1;
    }
    guard::headers(end != 0)
}

/// A piece of the request's body.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_body(context: u32, _size: i32, end: i32) -> i32 {
    at("request_body", context);
    guard::body(end != 0)
}

/// The request's trailers.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_trailers(context: u32, _count: i32) -> i32 {
    at("request_trailers", context);
    guard::trailers()
}

/// A piece of the response's body.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_body(context: u32, _size: i32, end: i32) -> i32 {
    at("response_body", context);
    if end != 0 {
        at("response_body_end", context);
    }
    0
}

/// Bytes of a client's connection; they may hold a plan for it.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_downstream_data(context: u32, _size: i32, _end: i32) -> i32 {
    plan::set_for_request(context, &host::buffer(2));
    at("downstream_data", context);
    0
}

/// A context ends: may it be deleted?
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_done(context: u32) -> i32 {
    at_the_end("done", "root_done", context);
    1
}

/// A context has ended.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(context: u32) {
    at_the_end("delete", "root_delete", context);
    plan::forget(context);
}

/// An answer to the callout; the callback comes to the root context, so the plugin's plan counts.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_http_call_response(root: u32, _token: u32, _headers: i32, _body: i32, _trailers: i32) {
    at("http_call_response", root);
    resume();
}

/// A gRPC stream is over.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_grpc_close(root: u32, _token: u32, _status: i32) {
    at("grpc_close", root);
    resume();
}

/// An answer of Redis.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_redis_call_response(root: u32, _token: u32, _status: i32, _size: i32) {
    at("redis_call_response", root);
    resume();
}

/// Lets the request go on that waits for a callout, if there is one.
fn resume() {
    let waiting = WAITING.take();
    if waiting != 0 {
        host::resume_request(waiting);
    }
}

macro_rules! callbacks {
    ($($export:ident $name:literal ($($argument:ident),*) $($answer:literal)?;)*) => {
        $(
            #[doc = concat!("Dies in `", $name, "` when the plan says so.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $export(context: u32 $(, $argument: i32)*) $(-> callbacks!(@answer $answer))? {
                at($name, context);
                $($answer)?
            }
        )*
    };
    (@answer $answer:literal) => { i32 };
}

callbacks! {
    proxy_on_tick "tick" ();
    proxy_on_queue_ready "queue_ready" (_queue);
    proxy_on_new_connection "new_connection" () 0;
    proxy_on_upstream_data "upstream_data" (_size, _end) 0;
    proxy_on_downstream_connection_close "downstream_close" (_peer);
    proxy_on_upstream_connection_close "upstream_close" (_peer);
    proxy_on_response_headers "response_headers" (_count, _end) 0;
    proxy_on_response_trailers "response_trailers" (_count) 0;
    proxy_on_log "log" ();
    proxy_on_grpc_receive_initial_metadata "grpc_receive_initial_metadata" (_token, _count);
    proxy_on_grpc_receive "grpc_receive" (_token, _size);
    proxy_on_grpc_receive_trailing_metadata "grpc_receive_trailing_metadata" (_token, _count);
}
