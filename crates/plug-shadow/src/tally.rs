//! Counts of compared exchanges and of their differences, with a few examples.

use std::collections::BTreeMap;

use crate::compare::{Difference, Kind};

/// LIMIT: names of one kind that are counted apart; names come from the network.
const NAMES_MAX: usize = 64;
/// LIMIT: examples that are kept.
const EXAMPLES_MAX: usize = 8;
/// What names beyond the bound are counted under.
const OTHERS: &str = "others";

/// Why an exchange was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// As many were waiting as may.
    Busy,
    /// A body was longer than is kept.
    BodyTooLong,
    /// It took longer than is waited for.
    TooLong,
    /// It did not come to its end, or not all of it came to the plugin.
    Unfinished,
    /// The control itself failed.
    ControlFault,
    /// The candidate was being started again, or set aside.
    NotRunning,
    /// The candidate had used the CPU time that a shadow may have.
    CpuShare,
    /// A generation made a callout that cannot be answered again.
    Callout,
}

impl Skipped {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Busy,
        Self::BodyTooLong,
        Self::TooLong,
        Self::Unfinished,
        Self::ControlFault,
        Self::NotRunning,
        Self::CpuShare,
        Self::Callout,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::BodyTooLong => "body_too_long",
            Self::TooLong => "too_long",
            Self::Unfinished => "unfinished",
            Self::ControlFault => "control_fault",
            Self::NotRunning => "not_running",
            Self::CpuShare => "cpu_share",
            Self::Callout => "callout",
        }
    }
}

/// An exchange that differed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its request id, by which its access record is found; empty when it has none.
    pub request_id: String,
    /// Its route.
    pub route: String,
    /// What differed.
    pub differences: Vec<String>,
}

/// What came of comparing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Exchanges that were compared.
    pub compared: u64,
    /// Those of them that differed.
    pub differed: u64,
    /// Those that were not compared.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Exchanges with a difference of that kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// The same by what differed.
    pub names: BTreeMap<(Kind, String), u64>,
    /// The first that differed.
    pub examples: Vec<Example>,
}

impl Tally {
    /// An exchange was not compared.
    pub fn skip(&mut self, why: Skipped) {
        add(&mut self.skipped, why, 1);
    }

    /// An exchange was compared; `example` is asked when it differed and there is room for one.
    pub fn note(&mut self, differences: &[Difference], example: impl FnOnce() -> (String, String)) {
        self.compared = self.compared.saturating_add(1);
        if differences.is_empty() {
            return;
        }
        self.differed = self.differed.saturating_add(1);
        for kind in Kind::ALL {
            if differences.iter().any(|difference| difference.kind == kind) {
                add(&mut self.kinds, kind, 1);
            }
        }
        for difference in differences {
            self.count_name(difference.kind, &difference.name, 1);
        }
        if self.examples.len() < EXAMPLES_MAX {
            let (request_id, route) = example();
            self.examples.push(Example {
                request_id,
                route,
                differences: differences.iter().map(Difference::text).collect(),
            });
        }
    }

    fn count_name(&mut self, kind: Kind, name: &str, count: u64) {
        let known = self.names.keys().filter(|(other, _)| *other == kind).count();
        let place = (kind, name.to_owned());
        let place = match self.names.contains_key(&place) || known < NAMES_MAX {
            true => place,
            false => (kind, OTHERS.to_owned()),
        };
        add(&mut self.names, place, count);
    }

    /// Adds what was counted elsewhere, or later.
    pub fn add(&mut self, other: Self) {
        self.compared = self.compared.saturating_add(other.compared);
        self.differed = self.differed.saturating_add(other.differed);
        for (why, count) in other.skipped {
            add(&mut self.skipped, why, count);
        }
        for (kind, count) in other.kinds {
            add(&mut self.kinds, kind, count);
        }
        for ((kind, name), count) in other.names {
            self.count_name(kind, &name, count);
        }
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }

    /// Exchanges that were not compared.
    #[must_use]
    pub fn all_skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// What differs most, in one line.
    #[must_use]
    pub fn words(&self) -> String {
        /// LIMIT: names in one line.
        const TOLD_MAX: usize = 5;
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by(|(one, count), (other, more)| more.cmp(count).then_with(|| one.cmp(other)));
        let more = names.len().saturating_sub(TOLD_MAX);
        let words = names.iter().take(TOLD_MAX).map(|((kind, name), count)| {
            let what = kind.word().replace('_', " ");
            match name.as_str() {
                "" => format!("{what} {count}"),
                name => format!("{what} {name} {count}"),
            }
        });
        let words: Vec<String> = words.collect();
        match more {
            0 => words.join(", "),
            more => format!("{}, and {more} more", words.join(", ")),
        }
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, count: u64) {
    let here = counts.entry(key).or_default();
    *here = here.saturating_add(count);
}
