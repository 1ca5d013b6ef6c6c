//! Steps as lines of JSON, and the page that tells of them.

use std::net::Ipv4Addr;
use std::sync::Arc;

use log_book::{Pen, Wanted};
use log_mask::rules::{Action, Draft};
use log_record::packed::{Heading, write_line};
use plug_rollout::{Act, Pause, Policy, Record, Share, Step as PolicyStep, StepState};

use super::*;

const PAGE: &str = include_str!("../../../../docs/logs.md");

fn line(step: &Step, told: &Told<'_>) -> String {
    let mut pen = Pen::dry();
    line_of(pen.pack(|sheet| told.fill(step, sheet)), told)
}

fn line_of(packed: &[u8], told: &Told<'_>) -> String {
    let heading = Heading {
        time_ns: 0,
        level: told.state.level(),
        class: Class::Control,
        is_recovered: false,
    };
    let mut out = Vec::new();
    write_line(&heading, packed, &mut out);
    String::from_utf8(out).unwrap()
}

/// A line without what all lines begin with.
fn fields(step: &Step, told: &Told<'_>) -> String {
    let mut pen = Pen::dry();
    fields_of(pen.pack(|sheet| told.fill(step, sheet)), told)
}

fn fields_of(packed: &[u8], told: &Told<'_>) -> String {
    let line = line_of(packed, told);
    let (_, fields) = line.split_once(r#""event_name":"control","#).unwrap();
    fields.to_owned()
}

#[test]
fn a_configuration_that_is_applied_says_from_where_it_is_and_what_was_before() {
    let told = Told {
        origin: "etcd://127.0.0.1:2379/gateway.yaml@7",
        digest: "aa",
        digest_before: "bb",
        generation: Some(3),
        took: Some(Duration::from_micros(12_345)),
        ..Told::of(State::Done)
    };
    assert_eq!(
        line(&steps::CONFIGURATION_APPLIED, &told),
        concat!(
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"info","event_name":"control","#,
            r#""cofferdam.step":"configuration.applied","cofferdam.state":"done","#,
            r#""cofferdam.origin":"etcd://127.0.0.1:2379/gateway.yaml@7","cofferdam.digest":"aa","cofferdam.digest_before":"bb","#,
            r#""cofferdam.generation":3,"cofferdam.duration_ms":12.345}"#
        )
    );
}

#[test]
fn what_others_wrote_is_masked_and_what_is_ours_is_not() {
    let rules = Draft::default().class(log_mask::class::Class::Word, Action::Redact("[REDACTED]".to_owned()));
    let rules = rules.words(&["hunter2".to_owned()], false).unwrap();
    let mut pen = Pen::dry();
    pen.follow(Arc::new(rules.finish().unwrap()), Wanted::default());
    let told = Told {
        origin: "hunter2.yaml",
        asked_for: "hunter2",
        message: "error: `upstreams` has hunter2",
        ..Told::of(State::Failed)
    };
    let packed = pen.pack(|sheet| told.fill(&steps::CONFIGURATION_REFUSED, sheet));
    assert_eq!(
        fields_of(packed, &told),
        concat!(
            r#""cofferdam.step":"configuration.refused","cofferdam.state":"failed","cofferdam.plugin":"[REDACTED]","#,
            r#""cofferdam.origin":"hunter2.yaml","message":"error: `upstreams` has [REDACTED]"}"#
        )
    );
}

#[test]
fn an_order_says_from_where_it_came_and_why_it_was_not_done() {
    let told = Told {
        asked_for: "nobody",
        by: "order=lift",
        from: Some(Ipv4Addr::LOCALHOST.into()),
        message: "no plugin has that name",
        ..Told::of(State::Failed)
    };
    assert_eq!(
        fields(&steps::OPERATOR_ORDERED, &told),
        concat!(
            r#""cofferdam.step":"operator.ordered","cofferdam.state":"failed","cofferdam.plugin":"nobody","#,
            r#""cofferdam.by":"order=lift","client.address":"127.0.0.1","message":"no plugin has that name"}"#
        )
    );
}

fn rollout() -> Record {
    let step = |parts| PolicyStep {
        share: Share::new(parts).unwrap(),
        pause: Pause::Manual,
    };
    let policy = Policy {
        steps: vec![step(50_000), step(500_000)],
        ..Policy::at_once()
    };
    Record::new(
        "auth-1".to_owned(),
        "auth".to_owned(),
        ("old".to_owned(), "new".to_owned()),
        policy,
    )
}

#[test]
fn a_step_of_a_rollout_says_under_which_key_it_is_done_and_undone() {
    let mut record = rollout();
    record.steps[0].state = StepState::Compensated;
    let told = rollout::step_told(&record, &record.steps[0], ("5%", "step 1")).unwrap();
    let (key, compensation) = (&record.steps[0].key, &record.steps[0].compensation);
    assert_ne!(key, compensation);
    assert_eq!(
        fields(&steps::ROLLOUT_STEP, &told),
        format!(
            concat!(
                r#""cofferdam.step":"rollout.step","cofferdam.state":"undone","cofferdam.plugin":"auth","#,
                r#""cofferdam.rollout":"auth-1","cofferdam.rollout.share":"5%","cofferdam.idempotency_key":"{}","#,
                r#""cofferdam.compensation_key":"{}","message":"step 1"}}"#
            ),
            key, compensation
        )
    );
}

#[test]
fn a_step_is_told_once_for_each_state_that_has_an_effect() {
    let mut record = rollout();
    let told = |record: &Record| rollout::step_told(record, &record.steps[0], ("", "")).map(|told| told.state);
    let states = [
        (StepState::Waiting, None),
        (StepState::Begun, Some(State::Begun)),
        (StepState::Applied, Some(State::Done)),
        (StepState::Passed, None),
        (StepState::Skipped, None),
        (StepState::Compensated, Some(State::Undone)),
    ];
    for (state, wanted) in states {
        record.steps[0].state = state;
        assert_eq!(told(&record), wanted, "{state:?}");
    }
    let mut before = vec![StepState::Waiting];
    saga(&record, &mut before);
    assert_eq!(before, [StepState::Compensated, StepState::Waiting]);
}

#[test]
fn each_effect_has_the_word_that_its_key_has() {
    let acts = [
        Act::Stage,
        Act::SetShare(Share::NONE),
        Act::StartShadow,
        Act::StopShadow,
        Act::Adopt,
        Act::RestoreControl,
        Act::RetireControl,
        Act::RetireCandidate,
    ];
    for act in acts {
        assert_eq!(rollout::step_of(act).word, format!("rollout.effect.{}", act.word()));
    }
}

#[test]
fn the_page_on_logs_has_every_step_and_says_which_auditors_see() {
    for step in steps::ALL {
        let classes: Vec<String> = step
            .classes()
            .iter()
            .map(|class| format!("`{}`", class.word()))
            .collect();
        let row = format!("| `{}` | {} | {} |", step.word, classes.join(", "), step.meaning);
        assert!(PAGE.contains(&row), "docs/logs.md has no row\n{row}");
    }
}
