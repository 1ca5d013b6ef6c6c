//! Arms are told by share, without bias, and the same for the same key.

use proptest::prelude::*;

use super::dice::Dice;
use crate::{Arm, Selector, Share};

fn share(percent: u32) -> Share {
    Share::new(percent * 10_000).unwrap()
}

proptest! {
    #[test]
    fn a_key_that_came_to_the_candidate_stays_while_the_share_grows(
        id in ".{0,20}", key in prop::collection::vec(any::<u8>(), 0..40), low in 0_u32..=1_000_000, more in 0_u32..=1_000_000
    ) {
        let high = low.saturating_add(more).min(1_000_000);
        let selector = Selector::new(&id, Share::new(low).unwrap());
        let grown = selector.with_share(Share::new(high).unwrap());
        prop_assert_eq!(selector.arm(&key), selector.arm(&key));
        if selector.arm(&key) == Arm::Candidate {
            prop_assert_eq!(grown.arm(&key), Arm::Candidate);
        }
        prop_assert_eq!(selector.with_share(Share::NONE).arm(&key), Arm::Control);
        prop_assert_eq!(selector.with_share(Share::ALL).arm(&key), Arm::Candidate);
    }
}

/// Keys as they come: numbers in a row, addresses, long texts that differ in one byte.
fn keys() -> [Box<dyn Fn(u64) -> Vec<u8>>; 4] {
    [
        Box::new(|number| number.to_string().into_bytes()),
        Box::new(|number| number.to_be_bytes().to_vec()),
        Box::new(|number| [192, 168, (number >> 8) as u8, number as u8, (number >> 16) as u8].to_vec()),
        Box::new(|number| format!("{}{number}", "x".repeat(64)).into_bytes()),
    ]
}

#[test]
fn arms_get_their_share_of_any_kind_of_key() {
    for (kind, key) in keys().iter().enumerate() {
        for percent in [1, 5, 25, 50, 90] {
            let selector = Selector::new("hello-7", share(percent));
            let count = (0..100_000)
                .filter(|number| selector.arm(&key(*number)) == Arm::Candidate)
                .count() as f64;
            let expected = f64::from(percent) * 1_000.0;
            let deviation = (expected * (1.0 - f64::from(percent) / 100.0)).sqrt();
            let off = (count - expected).abs() / deviation;
            assert!(off < 5.0, "kind {kind}, {percent} %: {count} of 100000");
        }
    }
}

#[test]
fn another_rollout_draws_anew() {
    let (one, other) = (Selector::new("hello-7", share(50)), Selector::new("hello-8", share(50)));
    let same = (0..10_000_u64).filter(|key| one.arm(&key.to_be_bytes()) == other.arm(&key.to_be_bytes()));
    let same = same.count();
    assert!(
        (4_800..5_200).contains(&same),
        "{same} of 10000 keys have the same arm in both"
    );
}

#[test]
fn the_arm_of_a_key_is_the_same_in_every_release() {
    let selector = Selector::new("hello-7", share(50));
    let arms: String = (0..32_u64)
        .map(|key| match selector.arm(&key.to_be_bytes()) {
            Arm::Candidate => 'x',
            Arm::Control => '.',
        })
        .collect();
    assert_eq!(arms, ".xx.x.xx...x.xxx..x....xxxxxxxxx");
}

#[test]
fn shares_are_shown_as_people_write_them() {
    let shown = |parts| Share::new(parts).unwrap().to_string();
    assert_eq!(shown(50_000), "5 %");
    assert_eq!(shown(1_000_000), "100 %");
    assert_eq!(shown(1_500), "0.15 %");
    assert_eq!(shown(1), "0.0001 %");
    assert!(Share::new(1_000_001).is_none());
    assert_eq!(Share::new(1).unwrap().rest(), Share::new(999_999).unwrap());
}

#[test]
fn dice_of_one_seed_fall_alike() {
    let mut dice = (Dice::new(3), Dice::new(3));
    assert!((0..100).all(|_| dice.0.next() == dice.1.next()));
}
