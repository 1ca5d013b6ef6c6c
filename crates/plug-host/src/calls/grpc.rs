//! gRPC callouts, unary and streaming, and `proxy_get_status`.

use bytes::Bytes;
use http::HeaderMap;
use plug_abi::Status;
use plug_abi::tokens::CalloutKind;
use tokio::sync::mpsc;

use crate::calls::http_call::{NAME_BYTES_MAX, headers, status_of, timeout};
use crate::calls::{Done, Value};
use crate::guest::{Effect, GrpcState, Host};
use crate::outside::{GrpcCall, GrpcEvent, GrpcOut};
use crate::protobuf;

/// LIMIT: events of one gRPC callout waiting for its plugin; the sender waits beyond it.
const EVENTS_MAX: usize = 16;

/// Arguments of `proxy_grpc_call` and `proxy_grpc_stream`; the AssemblyScript SDK sends no metadata.
pub(crate) struct Arguments {
    pub(crate) upstream: (u32, u32),
    pub(crate) service: (u32, u32),
    pub(crate) method: (u32, u32),
    pub(crate) metadata: Option<(u32, u32)>,
    pub(crate) message: Option<(u32, u32)>,
    pub(crate) timeout_ms: u32,
    pub(crate) token_at: u32,
}

/// The upstream of a name, or of a serialised `envoy.config.core.v3.GrpcService` with an `envoy_grpc.cluster_name`.
fn upstream(bytes: &[u8]) -> String {
    let in_proto = || {
        let service = protobuf::fields(bytes)?;
        let envoy = protobuf::fields(protobuf::bytes(&service, 1)?)?;
        protobuf::bytes(&envoy, 1)
    };
    String::from_utf8_lossy(in_proto().unwrap_or(bytes)).into_owned()
}

fn name(host: &Host<'_>, place: (u32, u32)) -> Result<String, Status> {
    // The Rust SDK panics on a bad argument here.
    host.name(place, NAME_BYTES_MAX).map_err(|status| {
        if status == Status::BadArgument {
            Status::ParseFailure
        } else {
            status
        }
    })
}

pub(crate) fn begin(host: &mut Host<'_>, arguments: &Arguments) -> Done {
    host.guest.root_id().ok_or(Status::InternalFailure)?;
    let metadata = match arguments.metadata {
        Some((at, length)) => headers(host.read(at, length)?).map_err(|_| Status::ParseFailure)?,
        None => HeaderMap::new(),
    };
    let message = arguments.message.map(|place| host.copy(place)).transpose()?;
    let call = GrpcCall {
        plugin: host.guest.plugin().spec.name.clone(),
        upstream: upstream(host.read(arguments.upstream.0, arguments.upstream.1)?),
        service: name(host, arguments.service)?,
        method: name(host, arguments.method)?,
        metadata,
        timeout: timeout(arguments.timeout_ms),
        step: None,
    };
    if call.upstream.len() > NAME_BYTES_MAX {
        return Err(Status::ParseFailure);
    }
    let name = if arguments.message.is_some() {
        "proxy_grpc_call"
    } else {
        "proxy_grpc_stream"
    };
    if !host.guest.may_reach(name, &call.upstream) {
        return Err(Status::ParseFailure);
    }
    host.check_u32(arguments.token_at)?;
    let token = start(host, call, message)?;
    host.write_u32(arguments.token_at, token)
}

fn start(host: &mut Host<'_>, mut call: GrpcCall, message: Option<Bytes>) -> Result<u32, Status> {
    let root = host.guest.root_id().ok_or(Status::InternalFailure)?;
    if !host.guest.may_call() {
        return Err(Status::InternalFailure);
    }
    call.step = host.guest.step(&call.upstream);
    let streaming = message.is_none();
    #[expect(
        clippy::disallowed_methods,
        reason = "every message is counted in the instance's budget until it is sent"
    )]
    let (outgoing, outgoing_end) = mpsc::unbounded_channel();
    let (events_end, events) = mpsc::channel::<GrpcEvent>(EVENTS_MAX);
    if let Some(message) = message {
        // The channel is new and both ends are here.
        let _ = outgoing.send(GrpcOut::Message(message));
        let _ = outgoing.send(GrpcOut::End);
    }
    let drive = host
        .guest
        .outside
        .grpc_call(call, outgoing_end, events_end)
        .map_err(|refused| {
            match status_of(refused) {
                // To Envoy an unknown upstream is a parse failure: it tries to read the name as a `GrpcService`.
                Status::BadArgument => Status::ParseFailure,
                other => other,
            }
        })?;
    let kind = if streaming {
        CalloutKind::GrpcStream
    } else {
        CalloutKind::GrpcCall
    };
    let token = host.guest.begin_callout(kind)?;
    host.guest.grpc.insert(
        token,
        GrpcState {
            root,
            outgoing,
            streaming,
            ended: !streaming,
        },
    );
    host.guest.effects.push(Effect::Grpc { token, drive, events });
    Ok(token)
}

pub(crate) fn proxy_grpc_send(host: &mut Host<'_>, token: u32, message: u32, length: u32, end: u32) -> Done {
    let message = host.copy((message, length)).map_err(|status| match status {
        // The Rust SDK panics on an internal failure here.
        Status::InternalFailure => Status::BadArgument,
        other => other,
    })?;
    if CalloutKind::of(token) != CalloutKind::GrpcStream {
        return Err(Status::BadArgument);
    }
    let call = host.guest.grpc.get_mut(&token).ok_or(Status::NotFound)?;
    if call.ended {
        // Envoy swallows what a plugin sends behind its own end.
        return Ok(());
    }
    call.outgoing
        .send(GrpcOut::Message(message))
        .map_err(|_| Status::NotFound)?;
    if end != 0 {
        call.end();
    }
    Ok(())
}

/// Forgets the callout: no callback follows.
pub(crate) fn proxy_grpc_cancel(host: &mut Host<'_>, token: u32) -> Done {
    if !host.guest.grpc.contains_key(&token) {
        return Err(Status::NotFound);
    }
    host.guest.end_callout(token);
    host.guest.effects.push(Effect::Cancel { token });
    Ok(())
}

/// Ends the plugin's half of a stream; a unary call is cancelled, as in Envoy.
pub(crate) fn proxy_grpc_close(host: &mut Host<'_>, token: u32) -> Done {
    let call = host.guest.grpc.get_mut(&token).ok_or(Status::NotFound)?;
    if !call.streaming {
        return proxy_grpc_cancel(host, token);
    }
    call.end();
    Ok(())
}

pub(crate) fn proxy_get_status(host: &mut Host<'_>, code_at: u32) -> Value {
    let (code, message) = host.guest.answer.status();
    let message = Bytes::copy_from_slice(message.as_bytes());
    host.write_u32(code_at, code)?;
    Ok(message)
}
