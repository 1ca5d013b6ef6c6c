//! Decisions: callers, rules, levels, what is kept because of its end, and windows.

use proptest::prelude::*;

use super::dice::{begin, trace};
use super::ratios::{EXCHANGE, table};
use crate::{
    Faults, Keep, Kept, Level, Levels, Meters, Outcome, Parents, Rule, Settings, Slow, Statuses, Subject, Table, Tail,
    Threshold, Told, Trust, Verdict, Why, WhyNot,
};

const GOOD: Outcome<'_> = Outcome {
    status: Some(200),
    fault: None,
    duration_ns: 1_000,
};

/// The low 56 bits are all set: kept by any ratio.
const HIGH: &str = "00-000000000000000100ffffffffffffff-00f067aa0ba902b7";
/// They are zero but for one: dropped by any.
const LOW: &str = "00-00000000000000010000000000000001-00f067aa0ba902b7";

fn meters() -> Meters {
    Meters::with_keys(8, 1).unwrap()
}

fn rule(keep: Keep) -> Rule {
    Rule {
        levels: Levels::ALL,
        route: None,
        tenant: None,
        plugin: None,
        keep,
        limit: None,
    }
}

fn line(level: Level) -> Subject {
    Subject { level, ..EXCHANGE }
}

fn ratio(ratio: f64) -> Keep {
    Keep::Ratio(Threshold::of_ratio(ratio).unwrap())
}

fn kept(factor: f64, why: Why) -> Verdict {
    Verdict::Kept(Kept {
        factor: Some(factor),
        why,
    })
}

#[test]
fn a_caller_is_obeyed_where_it_is_to_be_and_its_factor_is_known_where_it_told_its_threshold() {
    let (obeyed, ignored) = (table(0.5, Parents::Obeyed), table(0.5, Parents::Ignored));
    let of = |table: &Table, parent: &str, flags: &str, state: &str| {
        let trace = trace(&[("traceparent", &format!("{parent}-{flags}")), ("tracestate", state)]);
        let decision = table.begin(&trace, &EXCHANGE);
        let verdict = table.end(&mut meters(), &decision, &EXCHANGE, &GOOD, 0);
        (decision.is_sampled(), decision.told(), verdict)
    };
    let quarter = Threshold::of_ratio(0.25).unwrap();
    let half = Threshold::of_ratio(0.5).unwrap();
    let unknown = Verdict::Kept(Kept {
        factor: None,
        why: Why::Parent,
    });
    assert_eq!(
        of(&obeyed, HIGH, "01", "ot=th:c"),
        (true, Told::Threshold(quarter), kept(4.0, Why::Parent))
    );
    assert_eq!(of(&obeyed, HIGH, "01", ""), (true, Told::Unknown, unknown));
    // A threshold by which it had been dropped is a mistake of somebody's, and not told on.
    assert_eq!(of(&obeyed, LOW, "01", "ot=th:c"), (true, Told::Unknown, unknown));
    assert_eq!(
        of(&obeyed, HIGH, "00", "ot=th:c"),
        (false, Told::AsCame, Verdict::Dropped(WhyNot::Parent))
    );
    assert_eq!(
        of(&ignored, HIGH, "00", "ot=th:c"),
        (true, Told::Threshold(half), kept(2.0, Why::Ratio))
    );
    assert_eq!(
        of(&ignored, LOW, "01", "ot=th:0"),
        (false, Told::Unknown, Verdict::Dropped(WhyNot::Ratio))
    );
}

#[test]
fn a_debug_flag_of_somebody_trusted_keeps_everything() {
    let nothing = Table::new(Settings {
        otherwise: Keep::Nothing,
        parents: Parents::Ignored,
        ..Settings::default()
    })
    .unwrap();
    let of = |trust| {
        let decision = nothing.begin(&begin(&[("b3", "d")], trust), &EXCHANGE);
        nothing.end(&mut meters(), &decision, &EXCHANGE, &GOOD, 0)
    };
    assert_eq!(of(Trust::Callers), kept(1.0, Why::Asked));
    assert_eq!(of(Trust::Nobody), Verdict::Dropped(WhyNot::Rule));
}

#[test]
fn the_first_rule_that_is_for_a_subject_counts() {
    let rules = vec![
        Rule {
            plugin: Some(7),
            levels: Levels::only(Level::Debug),
            ..rule(Keep::All)
        },
        Rule {
            route: Some(1),
            tenant: Some(9),
            ..rule(ratio(0.5))
        },
        Rule {
            route: Some(1),
            ..rule(Keep::Nothing)
        },
        Rule {
            levels: Levels::from(Level::Warn),
            ..rule(ratio(0.25))
        },
    ];
    let table = Table::new(Settings {
        rules,
        ..Settings::default()
    })
    .unwrap();
    let trace = trace(&[("b3", "00000000000000000000ffffffffffff-00f067aa0ba902b7")]);
    let mut high = trace.clone();
    high.context.trace = crate::TraceId::new(u128::MAX).unwrap();
    let of = |level, route, tenant, plugin| {
        let subject = Subject {
            level,
            route,
            tenant,
            plugin,
        };
        let decision = table.begin(
            &high,
            &Subject {
                level: Level::Info,
                route: None,
                tenant: None,
                plugin: None,
            },
        );
        table.line(&mut meters(), &decision, &subject, 0)
    };
    assert_eq!(of(Level::Debug, Some(1), None, Some(7)), kept(1.0, Why::Rule));
    assert_eq!(of(Level::Info, Some(1), None, Some(7)), Verdict::Dropped(WhyNot::Rule));
    assert_eq!(of(Level::Info, Some(1), Some(9), Some(7)), kept(2.0, Why::Ratio));
    assert_eq!(of(Level::Info, Some(2), Some(9), Some(7)), kept(1.0, Why::Ratio));
    assert_eq!(of(Level::Warn, Some(2), None, None), kept(4.0, Why::Ratio));
    // Errors are kept whatever a ratio says.
    assert_eq!(of(Level::Error, Some(1), None, None), kept(1.0, Why::Level));
    assert_eq!(of(Level::Critical, Some(2), None, None), kept(1.0, Why::Level));
}

#[test]
fn rules_are_64_at_most() {
    let of = |count| {
        Table::new(Settings {
            rules: vec![rule(Keep::All); count],
            ..Settings::default()
        })
    };
    assert!(of(64).is_ok());
    assert!(of(65).is_err());
}

/// What becomes of an exchange that ended so, where 429, 5xx, one fault and slowness are kept.
fn ended(otherwise: Keep, outcome: Outcome<'_>, route: u32) -> Verdict {
    let tail = Tail {
        statuses: Statuses::NONE.with(429).with_class(5),
        faults: Faults::Codes(vec!["plugin.slice_exceeded".to_owned()]),
        slow: Slow {
            from_ns: Some(1_000_000),
            routes: vec![(2, 5_000_000)],
        },
        rate: None,
    };
    let settings = Settings {
        otherwise,
        tail,
        ..Settings::default()
    };
    let table = Table::new(settings).unwrap();
    let subject = Subject {
        route: Some(route),
        ..EXCHANGE
    };
    let mut high = trace(&[]);
    high.context.trace = crate::TraceId::new(u128::MAX).unwrap();
    let decision = table.begin(&high, &subject);
    table.end(&mut meters(), &decision, &subject, &outcome, 0)
}

const fn status(status: u16) -> Outcome<'static> {
    Outcome {
        status: Some(status),
        ..GOOD
    }
}

const fn fault(code: &str) -> Outcome<'_> {
    Outcome {
        fault: Some(code),
        ..GOOD
    }
}

const fn took(duration_ns: u64) -> Outcome<'static> {
    Outcome { duration_ns, ..GOOD }
}

#[test]
fn what_ended_badly_is_kept_and_stands_for_itself() {
    // Whether it was kept before or not: all of them are, so each stands for one.
    for otherwise in [Keep::Nothing, ratio(0.25)] {
        for code in [429, 500, 599] {
            assert_eq!(ended(otherwise, status(code), 1), kept(1.0, Why::Status), "{code}");
        }
        assert_eq!(
            ended(otherwise, fault("plugin.slice_exceeded"), 1),
            kept(1.0, Why::Fault)
        );
        assert_eq!(ended(otherwise, took(1_000_000), 1), kept(1.0, Why::Slow));
        assert_eq!(ended(otherwise, took(5_000_000), 2), kept(1.0, Why::Slow));
    }
}

#[test]
fn what_ended_well_is_kept_only_by_its_ratio() {
    let silent = Outcome { status: None, ..GOOD };
    let well = [
        GOOD,
        status(428),
        status(499),
        status(600),
        status(u16::MAX),
        silent,
        fault("plugin.trap"),
        took(999_999),
    ];
    for outcome in well {
        assert_eq!(
            ended(Keep::Nothing, outcome, 1),
            Verdict::Dropped(WhyNot::Rule),
            "{outcome:?}"
        );
        assert_eq!(ended(ratio(0.25), outcome, 1), kept(4.0, Why::Ratio), "{outcome:?}");
    }
    assert_eq!(ended(ratio(0.25), took(4_999_999), 2), kept(4.0, Why::Ratio));
}

#[test]
fn a_window_shows_what_is_dropped_and_lets_it_stand_for_nothing() {
    let table = table(0.5, Parents::Obeyed);
    let low = trace(&[("traceparent", &format!("{LOW}-00"))]);
    let decision = table.begin(&low, &EXCHANGE).shown();
    assert!(decision.is_sampled());
    assert_eq!(decision.told(), Told::Unknown);
    assert_eq!(
        table.end(&mut meters(), &decision, &EXCHANGE, &GOOD, 0),
        kept(0.0, Why::Window)
    );
    assert_eq!(
        table.line(&mut meters(), &decision, &line(Level::Debug), 0),
        kept(0.0, Why::Window)
    );
    let high = trace(&[("traceparent", &format!("{HIGH}-01")), ("tracestate", "ot=th:c")]);
    let decision = table.begin(&high, &EXCHANGE).shown();
    assert_eq!(
        table.end(&mut meters(), &decision, &EXCHANGE, &GOOD, 0),
        kept(4.0, Why::Parent)
    );
}

proptest! {
    #[test]
    fn a_line_is_kept_only_with_its_exchange_and_by_the_rarer_of_both(low in 0_u64.., exchange in 0.01_f64..=1.0, own in 0.01_f64..=1.0) {
        let rules = vec![Rule { levels: Levels::only(Level::Debug), ..rule(ratio(own)) }];
        let table = Table::new(Settings { rules, otherwise: ratio(exchange), ..Settings::default() }).unwrap();
        let mut trace = trace(&[]);
        trace.context.trace = crate::TraceId::new(u128::from(low) | 1 << 64).unwrap();
        let decision = table.begin(&trace, &EXCHANGE);
        let end = table.end(&mut meters(), &decision, &EXCHANGE, &GOOD, 0);
        let said = table.line(&mut meters(), &decision, &line(Level::Debug), 0);
        if let Verdict::Kept(Kept { factor: Some(factor), .. }) = said {
            prop_assert!(matches!(end, Verdict::Kept(_)));
            let rarer = Threshold::of_ratio(exchange).unwrap().max(Threshold::of_ratio(own).unwrap());
            prop_assert_eq!(factor, rarer.factor());
        }
        // Both are decided by the same bits, however often they are asked.
        prop_assert_eq!(table.begin(&trace, &EXCHANGE), decision);
        prop_assert_eq!(decision.is_sampled(), matches!(end, Verdict::Kept(_)));
    }
}
