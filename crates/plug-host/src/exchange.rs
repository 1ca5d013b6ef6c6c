//! The exchange as plugins see it: heads, trailers, bodies held for one plugin, and what plugins asked for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_abi::LogLevel;
use plug_abi::property::PropertyValue;

use crate::bell::Bell;
use crate::body::HeldBody;
use crate::plugin::Plugin;
use crate::trace::{CalloutStep, Marks, TraceIds};

/// A request's head, with HTTP/1.1 and HTTP/2 in the same form: the host is `authority`, never a header.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// `:method`.
    pub method: Method,
    /// `:scheme`.
    pub scheme: HeaderValue,
    /// `:authority`; none when the client sent none.
    pub authority: Option<HeaderValue>,
    /// `:path`, query included.
    pub path: PathAndQuery,
    /// All other headers.
    pub headers: HeaderMap,
}

/// A response's head.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// `:status`.
    pub status: StatusCode,
    /// All other headers.
    pub headers: HeaderMap,
}

/// What the gateway knows under a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Property {
    /// There is no such thing, or not yet.
    Absent,
    /// A value.
    Value(PropertyValue),
    /// A thing whose parts can be read, but not itself.
    Parts,
}

impl From<Option<PropertyValue>> for Property {
    fn from(value: Option<PropertyValue>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// What the gateway knows of an exchange beside its heads; the flow answers.
pub trait Facts {
    /// Looks a property up by its path, in Envoy's names.
    fn property(&self, exchange: &Exchange, path: &[&[u8]]) -> Property;
    /// Endpoints of the upstream this exchange goes to, as `(address, JSON)` pairs (Higress's `proxy_get_upstream_hosts`).
    fn upstream_hosts(&self, exchange: &Exchange) -> Vec<(String, String)>;
    /// By what everything is found that is said of this exchange; none where it has no trace, or none is told of.
    fn ids(&self) -> Option<TraceIds> {
        None
    }
    /// What a line is marked with that a plugin wrote for this exchange; none when it is left out, for others stand for it.
    fn line(&self, _plugin: &str, _level: LogLevel) -> Option<Marks> {
        Some(Marks::NONE)
    }
    /// A plugin begins a callout for this exchange; none where nobody follows it.
    fn callout(&self, _upstream: &str) -> Option<Rc<dyn CalloutStep>> {
        None
    }
    /// A plugin had to wait for its turn in an instance since then.
    fn waited(&self, _since: Instant) {}
}

/// A response a plugin asked for in place of the upstream's.
#[derive(Debug, Clone)]
pub struct LocalReply {
    /// Status, 200 to 599.
    pub status: StatusCode,
    /// Why, for the operator.
    pub details: String,
    /// Headers to set.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// gRPC status, when the plugin gave one between 0 and 16.
    pub grpc_status: Option<u32>,
    /// Name of the plugin.
    pub plugin: Rc<str>,
}

/// One request with its response, shared by all plugins of its chain.
pub struct Exchange {
    /// Request head.
    pub request: RefCell<RequestHead>,
    /// Request trailers.
    pub request_trailers: RefCell<Option<HeaderMap>>,
    /// Response head, once there is one.
    pub response: RefCell<Option<ResponseHead>>,
    /// Response trailers.
    pub response_trailers: RefCell<Option<HeaderMap>>,
    /// What plugins set by `proxy_set_property`, readable by later plugins and the access record.
    pub state: RefCell<HashMap<Vec<u8>, Bytes>>,
    /// A response that a plugin asked for and the flow has not taken yet.
    pub local_reply: RefCell<Option<LocalReply>>,
    /// A plugin asked to end the stream without a response.
    pub reset: Cell<bool>,
    /// Wakes what drives the request's side.
    pub request_bell: Bell,
    /// Wakes what drives the response's side.
    pub response_bell: Bell,
    /// A plugin changed the request's head since the route was chosen.
    pub route_stale: Cell<bool>,
    /// A changed request header no longer changes the route (Higress's `clear_route_cache` = `off`).
    pub route_pinned: Cell<bool>,
    /// Bytes of request body held at most; plugins may change it (Higress's `set_decoder_buffer_limit`).
    pub request_body_bytes_max: Cell<u64>,
    /// Bytes of response body held at most (Higress's `set_encoder_buffer_limit`).
    pub response_body_bytes_max: Cell<u64>,
    /// Endpoint a plugin chose (`proxy_set_upstream_override_host`).
    pub endpoint_override: RefCell<Option<String>>,
    /// The response's head has gone to the client.
    pub response_started: Cell<bool>,
    /// Everything else that properties tell.
    pub facts: Rc<dyn Facts>,
}

impl Exchange {
    /// Whether it was answered with 429 or 5xx, as far as there is a response.
    pub(crate) fn has_failed(&self) -> bool {
        let response = self.response.try_borrow();
        let status = response.ok().and_then(|response| Some(response.as_ref()?.status));
        status.is_some_and(|status| status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error())
    }

    /// What a plugin has set under a path of names, or under Envoy's other one for it, `filter_state` and `wasm.NAME`.
    #[must_use]
    pub fn set_by_plugins(&self, names: &[&[u8]]) -> Option<Bytes> {
        let path = names.join(&0);
        let name = match names {
            [b"filter_state", name] => name.strip_prefix(b"wasm.").unwrap_or(&path),
            _ => &path,
        };
        self.state.borrow().get(name).cloned()
    }

    /// An exchange that begins with `request`.
    #[must_use]
    pub fn new(request: RequestHead, facts: Rc<dyn Facts>, body_bytes_max: u64) -> Rc<Self> {
        Rc::new(Self {
            request: RefCell::new(request),
            request_trailers: RefCell::new(None),
            response: RefCell::new(None),
            response_trailers: RefCell::new(None),
            state: RefCell::new(HashMap::new()),
            local_reply: RefCell::new(None),
            reset: Cell::new(false),
            request_bell: Bell::default(),
            response_bell: Bell::default(),
            route_stale: Cell::new(false),
            route_pinned: Cell::new(false),
            request_body_bytes_max: Cell::new(body_bytes_max),
            response_body_bytes_max: Cell::new(body_bytes_max),
            endpoint_override: RefCell::new(None),
            response_started: Cell::new(false),
            facts,
        })
    }

    /// Wakes both sides.
    pub fn ring(&self) {
        self.request_bell.ring();
        self.response_bell.ring();
    }

    /// The bell of one side.
    #[must_use]
    pub fn bell(&self, direction: Direction) -> &Bell {
        match direction {
            Direction::Request => &self.request_bell,
            Direction::Response => &self.response_bell,
        }
    }
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

impl Direction {
    /// What belongs to it, of what belongs to either.
    pub(crate) fn of<T>(self, request: T, response: T) -> T {
        match self {
            Self::Request => request,
            Self::Response => response,
        }
    }
}

/// What a plugin may touch at the moment, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Visible(u16);

impl Visible {
    /// Nothing.
    pub const NOTHING: Self = Self(0);
    /// Request head.
    pub const REQUEST_HEAD: Self = Self(1);
    /// Request body.
    pub const REQUEST_BODY: Self = Self(2);
    /// Request trailers.
    pub const REQUEST_TRAILERS: Self = Self(4);
    /// Response head.
    pub const RESPONSE_HEAD: Self = Self(8);
    /// Response body.
    pub const RESPONSE_BODY: Self = Self(16);
    /// Response trailers.
    pub const RESPONSE_TRAILERS: Self = Self(32);
    /// Bytes of a TCP connection from the client.
    pub const DOWNSTREAM: Self = Self(64);
    /// Bytes of a TCP connection from the upstream.
    pub const UPSTREAM: Self = Self(128);
    /// Reading only, because the exchange has ended.
    pub const LOG: Self = Self(256);

    /// A body.
    pub(crate) const fn body(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::REQUEST_BODY,
            Direction::Response => Self::RESPONSE_BODY,
        }
    }

    /// Trailers.
    pub(crate) const fn trailers(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::REQUEST_TRAILERS,
            Direction::Response => Self::RESPONSE_TRAILERS,
        }
    }

    /// Bytes of a TCP connection.
    pub(crate) const fn data(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::DOWNSTREAM,
            Direction::Response => Self::UPSTREAM,
        }
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the bits of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// One direction of one plugin's view.
#[derive(Default)]
pub struct Side {
    /// Body bytes before the plugin or held for it.
    pub body: RefCell<HeldBody>,
    /// The last byte of the body, or the head of a message without one, has been seen.
    pub end_of_stream: Cell<bool>,
    /// The plugin asked to go on.
    pub resume: Cell<bool>,
    /// The plugin asked to close this direction (TCP).
    pub close: Cell<bool>,
    /// Chunks a plugin injected behind itself, with "this is the end".
    pub injected: RefCell<Vec<(Bytes, bool)>>,
}

/// One plugin's context in one exchange.
pub struct StreamContext {
    /// Context id inside the instance.
    pub id: u32,
    /// Root context id inside the instance.
    pub root: u32,
    /// The exchange.
    pub exchange: Rc<Exchange>,
    /// What may be touched at the moment.
    pub visible: Cell<Visible>,
    /// Request side (client to upstream in TCP).
    pub request: Side,
    /// Response side.
    pub response: Side,
    /// `proxy_on_context_create` has been called.
    pub created: Cell<bool>,
    /// Its end has begun: it is called no more.
    pub ended: Cell<bool>,
    /// The instance died; nothing can be asked of this context any more.
    pub dead: Cell<bool>,
    /// Name of the plugin.
    pub plugin: Rc<str>,
    /// The plugin.
    pub(crate) owner: Arc<Plugin>,
}

impl StreamContext {
    /// The side of one direction.
    #[must_use]
    pub fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }
}
