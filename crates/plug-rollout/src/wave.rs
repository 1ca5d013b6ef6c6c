//! One rollout over several gateways: what gateways say of themselves, the target that they have in common, and how many of them each wave has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::share::hash;

/// LIMIT: characters of a reason that is handed around.
const WHY_CHARS_MAX: usize = 1_000;
/// The whole of a fleet, in parts per million.
const WHOLE: u64 = 1_000_000;

/// How far a gateway is with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It has not begun.
    Waiting,
    /// Its rollout goes on.
    RollingOut,
    /// The target serves alone.
    Promoted,
    /// It went back by itself: the generation before serves alone.
    RolledBack,
    /// It went back because another gateway did.
    Followed,
    /// An operator took this gateway alone out.
    LeftOut,
}

impl Progress {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::RollingOut => "in rollout",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Followed => "went back with the others",
            Self::LeftOut => "left out",
        }
    }
}

/// What a gateway says of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Names the generation of which it speaks: module and configuration.
    pub target: String,
    /// Which try of it.
    #[serde(default)]
    pub attempt: u32,
    /// How far it is.
    pub progress: Progress,
    /// Why it went back, or stays although others went back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Since when, in RFC 3339, by its own clock: for people.
    pub since: String,
}

/// What a gateway says of itself. It writes it to the store, and again and again while it lives; the others read it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The gateway.
    pub gateway: String,
    /// Its process: another one after each start.
    pub process: String,
    /// Counts up: one that does not count any more is gone. Nobody's clock is compared with another's.
    pub beat: u64,
    /// Each plugin with waves.
    pub plugins: BTreeMap<String, Word>,
}

/// Who went back first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The gateway.
    pub gateway: String,
    /// Why.
    pub why: String,
    /// When, in RFC 3339.
    pub at: String,
}

impl Stop {
    pub(crate) fn new(gateway: &str, why: Option<&str>, at: &str) -> Self {
        let why = why.unwrap_or("it gave no reason");
        Self {
            gateway: gateway.to_owned(),
            why: why.chars().take(WHY_CHARS_MAX).collect(),
            at: at.to_owned(),
        }
    }

    /// What a gateway says that goes back because of it.
    #[must_use]
    pub fn text(&self) -> String {
        format!("gateway `{}` went back at {}: {}", self.gateway, self.at, self.why)
    }
}

/// A target that is wanted on every gateway, and which wave is open. It is replaced only by who saw what it replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// Names the generation that is wanted everywhere.
    pub target: String,
    /// Which try: an operator who tries again after a stop counts up.
    pub attempt: u32,
    /// The wave that is open, from 0.
    pub wave: u32,
    /// An operator lets it take over everywhere, without waiting.
    #[serde(default)]
    pub promote: bool,
    /// Who went back. What was stopped stays so until somebody tries again, or another target comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
}

impl Campaign {
    /// One at its beginning.
    #[must_use]
    pub fn new(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            attempt: 0,
            wave: 0,
            promote: false,
            stopped: None,
        }
    }

    /// The next try after a stop.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            attempt: self.attempt.saturating_add(1),
            ..Self::new(&self.target)
        }
    }
}

/// How many gateways have the target at the end of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveSize {
    /// So many.
    Gateways(u32),
    /// So many of a million of those there are, rounded up.
    Part(u32),
}

/// What is wanted of waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The waves in their order. Behind the last one, all that are left.
    pub sizes: Vec<WaveSize>,
    /// Time between the last promotion of a wave and the beginning of the next, in milliseconds.
    pub pause_ms: u64,
    /// Silence after which a gateway is waited for no more, in milliseconds.
    pub gone_after_ms: u64,
}

impl Rules {
    /// How many of `all` gateways are in this wave and those before it.
    #[must_use]
    pub fn size(&self, wave: u32, all: usize) -> usize {
        let wave = usize::try_from(wave).unwrap_or(usize::MAX);
        if wave >= self.sizes.len() {
            return all;
        }
        let size = |size: &WaveSize| match *size {
            WaveSize::Gateways(count) => usize::try_from(count).unwrap_or(usize::MAX),
            WaveSize::Part(part) => {
                let all = u64::try_from(all).unwrap_or(u64::MAX);
                usize::try_from(all.saturating_mul(u64::from(part)).div_ceil(WHOLE)).unwrap_or(usize::MAX)
            }
        };
        let sizes = self.sizes.iter().take(wave.saturating_add(1)).map(size);
        sizes.max().unwrap_or(all).clamp(1, all.max(1))
    }
}

/// Where a gateway stands among the others for this target: the same for all who look, and another one for another target, so that it is not
/// always the same gateway that tries first.
#[must_use]
pub(crate) fn rank(gateway: &str, target: &str) -> (u64, String) {
    let salt = hash(0, target.as_bytes());
    (hash(salt, gateway.as_bytes()), gateway.to_owned())
}
