//! What orders, time and answers do to a rollout that nothing disturbs.

use super::judgement::policy;
use crate::{
    Act, Answer, Arm, Command, Counts, Event, Pause, Reading, Record, Rollout, Sample, Share, Standing, StepState,
    Turn, Why,
};

/// Does whatever comes out, and remembers it.
struct House {
    rollout: Rollout,
    done: Vec<Act>,
    now_ms: u64,
}

impl House {
    fn new(change: impl FnOnce(&mut crate::Policy)) -> Self {
        let mut policy = policy();
        policy.steps.truncate(2);
        change(&mut policy);
        let names = (String::from("old"), String::from("new"));
        Self::of(Record::new(String::from("r"), String::from("hello"), names, policy))
    }

    fn of(record: Record) -> Self {
        let (rollout, turn) = Rollout::begin(record);
        let mut house = Self {
            rollout,
            done: Vec::new(),
            now_ms: 0,
        };
        house.obey(turn);
        house
    }

    fn obey(&mut self, turn: Turn) {
        let mut effects = turn.effects;
        while let Some(effect) = effects.pop() {
            self.done.push(effect.act);
            effects = self.rollout.on(Event::Done { key: effect.key }).effects;
        }
    }

    fn on(&mut self, event: Event) -> Option<Answer> {
        let turn = self.rollout.on(event);
        let answer = turn.answer;
        self.obey(turn);
        answer
    }

    fn order(&mut self, command: Command) -> Option<Answer> {
        self.on(Event::Operator(command))
    }

    fn seconds(&mut self, seconds: u64) {
        for _ in 0..=seconds {
            let now_ms = self.now_ms;
            self.on(Event::Time { now_ms });
            self.now_ms += 1_000;
        }
    }

    fn traffic(&mut self, candidate: u64, faults: u64) {
        let mut sample = Sample {
            candidate: Counts {
                exchanges: candidate,
                ..Counts::default()
            },
            control: Counts {
                exchanges: 1_000,
                ..Counts::default()
            },
            ..Sample::default()
        };
        sample.candidate.faults.insert(String::from("plugin.trapped"), faults);
        self.on(Event::Sample(Box::new(sample)));
    }

    fn words(&self) -> String {
        self.rollout.record().words()
    }
}

#[test]
fn a_good_candidate_goes_through_all_steps_and_takes_over() {
    let mut house = House::new(|_| {});
    assert_eq!(house.words(), "step 1 of 2, running");
    house.traffic(200, 0);
    house.seconds(59);
    assert_eq!(house.words(), "step 1 of 2, running");
    house.seconds(2);
    assert_eq!(house.words(), "step 2 of 2, running");
    house.traffic(200, 0);
    house.seconds(61);
    assert_eq!(house.words(), "promoted");
    let share = |percent: u32| Act::SetShare(Share::new(percent * 10_000).unwrap());
    assert_eq!(
        house.done,
        [
            Act::Stage,
            share(5),
            share(25),
            Act::SetShare(Share::ALL),
            Act::Adopt,
            Act::RetireControl
        ]
    );
    let states: Vec<_> = house.rollout.record().steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Passed, StepState::Passed]);
}

#[test]
fn faults_end_a_step_at_once_and_the_record_says_why() {
    let mut house = House::new(|policy| policy.shadow = true);
    house.traffic(200, 0);
    house.seconds(1);
    house.traffic(50, 6);
    assert_eq!(house.words(), "rolled back");
    let record = house.rollout.record();
    assert_eq!(
        record.why().map(Why::text).as_deref(),
        Some(
            "faults: 6 in 250 exchanges of the candidate (2.4 %), 0 in 2000 of the control (0 %); allowed are 0.1 %, or 1.5 times the \
             control's; its faults: `plugin.trapped` 6"
        )
    );
    assert_eq!(record.steps[0].state, StepState::Compensated);
    let back = [
        Act::SetShare(Share::NONE),
        Act::StopShadow,
        Act::RestoreControl,
        Act::RetireCandidate,
    ];
    assert!(house.done.ends_with(&back), "{:?}", house.done);
}

#[test]
fn a_step_with_too_little_traffic_waits_until_there_is_enough() {
    let mut house = House::new(|_| {});
    house.traffic(99, 0);
    house.seconds(100);
    assert_eq!(house.words(), "step 1 of 2, inconclusive");
    house.traffic(1, 0);
    house.seconds(1);
    assert_eq!(house.words(), "step 2 of 2, running");
}

#[test]
fn a_rollout_that_is_never_over_goes_back() {
    let mut house = House::new(|policy| policy.ends_within_ms = 600_000);
    house.seconds(599);
    assert_eq!(house.words(), "step 1 of 2, inconclusive");
    house.seconds(2);
    assert_eq!(house.rollout.record().why(), Some(&Why::TooLong));
}

#[test]
fn a_manual_pause_waits_for_a_person() {
    let mut house = House::new(|policy| policy.steps[0].pause = Pause::Manual);
    house.traffic(1_000, 0);
    house.seconds(1_000);
    assert_eq!(house.words(), "step 1 of 2, paused by hand");
    assert_eq!(house.order(Command::Resume), Some(Answer::Done));
    assert_eq!(house.words(), "step 2 of 2, running");
    assert_eq!(house.order(Command::Resume), Some(Answer::Already));
}

#[test]
fn a_paused_step_stands_but_faults_still_end_it() {
    let mut house = House::new(|_| {});
    house.traffic(200, 0);
    assert_eq!(house.order(Command::Pause), Some(Answer::Done));
    assert_eq!(house.order(Command::Pause), Some(Answer::Already));
    house.seconds(500);
    assert_eq!(house.words(), "step 1 of 2, paused by hand");
    assert_eq!(house.order(Command::Resume), Some(Answer::Done));
    assert_eq!(house.words(), "step 1 of 2, running");
    house.order(Command::Pause);
    house.traffic(100, 50);
    assert_eq!(house.words(), "rolled back");
}

#[test]
fn an_operator_may_promote_or_abort_at_once() {
    let mut house = House::new(|_| {});
    assert_eq!(house.order(Command::Promote), Some(Answer::Done));
    assert_eq!(house.words(), "promoted");
    assert_eq!(house.rollout.record().steps[1].state, StepState::Skipped);
    assert!(matches!(house.order(Command::Abort), Some(Answer::Refused(_))));
    let mut house = House::new(|_| {});
    assert_eq!(house.order(Command::Abort), Some(Answer::Done));
    assert_eq!(house.rollout.record().why(), Some(&Why::Operator));
}

#[test]
fn a_clock_that_jumps_ends_no_pause() {
    let mut house = House::new(|_| {});
    house.traffic(200, 0);
    house.seconds(1);
    house.now_ms += 10 * 86_400_000;
    house.seconds(1);
    assert_eq!(house.words(), "step 1 of 2, running");
    house.now_ms = 0;
    house.seconds(60);
    assert_eq!(house.words(), "step 2 of 2, running");
}

#[test]
fn a_candidate_that_cannot_be_made_ready_is_rolled_back() {
    let names = (String::from("old"), String::from("new"));
    let record = Record::new(String::from("r"), String::from("hello"), names, policy());
    let (mut rollout, turn) = Rollout::begin(record);
    let key = turn.effects[0].key.clone();
    let why = String::from("it refused its configuration");
    let turn = rollout.on(Event::Failed { key, why });
    assert_eq!(turn.effects[0].act, Act::SetShare(Share::NONE));
    let why = rollout.record().why().map(Why::text);
    assert_eq!(
        why.as_deref(),
        Some("`stage` was not done: it refused its configuration")
    );
}

#[test]
fn a_candidate_that_does_not_take_the_place_of_the_control_is_rolled_back() {
    let mut house = House::new(|_| {});
    let mut turn = house.rollout.on(Event::Operator(Command::Promote));
    while turn.effects[0].act != Act::RetireControl {
        let key = turn.effects[0].key.clone();
        turn = house.rollout.on(Event::Done { key });
    }
    let retiring = Standing::Promoting { retiring: true };
    assert_eq!(house.rollout.record().standing, retiring);
    // From here there is no way back for an order, as the control may be gone.
    assert!(matches!(house.order(Command::Abort), Some(Answer::Refused(_))));
    let key = turn.effects[0].key.clone();
    let why = String::from("it refused its configuration");
    house.on(Event::Refused { key, why });
    assert_eq!(house.words(), "rolled back");
    let why = house.rollout.record().why().map(Why::text);
    let expected = "`retire-control` was not done: it refused its configuration";
    assert_eq!(why.as_deref(), Some(expected));
    let back = [Act::SetShare(Share::NONE), Act::RestoreControl, Act::RetireCandidate];
    assert!(house.done.ends_with(&back), "{:?}", house.done);
}

#[test]
fn a_control_that_cannot_be_let_go_serves_on() {
    let mut house = House::new(|_| {});
    let mut turn = house.rollout.on(Event::Operator(Command::Promote));
    while turn.effects[0].act != Act::RetireControl {
        let key = turn.effects[0].key.clone();
        turn = house.rollout.on(Event::Done { key });
    }
    let key = turn.effects[0].key.clone();
    let mut attempts = 1;
    while house.words() == "promoting" {
        let why = String::from("a worker did not start the plugins in time");
        turn = house.rollout.on(Event::Failed { key: key.clone(), why });
        if turn.effects.is_empty() {
            house.now_ms += 1_000;
            let now_ms = house.now_ms;
            turn = house.rollout.on(Event::Time { now_ms });
            attempts += 1;
        }
        assert!(attempts < 100, "it tries for ever");
    }
    assert_eq!(attempts, 20);
    house.obey(turn);
    assert_eq!(house.words(), "rolled back");
    assert!(house.rollout.record().given_up.is_empty());
    let why = house.rollout.record().why().map(Why::text);
    assert!(why.is_some_and(|why| why.starts_with("`retire-control` was not done: a worker")));
}

#[test]
fn a_candidate_that_is_lost_in_a_step_is_rolled_back() {
    let mut house = House::new(|_| {});
    let why = String::from("it does not start beside another plugin");
    house.on(Event::Lost { why: why.clone() });
    assert_eq!(house.words(), "rolled back");
    assert_eq!(house.rollout.record().why(), Some(&Why::Effect { text: why }));
}

#[test]
fn a_process_that_starts_anew_goes_on_in_its_step_and_measures_it_again() {
    let mut house = House::new(|_| {});
    house.traffic(200, 0);
    house.seconds(61);
    house.traffic(200, 0);
    house.seconds(30);
    let text = house.rollout.record().to_json();
    let mut again = House::of(Record::from_json(&text).unwrap());
    assert_eq!(again.words(), "step 2 of 2, running");
    assert_eq!(again.done, [Act::Stage, Act::SetShare(Share::new(250_000).unwrap())]);
    again.seconds(61);
    assert_eq!(again.words(), "step 2 of 2, inconclusive");
    again.traffic(200, 0);
    again.seconds(1);
    assert_eq!(again.words(), "promoted");
}

#[test]
fn a_step_that_was_held_is_held_after_a_start() {
    let mut house = House::new(|_| {});
    house.order(Command::Pause);
    let again = House::of(Record::from_json(&house.rollout.record().to_json()).unwrap());
    assert_eq!(again.words(), "step 1 of 2, paused by hand");
}

#[test]
fn records_of_another_form_are_refused() {
    let house = House::new(|_| {});
    let text = house.rollout.record().to_json();
    assert_eq!(Record::from_json(&text).unwrap(), *house.rollout.record());
    let other = text.replace("\"version\": 1", "\"version\": 2");
    assert_eq!(
        Record::from_json(&other).unwrap_err().to_string(),
        "a record of a rollout has version 2, and only 1 can be read"
    );
    assert!(Record::from_json("{").is_err());
    let more = text.replacen('{', "{ \"more\": 1,", 1);
    assert!(Record::from_json(&more).is_err());
}

#[test]
fn what_stands_has_its_share() {
    let mut house = House::new(|_| {});
    assert_eq!(house.rollout.record().share(), Share::new(50_000).unwrap());
    assert_eq!(
        house.rollout.record().standing,
        Standing::Step {
            number: 0,
            reading: Reading::Paused
        }
    );
    house.order(Command::Promote);
    assert_eq!(house.rollout.record().share(), Share::ALL);
    assert_eq!((Arm::Control.word(), Arm::Candidate.word()), ("control", "candidate"));
}
