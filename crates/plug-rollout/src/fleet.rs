//! Which gateways there are: whose report counts up is there, and whose does not is gone after a while.

use std::collections::BTreeMap;

use crate::wave::{Report, Word};

/// LIMIT: time that one look may add to a silence, in milliseconds: who looks seldom has not waited for long.
const LOOK_MS_MAX: u64 = 10_000;

/// What one gateway has seen of all of them.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    seen: BTreeMap<String, Seen>,
}

/// One gateway as it was seen.
#[derive(Debug, Clone, Default)]
struct Seen {
    report: Option<Report>,
    /// How long its report has not counted up, in milliseconds of looking.
    silent_ms: u64,
}

impl Fleet {
    /// Takes in what stands in the store now: reports, and gateways that are known and may not have said anything yet.
    pub fn look(&mut self, reports: Vec<Report>, known: &[String], passed_ms: u64) {
        let mut before = std::mem::take(&mut self.seen);
        let passed_ms = passed_ms.min(LOOK_MS_MAX);
        for report in reports {
            let old = before.remove(&report.gateway).unwrap_or_default();
            let sign = |report: &Report| (report.process.clone(), report.beat);
            let is_same = old.report.as_ref().map(sign) == Some(sign(&report));
            let silent_ms = if is_same {
                old.silent_ms.saturating_add(passed_ms)
            } else {
                0
            };
            let gateway = report.gateway.clone();
            let report = Some(report);
            self.seen.insert(gateway, Seen { report, silent_ms });
        }
        for gateway in known {
            let old = before.remove(gateway);
            self.seen.entry(gateway.clone()).or_insert_with(|| {
                let silent_ms = old.map_or(0, |old| old.silent_ms.saturating_add(passed_ms));
                Seen {
                    report: None,
                    silent_ms,
                }
            });
        }
    }

    /// The store was lost: who was silent meanwhile may have had no way to speak.
    pub fn lost(&mut self) {
        for seen in self.seen.values_mut() {
            seen.silent_ms = 0;
        }
    }

    /// Every gateway with what it says of a plugin, and for how long it has been silent.
    pub(crate) fn words<'fleet>(
        &'fleet self,
        plugin: &'fleet str,
    ) -> impl Iterator<Item = (&'fleet str, Option<&'fleet Word>, u64)> {
        self.seen.iter().map(move |(gateway, seen)| {
            let report = seen.report.as_ref();
            let word = report.and_then(|report| report.plugins.get(plugin));
            (gateway.as_str(), word, seen.silent_ms)
        })
    }

    /// What one gateway said last.
    #[must_use]
    pub fn report(&self, gateway: &str) -> Option<&Report> {
        self.seen.get(gateway)?.report.as_ref()
    }

    /// Gateways whose reports nobody needs any more: they have been silent for so long.
    #[must_use]
    pub fn forgotten(&self, after_ms: u64) -> Vec<String> {
        let forgotten = |seen: &&Seen| seen.report.is_some() && seen.silent_ms >= after_ms;
        let all = self.seen.iter().filter(|(_, seen)| forgotten(seen));
        all.map(|(gateway, _)| gateway.clone()).collect()
    }

    /// Whether nobody speaks of this target of a plugin: what stands in the store of it is of no use.
    #[must_use]
    pub fn has_no_word(&self, plugin: &str, target: &str) -> bool {
        self.words(plugin)
            .all(|(_, word, _)| word.is_none_or(|word| word.target != target))
    }

    /// Whether this one is the first of those that speak, so that not all of them tidy up.
    #[must_use]
    pub fn is_first(&self, gateway: &str, gone_after_ms: u64) -> bool {
        let speaks = |seen: &&Seen| seen.report.is_some() && seen.silent_ms < gone_after_ms;
        let mut speaking = self.seen.iter().filter(|(_, seen)| speaks(seen));
        speaking.next().is_some_and(|(first, _)| first == gateway)
    }
}
