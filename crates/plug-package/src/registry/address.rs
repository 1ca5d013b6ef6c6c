//! Which addresses are asked at all: a name that leads into the machine's own neighbourhood may be an attack (SSRF).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds keep the credentials of a machine, beside the link-local addresses: AWS, Google, Alibaba, Azure, Oracle.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Whether this machine itself may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loopback {
    /// The operator named it.
    Named,
    /// Somebody else leads there.
    Foreign,
}

/// Why an address is not asked; none for one that is.
pub(crate) fn refuse(address: IpAddr, loopback: Loopback) -> Option<&'static str> {
    let address = plain(address);
    if METADATA.contains(&address) {
        return Some("which keeps a machine's metadata");
    }
    if address.is_loopback() && loopback == Loopback::Foreign {
        return Some("which is this machine");
    }
    if address.is_multicast() {
        return Some("which is a multicast address");
    }
    match address {
        IpAddr::V4(address) if address.is_link_local() => Some("which is a link-local address"),
        // All of 0.0.0.0/8 is "this network" (RFC 791), which Linux takes for this machine.
        IpAddr::V4(address) if address.octets().first() == Some(&0) => Some("which is no address"),
        IpAddr::V4(address) if address.is_broadcast() => Some("which is a broadcast address"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("which is a link-local address"),
        IpAddr::V6(address) if address.is_unspecified() => Some("which is no address"),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 one means: mapped (RFC 4291), translated (RFC 6052) or tunnelled (RFC 3056).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    match six.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        // The old way to write IPv4 within IPv6, which no system should follow. `::` and `::1` are not meant.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            IpAddr::V4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_near_the_machine_are_not_asked() {
        for (text, named, foreign) in [
            ("93.184.215.14", true, true),
            ("10.1.2.3", true, true),
            ("192.168.0.1", true, true),
            ("2606:2800:21f::1", true, true),
            ("fd12::1", true, true),
            ("127.0.0.1", true, false),
            ("127.255.255.254", true, false),
            ("::1", true, false),
            ("::ffff:127.0.0.1", true, false),
            ("169.254.169.254", false, false),
            ("169.254.0.1", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::169.254.169.254", false, false),
            ("2002:a9fe:a9fe::", false, false),
            ("::169.254.169.254", false, false),
            ("fd00:ec2::254", false, false),
            ("fd20:ce::254", false, false),
            ("100.100.100.200", false, false),
            ("168.63.129.16", false, false),
            ("192.0.0.192", false, false),
            ("fe80::1", false, false),
            ("febf::1", false, false),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("::", false, false),
            ("224.0.0.1", false, false),
            ("ff02::1", false, false),
            ("255.255.255.255", false, false),
        ] {
            let address: IpAddr = text.parse().unwrap();
            let asked = |loopback| refuse(address, loopback).is_none();
            assert_eq!(
                (asked(Loopback::Named), asked(Loopback::Foreign)),
                (named, foreign),
                "{text}"
            );
        }
    }
}
