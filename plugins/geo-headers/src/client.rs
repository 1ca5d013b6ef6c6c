//! Whose address it is: the peer's, or what a proxy that is believed said of it.

use std::net::{IpAddr, SocketAddr};

/// An address, with or without a port, and in brackets or not.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = || text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let address: IpAddr = plain().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(address.to_canonical())
}

/// The client's address. `source` is the property `source.address`, `forwarded` the values of `x-forwarded-for`, to which gateways add the peer; of what
/// stands before that, `trusted_hops` entries from the end are believed. With fewer of them, the peer is the client, as with Envoy.
#[must_use]
pub fn client(source: &str, forwarded: &[String], trusted_hops: u32) -> Option<IpAddr> {
    let peer = address(source);
    let Some(back) = usize::try_from(trusted_hops).ok()?.checked_sub(1) else {
        return peer;
    };
    let mut entries: Vec<&str> = forwarded.iter().flat_map(|value| value.split(',')).collect();
    if peer.is_some() && entries.last().is_some_and(|last| address(last) == peer) {
        entries.pop();
    }
    match entries.iter().rev().nth(back) {
        Some(entry) => address(entry),
        None => peer,
    }
}
