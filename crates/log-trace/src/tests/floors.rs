//! Levels for a time end by themselves.

use proptest::prelude::*;

use crate::{Floors, Level, Levels};

const SECOND_NS: u64 = 1_000_000_000;

#[test]
fn a_level_holds_until_its_moment_and_not_in_it() {
    let floors = Floors::default().with(7, Level::Debug, 60, SECOND_NS).unwrap();
    assert_eq!(floors.level(7, SECOND_NS), Some(Level::Debug));
    assert_eq!(floors.level(7, 61 * SECOND_NS - 1), Some(Level::Debug));
    assert_eq!(floors.level(7, 61 * SECOND_NS), None);
    assert_eq!(floors.level(8, SECOND_NS), None);
    assert_eq!(floors.all(61 * SECOND_NS).count(), 0);
    let later = floors.with(7, Level::Trace, 10, 2 * SECOND_NS).unwrap();
    assert_eq!(later.level(7, 2 * SECOND_NS), Some(Level::Trace));
    assert_eq!(later.level(7, 12 * SECOND_NS), None);
    assert_eq!(later.without(7, 2 * SECOND_NS).level(7, 2 * SECOND_NS), None);
    // The one before is as it was: workers that have it still read it.
    assert_eq!(floors.level(7, 12 * SECOND_NS), Some(Level::Debug));
}

#[test]
fn times_and_numbers_have_their_bounds_and_what_is_over_makes_room() {
    let floors = Floors::default();
    assert!(floors.with(1, Level::Debug, 0, 0).is_err());
    assert!(floors.with(1, Level::Debug, 24 * 3600 + 1, 0).is_err());
    let full = (0..256).fold(floors, |floors, plugin| {
        floors.with(plugin, Level::Debug, 10, 0).unwrap()
    });
    assert!(full.with(256, Level::Debug, 10, 0).is_err());
    assert!(full.with(255, Level::Trace, 10, 0).is_ok());
    let next = full.with(256, Level::Debug, 10, 10 * SECOND_NS).unwrap();
    assert_eq!(next.all(10 * SECOND_NS).count(), 1);
}

#[test]
fn sets_of_levels_have_what_they_say() {
    let of = |levels: Levels| Level::ALL.map(|level| levels.has(level));
    assert_eq!(of(Levels::ALL), [true; 6]);
    assert_eq!(of(Levels::only(Level::Warn)), [false, false, false, true, false, false]);
    assert_eq!(of(Levels::from(Level::Warn)), [false, false, false, true, true, true]);
}

proptest! {
    #[test]
    fn whatever_was_set_none_outlives_a_day(sets in prop::collection::vec((0_u32..5, 1_u64..=86_400, 0_u64..1_000_000), 1..30)) {
        let mut floors = Floors::default();
        let mut last = 0;
        for (plugin, seconds, now) in sets {
            floors = floors.with(plugin, Level::Debug, seconds, now).unwrap();
            last = last.max(now);
        }
        let over = last + 86_400 * SECOND_NS;
        prop_assert!((0..5).all(|plugin| floors.level(plugin, over).is_none()));
    }
}
