//! Rollouts, step by step: where one is, what is done for it under which key, and what undoes it.

use plug_rollout::{Act, Effect, Record, Standing, StepRecord, StepState};

use super::steps::{self, Step};
use super::{State, Told, write};

/// A rollout is elsewhere than it was.
pub(crate) fn standing(record: &Record, words: &str) {
    let (step, state) = match &record.standing {
        Standing::Staged => (&steps::ROLLOUT_STAGED, State::Begun),
        Standing::Step { .. } => (&steps::ROLLOUT_SERVES, State::Begun),
        Standing::Promoting { .. } => (&steps::ROLLOUT_PROMOTING, State::Begun),
        Standing::Promoted => (&steps::ROLLOUT_PROMOTED, State::Done),
        Standing::RollingBack { .. } => (&steps::ROLLOUT_GOING_BACK, State::Undone),
        Standing::RolledBack { .. } => (&steps::ROLLOUT_ROLLED_BACK, State::Undone),
    };
    let why = record.why().map(|why| format!(": {}", why.text())).unwrap_or_default();
    let (message, share) = (format!("{words}{why}"), record.share().to_string());
    let told = Told {
        share: &share,
        digest: &record.candidate,
        digest_before: &record.control,
        message: &message,
        ..of(record, state)
    };
    write(step, &told);
}

/// What became of steps since `before`, which is then as it is now.
pub(crate) fn saga(record: &Record, before: &mut Vec<StepState>) {
    let now: Vec<StepState> = record.steps.iter().map(|step| step.state).collect();
    for (place, step) in record.steps.iter().enumerate() {
        let was = before.get(place).copied().unwrap_or(StepState::Waiting);
        if step.state != was {
            write_step(record, (place, step));
        }
    }
    *before = now;
}

fn write_step(record: &Record, (place, step): (usize, &StepRecord)) {
    let (share, message) = (step.share.to_string(), format!("step {}", place.saturating_add(1)));
    if let Some(told) = step_told(record, step, (&share, &message)) {
        write(&steps::ROLLOUT_STEP, &told);
    }
}

/// What is told of a step; nothing of one that is to come, or that gave way to the next.
pub(super) fn step_told<'a>(
    record: &'a Record,
    step: &'a StepRecord,
    (share, message): (&'a str, &'a str),
) -> Option<Told<'a>> {
    let state = match step.state {
        StepState::Waiting | StepState::Passed | StepState::Skipped => return None,
        StepState::Begun => State::Begun,
        StepState::Applied => State::Done,
        StepState::Compensated => State::Undone,
    };
    Some(Told {
        share,
        key: &step.key,
        compensation: &step.compensation,
        message,
        ..of(record, state)
    })
}

/// Something was done for a rollout, or not.
pub(crate) fn effect(record: &Record, effect: &Effect, done: Result<(), &str>) {
    let share = match effect.act {
        Act::SetShare(share) => share.to_string(),
        _ => String::new(),
    };
    let told = Told {
        share: &share,
        key: &effect.key,
        message: done.err().unwrap_or_default(),
        ..of(record, State::of(done.is_ok()))
    };
    write(step_of(effect.act), &told);
}

pub(super) const fn step_of(act: Act) -> &'static Step {
    match act {
        Act::Stage => &steps::EFFECT_STAGE,
        Act::SetShare(_) => &steps::EFFECT_SHARE,
        Act::StartShadow => &steps::EFFECT_SHADOW,
        Act::StopShadow => &steps::EFFECT_NO_SHADOW,
        Act::Adopt => &steps::EFFECT_ADOPT,
        Act::RestoreControl => &steps::EFFECT_RESTORE,
        Act::RetireControl => &steps::EFFECT_RETIRE_CONTROL,
        Act::RetireCandidate => &steps::EFFECT_RETIRE_CANDIDATE,
    }
}

/// What this gateway wrote for all gateways of its store.
pub(crate) fn wave(plugin: &str, words: Result<&str, &str>) {
    let told = Told {
        plugin,
        message: words.unwrap_or_else(|why| why),
        ..Told::of(State::of(words.is_ok()))
    };
    write(&steps::WAVE, &told);
}

fn of(record: &Record, state: State) -> Told<'_> {
    Told {
        plugin: &record.plugin,
        rollout: &record.id,
        ..Told::of(state)
    }
}
