//! Foreign functions: those of Envoy that need no Envoy, Higress's, and our own.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use plug_abi::Status;

use crate::calls::inject::inject;
use crate::calls::{Done, Value, expression};
use crate::guest::Host;
use crate::outside::Writing;
use crate::protobuf;

/// LIMIT: bytes of arguments. The worker stands still while a function runs; hashing this much takes about 15 ms.
const ARGUMENTS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// LIMIT: bytes that `compress` takes: about 30 ms.
const COMPRESSED_BYTES_MAX: usize = 1024 * 1024;
/// LIMIT: bytes that `uncompress` gives: about 30 ms, and a small guest cannot fill the host.
const UNCOMPRESSED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// LIMIT: bytes that `mask` takes: about 5 ms where there is much to hide.
const MASKED_BYTES_MAX: usize = 1024 * 1024;
/// LIMIT: bytes of a function's name.
const NAME_BYTES_MAX: usize = 256;

type Function = fn(&mut Host<'_>, &Bytes) -> Value;

/// Every foreign function with its name.
pub(crate) static FOREIGN: &[(&str, Function)] = &[
    ("clear_route_cache", |host, _| {
        clear_route_cache(host).map(|()| Bytes::new())
    }),
    ("compress", compress),
    ("declare_property", declare_property),
    ("expr_create", expression::create),
    ("expr_delete", expression::delete),
    ("expr_evaluate", expression::evaluate),
    ("get_log_level", get_log_level),
    ("hand_over", hand_over),
    ("inject_encoded_data_to_filter_chain_on_header", inject_on_header),
    ("mask", |host, text| mask(host, Writing::Text, text)),
    ("mask_json", |host, text| mask(host, Writing::Json, text)),
    ("set_envoy_filter_state", set_envoy_filter_state),
    ("set_global_max_requests_per_io_cycle", accepted),
    ("sign", crate::signature::sign),
    ("take_over", take_over),
    ("uncompress", uncompress),
    ("verify_signature", crate::signature::verify),
];

/// A name that is longer than any known one is unknown.
fn unknown(status: Status) -> Status {
    if status == Status::BadArgument {
        Status::NotFound
    } else {
        status
    }
}

pub(crate) fn proxy_call_foreign_function(host: &mut Host<'_>, name: (u32, u32), arguments: (u32, u32)) -> Value {
    let name = host.name(name, NAME_BYTES_MAX).map_err(unknown)?;
    let arguments = host.read(arguments.0, arguments.1)?;
    if arguments.len() > ARGUMENTS_BYTES_MAX {
        return Err(Status::BadArgument);
    }
    let arguments = Bytes::copy_from_slice(arguments);
    let (_, function) = FOREIGN
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or(Status::NotFound)?;
    function(host, &arguments)
}

/// Outside an exchange there is nothing to clear, which Envoy does not mind.
pub(crate) fn clear_route_cache(host: &mut Host<'_>) -> Done {
    if let Some(exchange) = host.guest.exchange() {
        exchange.route_stale.set(true);
    }
    Ok(())
}

/// zlib with the default level, as Envoy.
fn compress(_: &mut Host<'_>, arguments: &Bytes) -> Value {
    if arguments.len() > COMPRESSED_BYTES_MAX {
        return Err(Status::SerializationFailure);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(arguments).map_err(|_| Status::SerializationFailure)?;
    Ok(Bytes::from(encoder.finish().map_err(|_| Status::SerializationFailure)?))
}

fn uncompress(_: &mut Host<'_>, arguments: &Bytes) -> Value {
    let mut plain = Vec::new();
    let mut decoder = ZlibDecoder::new(arguments.as_ref());
    let failed = |_| Status::SerializationFailure;
    decoder
        .by_ref()
        .take(UNCOMPRESSED_BYTES_MAX)
        .read_to_end(&mut plain)
        .map_err(failed)?;
    match decoder.read(&mut [0]) {
        Ok(0) => Ok(Bytes::from(plain)),
        _ => Err(Status::SerializationFailure),
    }
}

/// `DeclarePropertyArguments`: types matter to Envoy's filter state only; here each property is bytes.
fn declare_property(_: &mut Host<'_>, arguments: &Bytes) -> Value {
    protobuf::fields(arguments)
        .map(|_| Bytes::new())
        .ok_or(Status::BadArgument)
}

/// `SetEnvoyFilterStateArguments { path = 1, value = 2 }`. Envoy knows some paths; here any is kept, for plugins and the access record.
fn set_envoy_filter_state(host: &mut Host<'_>, arguments: &Bytes) -> Value {
    let fields = protobuf::fields(arguments).ok_or(Status::BadArgument)?;
    let path = protobuf::bytes(&fields, 1)
        .filter(|path| !path.is_empty())
        .ok_or(Status::NotFound)?;
    let value = protobuf::bytes(&fields, 2).unwrap_or_default();
    if let Some(grant) = &host.guest.grant {
        let names: Vec<&[u8]> = plug_abi::property::segments(path).collect();
        let name = String::from_utf8_lossy(path);
        if !grant.writes_property(&names) && host.guest.refuses("proxy_call_foreign_function", &name) {
            return Ok(Bytes::new());
        }
    }
    let exchange = host.guest.exchange().ok_or(Status::NotFound)?;
    crate::calls::property::set_state(exchange, path, value)?;
    Ok(Bytes::new())
}

/// Higress asks before each log line.
fn get_log_level(host: &mut Host<'_>, _: &Bytes) -> Value {
    Ok(Bytes::copy_from_slice(&host.guest.log_level().raw().to_le_bytes()))
}

/// A text as the gateway's own log would show it.
fn mask(host: &mut Host<'_>, writing: Writing, text: &Bytes) -> Value {
    if text.len() > MASKED_BYTES_MAX {
        return Err(Status::BadArgument);
    }
    host.guest.outside.mask(writing, text).ok_or(Status::NotFound)
}

/// Keeps the argument for the next generation of the plugin on this worker, in place of what was kept before.
fn hand_over(host: &mut Host<'_>, arguments: &Bytes) -> Value {
    let guest = &*host.guest;
    let (plugin, heritage) = (guest.plugin(), &guest.process.heritage);
    match heritage.hand_over((guest.worker, &plugin.spec.name), plugin.generation, arguments) {
        true => Ok(Bytes::new()),
        false => Err(Status::BadArgument),
    }
}

/// What the generation before handed over last on this worker.
fn take_over(host: &mut Host<'_>, _: &Bytes) -> Value {
    let guest = &*host.guest;
    let plugin = guest.plugin();
    let taken = guest
        .process
        .heritage
        .take_over((guest.worker, &plugin.spec.name), plugin.generation);
    taken.ok_or(Status::NotFound)
}

/// A hint to Envoy's event loop; workers here give way by themselves.
fn accepted(_: &mut Host<'_>, _: &Bytes) -> Value {
    Ok(Bytes::new())
}

/// `{ body = 1, end_stream = 2 }`.
fn inject_on_header(host: &mut Host<'_>, arguments: &Bytes) -> Value {
    let fields = protobuf::fields(arguments).ok_or(Status::BadArgument)?;
    let body = protobuf::bytes(&fields, 1).unwrap_or_default();
    let body = host.guest.budget.copy(body).ok_or(Status::InternalFailure)?;
    let end = protobuf::number(&fields, 2).unwrap_or(0) != 0;
    let may_write = host
        .guest
        .grant
        .as_ref()
        .is_none_or(|grant| grant.bodies.response.write);
    if !may_write && host.guest.refuses("proxy_call_foreign_function", "response body") {
        return Err(Status::BadArgument);
    }
    inject(host, body, end)?;
    Ok(Bytes::new())
}
