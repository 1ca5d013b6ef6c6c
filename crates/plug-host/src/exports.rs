//! The functions of one instance, and how an entry becomes a call of one of them.

use wasmtime::{AsContextMut, Store, TypedFunc, WasmParams, WasmResults};

use crate::entry::Entry;
use crate::guest::OnWorker;

/// Where a guest computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// On its own: it gives way to the other tasks of its worker.
    Own,
    /// On the worker's: it cannot give way, and entering it is a call.
    Worker,
}

type Five = TypedFunc<(u32, u32, u32, u32, u32), ()>;
type Short = TypedFunc<(u32, u32), u32>;
type Long = TypedFunc<(u32, u32, u32), u32>;

/// The functions of one instance; absent ones are callbacks the guest does not care about.
pub(crate) struct Exports {
    begin: TypedFunc<(u32, u32, u32, u32), u32>,
    end: TypedFunc<u32, ()>,
    end_tcp: TypedFunc<u32, ()>,
    context_create: Option<TypedFunc<(u32, u32), ()>>,
    vm_start: Option<Short>,
    configure: Option<Short>,
    response_headers: Option<Long>,
    response_headers_short: Option<Short>,
    request_body: Option<Long>,
    response_body: Option<Long>,
    request_trailers: Option<Short>,
    response_trailers: Option<Short>,
    new_connection: Option<TypedFunc<u32, u32>>,
    downstream_data: Option<Long>,
    upstream_data: Option<Long>,
    downstream_close: Option<TypedFunc<(u32, u32), ()>>,
    upstream_close: Option<TypedFunc<(u32, u32), ()>>,
    tick: Option<TypedFunc<u32, ()>>,
    queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    http_call_response: Option<Five>,
    grpc_initial_metadata: Option<TypedFunc<(u32, u32, u32), ()>>,
    grpc_receive: Option<TypedFunc<(u32, u32, u32), ()>>,
    grpc_trailing_metadata: Option<TypedFunc<(u32, u32, u32), ()>>,
    grpc_close: Option<TypedFunc<(u32, u32, u32), ()>>,
    redis_response: Option<TypedFunc<(u32, u32, u32, u32), ()>>,
    done: Option<TypedFunc<u32, u32>>,
    delete: Option<TypedFunc<u32, ()>>,
}

fn function<P: WasmParams, R: WasmResults>(
    store: &mut Store<OnWorker>,
    instance: &wasmtime::Instance,
    name: &str,
) -> Option<TypedFunc<P, R>> {
    instance.get_typed_func(store.as_context_mut(), name).ok()
}

impl Exports {
    pub(crate) fn find(
        store: &mut Store<OnWorker>,
        guest: &wasmtime::Instance,
        shim: &wasmtime::Instance,
    ) -> wasmtime::Result<Self> {
        Ok(Self {
            begin: shim.get_typed_func(store.as_context_mut(), "begin")?,
            end: shim.get_typed_func(store.as_context_mut(), "end")?,
            end_tcp: shim.get_typed_func(store.as_context_mut(), "end_tcp")?,
            context_create: function(store, guest, "proxy_on_context_create"),
            vm_start: function(store, guest, "proxy_on_vm_start"),
            configure: function(store, guest, "proxy_on_configure"),
            response_headers: function(store, guest, "proxy_on_response_headers"),
            response_headers_short: function(store, guest, "proxy_on_response_headers"),
            request_body: function(store, guest, "proxy_on_request_body"),
            response_body: function(store, guest, "proxy_on_response_body"),
            request_trailers: function(store, guest, "proxy_on_request_trailers"),
            response_trailers: function(store, guest, "proxy_on_response_trailers"),
            new_connection: function(store, guest, "proxy_on_new_connection"),
            downstream_data: function(store, guest, "proxy_on_downstream_data"),
            upstream_data: function(store, guest, "proxy_on_upstream_data"),
            downstream_close: function(store, guest, "proxy_on_downstream_connection_close"),
            upstream_close: function(store, guest, "proxy_on_upstream_connection_close"),
            tick: function(store, guest, "proxy_on_tick"),
            queue_ready: function(store, guest, "proxy_on_queue_ready"),
            http_call_response: function(store, guest, "proxy_on_http_call_response"),
            grpc_initial_metadata: function(store, guest, "proxy_on_grpc_receive_initial_metadata"),
            grpc_receive: function(store, guest, "proxy_on_grpc_receive"),
            grpc_trailing_metadata: function(store, guest, "proxy_on_grpc_receive_trailing_metadata"),
            grpc_close: function(store, guest, "proxy_on_grpc_close"),
            redis_response: function(store, guest, "proxy_on_redis_call_response"),
            done: function(store, guest, "proxy_on_done"),
            delete: function(store, guest, "proxy_on_delete"),
        })
    }

    /// The call that an entry is. A callback that is not there answers 0, which is "go on", or 1 where that means yes.
    pub(crate) fn call(&self, entry: Entry) -> Call<'_> {
        match entry {
            Entry::Begin {
                context,
                root,
                headers,
                end,
            } => Call::Four(&self.begin, (context, root, headers, end)),
            Entry::End { context } => Call::SilentOne(&self.end, context),
            Entry::EndTcp { context } => Call::SilentOne(&self.end_tcp, context),
            Entry::ContextCreate { context, root } => given(&self.context_create, 0, |create| {
                Call::SilentTwo(create, (context, root))
            }),
            Entry::VmStart { root, size } => given(&self.vm_start, 1, |start| Call::Two(start, (root, size))),
            Entry::Configure { root, size } => {
                given(&self.configure, 1, |configure| Call::Two(configure, (root, size)))
            }
            Entry::ResponseHeaders { context, headers, end } => match &self.response_headers_short {
                Some(short) => Call::Two(short, (context, headers)),
                None => given(&self.response_headers, 0, |long| {
                    Call::Three(long, (context, headers, end))
                }),
            },
            Entry::Body {
                direction,
                context,
                size,
                end,
            } => {
                let body = direction.of(&self.request_body, &self.response_body);
                given(body, 0, |body| Call::Three(body, (context, size, end)))
            }
            Entry::Trailers {
                direction,
                context,
                trailers,
            } => {
                let callback = direction.of(&self.request_trailers, &self.response_trailers);
                given(callback, 0, |callback| Call::Two(callback, (context, trailers)))
            }
            Entry::NewConnection { context } => given(&self.new_connection, 0, |new| Call::One(new, context)),
            Entry::Data {
                direction,
                context,
                size,
                end,
            } => {
                let data = direction.of(&self.downstream_data, &self.upstream_data);
                given(data, 0, |data| Call::Three(data, (context, size, end)))
            }
            Entry::ConnectionClose {
                direction,
                context,
                peer,
            } => {
                let close = direction.of(&self.downstream_close, &self.upstream_close);
                given(close, 0, |close| Call::SilentTwo(close, (context, peer)))
            }
            _ => self.call_of_root(entry),
        }
    }

    /// The same for what a root context is told.
    fn call_of_root(&self, entry: Entry) -> Call<'_> {
        match entry {
            Entry::Tick { root } => given(&self.tick, 0, |tick| Call::SilentOne(tick, root)),
            Entry::QueueReady { root, queue } => {
                given(&self.queue_ready, 0, |ready| Call::SilentTwo(ready, (root, queue)))
            }
            Entry::HttpCallResponse {
                root,
                token,
                headers,
                size,
                trailers,
            } => given(&self.http_call_response, 0, |response| {
                Call::SilentFive(response, (root, token, headers, size, trailers))
            }),
            Entry::GrpcInitialMetadata { root, token, entries } => given(&self.grpc_initial_metadata, 0, |metadata| {
                Call::SilentThree(metadata, (root, token, entries))
            }),
            Entry::GrpcReceive { root, token, size } => given(&self.grpc_receive, 0, |receive| {
                Call::SilentThree(receive, (root, token, size))
            }),
            Entry::GrpcTrailingMetadata { root, token, entries } => {
                given(&self.grpc_trailing_metadata, 0, |metadata| {
                    Call::SilentThree(metadata, (root, token, entries))
                })
            }
            Entry::GrpcClose { root, token, status } => given(&self.grpc_close, 0, |close| {
                Call::SilentThree(close, (root, token, status))
            }),
            Entry::RedisResponse {
                root,
                token,
                status,
                size,
            } => given(&self.redis_response, 0, |response| {
                Call::SilentFour(response, (root, token, status, size))
            }),
            Entry::RootDone { root } => given(&self.done, 1, |done| Call::One(done, root)),
            Entry::RootDelete { root } => given(&self.delete, 0, |delete| Call::SilentOne(delete, root)),
            _ => Call::Absent(0),
        }
    }
}

fn given<'a, F>(function: &'a Option<F>, absent: u32, call: impl FnOnce(&'a F) -> Call<'a>) -> Call<'a> {
    function.as_ref().map_or(Call::Absent(absent), call)
}

/// A function of the guest with its arguments, by their number; silent ones answer nothing.
pub(crate) enum Call<'a> {
    Absent(u32),
    One(&'a TypedFunc<u32, u32>, u32),
    Two(&'a Short, (u32, u32)),
    Three(&'a Long, (u32, u32, u32)),
    Four(&'a TypedFunc<(u32, u32, u32, u32), u32>, (u32, u32, u32, u32)),
    SilentOne(&'a TypedFunc<u32, ()>, u32),
    SilentTwo(&'a TypedFunc<(u32, u32), ()>, (u32, u32)),
    SilentThree(&'a TypedFunc<(u32, u32, u32), ()>, (u32, u32, u32)),
    SilentFour(&'a TypedFunc<(u32, u32, u32, u32), ()>, (u32, u32, u32, u32)),
    SilentFive(&'a Five, (u32, u32, u32, u32, u32)),
}

macro_rules! run {
    ($call:expr, |$function:ident, $arguments:ident| $run:expr) => {
        match $call {
            Call::Absent(answer) => Ok(answer),
            Call::One($function, $arguments) => $run,
            Call::Two($function, $arguments) => $run,
            Call::Three($function, $arguments) => $run,
            Call::Four($function, $arguments) => $run,
            Call::SilentOne($function, $arguments) => $run.map(|()| 0),
            Call::SilentTwo($function, $arguments) => $run.map(|()| 0),
            Call::SilentThree($function, $arguments) => $run.map(|()| 0),
            Call::SilentFour($function, $arguments) => $run.map(|()| 0),
            Call::SilentFive($function, $arguments) => $run.map(|()| 0),
        }
    };
}

impl Call<'_> {
    /// Calls it on the guest's own stack.
    pub(crate) async fn on_own_stack(self, store: &mut Store<OnWorker>) -> wasmtime::Result<u32> {
        run!(self, |function, arguments| function.call_async(store, arguments).await)
    }

    /// Calls it on the worker's stack.
    pub(crate) fn on_worker_stack(self, store: &mut Store<OnWorker>) -> wasmtime::Result<u32> {
        run!(self, |function, arguments| function.call(store, arguments))
    }
}
