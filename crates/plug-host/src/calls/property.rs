//! Properties: those of the plugin here, those of the exchange from the flow, and those that plugins set.

use bytes::Bytes;
use plug_abi::Status;
use plug_abi::property::{self, PropertyValue};

use crate::calls::{Done, Value};
use crate::exchange::{Exchange, Property};
use crate::guest::{Guest, Host};

/// LIMIT: properties that plugins may set in one exchange.
const STATE_KEYS_MAX: usize = 256;
/// LIMIT: bytes of all of them, names and values.
const STATE_BYTES_MAX: usize = 4 * 1024 * 1024;

fn of_plugin(guest: &Guest, name: &[u8]) -> Option<PropertyValue> {
    let spec = &guest.root()?.plugin.spec;
    match name {
        b"plugin_name" => Some(PropertyValue::text(spec.name.as_str())),
        b"plugin_root_id" => Some(PropertyValue::text(spec.root_id.as_str())),
        b"plugin_vm_id" => Some(PropertyValue::text(spec.vm_id.as_str())),
        b"plugin_vm_memory" => Some(PropertyValue::Uint(
            u64::try_from(guest.limits.memory_bytes).unwrap_or(u64::MAX),
        )),
        _ => None,
    }
}

/// What is known under a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// There is no such thing, or not yet.
    Absent,
    /// A thing whose parts can be read, but not itself.
    Parts,
    /// What the gateway knows.
    Known(PropertyValue),
    /// What a plugin has set.
    Set(Bytes),
}

impl Found {
    /// Whether something is so.
    pub(crate) fn truth(truth: bool) -> Self {
        Self::Known(PropertyValue::Bool(truth))
    }

    /// About how large it is.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Known(PropertyValue::Bytes(bytes)) | Self::Set(bytes) => bytes.len(),
            Self::Known(PropertyValue::Map(entries)) => {
                entries.iter().map(|(key, value)| key.len() + value.len()).sum()
            }
            Self::Known(PropertyValue::List(elements)) => elements.iter().map(Bytes::len).sum(),
            _ => 0,
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Looks a property up, as far as the plugin may see it.
pub(crate) fn find(guest: &Guest, names: &[&[u8]]) -> Found {
    let found = known(guest, names);
    match guest.grant {
        None => found,
        Some(_) => guest.visible(names, found),
    }
}

/// What is known under a path. What the gateway knows comes first, as in Envoy: no plugin can put another path or address before the next
/// one's eyes.
fn known(guest: &Guest, names: &[&[u8]]) -> Found {
    if let [only] = names
        && let Some(value) = of_plugin(guest, only)
    {
        return Found::Known(value);
    }
    let Some(exchange) = guest.exchange() else {
        return Found::Absent;
    };
    match exchange.facts.property(exchange, names) {
        Property::Value(value) => return Found::Known(value),
        Property::Parts => return Found::Parts,
        Property::Absent => {}
    }
    exchange.set_by_plugins(names).map_or(Found::Absent, Found::Set)
}

pub(crate) fn proxy_get_property(host: &mut Host<'_>, path: u32, length: u32) -> Value {
    let path = property::name(host.read(path, length)?);
    if path.is_empty() {
        return Err(Status::SerializationFailure);
    }
    let names: Vec<&[u8]> = property::segments(path).collect();
    match find(host.guest, &names) {
        Found::Known(value) => Ok(value.encode()),
        Found::Set(value) => Ok(value),
        Found::Parts => Err(Status::SerializationFailure),
        Found::Absent => Err(Status::NotFound),
    }
}

/// A decimal number, as Higress's plugins write buffer limits.
fn decimal(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

pub(crate) fn proxy_set_property(
    host: &mut Host<'_>,
    path: u32,
    path_length: u32,
    value: u32,
    value_length: u32,
) -> Done {
    let path = property::name(host.read(path, path_length)?);
    let value = host.read(value, value_length)?;
    let exchange = host.guest.exchange().ok_or(Status::NotFound)?.clone();
    match path {
        b"clear_route_cache" => exchange.route_pinned.set(value == b"off"),
        b"set_decoder_buffer_limit" => exchange
            .request_body_bytes_max
            .set(decimal(value).ok_or(Status::BadArgument)?),
        b"set_encoder_buffer_limit" => exchange
            .response_body_bytes_max
            .set(decimal(value).ok_or(Status::BadArgument)?),
        b"wasm_need_rebuild" => {
            if value == b"true" {
                host.guest.rebuild();
            }
        }
        _ => set_state(&exchange, path, value)?,
    }
    Ok(())
}

/// Keeps a property that later plugins and the access record may read.
pub(crate) fn set_state(exchange: &Exchange, path: &[u8], value: &[u8]) -> Done {
    let mut state = exchange.state.borrow_mut();
    let others = || state.iter().filter(|(name, _)| name.as_slice() != path);
    let bytes = |(name, value): (&Vec<u8>, &Bytes)| name.len().saturating_add(value.len());
    let total = others()
        .map(bytes)
        .fold(path.len().saturating_add(value.len()), usize::saturating_add);
    if total > STATE_BYTES_MAX || others().count() >= STATE_KEYS_MAX {
        return Err(Status::BadArgument);
    }
    state.insert(path.to_owned(), Bytes::copy_from_slice(value));
    Ok(())
}
