//! Shared data and shared queues.

use std::sync::Arc;

use plug_abi::{LogLevel, Status};

use crate::calls::{Done, Value};
use crate::guest::Host;
use crate::shared_data::NotWritten;

/// LIMIT: bytes of a queue's name.
const NAME_BYTES_MAX: usize = 1_024;

pub(crate) fn proxy_set_shared_data(
    host: &mut Host<'_>,
    key: u32,
    key_length: u32,
    value: u32,
    value_length: u32,
    cas: u32,
) -> Done {
    let (key, value) = (host.read(key, key_length)?, host.read(value, value_length)?);
    let writer = (host.guest.first.vm_id(), &host.guest.plugin().spec.limits);
    match host.guest.process.shared.set(writer, key, value, cas) {
        Err(NotWritten::Changed) => Err(Status::CasMismatch),
        Err(NotWritten::Full(limit)) => {
            host.guest.reached(limit);
            // The Rust SDK panics on anything but OK and CAS_MISMATCH, and plugins try again for ever on the second.
            let text = format!(
                "shared data is full: a value was not written, for `limits.{}` is reached",
                limit.word()
            );
            host.guest.log(LogLevel::Error, &text);
            Ok(())
        }
        Ok(()) | Err(NotWritten::TooManyBytes | NotWritten::NoQueue) => Ok(()),
    }
}

pub(crate) fn proxy_get_shared_data(host: &mut Host<'_>, key: u32, key_length: u32, cas_at: u32) -> Value {
    let key = host.read(key, key_length)?;
    let shared = &host.guest.process.shared;
    let (value, cas) = shared.get(host.guest.first.vm_id(), key).ok_or(Status::NotFound)?;
    host.write_u32(cas_at, cas)?;
    Ok(value)
}

pub(crate) fn proxy_register_shared_queue(host: &mut Host<'_>, name: u32, length: u32, id_at: u32) -> Done {
    let root = host.guest.root_id().ok_or(Status::BadArgument)?;
    host.check_u32(id_at)?;
    let name = host.read(name, length)?;
    if name.len() > NAME_BYTES_MAX {
        return Err(Status::BadArgument);
    }
    let sender = host.guest.queue_listener.clone();
    let listener = Arc::new(move |queue| {
        // LIMIT: a worker that is this far behind has wake-ups waiting already.
        let _ = sender.try_send((root, queue));
    });
    let id = host
        .guest
        .process
        .shared
        .register_queue(host.guest.first.vm_id(), name, listener);
    let id = id.ok_or(Status::InternalFailure)?;
    let name = name.to_owned();
    host.guest.knows_queue(id, None, &name);
    host.write_u32(id_at, id)
}

pub(crate) fn proxy_resolve_shared_queue(host: &mut Host<'_>, vm_id: (u32, u32), name: (u32, u32), id_at: u32) -> Done {
    let named = host.line(vm_id.0, vm_id.1)?;
    let name = host.read(name.0, name.1)?;
    let vm_id = if named.is_empty() {
        host.guest.first.vm_id()
    } else {
        &named
    };
    let id = host
        .guest
        .process
        .shared
        .resolve_queue(vm_id, name)
        .ok_or(Status::NotFound)?;
    let (vm_id, name) = (vm_id.to_owned(), name.to_owned());
    host.guest.knows_queue(id, Some(&vm_id), &name);
    host.write_u32(id_at, id)
}

pub(crate) fn proxy_enqueue_shared_queue(host: &mut Host<'_>, id: u32, value: u32, length: u32) -> Done {
    let value = host.read(value, length)?;
    let guest = &*host.guest;
    let put = guest.process.shared.enqueue(id, value, &guest.plugin().spec.limits);
    if let Err(NotWritten::Full(limit)) = put {
        guest.reached(limit);
    }
    // The Rust SDK survives only OK and NOT_FOUND here, also when the queue is full.
    put.map_err(|_| Status::NotFound)
}

pub(crate) fn proxy_dequeue_shared_queue(host: &mut Host<'_>, id: u32) -> Value {
    match host.guest.process.shared.dequeue(id) {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => Err(Status::Empty),
        Err(_) => Err(Status::NotFound),
    }
}
