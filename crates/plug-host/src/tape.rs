//! Records what a guest sees and asks: its start, and the last entries as far as there is room.

use plug_report::recording::Input;
use plug_report::recording::steps::Writer;

use crate::entry::Entry;

/// Code of the entry that is the instance's own start: `_initialize` and what follows it before there is a context.
pub(crate) const INSTANTIATE: u8 = 0;

/// LIMIT: bytes of one entry beside what a part holds already, and of a whole start. A large body is kept, a flood of host calls is not.
const ENTRY_BYTES_MAX: usize = 256 * 1024;

/// The recorder of one instance. Old entries leave by halves: what is written goes behind what is there, and nothing is ever moved.
#[derive(Default)]
pub(crate) struct Tape {
    /// Bytes beyond which the newer part becomes the older one; nothing is recorded when 0. Small, so that what is written over and over
    /// stays in the processor's cache: with 256 KiB, recording cost twice what it costs with 32.
    part_bytes: usize,
    start: Part,
    older: Part,
    newer: Part,
    has_started: bool,
    /// Entries that have left.
    forgotten: u64,
}

#[derive(Default)]
struct Part {
    steps: Writer,
    entries: u64,
    /// An entry in it had more to tell than there was room for.
    is_cut: bool,
    /// That entry is still going on.
    is_cutting: bool,
}

/// What was recorded.
pub(crate) struct Recorded {
    pub(crate) steps: Vec<u8>,
    pub(crate) forgotten: u64,
    pub(crate) is_cut: bool,
}

impl Tape {
    /// A recorder that keeps about `bytes_max`.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let mut tape = Self {
            part_bytes: bytes_max / 2,
            ..Self::default()
        };
        tape.begin(INSTANTIATE, &[]);
        tape
    }

    /// Whether nothing is recorded.
    pub(crate) fn is_off(&self) -> bool {
        self.part_bytes == 0
    }

    /// From now on entries may be forgotten.
    pub(crate) fn started(&mut self) {
        self.has_started = true;
    }

    /// The host enters the guest.
    pub(crate) fn entry(&mut self, entry: Entry) {
        if self.is_off() {
            return;
        }
        if self.has_started && self.newer.steps.0.len() > self.part_bytes / 2 {
            self.turn_over();
        }
        let (code, words, count) = entry.coded();
        self.begin(code, words.get(..count).unwrap_or_default());
    }

    fn begin(&mut self, code: u8, words: &[u32]) {
        if !self.is_off() {
            let part = self.part();
            part.is_cutting = false;
            part.entries = part.entries.saturating_add(1);
            part.steps.entry(code, words);
        }
    }

    /// The older part makes room for the newer one.
    fn turn_over(&mut self) {
        self.forgotten = self.forgotten.saturating_add(self.older.entries);
        std::mem::swap(&mut self.older, &mut self.newer);
        self.newer.steps.0.clear();
        // What one large body took is given back.
        self.newer.steps.0.shrink_to(self.part_bytes);
        self.newer = Part {
            steps: std::mem::take(&mut self.newer.steps),
            ..Part::default()
        };
    }

    /// The guest calls the host.
    pub(crate) fn call<'a>(&mut self, name: &str, arguments: &[u64], inputs: impl ExactSizeIterator<Item = Input<'a>>) {
        if let Some(steps) = self.room(0) {
            steps.call(name, arguments, inputs);
        }
    }

    /// The call writes into the guest's memory.
    pub(crate) fn wrote(&mut self, address: u32, bytes: &[u8]) {
        if let Some(steps) = self.room(bytes.len()) {
            steps.write(address, bytes);
        }
    }

    /// The call gives a value.
    pub(crate) fn value(&mut self, bytes: &[u8]) {
        if let Some(steps) = self.room(bytes.len()) {
            steps.value(bytes);
        }
    }

    /// The call answers.
    pub(crate) fn answers(&mut self, status: u32) {
        if let Some(steps) = self.room(0) {
            steps.answer(status);
        }
    }

    /// The guest returns.
    pub(crate) fn returned(&mut self, answer: u32) {
        if let Some(steps) = self.room(0) {
            steps.returned(answer);
        }
    }

    fn part(&mut self) -> &mut Part {
        if self.has_started {
            &mut self.newer
        } else {
            &mut self.start
        }
    }

    /// Where to write, if there is room for so many bytes more.
    fn room(&mut self, bytes: usize) -> Option<&mut Writer> {
        if self.is_off() {
            return None;
        }
        let bytes_max = match self.has_started {
            true => self.part_bytes.saturating_add(ENTRY_BYTES_MAX),
            false => ENTRY_BYTES_MAX,
        };
        let part = self.part();
        if part.is_cutting {
            return None;
        }
        if part.steps.0.len().saturating_add(bytes) > bytes_max {
            part.steps.cut();
            part.is_cut = true;
            part.is_cutting = true;
            return None;
        }
        Some(&mut part.steps)
    }

    /// What was recorded; none when nothing is.
    pub(crate) fn recorded(&self) -> Option<Recorded> {
        if self.is_off() {
            return None;
        }
        let parts = [&self.start, &self.older, &self.newer];
        Some(Recorded {
            steps: parts.iter().flat_map(|part| part.steps.0.iter().copied()).collect(),
            forgotten: self.forgotten,
            is_cut: parts.iter().any(|part| part.is_cut),
        })
    }
}

#[cfg(test)]
mod tests {
    use plug_report::recording::{Step, Steps};

    use super::*;

    fn steps(recorded: &Recorded) -> Vec<Step<'_>> {
        let mut steps = Steps::of(&recorded.steps);
        std::iter::from_fn(|| steps.next().unwrap()).collect()
    }

    fn tick(tape: &mut Tape, value: &[u8]) {
        tape.entry(Entry::Tick { root: 1 });
        tape.call("proxy_get_buffer_bytes", &[0, 7], [].into_iter());
        tape.value(value);
        tape.answers(0);
        tape.returned(0);
    }

    #[test]
    fn the_start_stays_and_the_oldest_entries_leave() {
        let mut tape = Tape::new(2_000);
        tick(&mut tape, b"start");
        tape.started();
        for number in 0..100_u8 {
            tick(&mut tape, &[number; 100]);
        }
        let recorded = tape.recorded().unwrap();
        let steps = steps(&recorded);
        let values: Vec<&[u8]> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Value(bytes) => Some(*bytes),
                _ => None,
            })
            .collect();
        assert_eq!(values.first(), Some(&b"start".as_slice()));
        assert_eq!(values.last(), Some(&[99_u8; 100].as_slice()));
        let kept = u64::try_from(values.len()).unwrap() - 1;
        assert_eq!(recorded.forgotten + kept, 100);
        assert!(
            kept >= 4 && recorded.steps.len() < 2_100,
            "{kept} {}",
            recorded.steps.len()
        );
        assert!(!recorded.is_cut);
    }

    #[test]
    fn an_entry_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let mut tape = Tape::new(1_000);
        tape.started();
        tick(&mut tape, &vec![7; ENTRY_BYTES_MAX * 2]);
        tick(&mut tape, b"after");
        let recorded = tape.recorded().unwrap();
        assert!(recorded.is_cut);
        let steps = steps(&recorded);
        assert!(steps.contains(&Step::Cut) && steps.contains(&Step::Value(b"after")));
        assert_eq!(steps.iter().filter(|step| matches!(step, Step::Returned(_))).count(), 1);
    }

    #[test]
    fn a_large_body_is_kept_and_its_room_given_back() {
        let mut tape = Tape::new(1_000);
        tape.started();
        let body = vec![7; ENTRY_BYTES_MAX / 2];
        tick(&mut tape, &body);
        let recorded = tape.recorded().unwrap();
        assert!(!recorded.is_cut && steps(&recorded).contains(&Step::Value(&body)));
        for _ in 0..20 {
            tick(&mut tape, &[1; 100]);
        }
        let capacity = tape.older.steps.0.capacity() + tape.newer.steps.0.capacity();
        assert!(capacity < 4_000, "{capacity}");
    }

    #[test]
    fn what_is_off_keeps_nothing() {
        let mut tape = Tape::new(0);
        tick(&mut tape, b"x");
        assert!(tape.recorded().is_none());
    }
}
