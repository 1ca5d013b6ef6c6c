//! Networks by address and length of prefix.

use std::net::IpAddr;

/// A network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Network {
    bits: u128,
    prefix: u32,
    is_v6: bool,
}

/// An address as a number whose first bit is the address's first, and how many it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn cut(bits: u128, prefix: u32) -> u128 {
    bits & u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0)
}

impl Network {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix: u32 = prefix.parse().ok()?;
        let (whole, width) = bits(address);
        (prefix <= width).then(|| Self {
            bits: cut(whole, prefix),
            prefix,
            is_v6: address.is_ipv6(),
        })
    }

    /// The network of an address with which neighbours share what is known of them: /24, or /48.
    pub(crate) fn of(address: IpAddr) -> Self {
        let prefix = if address.is_ipv6() { 48 } else { 24 };
        Self {
            bits: cut(bits(address).0, prefix),
            prefix,
            is_v6: address.is_ipv6(),
        }
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.is_v6 && cut(bits(address).0, self.prefix) == self.bits
    }

    /// A place in a table of so many.
    pub(crate) fn slot(&self, slots: usize) -> usize {
        let half = |shift: u32| u64::try_from(self.bits >> shift & u128::from(u64::MAX)).unwrap_or_default();
        let (high, low) = (half(64), half(0));
        // Fibonacci hashing: neighbours come far from one another.
        let mixed = (high ^ low ^ u64::from(self.is_v6)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(mixed)
            .unwrap_or_default()
            .checked_rem(slots)
            .unwrap_or_default()
    }
}
