//! The state machine of one rollout: what has happened goes in, what is to be written down and done comes out.

use std::collections::VecDeque;

use crate::analysis::{Analysis, whole};
use crate::policy::Pause;
use crate::record::{Act, Effect, Reading, Record, Standing, StepState, Why, key};
use crate::sample::Sample;
use crate::share::Share;
use crate::verdict::Verdict;

/// LIMIT: time that one look may add, in milliseconds: a clock that jumps ahead must not end a pause.
const STEP_MS_MAX: u64 = 10_000;
/// LIMIT: attempts at an effect, a second apart at least. A way back then goes on without it, and the record says so.
const ATTEMPTS_MAX: u32 = 20;
const ATTEMPT_EVERY_MS: u64 = 1_000;
/// Time in service that a killed process may forget, in milliseconds.
const WRITE_EVERY_MS: u64 = 60_000;

/// An order of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Stop the time of a step.
    Pause,
    /// Let it go on; a step that waits for a person, or is inconclusive, is over.
    Resume,
    /// Let the candidate take over now.
    Promote,
    /// Go back to the control now.
    Abort,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is so late, on a clock that may jump.
    Time {
        /// Milliseconds since whenever.
        now_ms: u64,
    },
    /// Both arms did so much since the last sample.
    Sample(Box<Sample>),
    /// An operator ordered something.
    Operator(Command),
    /// An effect is done.
    Done {
        /// Its key.
        key: String,
    },
    /// An effect was not done.
    Failed {
        /// Its key.
        key: String,
        /// Why.
        why: String,
    },
    /// An effect was not done and will not be: what was so before it is so still, but the candidate is gone.
    Refused {
        /// Its key.
        key: String,
        /// Why.
        why: String,
    },
    /// The candidate is not there any more, for something else was changed with which it did not start.
    Lost {
        /// Why.
        why: String,
    },
    /// The plugin is configured otherwise now, so that this candidate is no longer wanted.
    Overtaken,
    /// Another gateway went back.
    Elsewhere {
        /// Which, when and why.
        text: String,
    },
}

/// What an operator is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is so.
    Done,
    /// It was so before.
    Already,
    /// It cannot be so, and why.
    Refused(&'static str),
}

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Turn {
    /// The record has changed: it is written down before the effects are done.
    pub write: bool,
    /// Done one after the other, in the order in which they come out of all turns; each is answered.
    pub effects: Vec<Effect>,
    /// To whom gave an order.
    pub answer: Option<Answer>,
}

/// One rollout.
#[derive(Debug, Clone)]
pub struct Rollout {
    record: Record,
    analysis: Analysis,
    /// What is still to be done, in its order. The first has been given out.
    pending: VecDeque<Effect>,
    attempts: u32,
    /// When the first is given out again.
    again_ms: Option<u64>,
    now_ms: Option<u64>,
    /// Time in service of this step.
    step_ms: u64,
    /// Whether this process has the control until it lets it go: not one that has started with the candidate alone.
    has_control: bool,
}

impl Rollout {
    /// Begins what a record says, or goes on with it: whatever was not acknowledged is done again.
    #[must_use]
    pub fn begin(record: Record) -> (Self, Turn) {
        let analysis = Analysis::new(&record.policy);
        let mut rollout = Self {
            has_control: record.standing != Standing::Promoting { retiring: true },
            record,
            analysis,
            pending: VecDeque::new(),
            attempts: 0,
            again_ms: None,
            now_ms: None,
            step_ms: 0,
        };
        let mut turn = Turn {
            write: true,
            ..Turn::default()
        };
        let effects = rollout.effects_after_start();
        rollout.replace(effects, &mut turn);
        (rollout, turn)
    }

    /// What is written down.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The comparison so far.
    #[must_use]
    pub fn analysis(&self) -> &Analysis {
        &self.analysis
    }

    /// Time in service of this step, in milliseconds.
    #[must_use]
    pub fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// Takes in what has happened.
    pub fn on(&mut self, event: Event) -> Turn {
        let mut turn = Turn::default();
        if self.record.is_over() {
            if let Event::Operator(_) = event {
                turn.answer = Some(Answer::Refused("the rollout is over"));
            }
            return turn;
        }
        match event {
            Event::Time { now_ms } => self.time(now_ms, &mut turn),
            Event::Sample(sample) => self.sample(&sample, &mut turn),
            Event::Operator(command) => turn.answer = Some(self.order(command, &mut turn)),
            Event::Done { key } => self.done(&key, &mut turn),
            Event::Failed { key, why } => self.failed(&key, &why, &mut turn),
            Event::Refused { key, why } => self.refused(&key, &why, &mut turn),
            Event::Lost { why } if self.may_go_back() => self.go_back(Why::Effect { text: why }, &mut turn),
            // The control is being let go: that makes the candidate again, or is refused.
            Event::Lost { .. } => {}
            Event::Overtaken if self.may_go_back() => self.go_back(Why::Overtaken, &mut turn),
            Event::Elsewhere { text } if self.may_go_back() => self.go_back(Why::Elsewhere { text }, &mut turn),
            Event::Overtaken | Event::Elsewhere { .. } => {}
        }
        turn
    }

    /// What is to be done when the process has just started: nothing in its memory is left of what was done before.
    fn effects_after_start(&mut self) -> Vec<Effect> {
        match self.record.standing.clone() {
            Standing::Staged => vec![self.effect("begin", Act::Stage)],
            Standing::Step { number, reading } => {
                if reading == Reading::Paused || reading == Reading::Inconclusive {
                    self.stand(number, Reading::Applying);
                }
                let stage = self.effect("begin", Act::Stage);
                [vec![stage], self.step_effects(number)].concat()
            }
            // The process has started with the candidate alone.
            Standing::Promoting { retiring: true } => {
                let acts = [Act::SetShare(Share::ALL), Act::RetireControl];
                acts.map(|act| self.effect("promote", act)).into()
            }
            Standing::Promoting { retiring: false } => {
                let stage = self.effect("begin", Act::Stage);
                [vec![stage], self.promotion()].concat()
            }
            Standing::RollingBack { .. } => self.way_back(),
            Standing::Promoted | Standing::RolledBack { .. } => Vec::new(),
        }
    }

    fn step_effects(&self, number: usize) -> Vec<Effect> {
        let place = format!("step-{number}");
        let share = self.record.steps.get(number).map_or(Share::NONE, |step| step.share);
        let set = self.effect(&place, Act::SetShare(share));
        let shadow = self.record.policy.shadow.then(|| self.effect(&place, Act::StartShadow));
        [set].into_iter().chain(shadow).collect()
    }

    fn promotion(&self) -> Vec<Effect> {
        let shadow = self.record.policy.shadow.then_some(Act::StopShadow);
        let acts = [Act::SetShare(Share::ALL)].into_iter().chain(shadow);
        let acts = acts.chain([Act::Adopt, Act::RetireControl]);
        acts.map(|act| self.effect("promote", act)).collect()
    }

    fn way_back(&self) -> Vec<Effect> {
        let shadow = self.record.policy.shadow.then_some(Act::StopShadow);
        let acts = [Act::SetShare(Share::NONE)].into_iter().chain(shadow);
        let acts = acts.chain([Act::RestoreControl, Act::RetireCandidate]);
        acts.map(|act| self.effect("back", act)).collect()
    }

    fn effect(&self, place: &str, act: Act) -> Effect {
        Effect {
            key: key(&self.record.id, place, act),
            act,
        }
    }

    /// From now on these are to be done, and none of those before.
    fn replace(&mut self, effects: Vec<Effect>, turn: &mut Turn) {
        self.pending = effects.into();
        self.give_out(turn);
    }

    fn give_out(&mut self, turn: &mut Turn) {
        self.attempts = 1;
        self.again_ms = None;
        let next = self.pending.front();
        if let (Standing::Promoting { retiring }, Some(Act::RetireControl)) =
            (&mut self.record.standing, next.map(|effect| effect.act))
        {
            *retiring = true;
            turn.write = true;
        }
        turn.effects.extend(next.cloned());
    }

    fn time(&mut self, now_ms: u64, turn: &mut Turn) {
        let before = self.now_ms.replace(now_ms).unwrap_or(now_ms);
        let passed = now_ms.saturating_sub(before).min(STEP_MS_MAX);
        let minutes = |record: &Record| record.served_ms / WRITE_EVERY_MS;
        let written = minutes(&self.record);
        self.record.served_ms = self.record.served_ms.saturating_add(passed);
        turn.write = minutes(&self.record) > written;
        if self.record.served_ms >= self.record.policy.ends_within_ms && self.may_go_back() {
            self.go_back(Why::TooLong, turn);
            return;
        }
        self.attempt(now_ms, turn);
        let Standing::Step { number, reading } = self.record.standing else {
            return;
        };
        match (reading, self.pause(number)) {
            (Reading::Paused, Some(Pause::ForMs(length))) => {
                self.step_ms = self.step_ms.saturating_add(passed);
                if self.step_ms >= length {
                    self.judge(number, turn);
                }
            }
            (Reading::Inconclusive, _) => self.judge(number, turn),
            _ => {}
        }
    }

    /// Gives an effect out again that was not done.
    fn attempt(&mut self, now_ms: u64, turn: &mut Turn) {
        let Some(again_ms) = self.again_ms else { return };
        // A clock that went back must not make it wait for long.
        let is_due = now_ms >= again_ms || again_ms.saturating_sub(now_ms) > ATTEMPT_EVERY_MS;
        if is_due {
            self.again_ms = None;
            self.attempts = self.attempts.saturating_add(1);
            turn.effects.extend(self.pending.front().cloned());
        }
    }

    fn sample(&mut self, sample: &Sample, turn: &mut Turn) {
        if !matches!(self.record.standing, Standing::Step { .. }) {
            return;
        }
        self.analysis.add(sample);
        if let Some(finding) = self.analysis.urgent() {
            let text = finding.text();
            self.record.findings = vec![finding];
            self.go_back(Why::Measure { text }, turn);
        }
    }

    /// A step's time is over.
    fn judge(&mut self, number: usize, turn: &mut Turn) {
        let findings = self.analysis.look();
        match whole(&findings) {
            Verdict::Pass => {
                self.record.findings = findings;
                self.next(number, turn);
            }
            Verdict::Fail => {
                let failed = findings.iter().find(|finding| finding.verdict == Verdict::Fail);
                let text = failed.map(crate::Finding::text).unwrap_or_default();
                self.record.findings = findings;
                self.go_back(Why::Measure { text }, turn);
            }
            Verdict::Inconclusive => {
                let is_new = self.record.standing
                    != Standing::Step {
                        number,
                        reading: Reading::Inconclusive,
                    };
                if is_new {
                    self.record.findings = findings;
                    self.stand(number, Reading::Inconclusive);
                    turn.write = true;
                }
            }
        }
    }

    fn order(&mut self, command: Command, turn: &mut Turn) -> Answer {
        match (command, self.record.standing.clone()) {
            (Command::Abort, Standing::RollingBack { .. }) => Answer::Already,
            (Command::Abort, _) if !self.may_go_back() => {
                Answer::Refused("the control has been let go; start a rollout back to it")
            }
            (Command::Abort, _) => {
                self.go_back(Why::Operator, turn);
                Answer::Done
            }
            (_, Standing::RollingBack { .. }) => Answer::Refused("it is rolling back"),
            (Command::Promote, Standing::Promoting { .. }) => Answer::Already,
            (_, Standing::Promoting { .. }) => Answer::Refused("it is being promoted"),
            (_, Standing::Staged) => Answer::Refused("the candidate is not ready yet"),
            (Command::Promote, _) => {
                self.promote(turn);
                Answer::Done
            }
            (Command::Pause, Standing::Step { number, reading }) => match reading {
                Reading::Held => Answer::Already,
                Reading::Applying => Answer::Refused("the step begins; pause it when it runs"),
                Reading::Paused | Reading::Inconclusive => {
                    self.stand(number, Reading::Held);
                    turn.write = true;
                    Answer::Done
                }
            },
            (Command::Resume, Standing::Step { number, reading }) => self.resume(number, reading, turn),
            _ => Answer::Refused("the rollout is over"),
        }
    }

    fn resume(&mut self, number: usize, reading: Reading, turn: &mut Turn) -> Answer {
        match (reading, self.pause(number)) {
            (Reading::Applying | Reading::Paused, _) => Answer::Already,
            (Reading::Held, Some(Pause::ForMs(length))) if self.step_ms < length => {
                self.stand(number, Reading::Paused);
                turn.write = true;
                Answer::Done
            }
            // A person takes it upon themselves; what has failed has gone back already.
            (Reading::Held | Reading::Inconclusive, _) => {
                self.record.findings = self.analysis.glance();
                self.next(number, turn);
                Answer::Done
            }
        }
    }

    fn done(&mut self, key: &str, turn: &mut Turn) {
        if self.pending.front().is_none_or(|effect| effect.key != key) {
            return;
        }
        let Some(effect) = self.pending.pop_front() else { return };
        turn.write = true;
        self.acknowledged(effect.act);
        if self.pending.is_empty() {
            self.all_done(turn);
        } else {
            self.give_out(turn);
        }
    }

    fn acknowledged(&mut self, act: Act) {
        if !matches!(
            (&self.record.standing, act),
            (Standing::RollingBack { .. }, Act::SetShare(_))
        ) {
            return;
        }
        let begun = |step: &&mut crate::StepRecord| {
            matches!(step.state, StepState::Begun | StepState::Applied | StepState::Passed)
        };
        for step in self.record.steps.iter_mut().filter(begun) {
            step.state = StepState::Compensated;
        }
    }

    /// Everything that belongs to where it stands has been done.
    fn all_done(&mut self, turn: &mut Turn) {
        match self.record.standing.clone() {
            Standing::Staged => self.enter(0, turn),
            Standing::Step { number, reading } => {
                self.mark(number, StepState::Applied);
                self.step_ms = 0;
                let share = self.record.steps.get(number).map(|step| step.share);
                match self.record.policy.shadow && share == Some(Share::NONE) {
                    true => self.analysis.begin_shadow_step(),
                    false => self.analysis.begin_step(),
                }
                let is_manual = self.pause(number) == Some(Pause::Manual);
                let reading = match reading {
                    Reading::Applying if is_manual => Reading::Held,
                    Reading::Applying => Reading::Paused,
                    reading => reading,
                };
                self.stand(number, reading);
            }
            Standing::Promoting { .. } => {
                self.record.standing = Standing::Promoted;
            }
            Standing::RollingBack { why } => {
                self.record.standing = Standing::RolledBack { why };
            }
            Standing::Promoted | Standing::RolledBack { .. } => {}
        }
    }

    fn failed(&mut self, key: &str, why: &str, turn: &mut Turn) {
        let Some(effect) = self.pending.front().filter(|effect| effect.key == key).cloned() else {
            return;
        };
        if self.attempts < ATTEMPTS_MAX && effect.act != Act::Stage {
            self.again_ms = Some(self.now_ms.unwrap_or_default().saturating_add(ATTEMPT_EVERY_MS));
            return;
        }
        if self.may_go_back() || (effect.act == Act::RetireControl && self.has_control) {
            let text = format!("`{}` was not done: {why}", effect.act.word());
            self.go_back(Why::Effect { text }, turn);
            return;
        }
        self.record.given_up.push((effect.key.clone(), why.to_owned()));
        self.done(&effect.key, turn);
    }

    /// Trying again would be of no use; and there is a way back, also from where the control was about to be let go.
    fn refused(&mut self, key: &str, why: &str, turn: &mut Turn) {
        let Some(effect) = self.pending.front().filter(|effect| effect.key == key) else {
            return;
        };
        if matches!(self.record.standing, Standing::RollingBack { .. }) {
            self.failed(key, why, turn);
            return;
        }
        let text = format!("`{}` was not done: {why}", effect.act.word());
        self.go_back(Why::Effect { text }, turn);
    }

    fn next(&mut self, number: usize, turn: &mut Turn) {
        self.mark(number, StepState::Passed);
        let next = number.saturating_add(1);
        if next < self.record.steps.len() {
            self.enter(next, turn);
        } else {
            self.promote(turn);
        }
    }

    fn enter(&mut self, number: usize, turn: &mut Turn) {
        if number >= self.record.steps.len() {
            self.promote(turn);
            return;
        }
        self.stand(number, Reading::Applying);
        self.mark(number, StepState::Begun);
        turn.write = true;
        let effects = self.step_effects(number);
        self.replace(effects, turn);
    }

    fn promote(&mut self, turn: &mut Turn) {
        for step in &mut self.record.steps {
            match step.state {
                StepState::Waiting => step.state = StepState::Skipped,
                StepState::Begun | StepState::Applied => step.state = StepState::Passed,
                _ => {}
            }
        }
        self.record.standing = Standing::Promoting { retiring: false };
        turn.write = true;
        let unstaged = self.pending.front().filter(|effect| effect.act == Act::Stage).cloned();
        let effects = unstaged.into_iter().chain(self.promotion()).collect();
        self.replace(effects, turn);
    }

    /// Whether the control can still be had: it is kept until the candidate is the last good generation, and serves alone.
    fn may_go_back(&self) -> bool {
        match self.record.standing {
            Standing::Staged | Standing::Step { .. } => true,
            Standing::Promoting { retiring } => !retiring,
            _ => false,
        }
    }

    fn go_back(&mut self, why: Why, turn: &mut Turn) {
        self.record.standing = Standing::RollingBack { why };
        turn.write = true;
        let effects = self.way_back();
        turn.effects.clear();
        self.replace(effects, turn);
    }

    fn stand(&mut self, number: usize, reading: Reading) {
        self.record.standing = Standing::Step { number, reading };
    }

    fn mark(&mut self, number: usize, state: StepState) {
        if let Some(step) = self.record.steps.get_mut(number) {
            step.state = state;
        }
    }

    fn pause(&self, number: usize) -> Option<Pause> {
        self.record.policy.steps.get(number).map(|step| step.pause)
    }
}
