//! Which arm an exchange goes to: by a share of a hash that is the same for the same key, all through one rollout.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A whole, in parts per million.
const WHOLE: u32 = 1_000_000;

/// A part of the exchanges, in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Share(u32);

impl Share {
    /// No exchange.
    pub const NONE: Self = Self(0);
    /// Every exchange.
    pub const ALL: Self = Self(WHOLE);

    /// So many of a million; none when there are more.
    #[must_use]
    pub const fn new(parts_per_million: u32) -> Option<Self> {
        if parts_per_million <= WHOLE {
            Some(Self(parts_per_million))
        } else {
            None
        }
    }

    /// How many of a million.
    #[must_use]
    pub const fn parts_per_million(self) -> u32 {
        self.0
    }

    /// What is left for the other arm.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(WHOLE.saturating_sub(self.0))
    }
}

impl TryFrom<u32> for Share {
    type Error = String;

    fn try_from(parts: u32) -> Result<Self, Self::Error> {
        Self::new(parts).ok_or_else(|| format!("a share has at most {WHOLE} parts per million: {parts}"))
    }
}

impl From<Share> for u32 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(out, "{whole} %");
        }
        let rest = format!("{rest:04}");
        write!(out, "{whole}.{} %", rest.trim_end_matches('0'))
    }
}

/// One of the two generations that serve during a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The generation before.
    Control,
    /// The generation that is tried.
    Candidate,
}

impl Arm {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Candidate => "candidate",
        }
    }
}

/// Tells keys to arms. A key that has come to the candidate stays there while the share grows; another rollout draws anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selector {
    salt: u64,
    share: Share,
}

impl Selector {
    /// The selector of the rollout of that id.
    #[must_use]
    pub fn new(rollout: &str, share: Share) -> Self {
        Self {
            salt: hash(0, rollout.as_bytes()),
            share,
        }
    }

    /// The same rollout with another share.
    #[must_use]
    pub const fn with_share(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// The share of the candidate.
    #[must_use]
    pub const fn share(self) -> Share {
        self.share
    }

    /// The arm of a key. Keys of clients are hostile at worst: they can choose an arm, which harms nobody but them.
    #[must_use]
    pub fn arm(self, key: &[u8]) -> Arm {
        let place = (u128::from(hash(self.salt, key)) * u128::from(WHOLE)) >> 64;
        if place < u128::from(self.share.0) {
            Arm::Candidate
        } else {
            Arm::Control
        }
    }
}

/// A hash that is the same in every release and on every machine: gateways behind one balancer tell a client to the same arm.
pub(crate) fn hash(salt: u64, bytes: &[u8]) -> u64 {
    let start = mix(salt ^ u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let folded = bytes.chunks(8).fold(start, |state, chunk| {
        let word = chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        mix(state ^ word)
    });
    mix(folded)
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014), with the constants of variant 13 of David Stafford.
fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}
