//! The proxies that speak Proxy-Wasm, as a set.

use std::fmt;

/// A set of hosts: who provides a host call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hosts(u8);

impl Hosts {
    /// Envoy, and what is built of it: Istio, Envoy Gateway.
    pub const ENVOY: Self = Self(1);
    /// Higress: Envoy with a fork of the Proxy-Wasm host.
    pub const HIGRESS: Self = Self(1 << 1);
    /// Kong's `ngx_wasm_module`.
    pub const KONG: Self = Self(1 << 2);
    /// MOSN.
    pub const MOSN: Self = Self(1 << 3);
    /// APISIX's `wasm-nginx-module`.
    pub const APISIX: Self = Self(1 << 4);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::ENVOY, "Envoy"),
        (Self::HIGRESS, "Higress"),
        (Self::KONG, "Kong"),
        (Self::MOSN, "MOSN"),
        (Self::APISIX, "APISIX"),
    ];

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every host of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the hosts, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(host, _)| self.contains(*host))
            .map(|(_, name)| name)
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.names().enumerate() {
            if position > 0 {
                formatter.write_str(", ")?;
            }
            formatter.write_str(name)?;
        }
        Ok(())
    }
}
