//! The callbacks that every ABI version has in the same form; the header callbacks are added by [`crate::guest`].

use std::rc::Rc;

use serde_json::Value;

use crate::context::{self, answered};
use crate::host::{HostCall, say, take};
use crate::script;
use crate::step::{Frame, run};

/// Makes a crate a guest of one ABI version: its marker, its host calls and its header callbacks.
#[macro_export]
macro_rules! guest {
    ($marker:ident, $tables:expr, headers($($end:ident)?)) => {
        /// Says the ABI version; never called.
        #[unsafe(no_mangle)]
        pub extern "C" fn $marker() {}

        /// Runs before everything else.
        #[unsafe(no_mangle)]
        pub extern "C" fn _initialize() {
            unsafe extern "C" {
                fn __wasm_call_ctors();
            }
            // SAFETY: the linker makes this function; a reactor calls it once, before anything else.
            unsafe { __wasm_call_ctors() };
            static TABLES: &[&[$crate::host::HostCall]] = $tables;
            $crate::callbacks::initialize(TABLES);
        }

        /// A request begins.
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_request_headers(context: u32, count: i32 $(, $end: i32)?) -> i32 {
            $crate::callbacks::headers("request_headers", context, count, None::<i32>$(.or(Some($end)))?)
        }

        /// A response begins.
        #[unsafe(no_mangle)]
        pub extern "C" fn proxy_on_response_headers(context: u32, count: i32 $(, $end: i32)?) -> i32 {
            $crate::callbacks::headers("response_headers", context, count, None::<i32>$(.or(Some($end)))?)
        }
    };
}

/// Takes over the tables of an ABI version; the environment variable `PROBE` may hold a script with `initialize` and
/// `root_create`, which run before there is any configuration.
pub fn initialize(tables: &'static [&'static [HostCall]]) {
    context::set_tables(tables);
    context::create(0, 0);
    if let Ok(text) = std::env::var("PROBE") {
        configure_with(0, text.as_bytes());
    }
    callback("initialize", 0, &[]);
}

/// The header callbacks of all versions; 0.1.0 has no end of stream.
pub fn headers(name: &'static str, context: u32, count: i32, end: Option<i32>) -> i32 {
    choose_case(context);
    let mut arguments = vec![("count", i64::from(count))];
    arguments.extend(end.map(|end| ("end", i64::from(end))));
    callback(name, context, &arguments).unwrap_or(0) as i32
}

/// Runs the case that `x-case` names, when the script has cases.
fn choose_case(id: u32) {
    let open = context::with(id, |context| {
        context.case.is_none() && context.script["cases"].is_object()
    });
    if open != Some(true) {
        return;
    }
    let key = "x-case";
    let mut slots = Box::new([0_u32; 2]);
    let base = slots.as_mut_ptr() as i64;
    let arguments = [0, key.as_ptr() as i64, key.len() as i64, base, base + 4];
    let status = context::host_call("get_header_map_value").map_or(-1, |call| (call.make)(&arguments));
    let slots = std::hint::black_box(slots);
    let name = if status == 0 {
        take(slots[0], slots[1])
    } else {
        Vec::new()
    };
    context::with(id, |context| {
        context.case = Some(String::from_utf8_lossy(&name).into_owned())
    });
}

/// The steps for a callback of a context.
fn steps(id: u32, name: &str) -> Value {
    let found = context::with(id, |context| {
        let case = context
            .case
            .as_deref()
            .map(|case| &context.script["cases"][case])
            .filter(|case| case.is_object());
        case.unwrap_or(&context.script)[name].clone()
    });
    found.unwrap_or_default()
}

fn callback(name: &'static str, id: u32, arguments: &[(&'static str, i64)]) -> Option<i64> {
    context::with(id, |context| *context.seen.entry(name).or_default() += 1);
    let steps = steps(id, name);
    perform(
        Frame {
            callback: name,
            context: id,
            origin: id,
            token: None,
            arguments: arguments.to_vec(),
        },
        &steps,
    )
}

/// Runs steps inside a callback, traced when the script says so; a host that is inside another callback is told on.
fn perform(frame: Frame, steps: &Value) -> Option<i64> {
    if let Some(other) = context::enter(Some(frame.callback)) {
        say(&format!("{}: re-entered inside {other}", frame.callback));
    }
    let traced = context::with(context::root_of(frame.context), |root| root.script["trace"] == true);
    if traced == Some(true) {
        let shown: Vec<String> = frame
            .arguments
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        say(&format!("{}({})", frame.callback, shown.join(" ")));
    }
    let answer = run(&frame, steps);
    context::enter(None);
    answer
}

/// What answers a callout: the callback's name, whose tokens it brings, and the field of the callout's step that holds its steps.
struct Answer(&'static str, &'static str, &'static str);

impl Answer {
    /// Runs the steps that a callout's own step holds for this answer.
    fn run(self, root: u32, token: u32, arguments: &[(&'static str, i64)]) {
        let Some(pending) = answered(self.1, token) else {
            return say(&format!("{}: no callout has this token", self.0));
        };
        let frame = Frame {
            callback: self.0,
            context: root,
            origin: pending.origin,
            token: Some(token),
            arguments: arguments.to_vec(),
        };
        perform(frame, &pending.step[self.2]);
    }
}

/// Reads a script; false when it is none.
fn configure_with(id: u32, bytes: &[u8]) -> bool {
    match script::read(bytes) {
        Ok(script) => context::with(id, |context| context.script = Rc::new(script)).is_some(),
        Err(reason) => {
            say(&format!("probe: {reason}"));
            false
        }
    }
}

fn buffer(index: i64, size: i32) -> Vec<u8> {
    let mut slots = Box::new([0_u32; 2]);
    let base = slots.as_mut_ptr() as i64;
    let status = context::host_call("get_buffer_bytes")
        .map_or(-1, |call| (call.make)(&[index, 0, i64::from(size), base, base + 4]));
    let slots = std::hint::black_box(slots);
    if status == 0 {
        take(slots[0], slots[1])
    } else {
        Vec::new()
    }
}

/// A root context or a stream begins.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(id: u32, parent: u32) {
    context::create(id, parent);
    callback(if parent == 0 { "root_create" } else { "context_create" }, id, &[]);
}

/// The VM starts; its configuration may hold a script with `vm_start`.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_vm_start(root: u32, size: i32) -> i32 {
    let configuration = buffer(6, size);
    if configuration.first() == Some(&b'{') {
        configure_with(root, &configuration);
    }
    callback("vm_start", root, &[("size", i64::from(size))]).unwrap_or(1) as i32
}

/// The plugin is configured: the script that everything else runs.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(root: u32, size: i32) -> i32 {
    if !configure_with(root, &buffer(7, size)) {
        return 0;
    }
    callback("configure", root, &[("size", i64::from(size))]).unwrap_or(1) as i32
}

/// A context ends: may it be deleted?
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_done(id: u32) -> i32 {
    callback(ending(id, "done", "root_done"), id, &[]).unwrap_or(1) as i32
}

/// A context ends: last look.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_log(id: u32) {
    callback(ending(id, "log", "root_log"), id, &[]);
}

/// A context has ended.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(id: u32) {
    callback(ending(id, "delete", "root_delete"), id, &[]);
    context::delete(id);
}

fn ending(id: u32, stream: &'static str, root: &'static str) -> &'static str {
    if context::root_of(id) == id { root } else { stream }
}

/// An answer to an HTTP callout; without headers, the callout failed.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_http_call_response(root: u32, token: u32, headers: i32, body: i32, trailers: i32) {
    let arguments = [
        ("headers", i64::from(headers)),
        ("size", i64::from(body)),
        ("trailers", i64::from(trailers)),
    ];
    Answer("http_call_response", "http_call", "then").run(root, token, &arguments);
}

/// Initial metadata of a gRPC callout.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_grpc_receive_initial_metadata(root: u32, token: u32, count: i32) {
    Answer("grpc_receive_initial_metadata", "grpc", "initial_metadata").run(
        root,
        token,
        &[("count", i64::from(count))],
    );
}

/// A message of a gRPC callout.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_grpc_receive(root: u32, token: u32, size: i32) {
    Answer("grpc_receive", "grpc", "then").run(root, token, &[("size", i64::from(size))]);
}

/// Trailing metadata of a gRPC callout.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_grpc_receive_trailing_metadata(root: u32, token: u32, count: i32) {
    Answer("grpc_receive_trailing_metadata", "grpc", "trailing_metadata").run(
        root,
        token,
        &[("count", i64::from(count))],
    );
}

/// The end of a gRPC callout.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_grpc_close(root: u32, token: u32, status: i32) {
    Answer("grpc_close", "grpc", "close").run(root, token, &[("status", i64::from(status))]);
}

/// A reply of Redis (Higress); exported by `probe-2100` alone.
pub fn redis_call_response(root: u32, token: u32, status: i32, size: i32) {
    Answer("redis_call_response", "redis_call", "then").run(
        root,
        token,
        &[("status", i64::from(status)), ("size", i64::from(size))],
    );
}

macro_rules! plain_callbacks {
    ($($export:ident $name:literal ($($argument:ident),*);)*) => {
        $(
            #[doc = concat!("Runs the steps of `", $name, "`.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $export(context: u32 $(, $argument: i32)*) {
                callback($name, context, &[$((stringify!($argument), i64::from($argument))),*]);
            }
        )*
    };
}

macro_rules! deciding_callbacks {
    ($($export:ident $name:literal ($($argument:ident),*);)*) => {
        $(
            #[doc = concat!("Runs the steps of `", $name, "`, which may return an action.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $export(context: u32 $(, $argument: i32)*) -> i32 {
                callback($name, context, &[$((stringify!($argument), i64::from($argument))),*]).unwrap_or(0) as i32
            }
        )*
    };
}

plain_callbacks! {
    proxy_on_tick "tick" ();
    proxy_on_queue_ready "queue_ready" (queue);
    proxy_on_downstream_connection_close "downstream_close" (peer);
    proxy_on_upstream_connection_close "upstream_close" (peer);
    proxy_on_foreign_function "foreign_function" (function, size);
}

deciding_callbacks! {
    proxy_on_new_connection "new_connection" ();
    proxy_on_downstream_data "downstream_data" (size, end);
    proxy_on_upstream_data "upstream_data" (size, end);
    proxy_on_request_body "request_body" (size, end);
    proxy_on_request_trailers "request_trailers" (count);
    proxy_on_request_metadata "request_metadata" (count);
    proxy_on_response_body "response_body" (size, end);
    proxy_on_response_trailers "response_trailers" (count);
    proxy_on_response_metadata "response_metadata" (count);
}
