//! Numbers of generations: each is given once in a process, and they go on from what was kept.

use std::collections::HashMap;

/// Gives generations of plugins their numbers. Only the thread that loads has one.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The highest that was given, by plugin. A number for each name that was ever configured.
    last: HashMap<String, u64>,
    /// What served before the start, or was tried then, by plugin and what it is made of. Each is given back once.
    kept: HashMap<(String, String), u64>,
}

impl Numbers {
    /// Goes on from what was kept: plugin, what it is made of, number.
    pub(crate) fn recall(&mut self, kept: Vec<(String, String, u64)>) {
        for (plugin, made_of, number) in kept {
            let last = self.last.entry(plugin.clone()).or_default();
            *last = number.max(*last);
            self.kept.insert((plugin, made_of), number);
        }
    }

    /// The number of a generation that is made now.
    pub(crate) fn give(&mut self, plugin: &str, made_of: String) -> u64 {
        if let Some(number) = self.kept.remove(&(plugin.to_owned(), made_of)) {
            return number;
        }
        let last = self.last.entry(plugin.to_owned()).or_default();
        *last = last.saturating_add(1);
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let mut numbers = Numbers::default();
        let given = ["a", "b", "a", "c"].map(|made_of| numbers.give("p", made_of.to_owned()));
        assert_eq!(given, [1, 2, 3, 4]);
        assert_eq!(numbers.give("q", "a".to_owned()), 1);
    }

    #[test]
    fn what_was_kept_has_its_number_again_and_what_is_new_a_higher_one() {
        let mut numbers = Numbers::default();
        let kept = |made_of: &str, number| ("p".to_owned(), made_of.to_owned(), number);
        numbers.recall(vec![kept("candidate", 5), kept("control", 3)]);
        // The wanted one is made first, whichever it is.
        assert_eq!(numbers.give("p", "new".to_owned()), 6);
        assert_eq!(numbers.give("p", "control".to_owned()), 3);
        // It comes once more later: that is another generation.
        assert_eq!(numbers.give("p", "control".to_owned()), 7);
    }
}
