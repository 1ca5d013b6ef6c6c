//! Host calls, one file for each family, and how they are linked: by the type with which the module imports them.

pub(crate) mod buffer;
pub(crate) mod context;
pub(crate) mod expression;
pub(crate) mod foreign;
pub(crate) mod grpc;
pub(crate) mod http_call;
pub(crate) mod inject;
pub(crate) mod log;
pub(crate) mod map;
pub(crate) mod metric;
pub(crate) mod property;
pub(crate) mod redis;
pub(crate) mod reply;
pub(crate) mod shared;
pub(crate) mod step;
pub(crate) mod stream;
pub(crate) mod time;
pub(crate) mod wasi;

use bytes::Bytes;
use plug_abi::{HOST_MODULE, Status, StreamKind, call_number};
use wasmtime::{Caller, Extern, Linker, Memory};

use self::step::{Answered, Step, shape};
use crate::guest::{Delivery, Host, OnWorker};

/// What a host call without a value answers.
pub(crate) type Done = Result<(), Status>;
/// What a host call answers whose value goes through the guest's allocator.
pub(crate) type Value = Result<Bytes, Status>;

/// Imports of the shim: host calls before the guest's allocator is asked.
pub(crate) const SHIM_HOST: &str = "cofferdam";
/// Host calls of the same names in other types that SDKs import them with.
pub(crate) const OTHER_SHAPES: &str = "other shapes";

fn memory(caller: &mut Caller<'_, OnWorker>) -> Option<Memory> {
    if let Some(memory) = caller.data().0.memory {
        return Some(memory);
    }
    // The module's `start` function runs before the instance is known.
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Some(memory),
        _ => None,
    }
}

/// Runs `call` with the guest's memory and state; none when the module has no memory yet.
pub(crate) fn with_host<R>(mut caller: Caller<'_, OnWorker>, call: impl FnOnce(&mut Host<'_>) -> R) -> Option<R> {
    let memory = memory(&mut caller)?;
    let (memory, guest) = memory.data_and_store_mut(&mut caller);
    Some(call(&mut Host {
        memory,
        guest: &mut guest.0,
    }))
}

/// A step by the names of its arguments.
macro_rules! step {
    ($name:expr; $($argument:ident),*) => {
        Step {
            name: $name,
            number: const { call_number($name) },
            arguments: &[$(Raw::raw($argument)),*],
            shape: const { &shape(&[$(stringify!($argument)),*]) },
        }
    };
}

/// Runs a host call and remembers it.
pub(crate) fn traced<R>(
    caller: Caller<'_, OnWorker>,
    step: &Step<'_>,
    call: impl FnOnce(&mut Host<'_>) -> R,
    answer: impl FnOnce(&R) -> u32,
) -> Option<R> {
    with_host(caller, |host| {
        host.begins(step);
        let result = call(host);
        let answer = answer(&result);
        host.guest.trail.answers(answer);
        host.guest.tape.answers(answer);
        host.guest.look_after_call(step.name);
        result
    })
}

fn status(caller: Caller<'_, OnWorker>, step: &Step<'_>, call: impl FnOnce(&mut Host<'_>) -> Done) -> u32 {
    match traced(caller, step, |host| host.answers(step, call), Answered::raw) {
        Some(done) => done.raw(),
        None => Status::InternalFailure.raw(),
    }
}

/// A number that tells the shim to return `status` at once.
fn at_once(status: Status) -> i64 {
    !i64::from(status.raw())
}

/// Prepares a value for the guest: its size for the allocator, or a status to return at once.
fn prepare(
    caller: Caller<'_, OnWorker>,
    step: &Step<'_>,
    (pointer_at, length_at): (u32, u32),
    call: impl FnOnce(&mut Host<'_>) -> Value,
) -> i64 {
    let prepare = |host: &mut Host<'_>| {
        // Before the call, which may take something away that could then not be handed over.
        host.check_u32(pointer_at)?;
        host.check_u32(length_at)?;
        let value = host.answers(step, call)?;
        if value.is_empty() {
            // Go's allocator dies of a size of 0, so it is not asked.
            host.put_u32(pointer_at, 0)?;
            host.put_u32(length_at, 0)?;
            return Ok(None);
        }
        let size = u32::try_from(value.len()).map_err(|_| Status::InternalFailure)?;
        host.guest.delivery = Some(Delivery {
            value,
            pointer_at,
            length_at,
        });
        Ok(Some(size))
    };
    told(traced(caller, step, prepare, answered))
}

/// A call whose value nobody wants.
fn discard(
    caller: Caller<'_, OnWorker>,
    step: &Step<'_>,
    length_at: u32,
    call: impl FnOnce(&mut Host<'_>) -> Value,
) -> i64 {
    let discard = |host: &mut Host<'_>| {
        let value = host.answers(step, call)?;
        let length = u32::try_from(value.len()).map_err(|_| Status::InternalFailure)?;
        if length_at != 0 {
            host.put_u32(length_at, length)?;
        }
        Ok(None)
    };
    told(traced(caller, step, discard, answered))
}

fn answered(prepared: &Result<Option<u32>, Status>) -> u32 {
    prepared.err().unwrap_or(Status::Ok).raw()
}

/// What the shim is told: a size to allocate, or a status.
fn told(prepared: Option<Result<Option<u32>, Status>>) -> i64 {
    match prepared {
        Some(Ok(Some(size))) => i64::from(size),
        Some(Ok(None)) => at_once(Status::Ok),
        Some(Err(status)) => at_once(status),
        None => at_once(Status::InternalFailure),
    }
}

/// Puts the prepared value where the guest's allocator said.
fn deliver(host: &mut Host<'_>, pointer: u32) -> Done {
    let delivery = host.guest.delivery.take().ok_or(Status::InternalFailure)?;
    if pointer == 0 {
        return Err(Status::InvalidMemoryAccess);
    }
    host.put(pointer, &delivery.value)?;
    let length = u32::try_from(delivery.value.len()).map_err(|_| Status::InternalFailure)?;
    host.put_u32(delivery.pointer_at, pointer)?;
    host.put_u32(delivery.length_at, length)
}

/// An argument as the trail keeps it.
trait Raw {
    fn raw(self) -> u64;
}

impl Raw for u32 {
    fn raw(self) -> u64 {
        u64::from(self)
    }
}

impl Raw for u64 {
    fn raw(self) -> u64 {
        self
    }
}

impl Raw for i64 {
    fn raw(self) -> u64 {
        self.cast_unsigned()
    }
}

/// Host calls that answer a status, in the type the ABI gives them.
macro_rules! plain {
    ($linker:ident, $module:expr; $($name:literal ($($argument:ident: $kind:ty),*) => $call:expr;)+) => {
        $($linker.func_wrap($module, $name, |caller: Caller<'_, OnWorker>, $($argument: $kind),*| {
            #[allow(clippy::redundant_closure_call)]
            status(caller, &step!($name; $($argument),*), |host| $call(host))
        })?;)+
    };
}

/// Host calls whose value goes through the guest's allocator; the last two arguments say where pointer and length go.
macro_rules! valued {
    ($linker:ident; $($name:literal ($($argument:ident),*; $pointer:ident, $length:ident) => $call:expr;)+) => {
        $($linker.func_wrap(SHIM_HOST, $name, |caller: Caller<'_, OnWorker>, $($argument: u32,)* $pointer: u32, $length: u32| {
            #[allow(clippy::redundant_closure_call)]
            prepare(caller, &step!($name; $($argument),*), ($pointer, $length), |host| $call(host))
        })?;)+
    };
}

/// Defines everything a guest may import.
pub(crate) fn define(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    define_plain(linker)?;
    define_callouts(linker)?;
    define_shared(linker)?;
    define_valued(linker)?;
    define_shared_data(linker)?;
    define_foreign(linker)?;
    define_other_shapes(linker)?;
    define_legacy(linker)?;
    define_shim_host(linker)?;
    wasi::define(linker)
}

fn define_plain(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    plain! { linker, HOST_MODULE;
        "proxy_log" (level: u32, text: u32, length: u32) => |host: &mut Host<'_>| log::proxy_log(host, level, text, length);
        "proxy_get_log_level" (at: u32) => |host: &mut Host<'_>| log::proxy_get_log_level(host, at);
        "proxy_get_current_time_nanoseconds" (at: u32) => |host: &mut Host<'_>| time::proxy_get_current_time_nanoseconds(host, at);
        "proxy_set_tick_period_milliseconds" (period: u32) => |host: &mut Host<'_>| time::proxy_set_tick_period_milliseconds(host, period);
        "proxy_set_buffer_bytes" (kind: u32, start: u32, size: u32, bytes: u32, length: u32) =>
            |host: &mut Host<'_>| buffer::proxy_set_buffer_bytes(host, kind, start, size, bytes, length);
        "proxy_get_buffer_status" (kind: u32, length_at: u32, flags_at: u32) =>
            |host: &mut Host<'_>| buffer::proxy_get_buffer_status(host, kind, length_at, flags_at);
        "proxy_get_header_map_size" (kind: u32, at: u32) => |host: &mut Host<'_>| map::proxy_get_header_map_size(host, kind, at);
        "proxy_set_header_map_pairs" (kind: u32, pairs: u32, length: u32) =>
            |host: &mut Host<'_>| map::proxy_set_header_map_pairs(host, kind, pairs, length);
        "proxy_add_header_map_value" (kind: u32, name: u32, name_length: u32, value: u32, value_length: u32) =>
            |host: &mut Host<'_>| map::proxy_add_header_map_value(host, kind, name, name_length, value, value_length);
        "proxy_replace_header_map_value" (kind: u32, name: u32, name_length: u32, value: u32, value_length: u32) =>
            |host: &mut Host<'_>| map::proxy_replace_header_map_value(host, kind, name, name_length, value, value_length);
        "proxy_remove_header_map_value" (kind: u32, name: u32, length: u32) =>
            |host: &mut Host<'_>| map::proxy_remove_header_map_value(host, kind, name, length);
        "proxy_send_local_response" (status: u32, details: u32, details_length: u32, body: u32, body_length: u32, headers: u32, headers_length: u32, grpc_status: u32) =>
            |host: &mut Host<'_>| reply::proxy_send_local_response(host, &reply::Arguments {
                status, details: (details, details_length), body: (body, body_length), headers: (headers, headers_length), grpc_status,
            });
        "proxy_set_property" (path: u32, path_length: u32, value: u32, value_length: u32) =>
            |host: &mut Host<'_>| property::proxy_set_property(host, path, path_length, value, value_length);
        "proxy_set_effective_context" (context: u32) => |host: &mut Host<'_>| context::proxy_set_effective_context(host, context);
        "proxy_done" () => |host: &mut Host<'_>| context::proxy_done(host);
        "proxy_continue_stream" (kind: u32) => |host: &mut Host<'_>| stream::proxy_continue_stream(host, kind);
        "proxy_close_stream" (kind: u32) => |host: &mut Host<'_>| stream::proxy_close_stream(host, kind);
        "proxy_inject_encoded_data_to_filter_chain" (body: u32, length: u32, end: u32) =>
            |host: &mut Host<'_>| inject::proxy_inject_encoded_data_to_filter_chain(host, body, length, end);
        "proxy_set_upstream_override_host" (address: u32, length: u32) =>
            |host: &mut Host<'_>| inject::proxy_set_upstream_override_host(host, address, length);
    }
    linker.func_wrap(HOST_MODULE, "pthread_equal", |left: u32, right: u32| {
        u32::from(left == right)
    })?;
    linker.func_wrap(HOST_MODULE, "emscripten_notify_memory_growth", |_: u32| ())?;
    Ok(())
}

fn define_callouts(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    plain! { linker, HOST_MODULE;
        "proxy_http_call" (upstream: u32, upstream_length: u32, headers: u32, headers_length: u32, body: u32, body_length: u32, trailers: u32, trailers_length: u32, timeout_ms: u32, token_at: u32) =>
            |host: &mut Host<'_>| http_call::proxy_http_call(host, &http_call::Arguments {
                upstream: (upstream, upstream_length), headers: (headers, headers_length), body: (body, body_length),
                trailers: (trailers, trailers_length), timeout_ms, token_at,
            });
        "proxy_grpc_call" (upstream: u32, upstream_length: u32, service: u32, service_length: u32, method: u32, method_length: u32, metadata: u32, metadata_length: u32, message: u32, message_length: u32, timeout_ms: u32, token_at: u32) =>
            |host: &mut Host<'_>| grpc::begin(host, &grpc::Arguments {
                upstream: (upstream, upstream_length), service: (service, service_length), method: (method, method_length),
                metadata: Some((metadata, metadata_length)), message: Some((message, message_length)), timeout_ms, token_at,
            });
        "proxy_grpc_stream" (upstream: u32, upstream_length: u32, service: u32, service_length: u32, method: u32, method_length: u32, metadata: u32, metadata_length: u32, token_at: u32) =>
            |host: &mut Host<'_>| grpc::begin(host, &grpc::Arguments {
                upstream: (upstream, upstream_length), service: (service, service_length), method: (method, method_length),
                metadata: Some((metadata, metadata_length)), message: None, timeout_ms: 0, token_at,
            });
        "proxy_grpc_send" (token: u32, message: u32, length: u32, end: u32) =>
            |host: &mut Host<'_>| grpc::proxy_grpc_send(host, token, message, length, end);
        "proxy_grpc_cancel" (token: u32) => |host: &mut Host<'_>| grpc::proxy_grpc_cancel(host, token);
        "proxy_grpc_close" (token: u32) => |host: &mut Host<'_>| grpc::proxy_grpc_close(host, token);
        "proxy_redis_init" (upstream: u32, upstream_length: u32, user: u32, user_length: u32, password: u32, password_length: u32, timeout_ms: u32) =>
            |host: &mut Host<'_>| redis::proxy_redis_init(host, (upstream, upstream_length), (user, user_length), (password, password_length), timeout_ms);
        "proxy_redis_call" (upstream: u32, upstream_length: u32, query: u32, query_length: u32, token_at: u32) =>
            |host: &mut Host<'_>| redis::proxy_redis_call(host, (upstream, upstream_length), (query, query_length), token_at);
    }
    Ok(())
}

fn define_shared(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    plain! { linker, HOST_MODULE;
        "proxy_set_shared_data" (key: u32, key_length: u32, value: u32, value_length: u32, cas: u32) =>
            |host: &mut Host<'_>| shared::proxy_set_shared_data(host, key, key_length, value, value_length, cas);
        "proxy_register_shared_queue" (name: u32, length: u32, at: u32) =>
            |host: &mut Host<'_>| shared::proxy_register_shared_queue(host, name, length, at);
        "proxy_resolve_shared_queue" (vm: u32, vm_length: u32, name: u32, length: u32, at: u32) =>
            |host: &mut Host<'_>| shared::proxy_resolve_shared_queue(host, (vm, vm_length), (name, length), at);
        "proxy_enqueue_shared_queue" (queue: u32, value: u32, length: u32) =>
            |host: &mut Host<'_>| shared::proxy_enqueue_shared_queue(host, queue, value, length);
        "proxy_define_metric" (kind: u32, name: u32, length: u32, at: u32) =>
            |host: &mut Host<'_>| metric::proxy_define_metric(host, kind, name, length, at);
        "proxy_record_metric" (metric: u32, value: u64) => |host: &mut Host<'_>| metric::proxy_record_metric(host, metric, value);
        "proxy_increment_metric" (metric: u32, delta: i64) => |host: &mut Host<'_>| metric::proxy_increment_metric(host, metric, delta);
        "proxy_get_metric" (metric: u32, at: u32) => |host: &mut Host<'_>| metric::proxy_get_metric(host, metric, at);
    }
    Ok(())
}

fn define_valued(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    valued! { linker;
        "proxy_get_buffer_bytes" (kind, start, size; pointer, length) =>
            |host: &mut Host<'_>| buffer::proxy_get_buffer_bytes(host, kind, start, size);
        "proxy_get_header_map_pairs" (kind; pointer, length) => |host: &mut Host<'_>| map::proxy_get_header_map_pairs(host, kind);
        "proxy_get_header_map_value" (kind, name, name_length; pointer, length) =>
            |host: &mut Host<'_>| map::proxy_get_header_map_value(host, kind, name, name_length);
        "proxy_get_property" (path, path_length; pointer, length) =>
            |host: &mut Host<'_>| property::proxy_get_property(host, path, path_length);
        "proxy_dequeue_shared_queue" (queue; pointer, length) => |host: &mut Host<'_>| shared::proxy_dequeue_shared_queue(host, queue);
        "proxy_get_upstream_hosts" (; pointer, length) => |host: &mut Host<'_>| inject::proxy_get_upstream_hosts(host);
        "proxy_get_configuration" (; pointer, length) => |host: &mut Host<'_>| buffer::proxy_get_configuration(host);
        "proxy_get_status" (code_at; pointer, length) => |host: &mut Host<'_>| grpc::proxy_get_status(host, code_at);
    }
    Ok(())
}

/// `proxy_get_shared_data` gives a number after pointer and length.
fn define_shared_data(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    linker.func_wrap(
        SHIM_HOST,
        "proxy_get_shared_data",
        |caller: Caller<'_, OnWorker>, key: u32, key_length: u32, pointer: u32, length: u32, cas_at: u32| {
            let step = step!("proxy_get_shared_data"; key, key_length, cas_at);
            prepare(caller, &step, (pointer, length), |host| {
                shared::proxy_get_shared_data(host, key, key_length, cas_at)
            })
        },
    )?;
    Ok(())
}

/// Callers of foreign functions may give null in place of a pointer when they want no result, as in Envoy.
fn define_foreign(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    linker.func_wrap(
        SHIM_HOST,
        "proxy_call_foreign_function",
        |caller: Caller<'_, OnWorker>,
         name: u32,
         name_length: u32,
         arguments: u32,
         arguments_length: u32,
         pointer: u32,
         length: u32| {
            let call = |host: &mut Host<'_>| {
                foreign::proxy_call_foreign_function(host, (name, name_length), (arguments, arguments_length))
            };
            let step = step!("proxy_call_foreign_function"; name, name_length, arguments, arguments_length);
            if pointer == 0 {
                discard(caller, &step, length, call)
            } else {
                prepare(caller, &step, (pointer, length), call)
            }
        },
    )?;
    Ok(())
}

/// Types other than the specification's with which SDKs import a call.
fn define_other_shapes(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    plain! { linker, OTHER_SHAPES;
        "proxy_grpc_call" (upstream: u32, upstream_length: u32, service: u32, service_length: u32, method: u32, method_length: u32, message: u32, message_length: u32, timeout_ms: u32, token_at: u32) =>
            |host: &mut Host<'_>| grpc::begin(host, &grpc::Arguments {
                upstream: (upstream, upstream_length), service: (service, service_length), method: (method, method_length),
                metadata: None, message: Some((message, message_length)), timeout_ms, token_at,
            });
        "proxy_grpc_stream" (upstream: u32, upstream_length: u32, service: u32, service_length: u32, method: u32, method_length: u32, token_at: u32) =>
            |host: &mut Host<'_>| grpc::begin(host, &grpc::Arguments {
                upstream: (upstream, upstream_length), service: (service, service_length), method: (method, method_length),
                metadata: None, message: None, timeout_ms: 0, token_at,
            });
        "proxy_continue_request" () => |host: &mut Host<'_>| stream::proxy_continue_stream(host, StreamKind::HttpRequest.raw());
        "proxy_continue_response" () => |host: &mut Host<'_>| stream::proxy_continue_stream(host, StreamKind::HttpResponse.raw());
        "proxy_clear_route_cache" () => |host: &mut Host<'_>| foreign::clear_route_cache(host);
    }
    Ok(())
}

/// Runs a call that answers nothing, if it is granted.
fn quiet(caller: Caller<'_, OnWorker>, step: &Step<'_>, call: impl FnOnce(&mut Host<'_>) -> Done) {
    with_host(caller, |host| {
        host.guest.count_call(step.number);
        if host.guest.free.has(step.number) || host.denied(step).is_none() {
            // It answers nothing, whatever comes of it.
            let _ = call(host);
        }
    });
}

/// Calls of 0.1.0, which answer nothing; proxy-wasm-cpp-host gives them a status, and either type is found in binaries.
fn define_legacy(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    linker.func_wrap(HOST_MODULE, "proxy_continue_request", |caller: Caller<'_, OnWorker>| {
        quiet(caller, &step!("proxy_continue_request";), |host| {
            stream::proxy_continue_stream(host, StreamKind::HttpRequest.raw())
        });
    })?;
    linker.func_wrap(
        HOST_MODULE,
        "proxy_continue_response",
        |caller: Caller<'_, OnWorker>| {
            quiet(caller, &step!("proxy_continue_response";), |host| {
                stream::proxy_continue_stream(host, StreamKind::HttpResponse.raw())
            });
        },
    )?;
    linker.func_wrap(
        HOST_MODULE,
        "proxy_clear_route_cache",
        |caller: Caller<'_, OnWorker>| {
            quiet(caller, &step!("proxy_clear_route_cache";), foreign::clear_route_cache);
        },
    )?;
    Ok(())
}

fn define_shim_host(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    linker.func_wrap(SHIM_HOST, "deliver", |caller: Caller<'_, OnWorker>, pointer: u32| {
        let delivered = with_host(caller, |host| {
            let done = deliver(host, pointer);
            // The call that the guest made is not done before its value has arrived.
            host.guest.trail.answers(done.err().unwrap_or(Status::Ok).raw());
            done
        });
        delivered
            .unwrap_or(Err(Status::InternalFailure))
            .err()
            .unwrap_or(Status::Ok)
            .raw()
    })?;
    linker.func_wrap(SHIM_HOST, "enter", |mut caller: Caller<'_, OnWorker>, callback: u32| {
        caller.data_mut().0.enter(callback);
    })?;
    Ok(())
}
