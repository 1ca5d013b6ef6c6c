//! How full a ring may be for records of each level and class.

use crate::mark::{CLASSES_MAX, Class, LEVELS_MAX, Level, Mark};

/// How full the ring may become by a record of each level and class, in percent; the graver a level, the fuller.
///
/// In every class, a level may fill at least what the levels below it may. So nothing grave is refused while something less grave of the same
/// class and length would be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    percent: [[u8; LEVELS_MAX]; CLASSES_MAX],
}

impl Policy {
    /// The same for every class. A level that may fill less than one below it is given what that one has; nothing is more than 100.
    #[must_use]
    pub fn by_level(percent: [u8; LEVELS_MAX]) -> Self {
        Self {
            percent: [rising(percent); CLASSES_MAX],
        }
    }

    /// Another rule for one class: an audit that may fill all at every level.
    #[must_use]
    pub fn with_class(mut self, class: Class, percent: [u8; LEVELS_MAX]) -> Self {
        if let Some(row) = self.percent.get_mut(usize::from(class.number())) {
            *row = rising(percent);
        }
        self
    }

    /// What a record of this level and class may fill.
    #[must_use]
    pub fn percent(&self, level: Level, class: Class) -> u8 {
        let row = self.percent.get(usize::from(class.number()));
        row.and_then(|row| row.get(usize::from(level.number())))
            .copied()
            .unwrap_or(0)
    }
}

impl Default for Policy {
    /// Levels 0 to 3 fill 40, 50, 75 and 90 %, and those above them all.
    fn default() -> Self {
        Self::by_level([40, 50, 75, 90, 100, 100, 100, 100])
    }
}

fn rising(mut percent: [u8; LEVELS_MAX]) -> [u8; LEVELS_MAX] {
    let mut least = 0;
    for level in &mut percent {
        least = (*level).clamp(least, 100);
        *level = least;
    }
    percent
}

/// A policy in bytes of one ring.
pub(crate) struct Limits {
    bytes: [[u64; LEVELS_MAX]; CLASSES_MAX],
}

impl Limits {
    pub(crate) fn new(policy: &Policy, capacity: u64) -> Self {
        Self {
            bytes: policy.percent.map(|row| {
                row.map(|percent| capacity / 100 * u64::from(percent) + capacity % 100 * u64::from(percent) / 100)
            }),
        }
    }

    pub(crate) fn bytes(&self, mark: Mark) -> u64 {
        let row = self.bytes.get(usize::from(mark.class.number()));
        row.and_then(|row| row.get(usize::from(mark.level.number())))
            .copied()
            .unwrap_or(0)
    }
}
