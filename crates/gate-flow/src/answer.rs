//! Responses that no upstream gave: local replies, redirects, fixed responses, and what the gateway says when something went wrong.

use bytes::Bytes;
use gate_plan::{FixedResponse, Redirect};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use plug_host::{LocalReply, RequestHead, ResponseHead};

/// A whole response.
pub(crate) struct Whole {
    pub(crate) head: ResponseHead,
    pub(crate) body: Bytes,
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

fn is_grpc(request: &RequestHead) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| {
        kind == b"application/grpc" || kind.starts_with(b"application/grpc+") || kind.starts_with(b"application/grpc;")
    })
}

/// gRPC's status for an HTTP status (gRPC's `http-grpc-status-mapping`).
pub(crate) fn grpc_status(status: StatusCode) -> u32 {
    match status.as_u16() {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// A response with a text; for gRPC a response of headers only that carries the status (as Envoy answers).
pub(crate) fn text(request: &RequestHead, status: StatusCode, body: impl Into<Bytes>) -> Whole {
    whole(request, status, HeaderMap::new(), body.into(), None)
}

/// What a plugin asked for.
pub(crate) fn local(request: &RequestHead, reply: LocalReply) -> Whole {
    whole(request, reply.status, reply.headers, reply.body, reply.grpc_status)
}

fn whole(request: &RequestHead, status: StatusCode, mut headers: HeaderMap, body: Bytes, grpc: Option<u32>) -> Whole {
    if is_grpc(request) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(
            GRPC_STATUS,
            HeaderValue::from(grpc.unwrap_or_else(|| grpc_status(status))),
        );
        if !body.is_empty()
            && let Ok(message) = HeaderValue::from_str(&percent(&body))
        {
            headers.insert(GRPC_MESSAGE, message);
        }
        headers.remove(CONTENT_LENGTH);
        return Whole {
            head: ResponseHead {
                status: StatusCode::OK,
                headers,
            },
            body: Bytes::new(),
        };
    }
    if body.is_empty() {
        headers.remove(CONTENT_LENGTH);
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("text/plain"));
    }
    Whole {
        head: ResponseHead { status, headers },
        body,
    }
}

/// gRPC's percent-encoding of messages.
fn percent(message: &[u8]) -> String {
    use std::fmt::Write;
    message
        .iter()
        .fold(String::with_capacity(message.len()), |mut text, byte| {
            if (0x20..=0x7e).contains(byte) && *byte != b'%' {
                text.push(char::from(*byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
            text
        })
}

/// A route's fixed response.
pub(crate) fn fixed(request: &RequestHead, response: &FixedResponse) -> Whole {
    let mut headers = HeaderMap::new();
    for (name, value) in &response.headers {
        headers.append(name, value.clone());
    }
    whole(
        request,
        response.status,
        headers,
        Bytes::from(response.body.clone()),
        None,
    )
}

/// A route's redirect.
pub(crate) fn redirect(request: &RequestHead, redirect: &Redirect) -> Whole {
    let old = |value: Option<&HeaderValue>| value.and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let old_host = old(request.authority.as_ref());
    let scheme = redirect.scheme.clone().unwrap_or_else(|| old(Some(&request.scheme)));
    let host = redirect
        .host
        .clone()
        .unwrap_or_else(|| match (redirect.port, &redirect.scheme) {
            // Another port, or another scheme's default port, replaces the one the client named.
            (Some(_), _) | (None, Some(_)) => crate::journal::without_port(&old_host).to_owned(),
            (None, None) => old_host.clone(),
        });
    let port = redirect.port.map_or_else(String::new, |port| format!(":{port}"));
    let path = redirect.path.as_deref().unwrap_or_else(|| request.path.path());
    let query = request
        .path
        .query()
        .filter(|_| !redirect.strip_query && !path.contains('?'));
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::from_str(&format!("{scheme}://{host}{port}{path}{query}")) {
        headers.insert(LOCATION, location);
    }
    whole(request, redirect.status, headers, Bytes::new(), None)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests;
