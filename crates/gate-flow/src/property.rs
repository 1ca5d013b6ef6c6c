//! What plugins read of an exchange as properties: Envoy's names and its kinds of values.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use gate_plan::Protocol;
use gate_serve::certificate::CertificateFacts;
use gate_serve::tls::version_name;
use gate_upstream::HostState;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use plug_abi::LogLevel;
use plug_abi::property::PropertyValue;
use plug_host::{CalloutStep, Exchange, Facts, Marks, PluginMap, Property, RequestHead, ResponseHead, TraceIds};

use crate::answer;
use crate::journal::{Journal, content_length};

impl Facts for Journal {
    fn property(&self, exchange: &Exchange, path: &[&[u8]]) -> Property {
        self.refresh(exchange);
        match path {
            [b"upstream"] if self.endpoint.get().is_none() => Property::Absent,
            [b"request" | b"response" | b"connection" | b"source" | b"destination" | b"upstream" | b"xds"] => {
                Property::Parts
            }
            [b"filter_state"] => Property::Parts,
            _ => self.find(exchange, path).into(),
        }
    }

    fn upstream_hosts(&self, exchange: &Exchange) -> Vec<(String, String)> {
        self.refresh(exchange);
        let upstream = self.upstream.borrow();
        upstream
            .as_ref()
            .map_or_else(Vec::new, |upstream| upstream.hosts().iter().map(host).collect())
    }

    fn ids(&self) -> Option<TraceIds> {
        self.traced.get()?.ids()
    }

    fn line(&self, plugin: &str, level: LogLevel) -> Option<Marks> {
        let Some(traced) = self.traced.get() else {
            return Some(Marks::NONE);
        };
        traced.line(self.serving.plugin_number(plugin), self.route_number(), level)
    }

    fn callout(&self, upstream: &str) -> Option<Rc<dyn CalloutStep>> {
        let known = self.serving.upstreams.find(upstream);
        let number = known.and_then(|known| self.serving.upstream_number(known.name()));
        self.traced.get()?.callout(number.unwrap_or(u32::MAX))
    }

    fn waited(&self, since: Instant) {
        if let Some(stages) = self.stages() {
            stages.waited(since);
        }
    }
}

impl Journal {
    fn find(&self, exchange: &Exchange, path: &[&[u8]]) -> Option<PropertyValue> {
        match path {
            [b"request" | b"response", ..] if self.is_tcp() => None,
            [b"request", b"headers", name] => value_of(&*exchange.request.borrow(), name),
            [b"request", name] => self.of_request(exchange, name),
            [b"response", b"headers", name] => value_of(exchange.response.borrow().as_ref()?, name),
            [b"response", b"trailers", name] => value_of(exchange.response_trailers.borrow().as_ref()?, name),
            [b"response", name] => self.of_response(exchange, name),
            [b"connection", name] => self.of_connection(name),
            [b"connection_id"] => self.of_connection(b"id"),
            [b"source", name] => of_socket(self.connection.peer, name),
            [b"destination", name] => of_socket(self.connection.local, name),
            [b"upstream", name] => self.of_upstream(name),
            [b"xds", name] => self.of_configuration(name),
            // Higress's plugins read these as they were before `xds`.
            [name @ (b"route_name" | b"cluster_name" | b"listener_direction")] => self.of_configuration(name),
            [b"x_request_id"] => self.request_id.as_ref().map(|id| bytes(id.as_bytes())),
            // Filters of Envoy put things there; we have none that do.
            [b"metadata"] => Some(PropertyValue::fixed("")),
            _ => None,
        }
    }

    /// Whether it is a connection without HTTP.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.connection.listener.protocol, Protocol::Tcp { .. })
    }

    fn of_request(&self, exchange: &Exchange, name: &[u8]) -> Option<PropertyValue> {
        let head = exchange.request.borrow();
        let header = |name: &str| head.headers.get(name).map(|value| bytes(value.as_bytes()));
        Some(match name {
            b"path" => bytes(head.path.as_str().as_bytes()),
            b"url_path" => bytes(head.path.path().as_bytes()),
            b"query" => bytes(head.path.query()?.as_bytes()),
            b"host" => bytes(head.authority.as_ref()?.as_bytes()),
            b"scheme" => bytes(head.scheme.as_bytes()),
            b"method" => bytes(head.method.as_str().as_bytes()),
            b"headers" => PropertyValue::Map(joined(&*head)),
            b"referer" => header("referer")?,
            b"useragent" => header("user-agent")?,
            b"id" => header("x-request-id")?,
            b"time" => PropertyValue::Timestamp(nanoseconds(
                self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
            )),
            b"duration" => PropertyValue::Duration(nanoseconds(self.took.get()?)),
            b"protocol" => PropertyValue::fixed(protocol(self.version)),
            b"size" => number(content_length(&head.headers).unwrap_or_else(|| self.volume.request.get())),
            b"total_size" => number(self.volume.request.get().saturating_add(self.request_header_bytes)),
            _ => return None,
        })
    }

    fn of_response(&self, exchange: &Exchange, name: &[u8]) -> Option<PropertyValue> {
        let response = exchange.response.borrow();
        let trailers = exchange.response_trailers.borrow();
        Some(match name {
            b"code" => PropertyValue::Int(i64::from(response.as_ref()?.status.as_u16())),
            b"code_details" => PropertyValue::text(self.details.borrow().clone()?),
            b"flags" => PropertyValue::Int(flag_bits(self.flags.get())),
            b"headers" => PropertyValue::Map(response.as_ref().map(joined).unwrap_or_default()),
            b"trailers" => PropertyValue::Map(trailers.as_ref().map(joined).unwrap_or_default()),
            b"grpc_status" => PropertyValue::Int(grpc_status(response.as_ref()?, trailers.as_ref())),
            b"size" => number(self.volume.response.get()),
            b"total_size" => {
                let head = response.as_ref().map_or(0, |head| size(&head.headers));
                let trailers = trailers.as_ref().map_or(0, size);
                number(self.volume.response.get().saturating_add(head).saturating_add(trailers))
            }
            b"backend_latency" => PropertyValue::Duration(nanoseconds(self.backend_latency()?)),
            _ => return None,
        })
    }

    fn of_connection(&self, name: &[u8]) -> Option<PropertyValue> {
        let tls = self.connection.tls.as_ref();
        match name {
            b"id" => Some(PropertyValue::Uint(self.connection.id)),
            b"mtls" => Some(PropertyValue::Bool(tls.is_some_and(|tls| tls.peer.is_some()))),
            b"requested_server_name" => {
                let name = tls.and_then(|tls| tls.server_name.clone());
                Some(PropertyValue::text(name.unwrap_or_default()))
            }
            b"tls_version" => Some(PropertyValue::fixed(tls?.version)),
            _ => of_certificates(Some(&*tls?.local), tls?.peer.as_ref(), name),
        }
    }

    fn of_upstream(&self, name: &[u8]) -> Option<PropertyValue> {
        let (endpoint, local) = (self.endpoint.get(), self.upstream_local.get());
        match name {
            b"address" | b"port" => of_socket(endpoint?, name),
            b"local_address" => of_socket(local?, b"address"),
            b"local_port" => of_socket(local?, b"port"),
            b"transport_failure_reason" => endpoint.map(|_| PropertyValue::text(self.way.failure.borrow().as_str())),
            b"request_attempt_count" => Some(PropertyValue::Uint(self.way.attempts.get())),
            b"cx_pool_ready_duration" => Some(PropertyValue::Duration(nanoseconds(self.way.ready_after.get()?))),
            // Endpoints have no locality here; Envoy writes none as nothing.
            b"locality" => endpoint.map(|_| PropertyValue::fixed("")),
            _ => self.of_upstream_tls(name),
        }
    }

    /// Certificates of upstreams are read when a plugin asks, which few do.
    fn of_upstream_tls(&self, name: &[u8]) -> Option<PropertyValue> {
        let tls = self.upstream_tls.borrow();
        let tls = tls.as_ref()?;
        if name == b"tls_version" {
            return Some(PropertyValue::fixed(version_name(tls.version)));
        }
        let local = tls.local.as_deref().map(CertificateFacts::of);
        let peer = tls.peer.as_deref().map(CertificateFacts::of);
        of_certificates(local.as_ref(), peer.as_ref(), name)
    }

    fn of_configuration(&self, name: &[u8]) -> Option<PropertyValue> {
        let chosen = self.chosen.borrow();
        match name {
            b"route_name" => Some(PropertyValue::text(chosen.as_ref()?.route.name.as_str())),
            b"cluster_name" => self.upstream_name(),
            // A listener has one chain, which needs no name.
            b"filter_chain_name" => Some(PropertyValue::fixed("")),
            // Envoy's metadata is what its configuration tells its filters; ours has none, which is written as nothing.
            b"listener_metadata" => Some(PropertyValue::fixed("")),
            b"route_metadata" | b"virtual_host_metadata" => chosen.as_ref().map(|_| PropertyValue::fixed("")),
            b"cluster_metadata" => self.upstream_name().map(|_| PropertyValue::fixed("")),
            // 1 is "inbound" in Envoy's `TrafficDirection`; a gateway's listeners are neither, which is 0.
            b"listener_direction" => Some(PropertyValue::Int(0)),
            _ => None,
        }
    }

    /// The upstream as a plugin names it: Higress's four fields when it is known by them, else its name.
    fn upstream_name(&self) -> Option<PropertyValue> {
        let upstream = self.upstream.borrow();
        let spec = upstream.as_ref()?.spec();
        let in_fields = spec.aliases.iter().find(|alias| alias.starts_with("outbound|"));
        Some(PropertyValue::text(in_fields.unwrap_or(&spec.name).as_str()))
    }
}

/// What both certificates of a connection say. Envoy writes the subject of none as nothing, and has no other value of none.
fn of_certificates(
    local: Option<&CertificateFacts>,
    peer: Option<&CertificateFacts>,
    name: &[u8],
) -> Option<PropertyValue> {
    let subject = |facts: Option<&CertificateFacts>| {
        let subject = facts.and_then(|facts| facts.subject.as_deref());
        Some(PropertyValue::text(subject.unwrap_or_default()))
    };
    let first = |names: &[String]| names.first().map(|name| PropertyValue::text(name.as_str()));
    match name {
        b"subject_local_certificate" => subject(local),
        b"subject_peer_certificate" => subject(peer),
        b"dns_san_local_certificate" => first(&local?.names),
        b"dns_san_peer_certificate" => first(&peer?.names),
        b"uri_san_local_certificate" => first(&local?.uris),
        b"uri_san_peer_certificate" => first(&peer?.uris),
        b"sha256_peer_certificate_digest" => Some(PropertyValue::text(peer?.sha256.as_str())),
        _ => None,
    }
}

/// An endpoint as Higress describes it.
fn host(state: &HostState) -> (String, String) {
    let health = if state.healthy { "Healthy" } else { "Unhealthy" };
    let metrics = format!("# TYPE rq_active gauge\nrq_active {}\n", state.active);
    let about = serde_json::json!({ "health_status": health, "metrics": metrics });
    (state.address.to_string(), about.to_string())
}

fn of_socket(address: SocketAddr, name: &[u8]) -> Option<PropertyValue> {
    match name {
        b"address" => Some(PropertyValue::text(address.to_string())),
        b"port" => Some(PropertyValue::Int(i64::from(address.port()))),
        _ => None,
    }
}

fn bytes(value: &[u8]) -> PropertyValue {
    PropertyValue::Bytes(Bytes::copy_from_slice(value))
}

fn number(value: u64) -> PropertyValue {
    PropertyValue::Int(value.cast_signed())
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

fn size(headers: &HeaderMap) -> u64 {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    headers.iter().map(pair).sum::<usize>() as u64
}

/// A map of which plugins read single values: those of one name joined by commas, whatever the case of its letters.
trait Readable: PluginMap {
    fn headers(&self) -> &HeaderMap;
    fn pseudo(&self) -> &'static [&'static str];
}

impl Readable for RequestHead {
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn pseudo(&self) -> &'static [&'static str] {
        &[":authority", ":path", ":method", ":scheme"]
    }
}

impl Readable for ResponseHead {
    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn pseudo(&self) -> &'static [&'static str] {
        &[":status"]
    }
}

impl Readable for HeaderMap {
    fn headers(&self) -> &HeaderMap {
        self
    }

    fn pseudo(&self) -> &'static [&'static str] {
        &[]
    }
}

fn value_of(map: &impl Readable, name: &[u8]) -> Option<PropertyValue> {
    if name.starts_with(b":") {
        return map.first(name).map(PropertyValue::Bytes);
    }
    let name = HeaderName::from_bytes(name).ok()?;
    let headers = map.headers();
    headers
        .contains_key(&name)
        .then(|| PropertyValue::Bytes(values(headers, &name)))
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Bytes {
    let all: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    Bytes::from(all.join(&b","[..]))
}

fn joined(map: &impl Readable) -> Vec<(Bytes, Bytes)> {
    let text = |name: &str| Bytes::copy_from_slice(name.as_bytes());
    let pseudo = map
        .pseudo()
        .iter()
        .filter_map(|name| Some((text(name), map.first(name.as_bytes())?)));
    let headers = map.headers();
    let fields = headers.keys().map(|name| (text(name.as_str()), values(headers, name)));
    pseudo.chain(fields).collect()
}

/// gRPC's status, from where it stands; else as the response's status says it (Envoy's `Grpc::Common::getGrpcStatus`).
fn grpc_status(head: &ResponseHead, trailers: Option<&HeaderMap>) -> i64 {
    // Highest status of gRPC; what is no status is -1.
    const UNAUTHENTICATED: i64 = 16;
    let said = trailers
        .and_then(|trailers| trailers.get("grpc-status"))
        .or_else(|| head.headers.get("grpc-status"));
    match said {
        Some(value) => {
            let number = value.to_str().ok().and_then(|text| text.parse().ok());
            number
                .filter(|number| (0..=UNAUTHENTICATED).contains(number))
                .unwrap_or(-1)
        }
        None => i64::from(answer::grpc_status(head.status)),
    }
}

/// The order of Envoy's `CoreResponseFlag` (`envoy/stream_info/stream_info.h`); `response.flags` has a bit for each, the first the lowest.
/// Envoy 1.40 was seen to use bits 5, 14 and 23 so.
const FLAGS: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX", "SI", "IH",
    "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR", "UDO",
];

/// `response.flags` for the access record's words.
fn flag_bits(flags: &str) -> i64 {
    let bit = |flag| FLAGS.iter().position(|known| *known == flag).map_or(0, |at| 1 << at);
    flags.split(',').map(bit).fold(0, |bits, bit| bits | bit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
