//! Callbacks by name and arguments, and the exports behind them.

use wasmtime::{AsContextMut, Store, TypedFunc, WasmParams, WasmResults};

use crate::exchange::{Direction, Visible};
use crate::guest::{Current, Guest, OnWorker};

/// One entry into the guest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    /// `proxy_on_context_create` and `proxy_on_request_headers` in one switch.
    Begin {
        context: u32,
        root: u32,
        headers: u32,
        end: u32,
    },
    ContextCreate {
        context: u32,
        root: u32,
    },
    VmStart {
        root: u32,
        size: u32,
    },
    Configure {
        root: u32,
        size: u32,
    },
    ResponseHeaders {
        context: u32,
        headers: u32,
        end: u32,
    },
    Body {
        direction: Direction,
        context: u32,
        size: u32,
        end: u32,
    },
    Trailers {
        direction: Direction,
        context: u32,
        trailers: u32,
    },
    /// `proxy_on_log`, `proxy_on_done` and `proxy_on_delete` in one switch, in Envoy's order for HTTP.
    End {
        context: u32,
    },
    /// `proxy_on_done`, `proxy_on_log` and `proxy_on_delete` in one switch, in Envoy's order for TCP.
    EndTcp {
        context: u32,
    },
    NewConnection {
        context: u32,
    },
    Data {
        direction: Direction,
        context: u32,
        size: u32,
        end: u32,
    },
    ConnectionClose {
        direction: Direction,
        context: u32,
        peer: u32,
    },
    Tick {
        root: u32,
    },
    QueueReady {
        root: u32,
        queue: u32,
    },
    HttpCallResponse {
        root: u32,
        token: u32,
        headers: u32,
        size: u32,
        trailers: u32,
    },
    GrpcInitialMetadata {
        root: u32,
        token: u32,
        entries: u32,
    },
    GrpcReceive {
        root: u32,
        token: u32,
        size: u32,
    },
    GrpcTrailingMetadata {
        root: u32,
        token: u32,
        entries: u32,
    },
    GrpcClose {
        root: u32,
        token: u32,
        status: u32,
    },
    RedisResponse {
        root: u32,
        token: u32,
        status: u32,
        size: u32,
    },
    RootDone {
        root: u32,
    },
    RootDelete {
        root: u32,
    },
}

impl Entry {
    /// The callback that runs first.
    pub(crate) fn callback(self) -> &'static str {
        match self {
            Self::Begin { .. } | Self::ContextCreate { .. } => "proxy_on_context_create",
            Self::VmStart { .. } => "proxy_on_vm_start",
            Self::Configure { .. } => "proxy_on_configure",
            Self::ResponseHeaders { .. } => "proxy_on_response_headers",
            Self::Body {
                direction: Direction::Request,
                ..
            } => "proxy_on_request_body",
            Self::Body { .. } => "proxy_on_response_body",
            Self::Trailers {
                direction: Direction::Request,
                ..
            } => "proxy_on_request_trailers",
            Self::Trailers { .. } => "proxy_on_response_trailers",
            Self::End { .. } => "proxy_on_log",
            Self::EndTcp { .. } | Self::RootDone { .. } => "proxy_on_done",
            Self::NewConnection { .. } => "proxy_on_new_connection",
            Self::Data {
                direction: Direction::Request,
                ..
            } => "proxy_on_downstream_data",
            Self::Data { .. } => "proxy_on_upstream_data",
            Self::ConnectionClose {
                direction: Direction::Request,
                ..
            } => "proxy_on_downstream_connection_close",
            Self::ConnectionClose { .. } => "proxy_on_upstream_connection_close",
            Self::Tick { .. } => "proxy_on_tick",
            Self::QueueReady { .. } => "proxy_on_queue_ready",
            Self::HttpCallResponse { .. } => "proxy_on_http_call_response",
            Self::GrpcInitialMetadata { .. } => "proxy_on_grpc_receive_initial_metadata",
            Self::GrpcReceive { .. } => "proxy_on_grpc_receive",
            Self::GrpcTrailingMetadata { .. } => "proxy_on_grpc_receive_trailing_metadata",
            Self::GrpcClose { .. } => "proxy_on_grpc_close",
            Self::RedisResponse { .. } => "proxy_on_redis_call_response",
            Self::RootDelete { .. } => "proxy_on_delete",
        }
    }
}

/// What can be read when an exchange is logged. Envoy lets request headers, response headers and response trailers be read then.
const LOGGED: Visible = Visible::LOG
    .with(Visible::REQUEST_HEAD)
    .with(Visible::RESPONSE_HEAD)
    .with(Visible::RESPONSE_TRAILERS);

impl Entry {
    /// What may be touched in this callback, after what could be touched before it.
    pub(crate) fn visible(self, before: Visible) -> Visible {
        match self {
            Self::ResponseHeaders { .. } => before.with(Visible::RESPONSE_HEAD),
            Self::Body { direction, .. } => before.with(Visible::body(direction)),
            Self::Trailers { direction, .. } => before.with(Visible::trailers(direction)),
            Self::Data { direction, .. } => before.with(Visible::data(direction)),
            Self::End { .. } => LOGGED,
            Self::EndTcp { .. } => Visible::LOG,
            _ => before,
        }
    }

    /// Whether an exchange's context begins with it.
    pub(crate) fn creates(self) -> bool {
        matches!(self, Self::Begin { .. } | Self::ContextCreate { .. })
    }

    /// Whether an exchange's context ends with it.
    pub(crate) fn deletes(self) -> bool {
        matches!(self, Self::End { .. } | Self::EndTcp { .. })
    }
}

impl Guest {
    /// The shim goes over to the next callback: the effective context is the exchange's own again.
    pub(crate) fn enter(&mut self, callback: u32) {
        self.callback = match callback {
            2 => "proxy_on_request_headers",
            3 => "proxy_on_log",
            4 => "proxy_on_done",
            _ => "proxy_on_delete",
        };
        self.current = self.entered.clone();
        self.count();
        if let Current::Stream(stream) = &self.current {
            let visible = stream.visible.get();
            stream.visible.set(match callback {
                2 => visible.with(Visible::REQUEST_HEAD),
                3 => visible,
                // Envoy shows the exchange to its log and then no more.
                _ => Visible::LOG,
            });
        }
    }
}

type Five = TypedFunc<(u32, u32, u32, u32, u32), ()>;
type Short = TypedFunc<(u32, u32), u32>;
type Long = TypedFunc<(u32, u32, u32), u32>;

/// Where a guest computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// On its own: it gives way to the other tasks of its worker.
    Own,
    /// On the worker's: it cannot give way, and entering it costs a twentieth.
    Worker,
}

impl Stack {
    /// Calls a function of the guest; on the worker's stack this ends in the poll in which it begins.
    async fn call<P, R>(
        self,
        function: &TypedFunc<P, R>,
        store: &mut Store<OnWorker>,
        arguments: P,
    ) -> wasmtime::Result<R>
    where
        P: WasmParams + Sync,
        R: WasmResults + Sync,
    {
        match self {
            Self::Own => function.call_async(store, arguments).await,
            Self::Worker => function.call(store, arguments),
        }
    }
}

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

    /// Runs one entry. A callback that is not there answers 0, which is "go on", or 1 where that means yes.
    pub(crate) async fn run(&self, store: &mut Store<OnWorker>, stack: Stack, entry: Entry) -> wasmtime::Result<u32> {
        match entry {
            Entry::Begin {
                context,
                root,
                headers,
                end,
            } => stack.call(&self.begin, store, (context, root, headers, end)).await,
            Entry::End { context } => stack.call(&self.end, store, context).await.map(|()| 0),
            Entry::EndTcp { context } => stack.call(&self.end_tcp, store, context).await.map(|()| 0),
            Entry::ContextCreate { context, root } => {
                silent(stack, self.context_create.as_ref(), store, (context, root)).await
            }
            Entry::VmStart { root, size } => asked(stack, self.vm_start.as_ref(), store, (root, size), 1).await,
            Entry::Configure { root, size } => asked(stack, self.configure.as_ref(), store, (root, size), 1).await,
            Entry::ResponseHeaders { context, headers, end } => match &self.response_headers_short {
                Some(short) => stack.call(short, store, (context, headers)).await,
                None => asked(stack, self.response_headers.as_ref(), store, (context, headers, end), 0).await,
            },
            Entry::Body {
                direction,
                context,
                size,
                end,
            } => {
                let body = if direction == Direction::Request {
                    &self.request_body
                } else {
                    &self.response_body
                };
                asked(stack, body.as_ref(), store, (context, size, end), 0).await
            }
            Entry::Trailers {
                direction,
                context,
                trailers,
            } => {
                let callback = if direction == Direction::Request {
                    &self.request_trailers
                } else {
                    &self.response_trailers
                };
                asked(stack, callback.as_ref(), store, (context, trailers), 0).await
            }
            _ => self.run_other(store, stack, entry).await,
        }
    }

    async fn run_other(&self, store: &mut Store<OnWorker>, stack: Stack, entry: Entry) -> wasmtime::Result<u32> {
        match entry {
            Entry::NewConnection { context } => asked(stack, self.new_connection.as_ref(), store, context, 0).await,
            Entry::Data {
                direction,
                context,
                size,
                end,
            } => {
                let data = if direction == Direction::Request {
                    &self.downstream_data
                } else {
                    &self.upstream_data
                };
                asked(stack, data.as_ref(), store, (context, size, end), 0).await
            }
            Entry::ConnectionClose {
                direction,
                context,
                peer,
            } => {
                let close = if direction == Direction::Request {
                    &self.downstream_close
                } else {
                    &self.upstream_close
                };
                silent(stack, close.as_ref(), store, (context, peer)).await
            }
            Entry::Tick { root } => silent(stack, self.tick.as_ref(), store, root).await,
            Entry::QueueReady { root, queue } => silent(stack, self.queue_ready.as_ref(), store, (root, queue)).await,
            Entry::HttpCallResponse {
                root,
                token,
                headers,
                size,
                trailers,
            } => {
                silent(stack, self.http_call_response.as_ref(), store,
                    (root, token, headers, size, trailers),
                )
                .await
            }
            Entry::GrpcInitialMetadata { root, token, entries } => {
                silent(stack, self.grpc_initial_metadata.as_ref(), store, (root, token, entries)).await
            }
            Entry::GrpcReceive { root, token, size } => {
                silent(stack, self.grpc_receive.as_ref(), store, (root, token, size)).await
            }
            Entry::GrpcTrailingMetadata { root, token, entries } => {
                silent(stack, self.grpc_trailing_metadata.as_ref(), store, (root, token, entries)).await
            }
            Entry::GrpcClose { root, token, status } => {
                silent(stack, self.grpc_close.as_ref(), store, (root, token, status)).await
            }
            Entry::RedisResponse {
                root,
                token,
                status,
                size,
            } => silent(stack, self.redis_response.as_ref(), store, (root, token, status, size)).await,
            Entry::RootDone { root } => asked(stack, self.done.as_ref(), store, root, 1).await,
            Entry::RootDelete { root } => silent(stack, self.delete.as_ref(), store, root).await,
            _ => Ok(0),
        }
    }
}

async fn asked<P: WasmParams + Sync>(
    stack: Stack,
    function: Option<&TypedFunc<P, u32>>,
    store: &mut Store<OnWorker>,
    arguments: P,
    absent: u32,
) -> wasmtime::Result<u32> {
    match function {
        Some(function) => stack.call(function, store, arguments).await,
        None => Ok(absent),
    }
}

async fn silent<P: WasmParams + Sync>(
    stack: Stack,
    function: Option<&TypedFunc<P, ()>>,
    store: &mut Store<OnWorker>,
    arguments: P,
) -> wasmtime::Result<u32> {
    match function {
        Some(function) => stack.call(function, store, arguments).await.map(|()| 0),
        None => Ok(0),
    }
}
