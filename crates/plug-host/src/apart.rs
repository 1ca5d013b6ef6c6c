//! A plugin that runs aside over what another generation has served: it finds what plugins share, and nothing that it does reaches anybody.

use std::sync::Arc;

use crate::engine::Process;
use crate::fault::Fault;
use crate::folders::Folders;
use crate::plugin::Plugin;
use crate::shared_data::SharedData;

impl Plugin {
    /// The same plugin as it runs aside: with counts of its own, so much of a worker's CPU time at most, and folders in which it writes
    /// nothing. It always gives way to others.
    #[must_use]
    pub fn aside(&self, cpu_share_percent_max: u8) -> Arc<Self> {
        let mut spec = self.spec.clone();
        spec.trusted_after = 0;
        spec.burst = None;
        spec.limits.cpu_share_percent_max = spec.limits.cpu_share_percent_max.min(cpu_share_percent_max);
        // One whose folders cannot be opened once more has none.
        spec.folders = spec.folders.and_then(|folders| folders.for_reading()).map(Arc::new);
        Self::new(spec, Arc::clone(&self.module), self.generation, self.workers.len())
    }
}

impl Process {
    /// What plugins share, for one that runs aside on one worker: it reads what all share, what it writes stays here, and so do its metrics.
    #[must_use]
    pub fn aside(beneath: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self {
            shared: SharedData::above(beneath),
            heritage: beneath.heritage.copied(),
            ..Self::default()
        })
    }

    /// From now on what is written to shared data, in a process that was made [aside](Self::aside), is taken back by
    /// [`Process::forget_writes`].
    pub fn note_writes(&self) {
        self.shared.note_writes();
    }

    /// What is shared is again what it was when [`Process::note_writes`] was called.
    pub fn forget_writes(&self) {
        self.shared.forget_writes();
    }
}

impl Fault {
    /// The same fault, told of a plugin that is named so.
    #[must_use]
    pub fn told_of(&self, plugin: &str) -> Self {
        let scene = self.scene.as_deref().map(|scene| {
            let mut scene = scene.clone();
            scene.summary = scene
                .summary
                .replace(&format!("`{}`", self.plugin), &format!("`{plugin}`"));
            plugin.clone_into(&mut scene.plugin);
            Arc::new(scene)
        });
        Self {
            plugin: plugin.into(),
            scene,
            ..self.clone()
        }
    }
}

impl Folders {
    /// The same folders, in which nothing can be written; none when they cannot be opened once more.
    pub(crate) fn for_reading(&self) -> Option<Self> {
        self.reopened().ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::limit::Limits;

    const HERE: &str = "vm";

    fn both() -> (Arc<Process>, Arc<Process>) {
        let process = Arc::<Process>::default();
        assert!(process.share_value(HERE, b"k", b"real"));
        let aside = Process::aside(&process);
        (process, aside)
    }

    fn read(process: &Process, key: &[u8]) -> Option<Vec<u8>> {
        process.shared_value(HERE, key).map(|value| value.to_vec())
    }

    #[test]
    fn one_aside_reads_what_is_shared_and_its_writes_reach_nobody() {
        let (process, aside) = both();
        assert_eq!(read(&aside, b"k"), Some(b"real".to_vec()));
        assert!(aside.share_value(HERE, b"k", b"own") && aside.share_value(HERE, b"new", b"own"));
        assert_eq!(read(&aside, b"k"), Some(b"own".to_vec()));
        assert_eq!(read(&process, b"k"), Some(b"real".to_vec()));
        assert_eq!(read(&process, b"new"), None);
    }

    #[test]
    fn what_was_written_over_one_exchange_is_gone_for_the_next_and_what_was_there_before_is_back() {
        let (process, aside) = both();
        assert!(aside.share_value(HERE, b"start", b"1"));
        aside.note_writes();
        for value in [b"2", b"3"] {
            assert!(aside.share_value(HERE, b"start", value));
            assert!(aside.share_value(HERE, b"k", value));
        }
        aside.forget_writes();
        assert_eq!(read(&aside, b"start"), Some(b"1".to_vec()));
        assert_eq!(read(&aside, b"k"), Some(b"real".to_vec()));
        assert!(process.share_value(HERE, b"k", b"later"));
        assert_eq!(read(&aside, b"k"), Some(b"later".to_vec()));
        assert_eq!(aside.shared.bytes(HERE), aside.shared.counted_bytes(HERE));
    }

    #[test]
    fn a_compare_and_swap_aside_is_judged_by_what_was_read() {
        let (process, aside) = both();
        let limits = Limits::default();
        let (_, cas) = aside.shared.get(HERE, b"k").unwrap();
        assert!(process.share_value(HERE, b"k", b"changed"));
        assert!(aside.shared.set((HERE, &limits), b"k", b"late", cas).is_err());
        let (_, cas) = aside.shared.get(HERE, b"k").unwrap();
        assert!(aside.shared.set((HERE, &limits), b"k", b"own", cas).is_ok());
        assert!(aside.shared.set((HERE, &limits), b"k", b"again", cas).is_err());
    }

    #[test]
    fn queues_of_others_take_nothing_from_one_aside_and_give_it_nothing() {
        let (process, aside) = both();
        assert!(process.open_queue(HERE, b"q"));
        process.put_in_queue(HERE, b"q", b"real").unwrap();
        let id = aside.shared.resolve_queue(HERE, b"q").unwrap();
        assert!(aside.shared.enqueue(id, b"own", &Limits::default()).is_ok());
        assert_eq!(aside.shared.dequeue(id).unwrap(), None);
        assert_eq!(process.queue_items(HERE, b"q").unwrap(), ["real"]);
        assert!(aside.open_queue(HERE, b"mine"));
        assert!(process.shared.resolve_queue(HERE, b"mine").is_none());
    }

    #[test]
    fn one_aside_takes_over_what_was_handed_over_and_hands_nothing_over() {
        let process = Arc::<Process>::default();
        let here = (0, "p");
        assert!(process.heritage.hand_over(here, 1, &bytes::Bytes::from_static(b"one")));
        let aside = Process::aside(&process);
        assert_eq!(aside.heritage.take_over(here, 2).unwrap(), "one");
        assert!(aside.heritage.hand_over(here, 2, &bytes::Bytes::from_static(b"two")));
        assert_eq!(process.heritage.take_over(here, 3).unwrap(), "one");
    }
}
