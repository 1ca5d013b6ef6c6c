//! What both arms did since the last look, as counts.

use std::collections::BTreeMap;

use crate::shadowed::Shadowed;
use crate::share::Arm;
use crate::spread::Spread;

/// What one arm did in a span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    /// Exchanges that came to the plugin.
    pub exchanges: u64,
    /// Faults by code.
    pub faults: BTreeMap<String, u64>,
    /// Responses by class of status, from 1xx to 5xx.
    pub classes: [u64; 5],
    /// What the plugin added to each exchange.
    pub latency: Spread,
    /// CPU time of its callbacks.
    pub cpu_us: u64,
    /// Bytes by which its memory has grown.
    pub memory_bytes: u64,
    /// Lines that it logged as errors.
    pub log_errors: u64,
    /// Counters of its own, by name.
    pub custom: BTreeMap<String, f64>,
    /// Histograms of its own, by name, their values in place of microseconds.
    pub spreads: BTreeMap<String, Spread>,
}

impl Counts {
    /// Adds other counts.
    pub fn add(&mut self, other: &Self) {
        self.exchanges = self.exchanges.saturating_add(other.exchanges);
        for (code, count) in &other.faults {
            let mine = self.faults.entry(code.clone()).or_default();
            *mine = mine.saturating_add(*count);
        }
        for (mine, theirs) in self.classes.iter_mut().zip(other.classes) {
            *mine = mine.saturating_add(theirs);
        }
        self.latency.add(&other.latency);
        self.cpu_us = self.cpu_us.saturating_add(other.cpu_us);
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
        self.log_errors = self.log_errors.saturating_add(other.log_errors);
        for (name, value) in &other.custom {
            *self.custom.entry(name.clone()).or_default() += value;
        }
        for (name, spread) in &other.spreads {
            self.spreads.entry(name.clone()).or_default().add(spread);
        }
    }

    /// What has come since `before`, of counts that only grow. One that is smaller began anew.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let faults = self.faults.iter().map(|(code, count)| {
            let had = before.faults.get(code).copied().unwrap_or_default();
            (code.clone(), count.saturating_sub(had))
        });
        let custom = self.custom.iter().map(|(name, value)| {
            let had = before.custom.get(name).copied().unwrap_or_default();
            (name.clone(), (value - had).max(0.0))
        });
        let spreads = self.spreads.iter().map(|(name, spread)| {
            let new = before.spreads.get(name).map(|had| spread.since(had));
            (name.clone(), new.unwrap_or_else(|| spread.clone()))
        });
        let mut classes = self.classes;
        for (now, had) in classes.iter_mut().zip(before.classes) {
            *now = now.saturating_sub(had);
        }
        Self {
            exchanges: self.exchanges.saturating_sub(before.exchanges),
            faults: faults.collect(),
            classes,
            latency: self.latency.since(&before.latency),
            cpu_us: self.cpu_us.saturating_sub(before.cpu_us),
            memory_bytes: self.memory_bytes.saturating_sub(before.memory_bytes),
            log_errors: self.log_errors.saturating_sub(before.log_errors),
            custom: custom.collect(),
            spreads: spreads.collect(),
        }
    }

    /// Faults of every code.
    #[must_use]
    pub fn all_faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Responses of the class `1` to `5`.
    #[must_use]
    pub fn class(&self, class: usize) -> u64 {
        let place = class.checked_sub(1).and_then(|place| self.classes.get(place));
        place.copied().unwrap_or_default()
    }
}

/// What both arms did in the same span of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// The generation before.
    pub control: Counts,
    /// The generation that is tried.
    pub candidate: Counts,
    /// What the generation that is tried made aside of exchanges of the control.
    pub shadow: Shadowed,
}

impl Sample {
    /// What one of them did.
    #[must_use]
    pub fn arm(&self, arm: Arm) -> &Counts {
        match arm {
            Arm::Control => &self.control,
            Arm::Candidate => &self.candidate,
        }
    }

    /// Adds what came later.
    pub fn add(&mut self, other: &Self) {
        self.control.add(&other.control);
        self.candidate.add(&other.candidate);
        self.shadow.add(&other.shadow);
    }
}
