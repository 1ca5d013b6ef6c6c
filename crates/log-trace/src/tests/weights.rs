//! Factors add up to what there was, and memory stays what it was, whatever keys come.

use super::dice::{Dice, trace};
use super::ratios::EXCHANGE;
use crate::{
    Ids, Keep, Level, Levels, Limit, Meters, Outcome, Per, Rate, Rule, Settings, Statuses, Subject, Table, Tail,
    Threshold, Verdict, WhyNot,
};

const SECOND_NS: u64 = 1_000_000_000;
const GOOD: Outcome<'_> = Outcome {
    status: Some(200),
    fault: None,
    duration_ns: 1_000,
};

fn limited(number: u64, keep: Keep, rate: Rate, per: Per) -> Table {
    let rule = Rule {
        levels: Levels::ALL,
        route: None,
        tenant: None,
        plugin: None,
        keep,
        limit: Some(Limit { rate, per }),
    };
    Table::new(Settings {
        number,
        rules: vec![rule],
        ..Settings::default()
    })
    .unwrap()
}

fn tenant(tenant: u64) -> Subject {
    Subject {
        tenant: Some(tenant),
        ..EXCHANGE
    }
}

/// Kept ones, and the sum of their factors.
struct Sums {
    kept: u64,
    sum: f64,
}

impl Sums {
    fn add(&mut self, verdict: Verdict) {
        if let Verdict::Kept(kept) = verdict {
            self.kept += 1;
            self.sum += kept.factor.unwrap();
        }
    }
}

#[test]
fn what_a_rate_drops_is_in_the_factors_of_what_is_kept_exactly() {
    let table = limited(
        1,
        Keep::All,
        Rate::new(100, SECOND_NS, 10).unwrap(),
        Per::TENANT.and(Per::LEVEL),
    );
    let (mut meters, mut dice) = (Meters::with_keys(1024, 77).unwrap(), Dice(1));
    let decision = table.begin(&trace(&[]), &EXCHANGE);
    let mut sums = Sums { kept: 0, sum: 0.0 };
    let mut now = 0;
    for _ in 0..200_000 {
        now += dice.below(100_000);
        let level = [Level::Debug, Level::Info, Level::Error][usize::try_from(dice.below(3)).unwrap()];
        let subject = Subject {
            level,
            ..tenant(dice.below(5))
        };
        sums.add(table.line(&mut meters, &decision, &subject, now));
    }
    // 15 keys, 10 s.
    let allowed = 15 * (100 * now / SECOND_NS + 10);
    assert!(
        sums.kept <= allowed && sums.kept > allowed * 9 / 10,
        "{} of {allowed}",
        sums.kept
    );
    let missed = meters.drain();
    assert!(missed > 0.0);
    assert_eq!(sums.sum + missed, 200_000.0);
    assert_eq!(meters.drain(), 0.0);
}

#[test]
fn factors_of_ratio_and_rate_and_what_is_always_kept_add_up() {
    let rate = Rate::new(1000, SECOND_NS, 50).unwrap();
    let mut settings = Settings {
        rules: vec![Rule {
            levels: Levels::ALL,
            route: None,
            tenant: None,
            plugin: None,
            keep: Keep::Ratio(Threshold::of_ratio(0.1).unwrap()),
            limit: Some(Limit { rate, per: Per::RULE }),
        }],
        tail: Tail {
            statuses: Statuses::NONE.with_class(5),
            ..Tail::default()
        },
        ..Settings::default()
    };
    settings.tail.rate = Some(Rate::new(100, SECOND_NS, 5).unwrap());
    let table = Table::new(settings).unwrap();
    let (mut meters, mut dice, mut ids) = (Meters::with_keys(64, 77).unwrap(), Dice(2), Ids::new([8; 4]));
    let (mut good, mut bad) = (Sums { kept: 0, sum: 0.0 }, Sums { kept: 0, sum: 0.0 });
    let (mut now, mut bad_count) = (0, 0.0);
    for _ in 0..500_000 {
        now += dice.below(100_000);
        let mut trace = trace(&[]);
        trace.context.trace = ids.trace();
        let decision = table.begin(&trace, &EXCHANGE);
        let is_bad = dice.below(50) == 0;
        let outcome = Outcome {
            status: Some(if is_bad { 503 } else { 200 }),
            ..GOOD
        };
        let sums = if is_bad { &mut bad } else { &mut good };
        sums.add(table.end(&mut meters, &decision, &EXCHANGE, &outcome, now));
        bad_count += f64::from(u8::from(is_bad));
    }
    assert!(good.kept < 26_000 && bad.kept < 2_600, "{} and {}", good.kept, bad.kept);
    // Of what is always kept, the last few may still be waiting; of what a ratio keeps, chance is within four deviations.
    assert!(bad_count - bad.sum < 100.0, "{bad_count} and {}", bad.sum);
    let good_count = 500_000.0 - bad_count;
    let deviation = (good_count * 0.1 * 0.9_f64).sqrt() * 10.0;
    assert!(
        (good.sum - good_count).abs() < 4.0 * deviation,
        "{} of {good_count}",
        good.sum
    );
}

#[test]
fn a_million_hostile_keys_get_what_the_places_have_and_cost_no_more_memory() {
    let rate = Rate::new(1, 3600 * SECOND_NS, 2).unwrap();
    let table = limited(1, Keep::All, rate, Per::TENANT);
    let mut meters = Meters::with_keys(4096, 99).unwrap();
    let before = meters.bytes();
    let decision = table.begin(&trace(&[]), &EXCHANGE);
    let mut sums = Sums { kept: 0, sum: 0.0 };
    for key in 0..1_000_000 {
        sums.add(table.line(&mut meters, &decision, &tenant(key), key));
    }
    assert_eq!(meters.bytes(), before);
    // One for each place and a burst of two for all others, not one for each key.
    assert!((2..=4096 + 2).contains(&sums.kept), "{}", sums.kept);
    assert_eq!(sums.sum + meters.drain(), 1_000_000.0);
}

#[test]
fn keys_that_were_there_first_keep_their_rate_under_hostile_ones() {
    let table = limited(1, Keep::All, Rate::new(10, SECOND_NS, 10).unwrap(), Per::TENANT);
    let mut meters = Meters::with_keys(64, 3).unwrap();
    let decision = table.begin(&trace(&[]), &EXCHANGE);
    let (mut own, mut now) = (0, 0);
    for key in 0..100_000 {
        now += 100_000;
        // An honest tenant, ten times a second.
        if key % 1000 == 0 {
            own += u32::from(matches!(
                table.line(&mut meters, &decision, &tenant(u64::MAX), now),
                Verdict::Kept(_)
            ));
        }
        let _ = table.line(&mut meters, &decision, &tenant(key), now);
    }
    assert_eq!(own, 100);
}

#[test]
fn a_rate_of_other_rules_does_not_hold_back_new_ones_and_nothing_is_lost_between() {
    let slow = limited(1, Keep::All, Rate::new(1, 3600 * SECOND_NS, 1).unwrap(), Per::RULE);
    let fast = limited(2, Keep::All, Rate::new(1000, SECOND_NS, 1).unwrap(), Per::RULE);
    let mut meters = Meters::with_keys(8, 3).unwrap();
    let decision = slow.begin(&trace(&[]), &EXCHANGE);
    let mut sums = Sums { kept: 0, sum: 0.0 };
    for now in 0..5 {
        sums.add(slow.line(&mut meters, &decision, &EXCHANGE, now));
    }
    assert_eq!(sums.kept, 1);
    sums.add(fast.line(&mut meters, &decision, &EXCHANGE, 6));
    assert_eq!(sums.kept, 2);
    // Who still asks the old table does not bring its rates back, nor the place for one more.
    for now in 7..10 {
        sums.add(slow.line(&mut meters, &decision, &EXCHANGE, now));
        sums.add(fast.line(&mut meters, &decision, &EXCHANGE, now));
    }
    assert_eq!(sums.kept, 2);
    assert_eq!(sums.sum + meters.drain(), 12.0);
}

#[test]
fn rates_are_kept_to_the_nanosecond_and_bursts_to_one() {
    let table = limited(1, Keep::All, Rate::new(4, SECOND_NS, 3).unwrap(), Per::RULE);
    let mut meters = Meters::with_keys(8, 3).unwrap();
    let decision = table.begin(&trace(&[]), &EXCHANGE);
    let mut is_kept = |now| matches!(table.line(&mut meters, &decision, &EXCHANGE, now), Verdict::Kept(_));
    let start = 10 * SECOND_NS;
    assert_eq!(
        [0, 0, 0, 0, 1].map(|later| is_kept(start + later)),
        [true, true, true, false, false]
    );
    let quarter = SECOND_NS / 4;
    assert_eq!(
        [quarter - 1, quarter, quarter].map(|later| is_kept(start + later)),
        [false, true, false]
    );
    // A clock that stands or goes back is no way around.
    assert!(!is_kept(0));
    assert_eq!(
        [5, 5, 5, 5].map(|seconds| is_kept(start + seconds * SECOND_NS)),
        [true, true, true, false]
    );
}

#[test]
fn rates_and_rooms_of_nothing_are_refused() {
    assert!(Rate::new(0, SECOND_NS, 1).is_err());
    assert!(Rate::new(1, 0, 1).is_err());
    assert!(Rate::new(1, SECOND_NS, 0).is_err());
    assert!(Rate::new(11, 10, 1).is_err());
    assert!(Meters::with_keys(7, 0).is_err());
    assert!(Meters::with_keys((1 << 16) + 1, 0).is_err());
    let dropped = Verdict::Dropped(WhyNot::Rate);
    let table = limited(1, Keep::All, Rate::new(1, u64::MAX, u32::MAX).unwrap(), Per::RULE);
    let mut meters = Meters::with_keys(8, 3).unwrap();
    let decision = table.begin(&trace(&[]), &EXCHANGE);
    assert_ne!(table.line(&mut meters, &decision, &EXCHANGE, u64::MAX), dropped);
}
