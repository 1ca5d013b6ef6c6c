//! What one generation of a plugin leaves to the next: bytes that it hands over, and the next takes over when it likes.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;

/// LIMIT: bytes that a plugin may hand over on each worker.
pub(crate) const HANDED_BYTES_MAX: usize = 1024 * 1024;
/// Generations of one plugin whose bytes are kept: the one that serves, and the one that takes over from it.
const GENERATIONS_MAX: usize = 2;

/// LIMIT: generations of one plugin that are remembered as given up. An older one has ended long ago, or its numbers are so far behind
/// that nobody takes over from it.
const GIVEN_UP_MAX: usize = 64;

/// One plugin on one worker.
type Place = (usize, String);

/// What all plugins of the process have handed over. Workers do not inherit from each other: each generation starts on each of them.
#[derive(Default)]
pub(crate) struct Heritage {
    /// By generation, the older first.
    places: Mutex<HashMap<Place, Vec<(u64, Bytes)>>>,
    /// Generations that were given up, by plugin: nobody takes over from them.
    given_up: Mutex<HashMap<String, Vec<u64>>>,
}

impl Heritage {
    /// From now on nobody takes over from `generation`: it went back, and the next one comes after the one before it.
    pub(crate) fn give_up(&self, plugin: &str, generation: u64) {
        {
            let mut given_up = self.given_up.lock();
            let numbers = given_up.entry(plugin.to_owned()).or_default();
            numbers.retain(|other| *other != generation);
            numbers.push(generation);
            let too_many = numbers.len().saturating_sub(GIVEN_UP_MAX);
            numbers.drain(..too_many);
        }
        for ((_, name), handed) in self.places.lock().iter_mut() {
            if name == plugin {
                handed.retain(|(other, _)| *other != generation);
            }
        }
    }

    /// It is tried again.
    pub(crate) fn take_back(&self, plugin: &str, generation: u64) {
        if let Some(numbers) = self.given_up.lock().get_mut(plugin) {
            numbers.retain(|other| *other != generation);
        }
    }

    fn is_given_up(&self, plugin: &str, generation: u64) -> bool {
        let given_up = self.given_up.lock();
        given_up
            .get(plugin)
            .is_some_and(|numbers| numbers.contains(&generation))
    }

    /// Keeps what `generation` hands over, in place of what it handed over before; false when it is too much. What one hands over that was
    /// given up is for nobody.
    pub(crate) fn hand_over(&self, (worker, plugin): (usize, &str), generation: u64, bytes: &Bytes) -> bool {
        if bytes.len() > HANDED_BYTES_MAX {
            return false;
        }
        if self.is_given_up(plugin, generation) {
            return true;
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
            given_up: Mutex::new(self.given_up.lock().clone()),
        }
    }

    /// Forgets what plugins left that are no more.
    pub(crate) fn keep_only(&self, is_wanted: impl Fn(&str) -> bool) {
        self.places.lock().retain(|(_, plugin), _| is_wanted(plugin));
        self.given_up.lock().retain(|plugin, _| is_wanted(plugin));
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
    fn nobody_takes_over_from_a_generation_that_was_given_up() {
        let heritage = Heritage::default();
        assert!(heritage.hand_over(HERE, 1, &bytes("serves")));
        assert!(heritage.hand_over(HERE, 2, &bytes("went back")));
        heritage.give_up("p", 2);
        assert_eq!(heritage.take_over(HERE, 3), Some(bytes("serves")));
        // Its last exchanges still hand over, and so does the next that is tried.
        assert!(heritage.hand_over(HERE, 2, &bytes("late")));
        assert!(heritage.hand_over(HERE, 3, &bytes("third")));
        heritage.give_up("p", 3);
        assert_eq!(heritage.take_over(HERE, 4), Some(bytes("serves")));
        heritage.take_back("p", 2);
        assert!(heritage.hand_over(HERE, 2, &bytes("again")));
        assert_eq!(heritage.take_over(HERE, 4), Some(bytes("again")));
    }

    #[test]
    fn what_nobody_wants_is_forgotten() {
        let heritage = Heritage::default();
        assert!(heritage.hand_over(HERE, 1, &bytes("gone")));
        heritage.keep_only(|plugin| plugin == "q");
        assert_eq!(heritage.take_over(HERE, 2), None);
    }
}
