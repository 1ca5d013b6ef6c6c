//! Callbacks by name and arguments.

use crate::exchange::{Direction, Visible};
use crate::guest::{Current, Guest};

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
