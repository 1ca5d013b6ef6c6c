//! What nobody tells, and is noticed by looking: workers that are gone, quarantines that are over, texts that served before.

use std::collections::{BTreeSet, VecDeque};

use gate_serve::worker::Workers;
use parking_lot::Mutex;
use plug_host::PluginState;

use super::steps;
use super::{State, Told, worker_lost, write};
use crate::assemble::House;

/// LIMIT: texts that are known again.
const TEXTS_MAX: usize = 64;

/// Digests of texts that served, the last one at the end.
#[derive(Default)]
pub(crate) struct Served(Mutex<VecDeque<String>>);

impl Served {
    /// A text serves. Whether it did before, with another one since.
    pub(crate) fn comes(&self, digest: &str) -> bool {
        let mut texts = self.0.lock();
        if texts.back().is_some_and(|last| last == digest) {
            return false;
        }
        let before = texts.len();
        texts.retain(|text| text != digest);
        let again = texts.len() < before;
        if texts.len() >= TEXTS_MAX {
            texts.pop_front();
        }
        texts.push_back(digest.to_owned());
        again
    }
}

/// What was seen at the last look.
#[derive(Default)]
pub(crate) struct Sight {
    lost: BTreeSet<usize>,
    /// Plugin, generation, worker.
    quarantined: BTreeSet<(String, u64, usize)>,
}

impl Sight {
    /// Looks, and writes down what is another than it was.
    pub(crate) fn look(&mut self, house: &House) {
        let lost: BTreeSet<usize> = house.workers.lock().iter().flat_map(Workers::lost).collect();
        for worker in lost.difference(&self.lost) {
            worker_lost(*worker, "its thread has ended");
        }
        self.lost = lost;
        let mut quarantined = BTreeSet::new();
        for plugin in house.plugins() {
            let workers = plugin.workers.iter().enumerate();
            let aside = workers.filter(|(_, stats)| stats.state() == PluginState::Quarantined);
            quarantined.extend(aside.map(|(worker, _)| (plugin.spec.name.clone(), plugin.generation, worker)));
        }
        for (plugin, generation, worker) in self.quarantined.difference(&quarantined) {
            let message = format!("worker={worker}");
            let told = Told {
                plugin,
                plugin_generation: Some(*generation),
                message: &message,
                ..Told::of(State::Done)
            };
            write(&steps::QUARANTINE, &told);
        }
        self.quarantined = quarantined;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_rolled_back_to_when_another_served_between() {
        let served = Served::default();
        assert!(!served.comes("one"));
        assert!(!served.comes("one"));
        assert!(!served.comes("two"));
        assert!(served.comes("one"));
        assert!(!served.comes("one"));
        for number in 0..2 * TEXTS_MAX {
            assert!(!served.comes(&number.to_string()));
            assert!(served.0.lock().len() <= TEXTS_MAX);
        }
        assert!(!served.comes("two"));
    }
}
