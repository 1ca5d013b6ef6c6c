//! Numbers of records by level and class.

use crate::record::{Class, Level};

/// A number for each level and class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds([[u64; Class::ALL.len()]; Level::ALL.len()]);

impl Kinds {
    fn place(&mut self, level: Level, class: Class) -> Option<&mut u64> {
        self.0.get_mut(level.index())?.get_mut(class.index())
    }

    pub(crate) fn add(&mut self, level: Level, class: Class, more: u64) {
        if let Some(number) = self.place(level, class) {
            *number += more;
        }
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        for (level, class, more) in others.each() {
            self.add(level, class, more);
        }
    }

    /// Takes these away, as far as there are so many.
    pub(crate) fn take_all(&mut self, others: &Self) {
        for (level, class, less) in others.each() {
            if let Some(number) = self.place(level, class) {
                *number = number.saturating_sub(less);
            }
        }
    }

    pub(crate) fn of(&self, level: Level, class: Class) -> u64 {
        let numbers = self.0.get(level.index());
        let number = numbers.and_then(|numbers| numbers.get(class.index()));
        number.copied().unwrap_or(0)
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().flatten().sum()
    }

    /// Those of which there are some.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Level, Class, u64)> + '_ {
        let pairs = Level::ALL.into_iter().zip(&self.0);
        let all = pairs.flat_map(|(level, numbers)| {
            let numbers = Class::ALL.into_iter().zip(numbers);
            numbers.map(move |(class, number)| (level, class, *number))
        });
        all.filter(|(_, _, number)| *number > 0)
    }
}
