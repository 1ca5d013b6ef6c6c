//! The callbacks: each asks the plan whether it is the one that dies.

use crate::{host, plan};

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
    "http_call_response",
    "done",
    "log",
    "delete",
    "refuse_vm_start",
    "refuse_configure",
];

/// Dies when the plan says this callback.
fn at(callback: &str, context: u32) {
    let plan = plan::of(context);
    let way = plan.way.filter(|_| plan.callback == callback);
    if let Some(way) = way {
        way();
    }
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
pub extern "C" fn proxy_on_context_create(context: u32, _parent: u32) {
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
    plan::set_for_plugin(&host::buffer(7));
    at("configure", context);
    match plan::of(context).callback {
        "tick" => host::set_tick(10),
        "queue_ready" => {
            host::register_queue();
        }
        "refuse_configure" => return 0,
        _ => {}
    }
    1
}

/// A request begins; its `x-die` header may hold a plan of its own.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(context: u32, _count: i32, _end: i32) -> i32 {
    plan::set_for_request(context, &host::request_header("x-die"));
    at("request_headers", context);
    match plan::of(context).callback {
        "http_call_response" => i32::from(host::callout()),
        "queue_ready" => {
            host::enqueue(host::register_queue(), b"wake");
            0
        }
        _ => 0,
    }
}

/// A context ends: may it be deleted?
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_done(context: u32) -> i32 {
    at("done", context);
    1
}

/// A context has ended.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(context: u32) {
    at("delete", context);
    plan::forget(context);
}

/// An answer to the callout; the callback comes to the root context, so the plugin's plan counts.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_http_call_response(root: u32, _token: u32, _headers: i32, _body: i32, _trailers: i32) {
    at("http_call_response", root);
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
    proxy_on_downstream_data "downstream_data" (_size, _end) 0;
    proxy_on_upstream_data "upstream_data" (_size, _end) 0;
    proxy_on_downstream_connection_close "downstream_close" (_peer);
    proxy_on_upstream_connection_close "upstream_close" (_peer);
    proxy_on_request_body "request_body" (_size, _end) 0;
    proxy_on_request_trailers "request_trailers" (_count) 0;
    proxy_on_response_headers "response_headers" (_count, _end) 0;
    proxy_on_response_body "response_body" (_size, _end) 0;
    proxy_on_response_trailers "response_trailers" (_count) 0;
    proxy_on_log "log" ();
}
