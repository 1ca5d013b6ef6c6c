//! What the flow knows and notes about one exchange.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gate_plan::{Action, Route, RouteKey, Target};
use gate_serve::connection::Connection;
use gate_upstream::{Ready, Upstream, UpstreamFault, UpstreamTls};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Version};
use log_kernel::Gauge;
use log_trace::SpanId;
use plug_host::{Exchange, RequestHead};

use crate::answer::Whole;
use crate::serving::Serving;
use crate::traced::Traced;

mod trace;
use crate::wires::Both;

/// The route of an exchange, with what its match means for the path.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub(crate) route: Arc<Route>,
    /// Path without query as the upstream gets it, when the route rewrites it.
    pub(crate) rewritten: Option<String>,
    /// Its number in the plan.
    pub(crate) number: Option<u32>,
}

/// Body bytes in both directions.
#[derive(Default)]
pub(crate) struct Volume {
    pub(crate) request: Cell<u64>,
    pub(crate) response: Cell<u64>,
}

/// The way to the upstream, as far as the request has gone it.
#[derive(Default)]
pub(crate) struct Way {
    /// When the upstream was asked, from the beginning of the exchange.
    asked: Cell<Option<Duration>>,
    /// When the last byte of the response was here, from the beginning of the exchange.
    answered: Cell<Option<Duration>>,
    /// How long it took from there until there was a connection, or none could be made.
    pub(crate) ready_after: Cell<Option<Duration>>,
    pub(crate) attempts: Cell<u64>,
    /// Why there was no connection.
    pub(crate) failure: RefCell<String>,
}

/// What the flow knows and notes about one exchange.
pub(crate) struct Journal {
    pub(crate) serving: Rc<Serving>,
    pub(crate) connection: Rc<Connection>,
    pub(crate) began: SystemTime,
    pub(crate) clock: Instant,
    pub(crate) version: Version,
    pub(crate) request_id: Option<HeaderValue>,
    /// The request as received, for the access record.
    pub(crate) method: Method,
    pub(crate) target: http::uri::PathAndQuery,
    pub(crate) user_agent: Option<HeaderValue>,
    pub(crate) request_header_bytes: u64,
    /// What `content-length` of the request said.
    pub(crate) request_length: Option<u64>,
    /// The whole request is here.
    pub(crate) request_read: Cell<bool>,
    /// The client sends no body before it got a 100.
    pub(crate) awaits_continue: Cell<bool>,
    /// The response is the gateway's or a plugin's own.
    pub(crate) answered_here: Cell<bool>,
    pub(crate) chosen: RefCell<Option<Chosen>>,
    pub(crate) upstream: RefCell<Option<Rc<Upstream>>>,
    pub(crate) endpoint: Cell<Option<SocketAddr>>,
    pub(crate) upstream_local: Cell<Option<SocketAddr>>,
    pub(crate) upstream_tls: RefCell<Option<Rc<UpstreamTls>>>,
    /// Of the connection to the upstream: read when the exchange ends.
    pub(crate) upstream_gauge: RefCell<Option<Gauge>>,
    /// What was read of both connections before the plugins were told the end; see [`Wires`].
    pub(crate) wires: Cell<Option<Both>>,
    pub(crate) upstream_wait: Cell<Option<Duration>>,
    pub(crate) way: Way,
    pub(crate) volume: Volume,
    pub(crate) status: Cell<Option<u16>>,
    pub(crate) flags: Cell<&'static str>,
    /// Why the response is what it is; a plugin that answers may leave it empty.
    pub(crate) details: RefCell<Option<String>>,
    /// How long the exchange took; none while it goes on.
    pub(crate) took: Cell<Option<Duration>>,
    /// The answer in place of the upstream's, decided while the request's body was on its way.
    pub(crate) instead: RefCell<Option<Whole>>,
    /// The trace that it is part of; none before it has begun.
    pub(crate) traced: OnceCell<Rc<Traced>>,
}

impl Journal {
    pub(crate) fn new(
        serving: Rc<Serving>,
        connection: Rc<Connection>,
        head: &RequestHead,
        version: Version,
        request_id: Option<HeaderValue>,
    ) -> Rc<Self> {
        let bytes = |headers: &HeaderMap| {
            headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len())
                .sum::<usize>()
        };
        Rc::new(Self {
            serving,
            connection,
            began: SystemTime::now(),
            clock: Instant::now(),
            version,
            request_id,
            method: head.method.clone(),
            target: head.path.clone(),
            user_agent: head.headers.get(http::header::USER_AGENT).cloned(),
            request_header_bytes: bytes(&head.headers) as u64,
            request_length: content_length(&head.headers),
            request_read: Cell::default(),
            awaits_continue: Cell::default(),
            answered_here: Cell::default(),
            chosen: RefCell::default(),
            upstream: RefCell::default(),
            endpoint: Cell::default(),
            upstream_local: Cell::default(),
            upstream_tls: RefCell::default(),
            upstream_gauge: RefCell::default(),
            wires: Cell::default(),
            upstream_wait: Cell::default(),
            way: Way::default(),
            volume: Volume::default(),
            status: Cell::default(),
            flags: Cell::new(""),
            details: RefCell::default(),
            took: Cell::default(),
            instead: RefCell::default(),
            traced: OnceCell::new(),
        })
    }

    /// Looks the route of `head` up.
    pub(crate) fn choose(&self, head: &RequestHead) {
        let key = route_key(&self.connection.listener.name, head);
        let chosen = self.serving.plan.routes.find_match(&key).map(|matched| {
            let rewritten = match matched.rewritten_path(head.path.path()) {
                std::borrow::Cow::Borrowed(_) => None,
                std::borrow::Cow::Owned(path) => Some(path),
            };
            Chosen {
                route: Arc::clone(matched.route),
                rewritten,
                number: self.serving.route_number(&matched.route.name),
            }
        });
        *self.upstream.borrow_mut() = chosen.as_ref().and_then(|chosen| self.upstream_of(&chosen.route, head));
        *self.chosen.borrow_mut() = chosen;
    }

    fn upstream_of(&self, route: &Route, head: &RequestHead) -> Option<Rc<Upstream>> {
        let Action::Forward { target, .. } = &route.action else {
            return None;
        };
        match target {
            Target::Upstream(name) => self.serving.upstreams.find(name),
            Target::Header(header) => self.serving.upstreams.find(head.headers.get(header)?.to_str().ok()?),
        }
    }

    /// Chooses the route again when plugins changed the request's head and did not pin the route.
    pub(crate) fn refresh(&self, exchange: &Exchange) {
        if exchange.route_stale.take() && !exchange.route_pinned.get() {
            self.choose_again(|| self.choose(&exchange.request.borrow()));
        }
    }

    /// Notes why the response is what it is; the first word stays.
    pub(crate) fn note(&self, flags: &'static str, details: &str) {
        let mut noted = self.details.borrow_mut();
        if noted.is_none() {
            *noted = Some(details.to_owned());
            self.flags.set(flags);
        }
    }

    /// Notes what became of a response that had begun, unless something went wrong before.
    pub(crate) fn overrule(&self, flags: &'static str, details: &str) {
        if self.flags.get().is_empty() {
            *self.details.borrow_mut() = Some(details.to_owned());
            self.flags.set(flags);
        }
    }

    /// Notes that an endpoint is asked now.
    pub(crate) fn asks(&self, endpoint: Option<SocketAddr>) {
        self.endpoint.set(endpoint);
        self.way.asked.set(Some(self.clock.elapsed()));
        self.way.attempts.set(1);
        if let Some(stages) = self.stages() {
            stages.asks(|| self.upstream_number());
        }
    }

    /// Notes the connection over which the request goes; the id of the span of that try.
    pub(crate) fn reaches(&self, ready: Ready) -> Option<SpanId> {
        let endpoint = ready.endpoint;
        self.endpoint.set(Some(ready.endpoint));
        self.upstream_local.set(Some(ready.local));
        *self.upstream_tls.borrow_mut() = ready.tls;
        *self.upstream_gauge.borrow_mut() = Some(ready.gauge);
        self.way.ready_after.set(self.since_asked());
        self.stages()?.reaches(endpoint, || self.upstream_number())
    }

    /// Notes that the upstream gave no response.
    pub(crate) fn failed(&self, fault: &UpstreamFault) {
        self.note(fault.flags(), fault.details());
        if let Some(stages) = self.stages() {
            stages.failed(fault.details());
        }
        *self.way.failure.borrow_mut() = fault.transport_failure_reason();
        if self.way.ready_after.get().is_none() {
            self.way.ready_after.set(self.since_asked());
        }
    }

    /// Notes the end of the exchange.
    pub(crate) fn end(&self) {
        self.took.set(Some(self.clock.elapsed()));
    }

    /// Notes that the last byte of the response is here.
    pub(crate) fn answered(&self) {
        if self.way.answered.get().is_none() {
            self.way.answered.set(Some(self.clock.elapsed()));
            if let Some(stages) = self.stages() {
                stages.answered();
            }
        }
    }

    /// From asking the upstream to the last byte of its response; as in Envoy known when the exchange has ended, and none without a response.
    pub(crate) fn backend_latency(&self) -> Option<Duration> {
        self.upstream_wait.get()?;
        let ended = self.took.get()?;
        self.way
            .answered
            .get()
            .unwrap_or(ended)
            .checked_sub(self.way.asked.get()?)
    }

    fn since_asked(&self) -> Option<Duration> {
        self.clock.elapsed().checked_sub(self.way.asked.get()?)
    }
}

/// What `content-length` says.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The host of an authority, without its port; brackets of an IPv6 address stay.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

/// What a request that came on `listener` is looked up by.
pub(crate) fn route_key<'a>(listener: &'a str, head: &'a RequestHead) -> RouteKey<'a> {
    let host = head
        .authority
        .as_ref()
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    RouteKey {
        listener,
        method: &head.method,
        host: without_port(host),
        path: head.path.path(),
        query: head.path.query(),
        headers: &head.headers,
    }
}
