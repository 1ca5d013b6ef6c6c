//! A rollout in a world that fails, kills, jumps in time and gives orders: whatever comes, it ends, and never between.

use std::collections::VecDeque;

use super::dice::Dice;
use super::judgement::policy;
use crate::{Act, Arm, Command, Counts, Effect, Event, Record, Rollout, Sample, Share, Standing, Turn};

/// LIMIT: what happens to one rollout; it must have ended before.
const EVENTS_MAX: usize = 40_000;
const STARTED_MS: u64 = 1_000_000;

/// What a process keeps in memory, and loses.
struct Memory {
    rollout: Rollout,
    share: Share,
    control: bool,
    candidate: bool,
    /// Effects that came out of turns, to be done in their order.
    todo: VecDeque<Effect>,
    /// Answers of effects on their way.
    answers: VecDeque<Event>,
}

/// What is on disk.
struct Disk {
    record: String,
    good: Arm,
    /// The control's module and configuration are still kept.
    control: bool,
}

/// How rough a world is.
struct Weather {
    kills: u64,
    failures: u64,
    orders: u64,
    faults: u64,
    /// Stages fail once in so many.
    unready: u64,
    /// In a hundred: controls that are not let go, for the candidate does not start where it was.
    refusals: u64,
    /// In a hundred things that happen to nobody: changes of something else with which the candidate does not start.
    losses: u64,
}

struct World {
    seed: u64,
    dice: Dice,
    weather: Weather,
    disk: Disk,
    memory: Option<Memory>,
    now_ms: u64,
    kills: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let weather = Weather {
            kills: dice.below(20),
            failures: dice.below(60),
            orders: dice.below(4),
            faults: dice.below(3),
            unready: 5 + dice.below(200),
            refusals: dice.below(60),
            losses: dice.below(2),
        };
        let mut policy = policy();
        policy.shadow = dice.in_hundred(30);
        policy.exchanges_min = 20;
        if dice.in_hundred(30) {
            policy.steps[1].pause = crate::Pause::Manual;
        }
        let names = (String::from("old"), String::from("new"));
        let record = Record::new(format!("r-{seed}"), String::from("hello"), names, policy);
        let disk = Disk {
            record: record.to_json(),
            good: Arm::Control,
            control: true,
        };
        let mut world = Self {
            seed,
            dice,
            weather,
            disk,
            memory: None,
            now_ms: STARTED_MS,
            kills: 0,
        };
        world.start();
        world
    }

    fn fail(&self, why: &str) -> ! {
        let standing = Record::from_json(&self.disk.record).map(|record| record.standing);
        panic!("seed {}: {why}; the record says {standing:?}", self.seed)
    }

    /// A process starts with what the record says, or the disk once the record is over, and goes on with the record.
    fn start(&mut self) {
        let record = Record::from_json(&self.disk.record).unwrap_or_else(|why| self.fail(&why.to_string()));
        let is_over = record.is_over();
        let (rollout, turn) = Rollout::begin(record);
        let first = if is_over {
            self.disk.good
        } else {
            rollout.record().starts_with()
        };
        let candidate = first == Arm::Candidate;
        self.memory = Some(Memory {
            rollout,
            share: if candidate { Share::ALL } else { Share::NONE },
            control: !candidate,
            candidate,
            todo: VecDeque::new(),
            answers: VecDeque::new(),
        });
        if !is_over {
            self.take(turn);
        }
        self.check();
    }

    fn dies_here(&mut self) -> bool {
        // A gateway that always dies proves nothing.
        let dies = self.kills < 25 && self.dice.in_hundred(self.weather.kills);
        if dies {
            self.kills += 1;
            self.memory = None;
        }
        dies
    }

    /// Writes the record, and takes the effects over; it may die before, between and behind.
    fn take(&mut self, turn: Turn) {
        if self.dies_here() {
            return;
        }
        if turn.write {
            let Some(memory) = &self.memory else { return };
            self.disk.record = memory.rollout.record().to_json();
            if self.dies_here() {
                return;
            }
        }
        if let Some(memory) = &mut self.memory {
            memory.todo.extend(turn.effects);
        }
    }

    /// Does the next effect, and dies before or behind it.
    fn work(&mut self) {
        if self.memory.as_ref().is_none_or(|memory| memory.todo.is_empty()) || self.dies_here() {
            return;
        }
        let failures = match self
            .memory
            .as_ref()
            .and_then(|memory| memory.todo.front())
            .map(|effect| effect.act)
        {
            Some(Act::Stage) => 100 / self.weather.unready,
            _ => self.weather.failures,
        };
        let fails = self.dice.in_hundred(failures);
        let Some(memory) = &mut self.memory else { return };
        let Some(effect) = memory.todo.pop_front() else { return };
        let Effect { key, act } = effect;
        if fails {
            let why = String::from("the disk is full");
            memory.answers.push_back(Event::Failed { key, why });
            return;
        }
        let is_refused = act == Act::RetireControl && memory.control && self.dice.in_hundred(self.weather.refusals);
        if is_refused {
            (memory.share, memory.candidate) = (Share::NONE, false);
            self.disk.good = Arm::Control;
            let why = String::from("it does not start there");
            memory.answers.push_back(Event::Refused { key, why });
            return;
        }
        match act {
            Act::Stage => memory.candidate = true,
            Act::SetShare(share) if memory.candidate => memory.share = share,
            // There is nobody to give it to.
            Act::SetShare(_) => {}
            Act::StartShadow | Act::StopShadow => {}
            Act::Adopt => self.disk.good = Arm::Candidate,
            Act::RestoreControl => self.disk.good = Arm::Control,
            Act::RetireControl => {
                (memory.control, self.disk.control) = (false, false);
                // What serves after a change is kept.
                self.disk.good = Arm::Candidate;
            }
            Act::RetireCandidate => memory.candidate = false,
        }
        memory.answers.push_back(Event::Done { key });
        self.check();
        self.dies_here();
    }

    fn on(&mut self, event: Event) {
        let Some(memory) = &mut self.memory else { return };
        let turn = memory.rollout.on(event);
        self.take(turn);
        self.check();
    }

    fn sample(&mut self) -> Sample {
        let Some(memory) = &self.memory else {
            return Sample::default();
        };
        let of = |exchanges: u64| Counts {
            exchanges,
            ..Counts::default()
        };
        let exchanges = 40;
        let candidate = exchanges * u64::from(memory.share.parts_per_million()) / 1_000_000;
        let mut sample = Sample {
            candidate: of(candidate),
            control: of(exchanges - candidate),
            ..Sample::default()
        };
        if self.dice.below(50) < self.weather.faults {
            sample
                .candidate
                .faults
                .insert(String::from("plugin.trapped"), 1 + self.dice.below(3));
        }
        sample
    }

    /// The next thing that happens.
    fn happens(&mut self) {
        if self.memory.is_none() {
            self.start();
            return;
        }
        match self.dice.below(100) {
            0..30 => self.work(),
            30..55 => {
                let answer = self.memory.as_mut().and_then(|memory| memory.answers.pop_front());
                if let Some(answer) = answer {
                    // An answer that comes twice changes nothing.
                    let again = self.dice.in_hundred(10).then(|| answer.clone());
                    self.on(answer);
                    again.into_iter().for_each(|again| self.on(again));
                }
            }
            55..75 => {
                self.jump();
                let now_ms = self.now_ms;
                self.on(Event::Time { now_ms });
            }
            75..95 => {
                let sample = Box::new(self.sample());
                self.on(Event::Sample(sample));
            }
            _ if self.dice.in_hundred(self.weather.orders) => self.order(),
            _ if self.dice.in_hundred(self.weather.losses) => self.lose(),
            _ => {
                self.dies_here();
            }
        }
    }

    /// Something else is changed, and the candidate does not start with that.
    fn lose(&mut self) {
        let Some(memory) = &mut self.memory else { return };
        let is_retiring = Standing::Promoting { retiring: true };
        if !memory.candidate || !memory.control || memory.rollout.record().standing == is_retiring {
            return;
        }
        (memory.share, memory.candidate) = (Share::NONE, false);
        let why = String::from("something else was changed");
        self.on(Event::Lost { why });
    }

    fn jump(&mut self) {
        self.now_ms = match self.dice.below(1_000) {
            0 => self.now_ms.saturating_sub(self.dice.below(STARTED_MS)),
            1 => self.now_ms + self.dice.below(1_000_000_000),
            _ => self.now_ms + 250 + self.dice.below(2_000),
        };
    }

    fn order(&mut self) {
        let order = match self.dice.below(8) {
            0 => Event::Operator(Command::Abort),
            1 => Event::Operator(Command::Promote),
            2 | 3 => Event::Operator(Command::Pause),
            4 => Event::Overtaken,
            _ => Event::Operator(Command::Resume),
        };
        self.on(order);
    }

    /// What holds at every moment.
    fn check(&self) {
        let Some(memory) = &self.memory else { return };
        if memory.share.parts_per_million() + memory.share.rest().parts_per_million() != 1_000_000 {
            self.fail("the shares are not a whole");
        }
        if !memory.control && !memory.candidate {
            self.fail("both are retired");
        }
        if memory.share > Share::NONE && !memory.candidate {
            self.fail("exchanges go to a candidate that is not there");
        }
        if memory.share < Share::ALL && !memory.control {
            self.fail("exchanges go to a control that is not there");
        }
        if self.disk.good == Arm::Control && !self.disk.control {
            self.fail("what the disk calls good is not kept");
        }
    }

    fn ended(&self) -> Option<Standing> {
        let memory = self.memory.as_ref()?;
        let record = memory.rollout.record();
        let is_idle = memory.todo.is_empty() && memory.answers.is_empty();
        (record.is_over() && is_idle).then(|| record.standing.clone())
    }

    /// What holds when it is over, in this process and in the next.
    fn check_end(&mut self, standing: &Standing) {
        let good = self.disk.good;
        let Some(memory) = &self.memory else { return };
        let promoted = *standing == Standing::Promoted;
        let gave_up = memory.rollout.record().given_up.len();
        let wanted = if promoted {
            (Share::ALL, Arm::Candidate)
        } else {
            (Share::NONE, Arm::Control)
        };
        let is = (memory.share, good);
        if gave_up == 0 && is != wanted {
            self.fail(&format!("it ended as {standing:?} with {is:?}"));
        }
        if gave_up == 0 && memory.control == promoted {
            self.fail("the wrong generation lives");
        }
        self.kills = usize::MAX;
        self.start();
        let share = self.memory.as_ref().map(|memory| memory.share);
        if gave_up == 0 && share != Some(wanted.0) {
            self.fail("a process that starts afterwards serves something else");
        }
    }
}

/// What came of one seed.
fn outcome(seed: u64) -> Standing {
    let mut world = World::new(seed);
    for _ in 0..EVENTS_MAX {
        world.happens();
        if let Some(standing) = world.ended() {
            world.check_end(&standing);
            return standing;
        }
    }
    world.fail("it did not end")
}

#[test]
fn every_interleaving_ends_in_promoted_or_rolled_back() {
    let (mut promoted, mut back) = (0, std::collections::BTreeMap::<String, usize>::new());
    for seed in 0..4_000 {
        match outcome(seed) {
            Standing::Promoted => promoted += 1,
            Standing::RolledBack { why } => {
                let word = why
                    .text()
                    .split([':', ' ', '`'])
                    .find(|word| !word.is_empty())
                    .unwrap_or("")
                    .to_owned();
                *back.entry(word).or_default() += 1;
            }
            other => panic!("seed {seed} ended in {other:?}"),
        }
    }
    // A simulation in which one of the ends never comes shows nothing of it.
    assert!(promoted > 100, "{promoted} promoted, back {back:?}");
    for why in ["faults", "an", "another", "stage", "it", "retire-control", "something"] {
        assert!(
            back.get(why).is_some_and(|count| *count > 3),
            "{why}: {promoted} promoted, back {back:?}"
        );
    }
}
