//! Which records anybody wants: what no sink is for is not made.

use log_record::grade::{Class, Level};
use log_ship::Selection;

/// For each class a bit for each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted([u8; Class::ALL.len()]);

impl Wanted {
    /// What is for at least one of these.
    pub fn of<'a>(selections: impl IntoIterator<Item = &'a Selection>) -> Self {
        let mut wanted = Self::default();
        for selection in selections {
            for (class, levels) in Class::ALL.into_iter().zip(&mut wanted.0) {
                let takes = Level::ALL.into_iter().filter(|level| selection.takes(*level, class));
                *levels = takes.fold(*levels, |levels, level| levels | 1 << level.number());
            }
        }
        wanted
    }

    /// The same without what is below the level, of one class.
    #[must_use]
    pub fn from_level(mut self, class: Class, level: Level) -> Self {
        if let Some(levels) = self.0.get_mut(class.index()) {
            *levels &= u8::MAX << level.number();
        }
        self
    }

    /// Whether somebody wants it.
    #[must_use]
    pub fn has(&self, level: Level, class: Class) -> bool {
        self.0
            .get(class.index())
            .is_some_and(|levels| levels >> level.number() & 1 == 1)
    }

    /// Whether somebody wants anything.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.0.iter().any(|levels| *levels != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_sink_is_for_is_wanted() {
        let access = Selection {
            classes: vec![Class::Access],
            ..Selection::default()
        };
        let grave = Selection {
            level_min: Level::Error,
            ..Selection::default()
        };
        let wanted = Wanted::of([&access, &grave]);
        assert!(wanted.has(Level::Info, Class::Access) && wanted.has(Level::Error, Class::Plugin));
        assert!(!wanted.has(Level::Warn, Class::Plugin));
        let less = wanted.from_level(Class::Access, Level::Warn);
        assert!(!less.has(Level::Info, Class::Access) && less.has(Level::Warn, Class::Access));
        assert!(!Wanted::of([]).has_any() && wanted.has_any());
    }
}
