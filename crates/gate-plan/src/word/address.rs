//! Addresses: where a listener stands, where an endpoint is, and host names.

use std::net::{IpAddr, SocketAddr};

use super::{Flaw, Word};
use crate::plan::EndpointSpec;
use crate::route::HostPattern;

/// LIMIT: characters of a host name (RFC 1035 section 2.3.4).
const HOST_CHARS_MAX: usize = 253;
/// LIMIT: characters between two dots (RFC 1035 section 2.3.4).
const LABEL_CHARS_MAX: usize = 63;

impl Word for SocketAddr {
    const FORMAT: &'static str = "listen-address";
    const WANTED: &'static str = "an address with a port, such as `127.0.0.1:8080` or `[::]:8080`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        let flaw = Flaw::new(format!("`{text}` is not an address with a port"));
        if is_number(text) {
            return Err(flaw.help(format!(
                "write `127.0.0.1:{text}` for this machine only, `0.0.0.0:{text}` for all IPv4 addresses"
            )));
        }
        let Some((host, port)) = split_port(text)? else {
            let help = if text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
                format!("write `[{text}]:8080`")
            } else {
                format!("add a port: `{text}:8080`")
            };
            return Err(flaw.help(help));
        };
        let port = port_number(text, port, 0)?;
        Err(match host {
            "" | "*" => flaw.help(format!(
                "write `0.0.0.0:{port}` for all IPv4 addresses, `[::]:{port}` for all addresses"
            )),
            "localhost" => flaw.help(format!(
                "write `127.0.0.1:{port}`; a listener takes an IP address, not a name"
            )),
            _ => flaw.help("a listener takes an IP address of this machine, such as `127.0.0.1` or `0.0.0.0`"),
        })
    }
}

impl Word for EndpointSpec {
    const FORMAT: &'static str = "endpoint";
    const WANTED: &'static str = "an endpoint such as `10.0.0.1:80`, `api.internal:443` or `[2001:db8::1]:80`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if let Some((scheme, rest)) = text.split_once("://") {
            let rest = rest.split('/').next().unwrap_or(rest);
            let tls = if scheme == "https" {
                ", and say `tls: {}` beside it"
            } else {
                ""
            };
            let flaw = Flaw::new(format!("the endpoint `{text}` has a scheme"));
            return Err(flaw.help(format!(
                "write `{}`{tls}",
                with_port(rest, if scheme == "https" { 443 } else { 80 })
            )));
        }
        if text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()) {
            return Err(Flaw::new(format!("the endpoint `{text}` has no port")).help(format!("write `[{text}]:80`")));
        }
        if is_number(text) {
            return Err(
                Flaw::new(format!("the endpoint `{text}` has no host")).help(format!("write `127.0.0.1:{text}`"))
            );
        }
        let Some((host, port)) = split_port(text)? else {
            return Err(Flaw::new(format!("the endpoint `{text}` has no port")).help(format!("write `{text}:80`")));
        };
        let port = port_number(text, port, 1)?;
        if let Some(address) = ip_address(host) {
            return Ok(Self::Fixed(SocketAddr::new(address, port)));
        }
        host_name(host)?;
        Ok(Self::Named {
            host: host.to_owned(),
            port,
        })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn with_port(host: &str, port: u16) -> String {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    }
}

/// Host and port of `host:port`; an IPv6 address keeps its brackets. None when there is no port.
fn split_port(text: &str) -> Result<Option<(&str, &str)>, Flaw> {
    if text.starts_with('[') && !text.contains(']') {
        return Err(Flaw::new(format!("the `[` of `{text}` is not closed")).help("write `[address]:port`"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    Ok(text.rsplit_once(':').filter(|(_, port)| !port.contains(']')))
}

fn port_number(text: &str, port: &str, least: u16) -> Result<u16, Flaw> {
    let length = text.chars().count();
    let from = length.saturating_sub(port.chars().count());
    let number = Some(port)
        .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|port| port.parse().ok());
    number.filter(|number| *number >= least).ok_or_else(|| {
        let flaw = Flaw::new(format!("`{port}` is not a port"));
        flaw.help(format!("a port is a number from {least} to 65535"))
            .part(from, length)
    })
}

fn ip_address(host: &str) -> Option<IpAddr> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => host.parse().ok().map(IpAddr::V4),
    }
}

/// A host without a port: a name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName(pub(crate) String);

impl Word for HostName {
    const FORMAT: &'static str = "host-name";
    const WANTED: &'static str = "a host name such as `api.example.com`, or an IP address";

    fn read(text: &str) -> Result<Self, Flaw> {
        if ip_address(text).is_none() && text.parse::<IpAddr>().is_err() {
            host_name(text)?;
        }
        Ok(Self(text.to_owned()))
    }
}

/// A host, perhaps with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authority(pub(crate) String);

impl Word for Authority {
    const FORMAT: &'static str = "authority";
    const WANTED: &'static str = "a host such as `api.example.com`, perhaps with a port";

    fn read(text: &str) -> Result<Self, Flaw> {
        let host = match split_port(text)? {
            Some((host, port)) => {
                port_number(text, port, 1)?;
                host
            }
            None => text,
        };
        if ip_address(host).is_none() {
            host_name(host)?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl Word for HostPattern {
    const FORMAT: &'static str = "host-pattern";
    const WANTED: &'static str = "a host such as `www.example.com`, `*.example.com`, `example.*` or `*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let lower = text.to_ascii_lowercase();
        if lower == "*" {
            return Ok(Self::Any);
        }
        let rest = match (lower.strip_prefix('*'), lower.strip_suffix('*')) {
            (Some(suffix), _) => suffix,
            (None, Some(prefix)) => prefix,
            (None, None) => &lower,
        };
        if rest.contains('*') {
            let help = "a host has one `*`, at its beginning or at its end";
            return Err(Flaw::new(format!("the host `{text}` has a `*` too many, or in its middle")).help(help));
        }
        if ip_address(&lower).is_some() {
            return Ok(Self::Exact(lower));
        }
        // The star stands for at least one character, also in the middle of a label, as in `*-v2.example.com`.
        host_name_of(&lower.replace('*', "x"), text)?;
        Ok(match (lower.strip_prefix('*'), lower.strip_suffix('*')) {
            (Some(suffix), _) => Self::Suffix(suffix.to_owned()),
            (None, Some(prefix)) => Self::Prefix(prefix.to_owned()),
            (None, None) => Self::Exact(lower),
        })
    }
}

fn host_name(host: &str) -> Result<(), Flaw> {
    host_name_of(host, host)
}

/// What a name may look like; messages show it as `written`. Underscores are no part of RFC 1123 host names, but service names of
/// many systems have them.
fn host_name_of(host: &str, written: &str) -> Result<(), Flaw> {
    let flaw = |why: &str| Err(Flaw::new(format!("`{written}` is not a host name: {why}")));
    let ascii = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if host.is_empty() {
        return Err(Flaw::new("the host name is empty"));
    }
    if let Some((_, rest)) = written.split_once("://") {
        let name = rest.split(['/', ':']).next().unwrap_or(rest);
        return flaw("it has a scheme").map_err(|flaw| flaw.help(format!("write `{name}`")));
    }
    if let Some((name, _)) = written.rsplit_once(':') {
        return flaw("it has a port")
            .map_err(|flaw| flaw.help(format!("write `{name}`; hosts are compared without their port")));
    }
    if !host.is_ascii() {
        return flaw("it has letters beyond ASCII")
            .map_err(|flaw| flaw.help("write its ASCII form, which begins with `xn--`"));
    }
    if !host.bytes().all(ascii) {
        return flaw("it has characters other than letters, digits, `-`, `_` and `.`");
    }
    if host.len() > HOST_CHARS_MAX {
        return flaw("it has more than 253 characters");
    }
    if host
        .split('.')
        .any(|label| label.is_empty() || label.len() > LABEL_CHARS_MAX)
    {
        return flaw("each part between dots has 1 to 63 characters");
    }
    if host
        .split('.')
        .any(|label| label.starts_with('-') || label.ends_with('-'))
    {
        return flaw("no part between dots begins or ends with `-`");
    }
    // A name that ends in a number would be taken for an IPv4 address by one program and for a name by the next.
    if host
        .rsplit('.')
        .next()
        .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return flaw("it looks like an IPv4 address but is none");
    }
    Ok(())
}
