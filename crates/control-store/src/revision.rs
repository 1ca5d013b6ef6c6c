//! Which state of a configuration is meant.

use std::fmt;

use plug_package::Digest;

/// A state of a configuration: the number that the store counts, and what the text hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    /// The pointer's number, or that of the store's change; 0 where neither counts.
    pub number: u64,
    /// Of the text.
    pub digest: Digest,
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.number > 0 {
            write!(out, "{} ", self.number)?;
        }
        let hex = self.digest.hex();
        write!(out, "sha256:{}", hex.get(..12).unwrap_or(&hex))
    }
}
