//! A candidate that runs aside: what its differences and faults lead to, and what they leave behind.

use super::judgement::policy;
use crate::{
    Act, Analysis, Counts, Event, Pause, Policy, Record, Rollout, Sample, Shadowed, Share, Step, Turn, Verdict,
};

fn shadowed() -> Policy {
    let step = |share, ms| Step {
        share,
        pause: Pause::ForMs(ms),
    };
    Policy {
        steps: vec![step(Share::NONE, 1_000), step(Share::new(50_000).unwrap(), 1_000)],
        shadow: true,
        differences_max: Some(0.01),
        ..policy()
    }
}

/// So many exchanges of the control, of which so many were run aside and so many differed.
fn aside(exchanges: u64, compared: u64, differed: u64) -> Sample {
    let counts = |exchanges| Counts {
        exchanges,
        ..Counts::default()
    };
    Sample {
        control: counts(exchanges),
        candidate: Counts::default(),
        shadow: Shadowed {
            compared,
            differed,
            counts: counts(compared),
        },
    }
}

fn verdict(analysis: &Analysis, measure: &str) -> Option<Verdict> {
    let findings = analysis.glance();
    let found = findings.iter().find(|finding| finding.measure == measure);
    found.map(|finding| finding.verdict)
}

#[test]
fn too_few_compared_exchanges_are_inconclusive_and_never_a_success() {
    let mut analysis = Analysis::new(&shadowed());
    analysis.begin_shadow_step();
    analysis.add(&aside(10_000, 99, 0));
    assert_eq!(verdict(&analysis, "differences"), Some(Verdict::Inconclusive));
    assert_eq!(verdict(&analysis, "exchanges"), Some(Verdict::Inconclusive));
    analysis.add(&aside(10, 1, 0));
    assert_eq!(verdict(&analysis, "differences"), Some(Verdict::Pass));
    assert_eq!(verdict(&analysis, "exchanges"), Some(Verdict::Pass));
}

#[test]
fn more_differences_than_allowed_give_the_candidate_up_and_fewer_do_not() {
    for (differed, is_given_up) in [(0, false), (10, false), (100, true)] {
        let mut analysis = Analysis::new(&shadowed());
        analysis.begin_shadow_step();
        analysis.add(&aside(10_000, 1_000, differed));
        assert_eq!(analysis.urgent().is_some(), is_given_up, "{differed}");
    }
}

#[test]
fn where_no_exchange_may_differ_the_first_one_gives_the_candidate_up() {
    let mut analysis = Analysis::new(&Policy {
        differences_max: Some(0.0),
        ..shadowed()
    });
    analysis.begin_shadow_step();
    analysis.add(&aside(10_000, 1_000, 0));
    assert_eq!(analysis.urgent(), None);
    analysis.add(&aside(10, 1, 1));
    let found = analysis.urgent().unwrap();
    assert!(
        found.text().starts_with("differences: 1 of 1001 exchanges"),
        "{}",
        found.text()
    );
}

#[test]
fn without_a_bound_differences_are_counted_and_nothing_follows() {
    let mut analysis = Analysis::new(&Policy {
        differences_max: None,
        ..shadowed()
    });
    analysis.begin_shadow_step();
    analysis.add(&aside(10_000, 1_000, 1_000));
    assert_eq!(analysis.urgent(), None);
    assert_eq!(verdict(&analysis, "differences"), None);
    assert_eq!(analysis.total().shadow.differed, 1_000);
}

#[test]
fn faults_aside_count_where_the_candidate_is_a_shadow_only() {
    let mut faulty = aside(1_000, 200, 0);
    faulty.shadow.counts.faults.insert("plugin.trapped".into(), 20);
    for (is_shadow_only, is_given_up) in [(true, true), (false, false)] {
        let mut analysis = Analysis::new(&shadowed());
        match is_shadow_only {
            true => analysis.begin_shadow_step(),
            false => analysis.begin_step(),
        }
        analysis.add(&faulty);
        assert_eq!(analysis.urgent().is_some(), is_given_up);
    }
}

#[test]
fn what_a_shadow_did_well_does_not_speak_for_it_in_service() {
    let in_service = |analysis: &mut Analysis| {
        analysis.begin_step();
        let mut sample = Sample::default();
        sample.control.exchanges = 1_900;
        sample.candidate.exchanges = 100;
        sample.candidate.classes[4] = 20;
        sample.candidate.faults.insert("plugin.trapped".into(), 4);
        analysis.add(&sample);
        analysis.urgent().is_some()
    };
    let mut analysis = Analysis::new(&shadowed());
    analysis.begin_shadow_step();
    let mut long = aside(1_000_000, 1_000_000, 0);
    long.control.classes[4] = 10_000;
    analysis.add(&long);
    assert!(
        in_service(&mut analysis),
        "a million good exchanges aside hide faults in service"
    );
    assert!(in_service(&mut Analysis::new(&shadowed())));
}

fn acts(turn: &Turn) -> Vec<Act> {
    turn.effects.iter().map(|effect| effect.act).collect()
}

/// Does all effects, and says which they were.
fn settle(rollout: &mut Rollout, turn: Turn) -> Vec<Act> {
    let mut done = acts(&turn);
    let mut keys: Vec<String> = turn.effects.into_iter().map(|effect| effect.key).collect();
    while let Some(key) = keys.pop() {
        let next = rollout.on(Event::Done { key });
        done.extend(acts(&next));
        keys.extend(next.effects.into_iter().map(|effect| effect.key));
    }
    done
}

#[test]
fn a_shadow_only_step_runs_the_candidate_aside_and_goes_on_to_shares() {
    let record = Record::new("r".into(), "p".into(), ("a".into(), "b".into()), shadowed());
    let (mut rollout, first) = Rollout::begin(record);
    let begun = settle(&mut rollout, first);
    assert_eq!(begun, [Act::Stage, Act::SetShare(Share::NONE), Act::StartShadow]);
    let _ = rollout.on(Event::Time { now_ms: 0 });
    let _ = rollout.on(Event::Sample(Box::new(aside(1_000, 500, 0))));
    let over = rollout.on(Event::Time { now_ms: 5_000 });
    let acts = settle(&mut rollout, over);
    assert_eq!(acts, [Act::SetShare(Share::new(50_000).unwrap()), Act::StartShadow]);
    let _ = rollout.on(Event::Sample(Box::new(aside(1_000, 500, 400))));
    assert!(
        rollout.record().why().unwrap().text().contains("400 of 1000"),
        "{:?}",
        rollout.record().why()
    );
}

#[test]
fn a_record_that_knows_no_differences_is_read() {
    let record = Record::new("r".into(), "p".into(), ("a".into(), "b".into()), policy());
    let text = record
        .to_json()
        .replace("\"differences_max\": null,", "")
        .replace("\"differences_max\":null,", "");
    assert!(!text.contains("differences_max"), "{text}");
    assert_eq!(Record::from_json(&text).unwrap(), record);
}
