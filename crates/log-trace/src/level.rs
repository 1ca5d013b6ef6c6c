//! Levels of what is said, and levels of plugins that hold for a time and then end by themselves.

use std::cmp::Ordering;

use log_record::grade::Level;

use crate::fault::Fault;

/// LIMIT: plugins that have a level for a time.
const FLOORS_MAX: usize = 256;
/// LIMIT: seconds for which one holds; who wants it for ever writes it into the configuration.
const LASTS_SECONDS_MAX: u64 = 24 * 3600;
const SECOND_NS: u64 = 1_000_000_000;

/// A set of levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Levels(u8);

impl Levels {
    /// Every level.
    pub const ALL: Self = Self(0b11_1111);

    /// One level.
    #[must_use]
    pub const fn only(level: Level) -> Self {
        Self(1 << level as u8)
    }

    /// A level and all above.
    #[must_use]
    pub const fn from(level: Level) -> Self {
        Self(Self::ALL.0 << level as u8 & Self::ALL.0)
    }

    /// No level.
    pub const NONE: Self = Self(0);

    /// The same with one more.
    #[must_use]
    pub const fn with(self, level: Level) -> Self {
        Self(self.0 | Self::only(level).0)
    }

    /// Whether a level is among them.
    #[must_use]
    pub const fn has(self, level: Level) -> bool {
        self.0 & 1 << level as u8 != 0
    }
}

/// The level of one plugin, until a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Floor {
    /// The plan's number of the plugin.
    pub plugin: u32,
    /// Lines from this level on are let through.
    pub level: Level,
    /// Nanoseconds of the monotonic clock from which it holds no more.
    pub until_ns: u64,
}

/// The levels of plugins that hold for a time. Immutable: the one who changes it makes a new one, and workers are given that.
#[derive(Clone, Debug, Default)]
pub struct Floors {
    /// In the order of plugins.
    floors: Vec<Floor>,
}

impl Floors {
    /// The same with a plugin's level for so many seconds from now on, in place of the one that it had. What is over is left out.
    ///
    /// # Errors
    /// A time of 0 or of more than a day, and more than 256 plugins.
    pub fn with(&self, plugin: u32, level: Level, lasts_seconds: u64, now_ns: u64) -> Result<Self, Fault> {
        if lasts_seconds == 0 || lasts_seconds > LASTS_SECONDS_MAX {
            return Err(Fault::Lasts(LASTS_SECONDS_MAX));
        }
        let mut floors = self.without(plugin, now_ns).floors;
        if floors.len() >= FLOORS_MAX {
            return Err(Fault::Floors(FLOORS_MAX));
        }
        floors.push(Floor {
            plugin,
            level,
            until_ns: now_ns.saturating_add(lasts_seconds.saturating_mul(SECOND_NS)),
        });
        floors.sort_unstable_by_key(|floor| floor.plugin);
        Ok(Self { floors })
    }

    /// The same without a plugin's level, and without what is over.
    #[must_use]
    pub fn without(&self, plugin: u32, now_ns: u64) -> Self {
        let floors = self.all(now_ns).filter(|floor| floor.plugin != plugin);
        Self {
            floors: floors.collect(),
        }
    }

    /// The level that a plugin has for a time, if it has one now.
    #[must_use]
    pub fn level(&self, plugin: u32, now_ns: u64) -> Option<Level> {
        let at = self.floors.binary_search_by(|floor| floor.plugin.cmp(&plugin)).ok()?;
        let floor = self.floors.get(at)?;
        (floor.until_ns.cmp(&now_ns) == Ordering::Greater).then_some(floor.level)
    }

    /// Whoever has a level for a time now.
    pub fn all(&self, now_ns: u64) -> impl Iterator<Item = Floor> + '_ {
        self.floors.iter().filter(move |floor| floor.until_ns > now_ns).copied()
    }
}
