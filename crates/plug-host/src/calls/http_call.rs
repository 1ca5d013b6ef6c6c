//! `proxy_http_call`: HTTP callouts.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method};
use plug_abi::tokens::CalloutKind;
use plug_abi::{Status, pairs};

use crate::calls::Done;
use crate::exchange::RequestHead;
use crate::guest::{Effect, Host};
use crate::map::PluginMap;
use crate::outside::{CallRefused, HttpCall};

/// LIMIT: bytes of a name of an upstream, service or method.
pub(crate) const NAME_BYTES_MAX: usize = 4 * 1024;

/// The ten arguments as the ABI has them.
pub(crate) struct Arguments {
    pub(crate) upstream: (u32, u32),
    pub(crate) headers: (u32, u32),
    pub(crate) body: (u32, u32),
    pub(crate) trailers: (u32, u32),
    pub(crate) timeout_ms: u32,
    pub(crate) token_at: u32,
}

/// 0 is "no limit" to Envoy.
pub(crate) fn timeout(milliseconds: u32) -> Option<Duration> {
    (milliseconds != 0).then(|| Duration::from_millis(u64::from(milliseconds)))
}

pub(crate) fn status_of(refused: CallRefused) -> Status {
    match refused {
        CallRefused::UnknownUpstream => Status::BadArgument,
        CallRefused::TooMany => Status::InternalFailure,
    }
}

/// Header pairs as a map; what may not stand in a message is a bad argument, which SDKs survive here.
pub(crate) fn headers(bytes: &[u8]) -> Result<HeaderMap, Status> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs::decode(bytes).map_err(|_| Status::BadArgument)? {
        map.add(name, value).map_err(|_| Status::BadArgument)?;
    }
    Ok(map)
}

fn head(bytes: &[u8]) -> Result<RequestHead, Status> {
    let mut head = RequestHead {
        method: Method::GET,
        scheme: HeaderValue::from_static("http"),
        authority: None,
        path: PathAndQuery::from_static("/"),
        headers: HeaderMap::new(),
    };
    let (mut method, mut path) = (false, false);
    for (name, value) in pairs::decode(bytes).map_err(|_| Status::BadArgument)? {
        method |= name == b":method";
        path |= name == b":path";
        head.add(name, value).map_err(|_| Status::BadArgument)?;
    }
    // Envoy refuses a callout without these three.
    if method && path && head.authority.is_some() {
        Ok(head)
    } else {
        Err(Status::BadArgument)
    }
}

pub(crate) fn proxy_http_call(host: &mut Host<'_>, arguments: &Arguments) -> Done {
    let root = host.guest.root_id().ok_or(Status::BadArgument)?;
    if arguments.timeout_ms > i32::MAX.cast_unsigned() {
        // A negative number to Envoy.
        return Err(Status::BadArgument);
    }
    let mut call = HttpCall {
        plugin: host.guest.plugin().spec.name.clone(),
        upstream: host.name(arguments.upstream, NAME_BYTES_MAX)?,
        head: head(host.read(arguments.headers.0, arguments.headers.1)?)?,
        body: host.copy(arguments.body)?,
        trailers: headers(host.read(arguments.trailers.0, arguments.trailers.1)?)?,
        timeout: timeout(arguments.timeout_ms),
        step: None,
    };
    if !host.guest.may_reach("proxy_http_call", &call.upstream) {
        return Err(Status::BadArgument);
    }
    host.check_u32(arguments.token_at)?;
    if !host.guest.may_call() {
        return Err(Status::InternalFailure);
    }
    call.step = host.guest.step(&call.upstream);
    let reply = host.guest.outside.http_call(call).map_err(status_of)?;
    let token = host.guest.begin_callout(CalloutKind::Http)?;
    host.guest.effects.push(Effect::Http { root, token, reply });
    host.write_u32(arguments.token_at, token)
}
