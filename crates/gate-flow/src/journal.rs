//! What the flow knows and notes about one exchange, and how plugins read it as properties.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use gate_plan::{Action, Route, RouteKey, Target};
use gate_serve::connection::Connection;
use gate_upstream::{HostState, Upstream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Method, Version};
use plug_abi::property::PropertyValue;
use plug_host::{Exchange, Facts, RequestHead};

use crate::answer::Whole;
use crate::serving::Serving;

/// The route of an exchange, with what its match means for the path.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub(crate) route: Arc<Route>,
    /// Path without query as the upstream gets it, when the route rewrites it.
    pub(crate) rewritten: Option<String>,
}

/// Body bytes in both directions.
#[derive(Default)]
pub(crate) struct Volume {
    pub(crate) request: Cell<u64>,
    pub(crate) response: Cell<u64>,
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
    /// The response is the gateway's or a plugin's own.
    pub(crate) answered_here: Cell<bool>,
    pub(crate) chosen: RefCell<Option<Chosen>>,
    pub(crate) upstream: RefCell<Option<Rc<Upstream>>>,
    pub(crate) endpoint: Cell<Option<SocketAddr>>,
    pub(crate) upstream_local: Cell<Option<SocketAddr>>,
    pub(crate) upstream_wait: Cell<Option<Duration>>,
    pub(crate) volume: Volume,
    pub(crate) status: Cell<Option<u16>>,
    pub(crate) flags: Cell<&'static str>,
    pub(crate) details: RefCell<String>,
    /// The answer in place of the upstream's, decided while the request's body was on its way.
    pub(crate) instead: RefCell<Option<Whole>>,
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
            answered_here: Cell::default(),
            chosen: RefCell::default(),
            upstream: RefCell::default(),
            endpoint: Cell::default(),
            upstream_local: Cell::default(),
            upstream_wait: Cell::default(),
            volume: Volume::default(),
            status: Cell::default(),
            flags: Cell::new(""),
            details: RefCell::default(),
            instead: RefCell::default(),
        })
    }

    /// Looks the route of `head` up.
    pub(crate) fn choose(&self, head: &RequestHead) {
        let host = head
            .authority
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        let key = RouteKey {
            listener: &self.connection.listener.name,
            method: &head.method,
            host: without_port(host),
            path: head.path.path(),
            query: head.path.query(),
            headers: &head.headers,
        };
        let chosen = self.serving.plan.routes.find_match(&key).map(|matched| {
            let rewritten = match matched.rewritten_path(head.path.path()) {
                std::borrow::Cow::Borrowed(_) => None,
                std::borrow::Cow::Owned(path) => Some(path),
            };
            Chosen {
                route: Arc::clone(matched.route),
                rewritten,
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
            self.choose(&exchange.request.borrow());
        }
    }

    /// Notes why the response is what it is; the first word stays.
    pub(crate) fn note(&self, flags: &'static str, details: &str) {
        let mut noted = self.details.borrow_mut();
        if noted.is_empty() {
            details.clone_into(&mut noted);
            self.flags.set(flags);
        }
    }

    /// Notes what became of a response that had begun, unless something is noted already.
    pub(crate) fn overrule(&self, flags: &'static str, details: &str) {
        if self.flags.get().is_empty() {
            details.clone_into(&mut self.details.borrow_mut());
            self.flags.set(flags);
        }
    }

    fn request_property(&self, exchange: &Exchange, name: &[u8]) -> Option<PropertyValue> {
        let head = exchange.request.borrow();
        let header = |name: &str| head.headers.get(name).map(|value| bytes(value.as_bytes()));
        Some(match name {
            b"path" => bytes(head.path.as_str().as_bytes()),
            b"url_path" => bytes(head.path.path().as_bytes()),
            b"query" => bytes(head.path.query()?.as_bytes()),
            b"host" => bytes(head.authority.as_ref()?.as_bytes()),
            b"scheme" => bytes(head.scheme.as_bytes()),
            b"method" => bytes(head.method.as_str().as_bytes()),
            b"headers" => PropertyValue::Map(joined(&head)),
            b"referer" => header("referer")?,
            b"useragent" => header("user-agent")?,
            b"id" => header("x-request-id")?,
            b"time" => PropertyValue::Timestamp(nanoseconds(
                self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            )),
            b"duration" => PropertyValue::Duration(nanoseconds(self.clock.elapsed())),
            b"protocol" => PropertyValue::fixed(protocol(self.version)),
            b"size" => PropertyValue::Int(self.volume.request.get().cast_signed()),
            b"total_size" => PropertyValue::Int(
                self.volume
                    .request
                    .get()
                    .saturating_add(self.request_header_bytes)
                    .cast_signed(),
            ),
            _ => return None,
        })
    }

    fn response_property(&self, exchange: &Exchange, name: &[u8]) -> Option<PropertyValue> {
        let response = exchange.response.borrow();
        let headers = || response.as_ref().map(|head| &head.headers);
        Some(match name {
            b"code" => PropertyValue::Int(i64::from(response.as_ref()?.status.as_u16())),
            b"code_details" => {
                PropertyValue::text(Some(self.details.borrow().clone()).filter(|details| !details.is_empty())?)
            }
            b"flags" => PropertyValue::Int(flag_bits(self.flags.get())),
            b"headers" => PropertyValue::Map(pairs(headers()?)),
            b"trailers" => PropertyValue::Map(pairs(exchange.response_trailers.borrow().as_ref()?)),
            b"grpc_status" => {
                PropertyValue::Int(grpc_status(headers()?, exchange.response_trailers.borrow().as_ref())?)
            }
            b"size" => PropertyValue::Int(self.volume.response.get().cast_signed()),
            b"total_size" => {
                let head = headers()?
                    .iter()
                    .map(|(name, value)| name.as_str().len() + value.len())
                    .sum::<usize>() as u64;
                PropertyValue::Int(self.volume.response.get().saturating_add(head).cast_signed())
            }
            _ => return None,
        })
    }

    fn connection_property(&self, name: &[u8]) -> Option<PropertyValue> {
        let tls = self.connection.tls.as_ref();
        let text = |value: Option<&String>| value.map(|value| PropertyValue::text(value.clone()));
        match name {
            b"id" => Some(PropertyValue::Uint(self.connection.id)),
            b"mtls" => Some(PropertyValue::Bool(tls.is_some_and(|tls| tls.mtls))),
            b"requested_server_name" => text(tls?.server_name.as_ref()),
            b"tls_version" => Some(PropertyValue::fixed(tls?.version)),
            b"subject_local_certificate" => text(tls?.subject_local_certificate.as_ref()),
            b"subject_peer_certificate" => text(tls?.subject_peer_certificate.as_ref()),
            b"dns_san_local_certificate" => text(tls?.dns_san_local.as_ref()),
            b"dns_san_peer_certificate" => text(tls?.dns_san_peer.as_ref()),
            b"uri_san_local_certificate" => text(tls?.uri_san_local.as_ref()),
            b"uri_san_peer_certificate" => text(tls?.uri_san_peer.as_ref()),
            b"sha256_peer_certificate_digest" => text(tls?.sha256_peer_certificate_digest.as_ref()),
            _ => None,
        }
    }

    fn upstream_property(&self, name: &[u8]) -> Option<PropertyValue> {
        match name {
            b"address" => Some(PropertyValue::text(self.endpoint.get()?.to_string())),
            b"port" => Some(PropertyValue::Int(i64::from(self.endpoint.get()?.port()))),
            b"local_address" => Some(PropertyValue::text(self.upstream_local.get()?.to_string())),
            b"local_port" => Some(PropertyValue::Int(i64::from(self.upstream_local.get()?.port()))),
            _ => None,
        }
    }

    fn route_name(&self) -> Option<PropertyValue> {
        self.chosen
            .borrow()
            .as_ref()
            .map(|chosen| PropertyValue::text(chosen.route.name.clone()))
    }

    /// The upstream as a plugin names it: Higress's four fields when it is known by them, else its name.
    fn upstream_name(&self) -> Option<PropertyValue> {
        let upstream = self.upstream.borrow();
        let spec = upstream.as_ref()?.spec();
        let in_fields = spec.aliases.iter().find(|alias| alias.starts_with("outbound|"));
        Some(PropertyValue::text(in_fields.unwrap_or(&spec.name).clone()))
    }
}

impl Facts for Journal {
    fn property(&self, exchange: &Exchange, path: &[&[u8]]) -> Option<PropertyValue> {
        self.refresh(exchange);
        let socket = |address: SocketAddr, name: &[u8]| match name {
            b"address" => Some(PropertyValue::text(address.to_string())),
            b"port" => Some(PropertyValue::Int(i64::from(address.port()))),
            _ => None,
        };
        match path {
            [b"request", b"headers", name] => {
                let head = exchange.request.borrow();
                joined(&head)
                    .into_iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| PropertyValue::Bytes(value))
            }
            [b"response", b"headers", name] => {
                let response = exchange.response.borrow();
                let headers = pairs(&response.as_ref()?.headers);
                headers
                    .into_iter()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| PropertyValue::Bytes(value))
            }
            [b"request", name] => self.request_property(exchange, name),
            [b"response", name] => self.response_property(exchange, name),
            [b"connection", name] => self.connection_property(name),
            [b"upstream", name] => self.upstream_property(name),
            [b"source", name] => socket(self.connection.peer, name),
            [b"destination", name] => socket(self.connection.local, name),
            [b"route_name"] | [b"xds", b"route_name"] => self.route_name(),
            [b"cluster_name"] | [b"xds", b"cluster_name"] => self.upstream_name(),
            [b"x_request_id"] => self.request_id.as_ref().map(|id| bytes(id.as_bytes())),
            // 1 is "inbound" in Envoy's `TrafficDirection`; a gateway's listeners are neither, which is 0.
            [b"listener_direction"] => Some(PropertyValue::Int(0)),
            _ => None,
        }
    }

    fn upstream_hosts(&self, exchange: &Exchange) -> Vec<(String, String)> {
        self.refresh(exchange);
        let upstream = self.upstream.borrow();
        upstream
            .as_ref()
            .map_or_else(Vec::new, |upstream| upstream.hosts().iter().map(host).collect())
    }
}

/// An endpoint as Higress describes it.
fn host(state: &HostState) -> (String, String) {
    let health = if state.healthy { "Healthy" } else { "Unhealthy" };
    let metrics = format!("# TYPE rq_active gauge\nrq_active {}\n", state.active);
    let about = serde_json::json!({ "health_status": health, "metrics": metrics });
    (state.address.to_string(), about.to_string())
}

/// What `content-length` says.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn bytes(value: &[u8]) -> PropertyValue {
    PropertyValue::Bytes(Bytes::copy_from_slice(value))
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
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

/// Headers as a map property: values of one name joined by commas.
fn pairs(headers: &HeaderMap) -> Vec<(Bytes, Bytes)> {
    let mut pairs = Vec::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        pairs.push((
            Bytes::copy_from_slice(name.as_str().as_bytes()),
            Bytes::from(values.join(&b","[..])),
        ));
    }
    pairs
}

fn joined(head: &RequestHead) -> Vec<(Bytes, Bytes)> {
    use plug_host::PluginMap;
    let pseudo = [":authority", ":path", ":method", ":scheme"];
    let mut all: Vec<(Bytes, Bytes)> = pseudo
        .iter()
        .filter_map(|name| Some((Bytes::from_static(name.as_bytes()), head.first(name.as_bytes())?)))
        .collect();
    all.extend(pairs(&head.headers));
    all
}

fn grpc_status(headers: &HeaderMap, trailers: Option<&HeaderMap>) -> Option<i64> {
    let value = trailers
        .and_then(|trailers| trailers.get("grpc-status"))
        .or_else(|| headers.get("grpc-status"))?;
    value.to_str().ok()?.parse().ok()
}

/// Bits of `response.flags`, as Envoy numbers them (`envoy/stream_info/stream_info.h`).
fn flag_bits(flags: &str) -> i64 {
    match flags {
        "LH" => 1,
        "UH" => 1 << 1,
        "UT" => 1 << 2,
        "LR" => 1 << 3,
        "UR" => 1 << 4,
        "UF" => 1 << 5,
        "UC" => 1 << 6,
        "UO" => 1 << 7,
        "NR" => 1 << 8,
        "DC" => 1 << 13,
        "UPE" => 1 << 17,
        "SI" => 1 << 18,
        "NC" => 1 << 25,
        "DF" => 1 << 27,
        _ => 0,
    }
}
