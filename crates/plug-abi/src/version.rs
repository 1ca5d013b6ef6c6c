//! The versions of the ABI and the export that announces each.

/// A version of the Proxy-Wasm ABI, oldest first.
///
/// The version decides what calls mean, never how they are linked: binaries in the field carry a marker of 0.1.0 and export
/// the three-parameter `proxy_on_request_headers` of 0.2.0, so the types of a module decide its linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Abi {
    /// The first published version: no `end_of_stream` for headers, a missing header reads as OK with an empty value.
    V0_1_0,
    /// What TinyGo and the Go SDK announce.
    V0_2_0,
    /// What the Rust, C++ and AssemblyScript SDKs announce; 0.2.0 with `proxy_get_log_level`.
    V0_2_1,
    /// Higress's own: a header callback's `StopIteration` is taken literally, and there are more host calls.
    V0_2_100,
}

impl Abi {
    /// Every version, oldest first.
    pub const ALL: [Self; 4] = [Self::V0_1_0, Self::V0_2_0, Self::V0_2_1, Self::V0_2_100];

    /// What the name of every marker export begins with.
    pub const MARKER_PREFIX: &'static str = "proxy_abi_version_";

    /// The name of the function export that announces this version; it is never called.
    pub const fn marker(self) -> &'static str {
        match self {
            Self::V0_1_0 => "proxy_abi_version_0_1_0",
            Self::V0_2_0 => "proxy_abi_version_0_2_0",
            Self::V0_2_1 => "proxy_abi_version_0_2_1",
            Self::V0_2_100 => "proxy_abi_version_0_2_100",
        }
    }

    /// The version that an export of this name announces.
    pub fn from_marker(export: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|abi| abi.marker() == export)
    }

    /// The version as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
            Self::V0_2_100 => "0.2.100",
        }
    }
}

impl std::fmt::Display for Abi {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
