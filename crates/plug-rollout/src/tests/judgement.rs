//! What the comparison finds, how soon, and how seldom it is wrong.

use std::time::Duration;

use super::dice::Dice;
use crate::policy::{Bound, CustomBound, Pause, Policy, QuantileBound, Step};
use crate::{Analysis, Arm, Counts, Sample, Selector, Share, Spread, Verdict};

pub(super) fn policy() -> Policy {
    let bound = |absolute, relative| Some(Bound { absolute, relative });
    let quantile = |thousandths| QuantileBound {
        thousandths,
        bound: Bound {
            absolute: 500.0,
            relative: 1.5,
        },
    };
    let step = |percent: u32| Step {
        share: Share::new(percent * 10_000).unwrap(),
        pause: Pause::ForMs(60_000),
    };
    Policy {
        steps: vec![step(5), step(25), step(50)],
        shadow: false,
        exchanges_min: 100,
        faults: bound(0.001, 1.5),
        faults_max: 0.05,
        server_errors: bound(0.01, 1.5),
        client_errors: bound(0.05, 2.0),
        latency: vec![quantile(500), quantile(990)],
        cpu: bound(50.0, 2.0),
        memory: bound(1_024.0, 2.0),
        log_errors: bound(0.01, 2.0),
        custom: vec![
            CustomBound {
                name: String::from("refused"),
                thousandths: None,
                bound: Bound {
                    absolute: 0.01,
                    relative: 2.0,
                },
            },
            CustomBound {
                name: String::from("looked_at"),
                thousandths: Some(990),
                bound: Bound {
                    absolute: 64.0,
                    relative: 2.0,
                },
            },
        ],
        differences_max: None,
        ends_within_ms: 3_600_000,
    }
}

/// How one arm behaves.
#[derive(Clone, Copy)]
struct Behaviour {
    faults: f64,
    errors: f64,
    latency_us: f64,
    cpu_us: f64,
}

/// As good plugins are: a few errors of the upstream, seldom a fault.
const GOOD: Behaviour = Behaviour {
    faults: 0.0002,
    errors: 0.02,
    latency_us: 300.0,
    cpu_us: 80.0,
};

fn exchange(counts: &mut Counts, behaviour: Behaviour, dice: &mut Dice) {
    counts.exchanges += 1;
    if dice.part() < behaviour.faults {
        *counts.faults.entry(String::from("plugin.trapped")).or_default() += 1;
    }
    let class = if dice.part() < behaviour.errors { 4 } else { 1 };
    counts.classes[class] += 1;
    // A long tail, as latencies have.
    let long = -(1.0 - dice.part()).ln() * behaviour.latency_us;
    counts.latency.record(Duration::from_nanos((long * 1_000.0) as u64));
    // The engine looks four times a millisecond: most exchanges cost nothing, some a whole tick.
    if dice.part() < behaviour.cpu_us / 250.0 {
        counts.cpu_us += 250;
    }
    if dice.part() < 0.005 {
        counts.log_errors += 1 + dice.below(3);
        *counts.custom.entry(String::from("refused")).or_default() += 1.0;
    }
}

/// A quarter of a second.
fn sample(selector: Selector, exchanges: u64, (control, candidate): (Behaviour, Behaviour), dice: &mut Dice) -> Sample {
    let mut sample = Sample::default();
    for _ in 0..exchanges {
        match selector.arm(&dice.next().to_be_bytes()) {
            Arm::Control => exchange(&mut sample.control, control, dice),
            Arm::Candidate => exchange(&mut sample.candidate, candidate, dice),
        }
    }
    sample
}

/// Runs all steps; the measure that failed, with the exchanges of the candidate until then.
fn run(seed: u64, behaviours: (Behaviour, Behaviour)) -> Option<(String, u64)> {
    let (mut dice, policy) = (Dice::new(seed), policy());
    let mut analysis = Analysis::new(&policy);
    for step in &policy.steps {
        let selector = Selector::new(&format!("r-{seed}"), step.share);
        analysis.begin_step();
        // Twice the step's length, as if it were inconclusive for as long again: more looks, more chances to be wrong.
        for quarter in 0..80 {
            let exchanges = 20 + dice.below(60);
            analysis.add(&sample(selector, exchanges, behaviours, &mut dice));
            let found = analysis.urgent().or_else(|| {
                let findings = if quarter >= 40 {
                    analysis.look()
                } else {
                    Default::default()
                };
                findings.into_iter().find(|finding| finding.verdict == Verdict::Fail)
            });
            if let Some(found) = found {
                return Some((found.text(), analysis.total().candidate.exchanges));
            }
        }
    }
    None
}

#[test]
fn fewer_than_one_in_a_hundred_good_candidates_is_given_up() {
    let wrong: Vec<_> = (0..500)
        .filter_map(|seed| run(seed, (GOOD, GOOD)).map(|why| (seed, why)))
        .collect();
    assert!(wrong.len() < 5, "{} of 500, seeds and reasons: {wrong:?}", wrong.len());
}

#[test]
fn an_upstream_that_breaks_under_both_arms_is_not_held_against_the_candidate() {
    let broken = Behaviour {
        errors: 0.6,
        faults: 0.01,
        latency_us: 3_000.0,
        ..GOOD
    };
    let wrong: Vec<_> = (0..200)
        .filter_map(|seed| run(seed, (broken, broken)).map(|why| (seed, why)))
        .collect();
    assert!(wrong.len() < 2, "{} of 200, seeds and reasons: {wrong:?}", wrong.len());
}

#[test]
fn a_guest_that_panics_on_one_in_fifty_is_found_after_some_hundred_exchanges() {
    let dies = Behaviour { faults: 0.02, ..GOOD };
    let mut needed: Vec<u64> = (0..300)
        .map(|seed| match run(seed, (GOOD, dies)) {
            Some((why, exchanges)) if why.starts_with("faults: ") => exchanges,
            other => panic!("seed {seed}: {other:?}"),
        })
        .collect();
    needed.sort_unstable();
    let (middle, last) = (needed[150], needed[297]);
    assert!(
        middle < 300 && last < 1_000,
        "median {middle}, slowest hundredth {last}"
    );
}

#[test]
fn whatever_is_worse_is_found_by_its_measure() {
    let worse = [
        ("status 5xx", Behaviour { errors: 0.2, ..GOOD }),
        (
            "latency p",
            Behaviour {
                latency_us: 1_500.0,
                ..GOOD
            },
        ),
        ("cpu", Behaviour { cpu_us: 240.0, ..GOOD }),
    ];
    for (measure, candidate) in worse {
        for seed in 0..50 {
            let found = run(seed, (GOOD, candidate));
            let by = found.as_ref().is_some_and(|(why, _)| why.starts_with(measure));
            assert!(by, "seed {seed}: {measure} was not found, but {found:?}");
        }
    }
}

/// Spans of time of equal arms, of which the candidate's metrics may be others.
fn metrics(candidate: (f64, u64), control: (f64, u64)) -> Vec<crate::Finding> {
    let mut analysis = Analysis::new(&policy());
    analysis.begin_step();
    let of = |(refused, looked_at): (f64, u64)| {
        let mut counts = Counts {
            exchanges: 20,
            ..Counts::default()
        };
        counts.custom.insert(String::from("refused"), refused);
        let mut spread = Spread::default();
        spread.add_up_to(looked_at, 20);
        counts.spreads.insert(String::from("looked_at"), spread);
        counts
    };
    for _ in 0..50 {
        analysis.add(&Sample {
            candidate: of(candidate),
            control: of(control),
            ..Sample::default()
        });
    }
    let all = analysis.look();
    all.into_iter()
        .filter(|finding| finding.measure.starts_with("metric "))
        .collect()
}

#[test]
fn metrics_of_the_plugin_are_compared_as_what_they_are() {
    let verdicts = |candidate, control| {
        let found = metrics(candidate, control);
        found
            .into_iter()
            .map(|finding| (finding.measure.clone(), finding.verdict, finding.reason))
            .collect::<Vec<_>>()
    };
    let good = verdicts((1.0, 511), (1.0, 511));
    let both = ["metric refused", "metric looked_at p99"];
    let is = |number: usize, verdict, found: &[(String, Verdict, String)]| {
        assert_eq!(
            (found[number].0.as_str(), found[number].1),
            (both[number], verdict),
            "{found:?}"
        );
    };
    for number in 0..2 {
        is(number, Verdict::Pass, &good);
    }
    let more = verdicts((4.0, 511), (1.0, 511));
    is(0, Verdict::Fail, &more);
    is(1, Verdict::Pass, &more);
    assert!(
        more[0]
            .2
            .starts_with("0.2 for each exchange of the candidate, 0.05 of the control"),
        "{more:?}"
    );
    let slower = verdicts((1.0, 4_095), (1.0, 511));
    is(0, Verdict::Pass, &slower);
    is(1, Verdict::Fail, &slower);
    assert!(
        slower[1].2.starts_with("4096 of the candidate, 512 of the control"),
        "{slower:?}"
    );
    // Within what is allowed whatever the control does.
    is(1, Verdict::Pass, &verdicts((1.0, 63), (1.0, 1)));
}

#[test]
fn a_candidate_that_dies_in_each_exchange_is_given_up_although_nothing_else_passes() {
    let mut analysis = Analysis::new(&policy());
    analysis.begin_step();
    let mut dead = Counts {
        exchanges: 5,
        ..Counts::default()
    };
    dead.faults.insert(String::from("plugin.trapped"), 5);
    analysis.add(&Sample {
        candidate: dead,
        ..Sample::default()
    });
    let why = analysis.urgent().unwrap().reason;
    assert_eq!(
        why,
        "5 in 5 exchanges of the candidate (100 %), 0 in 0 of the control (0 %); at most 5 % are allowed whatever the control does; \
         its faults: `plugin.trapped` 5"
    );
}

#[test]
fn one_fault_is_no_reason() {
    let mut analysis = Analysis::new(&policy());
    analysis.begin_step();
    let mut sample = Sample::default();
    sample.candidate.exchanges = 5;
    sample.control.exchanges = 95;
    sample.candidate.faults.insert(String::from("plugin.trapped"), 1);
    analysis.add(&sample);
    assert_eq!(analysis.urgent(), None);
}

#[test]
fn too_little_traffic_is_inconclusive_in_either_arm() {
    for (candidate, control) in [(99, 1_000), (1_000, 99), (0, 0)] {
        let mut analysis = Analysis::new(&policy());
        analysis.begin_step();
        let mut sample = Sample::default();
        sample.candidate.exchanges = candidate;
        sample.control.exchanges = control;
        analysis.add(&sample);
        let findings = analysis.look();
        assert_eq!(
            crate::analysis::whole(&findings),
            Verdict::Inconclusive,
            "{candidate} and {control}"
        );
    }
}

#[test]
fn durations_are_told_apart_by_a_quarter() {
    let mut before = 0.0;
    for bucket in 0..Spread::BUCKETS {
        let end = Spread::end_us(bucket);
        assert!(
            end > before && end <= before * 1.5 + 1.25,
            "bucket {bucket} ends at {end} behind {before}"
        );
        before = end;
    }
    for micros in [1_u64, 2, 3, 5, 7, 10, 99, 1_000, 12_345, 1_000_000, 66_000_000] {
        let bucket = Spread::bucket(Duration::from_micros(micros));
        assert!(micros as f64 <= Spread::end_us(bucket), "{micros}");
        assert!(bucket < 4 || micros as f64 >= Spread::end_us(bucket - 1), "{micros}");
    }
    assert_eq!(Spread::bucket(Duration::MAX), Spread::BUCKETS - 1);
}

#[test]
fn counts_since_are_what_was_added() {
    let (mut dice, mut before) = (Dice::new(1), Counts::default());
    for _ in 0..50 {
        exchange(&mut before, GOOD, &mut dice);
    }
    let mut more = Counts::default();
    for _ in 0..50 {
        exchange(&mut more, GOOD, &mut dice);
    }
    let mut now = before.clone();
    now.add(&more);
    let since = now.since(&before);
    assert_eq!(
        (since.exchanges, since.cpu_us, &since.latency),
        (50, more.cpu_us, &more.latency)
    );
    assert_eq!((since.classes, since.log_errors), (more.classes, more.log_errors));
}
