//! Bodies, configurations and callout answers as byte ranges.

use bytes::Bytes;
use plug_abi::{BufferKind, Status};

use crate::calls::{Done, Value};
use crate::exchange::{Side, Visible};
use crate::guest::{Answer, Guest, Host};
use crate::outside::GrpcEvent;

/// LIMIT: bytes of a body that a plugin makes larger; what it may hold of the sender's is bounded by the exchange.
const EDITED_BYTES_MAX: usize = 64 * 1024 * 1024;

const CONFIGURE: &str = "proxy_on_configure";
const CREATE: &str = "proxy_on_context_create";

/// A buffer as it can be used now.
enum Buffer<'a> {
    /// A body, which may be read and changed.
    Held(&'a Side),
    /// Configurations and answers of callouts, which may be read.
    Fixed(Bytes),
    /// A body at a time when the plugin has none. Envoy reads it as an empty one.
    Absent,
}

/// The buffer that `kind` names; none for what is there in certain callbacks only and not in this one.
fn buffer(guest: &Guest, kind: BufferKind) -> Option<Buffer<'_>> {
    let fixed = |bytes: &Bytes| Some(Buffer::Fixed(bytes.clone()));
    match (kind, &guest.answer) {
        (BufferKind::HttpRequestBody, _) => Some(held(guest, Visible::REQUEST_BODY)),
        (BufferKind::HttpResponseBody, _) => Some(held(guest, Visible::RESPONSE_BODY)),
        (BufferKind::DownstreamData, _) => Some(held(guest, Visible::DOWNSTREAM)),
        (BufferKind::UpstreamData, _) => Some(held(guest, Visible::UPSTREAM)),
        (BufferKind::VmConfiguration, _) => fixed(&guest.plugin().spec.vm_config),
        // As in Envoy, there only; it is what `proxy_get_configuration` reads then, and the VM's configuration else.
        (BufferKind::PluginConfiguration, _) if configures(guest) => fixed(&guest.plugin().spec.config),
        (BufferKind::HttpCallResponseBody, Answer::Http(Some(reply))) => fixed(&reply.body),
        (BufferKind::GrpcReceive, Answer::Grpc(event)) => match &**event {
            GrpcEvent::Message(message) => fixed(message),
            _ => Some(Buffer::Absent),
        },
        (BufferKind::RedisCallResponse, Answer::Redis(Some(reply))) => fixed(reply),
        // Nothing here calls `proxy_on_foreign_function`, so there are never arguments of one.
        (BufferKind::GrpcReceive | BufferKind::CallData, _) => Some(Buffer::Absent),
        _ => None,
    }
}

/// Whether a root context is being made or configured.
fn configures(guest: &Guest) -> bool {
    guest.callback == CONFIGURE || (guest.callback == CREATE && guest.stream().is_none())
}

/// A body of the current exchange, when the plugin may see it now.
fn held(guest: &Guest, needed: Visible) -> Buffer<'_> {
    match guest.stream() {
        Some(stream) if stream.visible.get().has(needed) => Buffer::Held(match needed {
            Visible::REQUEST_BODY | Visible::DOWNSTREAM => &stream.request,
            _ => &stream.response,
        }),
        _ => Buffer::Absent,
    }
}

fn kind_of(raw: u32) -> Result<BufferKind, Status> {
    BufferKind::from_raw(raw).ok_or(Status::BadArgument)
}

fn number(raw: u32) -> usize {
    usize::try_from(raw).unwrap_or(usize::MAX)
}

pub(crate) fn proxy_get_buffer_bytes(host: &mut Host<'_>, kind: u32, start: u32, length_max: u32) -> Value {
    let (start, length_max) = (number(start), number(length_max));
    match buffer(host.guest, kind_of(kind)?).ok_or(Status::NotFound)? {
        Buffer::Held(side) => Ok(side.body.borrow_mut().read(start, length_max)),
        Buffer::Fixed(whole) => {
            let from = start.min(whole.len());
            Ok(whole.slice(from..from.saturating_add(length_max).min(whole.len())))
        }
        Buffer::Absent => Ok(Bytes::new()),
    }
}

/// The configuration of the plugin while it is configured, and that of its VM at other times, as in proxy-wasm-cpp-host.
pub(crate) fn proxy_get_configuration(host: &mut Host<'_>) -> Value {
    let spec = &host.guest.plugin().spec;
    Ok(if host.guest.callback == CONFIGURE {
        spec.config.clone()
    } else {
        spec.vm_config.clone()
    })
}

pub(crate) fn proxy_get_buffer_status(host: &mut Host<'_>, kind: u32, length_at: u32, flags_at: u32) -> Done {
    let length = match buffer(host.guest, kind_of(kind)?).ok_or(Status::NotFound)? {
        Buffer::Held(side) => side.body.borrow().len(),
        Buffer::Fixed(whole) => whole.len(),
        Buffer::Absent => 0,
    };
    host.write_u32(length_at, u32::try_from(length).unwrap_or(u32::MAX))?;
    host.write_u32(flags_at, 0)
}

pub(crate) fn proxy_set_buffer_bytes(
    host: &mut Host<'_>,
    kind: u32,
    start: u32,
    length: u32,
    bytes: u32,
    bytes_length: u32,
) -> Done {
    let insert = host.read(bytes, bytes_length)?;
    match buffer(host.guest, kind_of(kind)?).ok_or(Status::NotFound)? {
        Buffer::Held(side) => {
            let mut body = side.body.borrow_mut();
            if body.len().saturating_add(insert.len()) > EDITED_BYTES_MAX {
                return Err(Status::BadArgument);
            }
            body.replace(number(start), number(length), insert);
            Ok(())
        }
        // Configurations and answers cannot be written (cpp-host `BufferBase::copyFrom`), nor what is not there.
        Buffer::Fixed(_) | Buffer::Absent => Err(Status::BadArgument),
    }
}
