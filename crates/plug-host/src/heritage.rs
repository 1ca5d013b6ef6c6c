//! What one generation of a plugin leaves to the next: bytes that it hands over, and the next takes over when it likes.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;

/// LIMIT: bytes that a plugin may hand over on each worker.
pub(crate) const HANDED_BYTES_MAX: usize = 1024 * 1024;
/// Generations of one plugin whose bytes are kept: the one that serves, and the one that takes over from it.
const GENERATIONS_MAX: usize = 2;

/// One plugin on one worker.
type Place = (usize, String);

/// What all plugins of the process have handed over. Workers do not inherit from each other: each generation starts on each of them.
#[derive(Default)]
pub(crate) struct Heritage {
    /// By generation, the older first.
    places: Mutex<HashMap<Place, Vec<(u64, Bytes)>>>,
}

impl Heritage {
    /// Keeps what `generation` hands over, in place of what it handed over before; false when it is too much.
    pub(crate) fn hand_over(&self, (worker, plugin): (usize, &str), generation: u64, bytes: &Bytes) -> bool {
        if bytes.len() > HANDED_BYTES_MAX {
            return false;
        }
        let mut places = self.places.lock();
        let handed = places.entry((worker, plugin.to_owned())).or_default();
        handed.retain(|(other, _)| *other != generation);
        handed.push((generation, bytes.clone()));
        handed.sort_by_key(|(generation, _)| *generation);
        let too_many = handed.len().saturating_sub(GENERATIONS_MAX);
        handed.drain(..too_many);
        true
    }

    /// What the generation before `generation` handed over last; none when it handed over nothing.
    pub(crate) fn take_over(&self, (worker, plugin): (usize, &str), generation: u64) -> Option<Bytes> {
        let places = self.places.lock();
        let handed = places.get(&(worker, plugin.to_owned()))?;
        let before = handed.iter().rev().find(|(other, _)| *other < generation);
        before.map(|(_, bytes)| bytes.clone())
    }

    /// The same once more, apart from this.
    pub(crate) fn copied(&self) -> Self {
        Self {
            places: Mutex::new(self.places.lock().clone()),
        }
    }

    /// Forgets what plugins left that are no more.
    pub(crate) fn keep_only(&self, is_wanted: impl Fn(&str) -> bool) {
        self.places.lock().retain(|(_, plugin), _| is_wanted(plugin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: (usize, &str) = (0, "p");

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn the_next_generation_takes_what_the_one_before_handed_over_last() {
        let heritage = Heritage::default();
        assert_eq!(heritage.take_over(HERE, 2), None);
        assert!(heritage.hand_over(HERE, 1, &bytes("first")));
        assert!(heritage.hand_over(HERE, 1, &bytes("last")));
        assert_eq!(heritage.take_over(HERE, 2), Some(bytes("last")));
        // Nobody inherits from itself, from another worker, or from another plugin.
        assert_eq!(heritage.take_over(HERE, 1), None);
        assert_eq!(heritage.take_over((1, "p"), 2), None);
        assert_eq!(heritage.take_over((0, "q"), 2), None);
    }

    #[test]
    fn what_the_old_one_writes_late_does_not_reach_the_one_after_next() {
        let heritage = Heritage::default();
        assert!(heritage.hand_over(HERE, 1, &bytes("one")));
        assert!(heritage.hand_over(HERE, 2, &bytes("two")));
        assert!(heritage.hand_over(HERE, 1, &bytes("late")));
        assert_eq!(heritage.take_over(HERE, 3), Some(bytes("two")));
        assert!(heritage.hand_over(HERE, 3, &bytes("three")));
        assert_eq!(heritage.take_over(HERE, 2), None);
    }

    #[test]
    fn too_much_is_refused_and_what_was_handed_over_stays() {
        let heritage = Heritage::default();
        assert!(heritage.hand_over(HERE, 1, &bytes("kept")));
        assert!(!heritage.hand_over(HERE, 1, &Bytes::from(vec![0; HANDED_BYTES_MAX + 1])));
        assert_eq!(heritage.take_over(HERE, 2), Some(bytes("kept")));
    }

    #[test]
    fn what_nobody_wants_is_forgotten() {
        let heritage = Heritage::default();
        assert!(heritage.hand_over(HERE, 1, &bytes("gone")));
        heritage.keep_only(|plugin| plugin == "q");
        assert_eq!(heritage.take_over(HERE, 2), None);
    }
}
