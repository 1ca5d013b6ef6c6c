//! Puts a request into the form that an upstream's protocol wants, so that head and body agree.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version};
use http_body::Body;

use crate::body::OutBody;
use crate::endpoint::Node;
use crate::fault::UpstreamFault;
use crate::send::unsendable;

/// Origin form and a `Host` (RFC 9112 section 3.2).
pub(crate) fn for_http1(request: &mut Request<OutBody>, node: &Node) {
    *request.version_mut() = Version::HTTP_11;
    let named = request.headers().contains_key(HOST);
    if request.uri().authority().is_some() && request.method() != Method::CONNECT {
        let (authority, path) = split(request.uri());
        *request.uri_mut() = Uri::from(path);
        if !named && let Some(host) = authority.and_then(|host| HeaderValue::try_from(host.as_str()).ok()) {
            request.headers_mut().insert(HOST, host);
        }
    } else if !named && let Some(host) = &node.authority {
        request.headers_mut().insert(HOST, host.clone());
    }
    agree(request);
    // hyper sends no body with these unless the head says so, and a GET may have one (RFC 9110 section 9.3.1).
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD | Method::CONNECT);
    if bodiless && open_ended(request) {
        request
            .headers_mut()
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Absolute form, from which h2 makes the pseudo-headers (RFC 9113 section 8.3.1), and no `Host` beside it.
pub(crate) fn for_http2(request: &mut Request<OutBody>, node: &Node) -> Result<(), UpstreamFault> {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST);
    agree(request);
    request.headers_mut().remove(TRANSFER_ENCODING);
    if request.method() == Method::CONNECT {
        return Ok(());
    }
    let (authority, path) = split(request.uri());
    let authority = match (authority, host.as_ref().or(node.authority.as_ref())) {
        (Some(authority), _) => authority,
        (None, Some(host)) => Authority::try_from(host.as_bytes()).map_err(|error| unsendable(node, &error))?,
        (None, None) => Authority::from_static("localhost"),
    };
    let scheme = if node.settings.spec.tls.is_some() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| unsendable(node, &error))?;
    Ok(())
}

fn split(uri: &Uri) -> (Option<Authority>, PathAndQuery) {
    let path = uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    (uri.authority().cloned(), path)
}

/// The head's length is that of the body at hand: a wrong one would make the upstream take the next request for a body, or wait.
fn agree(request: &mut Request<OutBody>) {
    let length = match request.body() {
        OutBody::Empty => 0,
        OutBody::Full(bytes) => bytes.len(),
        OutBody::Stream(_) => return,
    };
    let headers = request.headers_mut();
    if let Some(said) = headers.get(CONTENT_LENGTH)
        && said.to_str().ok().and_then(|said| said.parse().ok()) != Some(length)
    {
        headers.remove(CONTENT_LENGTH);
        if length > 0 {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }
    headers.remove(TRANSFER_ENCODING);
}

/// A body is to come, and nothing says how long.
fn open_ended(request: &Request<OutBody>) -> bool {
    let OutBody::Stream(body) = request.body() else {
        return false;
    };
    !body.is_end_stream()
        && body.size_hint().exact().is_none()
        && !request.headers().contains_key(CONTENT_LENGTH)
        && !request.headers().contains_key(TRANSFER_ENCODING)
}
