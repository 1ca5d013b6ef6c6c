//! `proxy_send_local_response`: an answer in place of the upstream's.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use plug_abi::{LogLevel, Status, pairs};

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

pub(crate) fn proxy_send_local_response(host: &mut Host<'_>, arguments: &Arguments) -> Done {
    let status = u16::try_from(arguments.status)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok());
    let status = status
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or(Status::BadArgument)?;
    let details = host.line(arguments.details.0, arguments.details.1)?;
    let body = Bytes::copy_from_slice(host.read(arguments.body.0, arguments.body.1)?);
    let wanted =
        pairs::decode(host.read(arguments.headers.0, arguments.headers.1)?).map_err(|_| Status::BadArgument)?;
    let mut headers = HeaderMap::new();
    let mut left_out = Vec::new();
    for (name, value) in wanted {
        if let Err(not_allowed) = headers.add(name, value) {
            left_out.push(not_allowed.name);
        }
    }
    for name in left_out {
        host.guest.log(
            LogLevel::Warn,
            &format!("header `{name}` of a local response left out: not allowed in a message"),
        );
    }
    let Some(stream) = host.guest.stream() else {
        // Envoy ignores a local response outside an exchange.
        return Ok(());
    };
    if stream.visible.get().has(Visible::LOG) {
        // Envoy 1.40 dies of this (SIGSEGV); the exchange is over, so there is nothing to answer.
        host.guest
            .log(LogLevel::Warn, "local response ignored: the exchange has ended");
        return Ok(());
    }
    let reply = LocalReply {
        status,
        details: details.split_whitespace().collect::<Vec<_>>().join("_"),
        headers,
        body,
        grpc_status: Some(arguments.grpc_status).filter(|code| *code <= 16),
        plugin: stream.plugin.clone(),
    };
    // The reply passes this plugin's own response callbacks: one that answered again would never come to an end.
    if !stream.replied.replace(true) {
        stream.exchange.local_reply.borrow_mut().get_or_insert(reply);
        stream.exchange.ring();
    }
    Ok(())
}
