//! `proxy_send_local_response`: an answer in place of the upstream's.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use plug_abi::{LogLevel, pairs};

use crate::calls::Done;
use crate::exchange::{LocalReply, Visible};
use crate::guest::Host;
use crate::map::PluginMap;

/// The eight arguments as the ABI has them.
pub(crate) struct Arguments {
    pub(crate) status: u32,
    pub(crate) details: (u32, u32),
    pub(crate) body: (u32, u32),
    pub(crate) headers: (u32, u32),
    pub(crate) grpc_status: u32,
}

/// Always answers OK where it can, as Envoy does: the Rust SDK panics on anything else.
pub(crate) fn proxy_send_local_response(host: &mut Host<'_>, arguments: &Arguments) -> Done {
    let details = host.line(arguments.details.0, arguments.details.1)?;
    let body = host.read(arguments.body.0, arguments.body.1)?;
    let pairs = host.read(arguments.headers.0, arguments.headers.1)?;
    // Envoy ignores a local response outside an exchange. It dies of one in the log (SIGSEGV, 1.40): the exchange is over then.
    let Some(stream) = host
        .guest
        .stream()
        .filter(|stream| !stream.visible.get().has(Visible::LOG))
    else {
        return Ok(());
    };
    let mut wrong = Vec::new();
    let reply = LocalReply {
        status: status(arguments.status).unwrap_or_else(|| {
            wrong.push(format!(
                "status {} of a local response made 500: it cannot end an exchange",
                arguments.status
            ));
            StatusCode::INTERNAL_SERVER_ERROR
        }),
        details: details.split_whitespace().collect::<Vec<_>>().join("_"),
        headers: headers(pairs, &mut wrong),
        body: Bytes::copy_from_slice(body),
        grpc_status: Some(arguments.grpc_status).filter(|code| *code <= 16),
        plugin: stream.plugin.clone(),
    };
    // Of several in one callback the first counts.
    stream.exchange.local_reply.borrow_mut().get_or_insert(reply);
    stream.exchange.ring();
    for text in wrong {
        host.guest.log(LogLevel::Warn, &text);
    }
    Ok(())
}

/// A status that ends an exchange: not an interim one (RFC 9110 section 15.2), and one of three digits.
fn status(code: u32) -> Option<StatusCode> {
    let status = StatusCode::from_u16(u16::try_from(code).ok()?).ok()?;
    (!status.is_informational()).then_some(status)
}

/// Headers as far as they may stand in a message.
fn headers(bytes: &[u8], wrong: &mut Vec<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs = pairs::decode(bytes).unwrap_or_else(|why| {
        wrong.push(format!("headers of a local response left out: {why}"));
        Vec::new()
    });
    for (name, value) in pairs {
        if let Err(not_allowed) = headers.add(name, value) {
            let name = not_allowed.name;
            wrong.push(format!(
                "header `{name}` of a local response left out: not allowed in a message"
            ));
        }
    }
    headers
}
