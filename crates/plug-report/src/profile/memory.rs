//! What a plugin's allocator has given out and not got back, by where it was asked.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::firefox::{Mark, Sheet, Unit};
use super::{Kind, Line, Lines, Sample, Spot};
use crate::symbols::Symbols;
use crate::text::{bytes_text, printable};

/// LIMIT: places in the table.
const SITES_MAX: usize = 40;
/// LIMIT: of them, those that people are shown.
const SHOWN_MAX: usize = 10;
/// LIMIT: lines of a stack that people are shown, from the plugin's own code outwards.
const STACK_MAX: usize = 4;

/// Live allocations that were made at the same place, in the same way.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The callback.
    pub callback: &'static str,
    /// Frames of the guest, innermost first.
    pub frames: Arc<[Spot]>,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// How many allocations.
    pub count: u64,
}

/// What was seen on one worker, of one instance from its start on.
#[derive(Debug, Clone, Default)]
pub struct WorkerKept {
    /// What lives.
    pub kept: Vec<Kept>,
    /// Allocations since the start, those included that live no more.
    pub allocations: u64,
    /// Live allocations for which there was no room.
    pub lost: u64,
    /// Exchanges that came to the instance.
    pub exchanges: u64,
}

/// What was seen of a plugin.
#[derive(Debug, Clone)]
pub struct MemoryProfile {
    /// Name of the plugin.
    pub plugin: String,
    /// Its generation.
    pub generation: u64,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// How long it took.
    pub lasted: Duration,
    /// By worker; those that no exchange came to are empty.
    pub workers: Vec<WorkerKept>,
}

/// The same in some lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySummary {
    /// Name of the plugin.
    pub plugin: String,
    /// Its generation.
    pub generation: u64,
    /// How long it was looked at, in microseconds.
    pub lasted_us: u64,
    /// Exchanges that came meanwhile.
    pub exchanges: u64,
    /// Bytes that live.
    pub bytes: u64,
    /// Allocations that live.
    pub count: u64,
    /// Allocations since the start, those included that live no more.
    pub allocations: u64,
    /// Live allocations for which there was no room.
    pub lost: u64,
    /// Whether source lines are known.
    pub has_lines: bool,
    /// Where most of it was asked for.
    pub sites: Vec<Site>,
}

/// A place where memory was asked for that lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Bytes that live.
    pub bytes: u64,
    /// Allocations that live.
    pub count: u64,
    /// The callback.
    pub callback: String,
    /// Functions, innermost first, as `FUNCTION (FILE:LINE)`.
    pub stack: Vec<String>,
    /// Which of them is the first of the plugin's own code, when that is known.
    pub own: Option<usize>,
}

impl MemoryProfile {
    /// The file for <https://profiler.firefox.com>: a thread for each worker, the bytes of each place.
    #[must_use]
    pub fn firefox(&self, symbols: Option<&Symbols<'_>>) -> Value {
        let mark = |kept: &Kept| Mark {
            sample: asked(kept, self.lasted),
            weight: kept.bytes,
        };
        let threads = self.workers.iter().map(|worker| worker.kept.iter().map(mark));
        let sheet = Sheet {
            name: &self.plugin,
            began_ms: self.began_ms,
            lasted: self.lasted,
            interval: self.lasted,
            unit: Unit::Bytes,
        };
        sheet.draw(Lines::new(symbols), threads)
    }

    /// The profile in some lines. `symbols` are those of the module or of its twin with debug information, if there is one.
    #[must_use]
    pub fn summary(&self, symbols: Option<&Symbols<'_>>) -> MemorySummary {
        let mut lines = Lines::new(symbols);
        // Two allocations that come the same way through the same lines are one place, on whichever worker.
        let mut sums: HashMap<Vec<usize>, (u64, u64, &str)> = HashMap::new();
        for kept in self.workers.iter().flat_map(|worker| &worker.kept) {
            let (bytes, count, callback) = sums.entry(lines.of(&asked(kept, self.lasted))).or_default();
            *bytes = bytes.saturating_add(kept.bytes);
            *count = count.saturating_add(kept.count);
            *callback = kept.callback;
        }
        let (bytes, count) = sums.values().fold((0_u64, 0_u64), |(bytes, count), (more, others, _)| {
            (bytes.saturating_add(*more), count.saturating_add(*others))
        });
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|(one, (bytes, count, _)), (other, (others_bytes, others_count, _))| {
            let by_size = (others_bytes, others_count).cmp(&(bytes, count));
            by_size.then_with(|| one.cmp(other))
        });
        sums.truncate(SITES_MAX);
        let sites = sums.iter().map(|(stack, sum)| Site::of(&lines, stack, *sum)).collect();
        let sum = |of: fn(&WorkerKept) -> u64| self.workers.iter().map(of).fold(0, u64::saturating_add);
        MemorySummary {
            plugin: self.plugin.clone(),
            generation: self.generation,
            lasted_us: u64::try_from(self.lasted.as_micros()).unwrap_or(u64::MAX),
            exchanges: sum(|worker| worker.exchanges),
            bytes,
            count,
            allocations: sum(|worker| worker.allocations),
            lost: sum(|worker| worker.lost),
            has_lines: symbols.is_some_and(Symbols::has_lines),
            sites,
        }
    }
}

/// The stack of an allocation, as that of a sample.
fn asked(kept: &Kept, at: Duration) -> Sample {
    Sample {
        at,
        weight: Duration::ZERO,
        callback: kept.callback,
        host_call: None,
        frames: Arc::clone(&kept.frames),
    }
}

impl MemorySummary {
    /// The table for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} of generation {} keeps {} in {} allocations, of {} that it made in its start and {} exchanges in {}.{:03} s\n",
            self.plugin,
            self.generation,
            bytes_text(self.bytes),
            self.count,
            self.allocations,
            self.exchanges,
            self.lasted_us / 1_000_000,
            self.lasted_us / 1_000 % 1_000,
        );
        if self.lost > 0 {
            let _ = writeln!(text, "{} further allocations found no room in the profile", self.lost);
        }
        if self.exchanges == 0 {
            text.push_str("  no exchange came: an instance that is looked at starts with the first one\n");
        }
        for site in self.sites.iter().take(SHOWN_MAX) {
            site.write(&mut text, self.exchanges);
        }
        if self.sites.len() > SHOWN_MAX {
            let _ = writeln!(text, "and {} more places", self.sites.len().saturating_sub(SHOWN_MAX));
        }
        if !self.has_lines && self.count > 0 {
            text.push_str(super::summary::NO_LINES);
        }
        printable(&text)
    }
}

impl Site {
    fn of(lines: &Lines<'_, '_>, stack: &[usize], (bytes, count, callback): (u64, u64, &str)) -> Self {
        let guest = stack.iter().rev().filter_map(|number| lines.get(*number));
        let guest: Vec<&Line> = guest.filter(|line| line.kind == Kind::Guest).collect();
        Self {
            bytes,
            count,
            callback: callback.to_owned(),
            stack: guest.iter().map(|line| line.text()).collect(),
            own: guest.iter().position(|line| line.is_own),
        }
    }

    fn write(&self, text: &mut String, exchanges: u64) {
        let each = match self.count.checked_div(exchanges) {
            // What leaks, leaks with each exchange.
            Some(1..) => format!(
                ", {} with each exchange",
                bytes_text(self.bytes.checked_div(exchanges).unwrap_or_default())
            ),
            _ => String::new(),
        };
        let allocations = if self.count == 1 { "allocation" } else { "allocations" };
        let _ = writeln!(
            text,
            "\n{} in {} {allocations}{each}",
            bytes_text(self.bytes),
            self.count
        );
        let from = self.own.unwrap_or_default();
        for function in self.stack.iter().skip(from).take(STACK_MAX) {
            let _ = writeln!(text, "    at {function}");
        }
        let _ = writeln!(text, "    in {}", self.callback);
    }
}
