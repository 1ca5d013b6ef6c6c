//! Higress's injection of response body and choice of endpoints.

use bytes::Bytes;
use plug_abi::{Status, pairs};

use crate::calls::{Done, Value};
use crate::guest::Host;

/// LIMIT: bytes of an endpoint's address: the longest IPv6 address in brackets, and its port, take fewer.
const ADDRESS_BYTES_MAX: usize = 64;

pub(crate) fn proxy_inject_encoded_data_to_filter_chain(host: &mut Host<'_>, body: u32, length: u32, end: u32) -> Done {
    let chunk = host.copy((body, length))?;
    inject(host, chunk, end != 0)
}

/// Puts a chunk behind this plugin, towards the client.
pub(crate) fn inject(host: &mut Host<'_>, chunk: Bytes, end: bool) -> Done {
    let stream = host.guest.stream().ok_or(Status::BadArgument)?;
    stream.response.injected.borrow_mut().push((chunk, end));
    stream.exchange.response_bell.ring();
    Ok(())
}

pub(crate) fn proxy_get_upstream_hosts(host: &mut Host<'_>) -> Value {
    let exchange = host.guest.exchange().ok_or(Status::NotFound)?;
    let hosts = exchange.facts.upstream_hosts(exchange);
    let hosts = hosts
        .iter()
        .map(|(address, about)| (address.as_bytes(), about.as_bytes()));
    Ok(Bytes::from(pairs::encode(hosts)))
}

pub(crate) fn proxy_set_upstream_override_host(host: &mut Host<'_>, address: u32, length: u32) -> Done {
    let address = host.name((address, length), ADDRESS_BYTES_MAX)?;
    let exchange = host.guest.exchange().ok_or(Status::BadArgument)?;
    *exchange.endpoint_override.borrow_mut() = Some(address);
    Ok(())
}
