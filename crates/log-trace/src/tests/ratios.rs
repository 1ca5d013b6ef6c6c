//! Ratios by the random bits: the table of the specification, bounds of chance, and services that decide alike.

use super::dice::{Dice, trace};
use crate::{Ids, Keep, Level, Parents, Randomness, Settings, Subject, Table, Threshold, Trace, TraceId};

const IDS: u64 = 100_000;

pub(super) fn table(ratio: f64, parents: Parents) -> Table {
    let settings = Settings {
        otherwise: Keep::Ratio(Threshold::of_ratio(ratio).unwrap()),
        parents,
        ..Settings::default()
    };
    Table::new(settings).unwrap()
}

pub(super) const EXCHANGE: Subject = Subject {
    level: Level::Info,
    route: Some(1),
    tenant: None,
    plugin: None,
};

fn text(threshold: Threshold) -> String {
    String::from_utf8(threshold.text().as_bytes().to_vec()).unwrap()
}

#[test]
fn thresholds_are_those_of_the_specification_at_its_precision_of_four() {
    let rows = [
        (1.0, "0"),
        (0.5, "8"),
        (1.0 / 3.0, "aaab"),
        (0.25, "c"),
        (0.2, "cccd"),
        (0.125, "e"),
        (0.1, "e666"),
        (1.0 / 16.0, "f"),
        (0.01, "fd70a"),
        (0.001, "ffbe77"),
        (0.0001, "fff9724"),
        (0.00001, "ffff583a"),
        (0.000_001, "ffffef39"),
        // Near 1 the leading digits are zeros, and they stay.
        (0.99, "028f"),
        (0.999, "0042"),
    ];
    for (ratio, expected) in rows {
        let threshold = Threshold::of_ratio(ratio).unwrap();
        assert_eq!(text(threshold), expected, "{ratio}");
        assert_eq!(Threshold::read(expected.as_bytes()), Some(threshold), "{ratio}");
        let off = (1.0 / threshold.factor() - ratio).abs() / ratio;
        assert!(off < 0.0001, "{ratio}: off by {off}");
    }
}

#[test]
fn what_is_no_probability_is_no_ratio() {
    let least = (2.0_f64).powi(-56);
    for wrong in [0.0, -0.1, 1.000_001, f64::NAN, f64::INFINITY, least / 2.0] {
        assert!(Threshold::of_ratio(wrong).is_err(), "{wrong}");
    }
    let threshold = Threshold::of_ratio(least).unwrap();
    assert_eq!(text(threshold), "ffffffffffffff");
    assert!(threshold.keeps(Randomness::of(TraceId::new(u128::MAX).unwrap())));
    assert!(!threshold.keeps(Randomness::of(TraceId::new(u128::MAX - 1).unwrap())));
}

#[test]
fn a_ratio_keeps_its_part_of_any_ids_and_factors_add_up() {
    // Ids of our own, and ids whose first half alone is not random.
    let mut ids = Ids::new([5; 4]);
    let mut dice = Dice(5);
    let mut kinds: [Box<dyn FnMut() -> TraceId>; 2] = [
        Box::new(move || ids.trace()),
        Box::new(move || TraceId::new(u128::from(dice.next())).unwrap()),
    ];
    for (kind, id) in kinds.iter_mut().enumerate() {
        for ratio in [0.5, 0.1, 0.01] {
            let threshold = Threshold::of_ratio(ratio).unwrap();
            let kept = (0..IDS).filter(|_| threshold.keeps(Randomness::of(id()))).count() as f64;
            let expected = IDS as f64 * ratio;
            let deviation = (expected * (1.0 - ratio)).sqrt();
            assert!(
                (kept - expected).abs() < 4.0 * deviation,
                "kind {kind}, {ratio}: {kept}"
            );
            let sum = kept * threshold.factor();
            assert!(
                (sum - IDS as f64).abs() < 4.0 * deviation / ratio,
                "kind {kind}, {ratio}: {sum}"
            );
        }
    }
}

/// A request as it comes to the next service.
fn next(trace: &Trace, table: &Table) -> (Trace, bool) {
    let mut trace = trace.clone();
    let decision = table.begin(&trace, &EXCHANGE);
    trace.decided(&decision);
    let parent = trace.context.traceparent();
    let state = trace.state.text(decision.told());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let headers = [("traceparent", text(&parent)), ("tracestate", text(state.as_bytes()))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    (super::dice::trace(&headers), decision.is_sampled())
}

fn first(ids: &mut Ids) -> Trace {
    let mut first = trace(&[]);
    first.context.trace = ids.trace();
    first
}

#[test]
fn all_services_with_one_ratio_decide_alike_and_a_higher_one_keeps_all_that_a_lower_one_keeps() {
    let mut ids = Ids::new([6; 4]);
    let (low, high) = (table(0.1, Parents::Ignored), table(0.3, Parents::Ignored));
    let mut kept = 0_u64;
    for _ in 0..IDS {
        let first = first(&mut ids);
        let (second, by_first) = next(&first, &low);
        let (third, by_second) = next(&second, &high);
        let (_, by_third) = next(&third, &low);
        assert_eq!(by_first, by_third);
        assert!(by_second || !by_first);
        kept += u64::from(by_first);
    }
    assert!((9_600..10_400).contains(&kept), "{kept}");
}

#[test]
fn services_that_obey_their_callers_decide_as_the_first_did() {
    let mut ids = Ids::new([7; 4]);
    let (begins, other) = (table(0.1, Parents::Obeyed), table(0.9, Parents::Obeyed));
    for _ in 0..10_000 {
        let (second, by_first) = next(&first(&mut ids), &begins);
        let (third, by_second) = next(&second, &other);
        let (_, by_third) = next(&third, &table(0.01, Parents::Obeyed));
        assert_eq!((by_first, by_first), (by_second, by_third));
        let told = second.state.threshold();
        assert_eq!(told.is_some(), by_first);
        assert_eq!(third.state.threshold(), told);
    }
}
