//! The two ends by which a connection is known to the kernel and to us.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

/// The key of this process, which nobody else has.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

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

/// Stands for a connection where its addresses must not stand: a hash with a key that ends with the process, so that nobody can find out
/// afterwards whose it was. Two connections have the same one by chance only, once in 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u64);

impl Tag {
    /// As a number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Of that number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl From<Flow> for Tag {
    fn from(flow: Flow) -> Self {
        Self(KEY.hash_one(flow))
    }
}
