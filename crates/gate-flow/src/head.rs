//! Heads at the borders: from the client's request to the form plugins see, and from there to the upstream and back.

use bytes::Bytes;
use gate_plan::{Forwarding, HeaderEdits};
use gate_serve::connection::Connection;
use http::header::{CONNECTION, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, request};
use plug_host::RequestHead;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Takes out what belongs to one connection only (RFC 9110 section 7.6.1), and what `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [&KEEP_ALIVE, &PROXY_CONNECTION, &TRANSFER_ENCODING, &UPGRADE] {
        headers.remove(name);
    }
    // `TE: trailers` is what gRPC needs to be told end to end; all other codings are hop by hop.
    if let Some(te) = headers.get(TE)
        && te.as_bytes() != b"trailers"
    {
        headers.remove(TE);
    }
}

/// The request in the form that plugins see, with the forwarding headers of an edge proxy, as Envoy sets them with
/// `use_remote_address`.
pub(crate) fn receive(parts: request::Parts, connection: &Connection, forwarding: Forwarding) -> RequestHead {
    let mut headers = parts.headers;
    let host = headers.remove(HOST);
    strip_hop_by_hop(&mut headers);
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    // It is answered here, when the body is first asked for, as Envoy does; the upstream gets the body without waiting.
    headers.remove(EXPECT);
    let authority = parts
        .uri
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        .or(host);
    let path = parts
        .uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    let scheme = HeaderValue::from_static(if connection.tls.is_some() { "https" } else { "http" });
    forward(&mut headers, connection, forwarding, &scheme);
    RequestHead {
        method: parts.method,
        scheme,
        authority,
        path,
        headers,
    }
}

/// HTTP/2 may split `cookie` into several fields; before anyone else sees them they are one again (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_maybe_shared(Bytes::from(all.join(&b"; "[..])))
    {
        headers.insert(COOKIE, joined);
    }
}

fn forward(headers: &mut HeaderMap, connection: &Connection, forwarding: Forwarding, scheme: &HeaderValue) {
    let peer = connection.peer.ip().to_canonical().to_string();
    // Several lines are one list (RFC 9110, section 5.3): a proxy before us may have added a line of its own to the client's.
    let lines = headers.get_all(FORWARDED_FOR).into_iter();
    let chain = lines
        .map(HeaderValue::as_bytes)
        .chain([peer.as_bytes()])
        .collect::<Vec<_>>();
    let chain = chain.join(&b","[..]);
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(chain)) {
        headers.insert(FORWARDED_FOR, value);
    }
    let believed = forwarding.trusted_hops > 0 && headers.contains_key(FORWARDED_PROTO);
    if !believed {
        headers.insert(FORWARDED_PROTO, scheme.clone());
    }
    let keep = forwarding.preserve_request_id && headers.contains_key(REQUEST_ID);
    if !keep && let Ok(value) = HeaderValue::from_bytes(&crate::request_id::new()) {
        headers.insert(REQUEST_ID, value);
    }
}

/// The exchange's id, which is in its head.
pub(crate) fn request_id(head: &RequestHead) -> Option<HeaderValue> {
    head.headers.get(REQUEST_ID).cloned()
}

/// Applies a route's changes: taken out, then set, then added.
pub(crate) fn edit(headers: &mut HeaderMap, edits: &HeaderEdits) {
    for name in &edits.remove {
        headers.remove(name);
    }
    for (name, value) in &edits.set {
        headers.insert(name, value.clone());
    }
    for (name, value) in &edits.add {
        headers.append(name, value.clone());
    }
}

/// The URI for the upstream: path as the route and the plugins left it, authority for `Host` or `:authority`.
pub(crate) fn uri(head: &RequestHead, rewritten: Option<&str>, host: Option<&str>) -> Option<Uri> {
    let path = match rewritten {
        Some(path) => {
            let whole = head
                .path
                .query()
                .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
            PathAndQuery::try_from(whole).ok()?
        }
        None => head.path.clone(),
    };
    let authority = match host {
        Some(host) => Some(host.as_bytes()),
        None => head.authority.as_ref().map(HeaderValue::as_bytes),
    };
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(path);
    if let Some(authority) = authority.filter(|authority| !authority.is_empty()) {
        parts.authority = Some(http::uri::Authority::try_from(authority).ok()?);
        parts.scheme = Some(head.scheme.as_bytes().try_into().ok()?);
    }
    Uri::from_parts(parts).ok()
}
