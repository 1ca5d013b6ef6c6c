//! The two ends by which a connection is known to the kernel and to us.

use std::net::{IpAddr, SocketAddr};

/// Both ends of a connection, ours first. An IPv4 address that stands in an IPv6 one is the IPv4 address; scopes are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Our end.
    pub local: (IpAddr, u16),
    /// The other end.
    pub remote: (IpAddr, u16),
}

impl Flow {
    /// The flow of a connected socket: its own name, and that of its peer.
    #[must_use]
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        let end = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        Self {
            local: end(local),
            remote: end(remote),
        }
    }
}
