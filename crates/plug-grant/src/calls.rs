//! A set of host calls and functions of WASI, one bit for each.

use plug_abi::{CALLS, Family, HOST_CALLS, WASI_CALLS, call_name, call_number, wasi_call};

const WORDS: usize = CALLS.div_ceil(64);

/// Host calls and functions of WASI, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallSet([u64; WORDS]);

impl CallSet {
    /// None.
    pub const NONE: Self = Self([0; WORDS]);
    /// All, and numbers that nobody has.
    pub const ALL: Self = Self([u64::MAX; WORDS]);

    /// Whether a call is among them; a number that no call has never is, unless they are all.
    #[inline]
    #[must_use]
    pub const fn has(&self, number: usize) -> bool {
        let at = number / 64;
        at < WORDS && {
            #[allow(clippy::indexing_slicing, reason = "compared in the line before")]
            let word = self.0[at];
            word & (1 << (number % 64)) != 0
        }
    }

    /// Adds the call of that number.
    pub fn add(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64).filter(|_| number < CALLS) {
            *word |= 1 << (number % 64);
        }
    }

    /// Takes the call of that number out.
    pub fn remove(&mut self, number: usize) {
        if let Some(word) = self.0.get_mut(number / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    /// Adds a host call by its name, or all of a family by its word; none when there is no such thing.
    pub fn add_host(&mut self, word: &str) -> Option<()> {
        if let Some(family) = Family::from_word(word) {
            for call in HOST_CALLS.iter().filter(|call| call.family == family) {
                self.add(call_number(call.name));
            }
            return Some(());
        }
        let call = plug_abi::host_call(word)?;
        self.add(call_number(call.name));
        Some(())
    }

    /// Adds a function of WASI by its name, or all that give a capability by its word; none when there is no such thing.
    pub fn add_wasi(&mut self, word: &str) -> Option<()> {
        if let Some(call) = wasi_call(word) {
            self.add(call_number(call.name));
            return Some(());
        }
        let mut of_word = WASI_CALLS
            .iter()
            .filter(|call| call.capability().word() == word)
            .peekable();
        of_word.peek()?;
        of_word.for_each(|call| self.add(call_number(call.name)));
        Some(())
    }

    /// With those of `other`.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    /// Those that are here and in `other`.
    #[must_use]
    pub fn both(mut self, other: Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word &= more;
        }
        self
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..CALLS).filter(|number| self.has(*number))
    }

    /// Their names, in the order of the tables.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.iter().filter_map(call_name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_a_bit_of_its_own() {
        for number in 0..CALLS {
            let mut set = CallSet::NONE;
            set.add(number);
            assert_eq!(set.iter().collect::<Vec<_>>(), [number]);
            set.remove(number);
            assert!(set.is_empty());
        }
        let mut set = CallSet::NONE;
        set.add(CALLS);
        set.add(usize::MAX);
        assert!(set.is_empty() && !set.has(usize::MAX));
    }

    #[test]
    fn words_of_families_and_capabilities_add_all_that_belong_to_them() {
        let mut set = CallSet::NONE;
        set.add_host("log").unwrap();
        set.add_wasi("clock").unwrap();
        let names: Vec<_> = set.names().collect();
        assert_eq!(
            names,
            ["proxy_log", "proxy_get_log_level", "clock_res_get", "clock_time_get"]
        );
        assert!(set.add_host("proxy_lgo").is_none() && set.add_wasi("headers").is_none());
    }
}
