//! Addresses of the Internet Protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::class::Class;
use crate::window::{Answer, Found, Window};

/// Bytes of the longest address as text.
const V4_MAX: usize = 15;
const V6_MAX: usize = 45;

fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Four numbers to 255; not a part of a longer row of numbers, as some versions are.
pub(crate) fn ipv4(window: &Window<'_>) -> Answer {
    if window.before.is_in_word() || window.before.one == b'.' {
        return Ok(None);
    }
    let length = window.run(0, V4_MAX + 2, |byte| byte.is_ascii_digit() || byte == b'.')?;
    let text = window.part(0, length);
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_one = parsed::<Ipv4Addr>(text).is_some() && window.lets_word_end(text.len())?;
    Ok(is_one.then_some(Found::new(Class::Ipv4, text.len())))
}

/// Groups of hexadecimal digits; with a digit in it, as `::` and `a::b` are words of programs.
pub(crate) fn ipv6(window: &Window<'_>) -> Answer {
    if window.before.is_in_word() || window.before.one == b':' {
        return Ok(None);
    }
    let length = window.run(0, V6_MAX + 2, |byte| {
        byte.is_ascii_hexdigit() || byte == b':' || byte == b'.'
    })?;
    let mut text = window.part(0, length);
    text = text.strip_suffix(b".").unwrap_or(text);
    if text.ends_with(b":") && !text.ends_with(b"::") {
        text = text.strip_suffix(b":").unwrap_or(text);
    }
    // A time of day has two colons, an address seven or two together.
    let colons = text.iter().filter(|byte| **byte == b':').count();
    let is_like = colons >= 6 || text.windows(2).any(|two| two == b"::");
    let is_one = is_like
        && text.iter().any(u8::is_ascii_digit)
        && parsed::<Ipv6Addr>(text).is_some()
        && window.lets_word_end(text.len())?;
    Ok(is_one.then_some(Found::new(Class::Ipv6, text.len())))
}

/// The network of an address, /24 or /48; none when it is no address.
pub(crate) fn network(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = parsed::<Ipv4Addr>(text) {
        let [one, two, three, _] = address.octets();
        return Some(Ipv4Addr::new(one, two, three, 0).into());
    }
    let address = parsed::<Ipv6Addr>(text)?;
    if let Some(inner) = address.to_ipv4_mapped() {
        let [one, two, three, _] = inner.octets();
        return Some(Ipv4Addr::new(one, two, three, 0).to_ipv6_mapped().into());
    }
    let [one, two, three, ..] = address.segments();
    Some(Ipv6Addr::new(one, two, three, 0, 0, 0, 0, 0).into())
}
