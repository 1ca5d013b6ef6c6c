//! Waves over gateways that speak late, die, are cut off, and read what stood in the store a while ago.

use std::collections::BTreeMap;

use super::dice::Dice;
use crate::{
    Act, Campaign, Event, Fleet, Member, Mine, Progress, Record, Report, Rollout, Rules, Share, Standing, Task,
    WaveSize, Why, Word,
};

const PLUGIN: &str = "hello";
const LOOK_MS: u64 = 500;
const GONE_MS: u64 = 10_000;
/// LIMIT: how many states ago somebody may have read.
const LATE_MAX: usize = 3;

fn rules(pause_ms: u64) -> Rules {
    Rules {
        sizes: vec![WaveSize::Gateways(1), WaveSize::Part(500_000)],
        pause_ms,
        gone_after_ms: GONE_MS,
    }
}

/// What stands in the store.
#[derive(Clone, Default)]
struct Store {
    reports: BTreeMap<String, Report>,
    campaign: Option<Campaign>,
}

/// One gateway: what survives its death, and what does not.
struct Gateway {
    name: String,
    word: Word,
    /// Whether its way back after a promotion is kept; a restart loses it.
    is_kept: bool,
    is_alive: bool,
    is_cut_off: bool,
    process: u64,
    beat: u64,
    fleet: Fleet,
    member: Member,
    /// When it began, with what stood open then.
    began: Option<(Campaign, usize)>,
}

impl Gateway {
    fn new(name: &str, target: &str) -> Self {
        Self {
            name: name.to_owned(),
            word: Word {
                target: target.to_owned(),
                attempt: 0,
                progress: Progress::Waiting,
                why: None,
                since: String::new(),
            },
            is_kept: true,
            is_alive: true,
            is_cut_off: false,
            process: 0,
            beat: 0,
            fleet: Fleet::default(),
            member: Member::default(),
            began: None,
        }
    }

    fn report(&mut self) -> Report {
        self.beat += 1;
        Report {
            gateway: self.name.clone(),
            process: self.process.to_string(),
            beat: self.beat,
            plugins: BTreeMap::from([(PLUGIN.to_owned(), self.word.clone())]),
        }
    }

    fn say(&mut self, progress: Progress, why: Option<&str>) {
        self.word.progress = progress;
        self.word.why = why.map(str::to_owned);
    }

    /// Looks at `seen`, which may be old, and does what follows; what it writes is for the caller.
    fn look(&mut self, seen: &Store, rules: &Rules) -> Option<Campaign> {
        self.fleet.look(seen.reports.values().cloned().collect(), &[], LOOK_MS);
        let mine = Mine {
            gateway: &self.name,
            plugin: PLUGIN,
            word: &self.word,
            now: "now",
        };
        let advice = self
            .member
            .look(mine, rules, (seen.campaign.as_ref(), &self.fleet), LOOK_MS);
        match advice.task {
            Task::Nothing => {}
            Task::Begin | Task::Promote => {
                let campaign = seen.campaign.clone().unwrap();
                assert!(campaign.stopped.is_none(), "{} begins behind a stop", self.name);
                self.began = Some((campaign, advice.view.members.len()));
                self.say(Progress::RollingOut, None);
            }
            Task::GoBack(stop) if self.word.progress != Progress::Promoted || self.is_kept => {
                self.say(Progress::Followed, Some(&stop.text()));
            }
            Task::GoBack(_) => {}
            Task::Again => {
                self.word.attempt = advice.attempt;
                self.say(Progress::Waiting, None);
            }
        }
        if !matches!(self.word.progress, Progress::RolledBack | Progress::Followed) {
            self.word.attempt = advice.attempt;
        }
        advice.write
    }
}

/// One world of several gateways.
struct World {
    dice: Dice,
    store: Store,
    /// What stood in the store before, for who reads late.
    past: Vec<Store>,
    gateways: Vec<Gateway>,
    rules: Rules,
    /// Of twenty looks of a rollout, in how many it goes back.
    bad: u64,
    /// Whether gateways die, are cut off, and read late.
    is_rough: bool,
}

impl World {
    fn new(seed: u64, is_rough: bool) -> Self {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(6);
        let gateways = (0..count).map(|number| Gateway::new(&format!("gw-{number}"), "sha256:1"));
        let gateways = gateways.collect();
        let bad = if dice.in_hundred(50) { 1 + dice.below(10) } else { 0 };
        let pause_ms = dice.below(3) * 2_000;
        let mut world = Self {
            dice,
            store: Store::default(),
            past: Vec::new(),
            gateways,
            rules: rules(pause_ms),
            bad,
            is_rough,
        };
        // All of them are there, and have said so, before anything begins.
        for who in 0..world.gateways.len() {
            world.put(who);
        }
        world
    }

    fn put(&mut self, who: usize) {
        let report = self.gateways[who].report();
        self.store.reports.insert(report.gateway.clone(), report);
    }

    /// One gateway reads, thinks, writes; its write fails when somebody else was faster.
    fn step(&mut self, who: usize) {
        let gateway = &mut self.gateways[who];
        if gateway.word.progress == Progress::RollingOut && self.dice.below(20) < self.bad {
            gateway.say(Progress::RolledBack, Some("faults: 4 in 212"));
        } else if gateway.word.progress == Progress::RollingOut && self.dice.below(20) > 15 {
            gateway.say(Progress::Promoted, None);
        }
        if gateway.is_cut_off {
            gateway.fleet.lost();
            return;
        }
        let late = if self.is_rough { self.dice.below(4) as usize } else { 0 };
        let at = self.past.len().checked_sub(late).filter(|_| late > 0);
        let seen = at.map_or(&self.store, |at| &self.past[at]).clone();
        let write = self.gateways[who].look(&seen, &self.rules);
        // Compare and set: what was looked at must still stand there.
        if let Some(write) = write
            && self.store.campaign == seen.campaign
        {
            self.store.campaign = Some(write);
        }
        self.put(who);
        if self.is_rough {
            self.past.push(self.store.clone());
            if self.past.len() > LATE_MAX {
                self.past.remove(0);
            }
        }
    }

    fn disturb(&mut self) {
        let who = self.dice.below(self.gateways.len() as u64) as usize;
        let gateway = &mut self.gateways[who];
        match self.dice.below(40) {
            0 => gateway.is_alive = false,
            1 | 2 if !gateway.is_alive => {
                gateway.is_alive = true;
                gateway.process += 1;
                gateway.beat = 0;
                gateway.fleet = Fleet::default();
                gateway.member = Member::default();
                gateway.is_kept &= gateway.word.progress != Progress::Promoted;
            }
            3 => gateway.is_cut_off = true,
            4 | 5 => gateway.is_cut_off = false,
            _ => {}
        }
    }

    fn run(&mut self) {
        for round in 0..240 {
            for who in 0..self.gateways.len() {
                if self.is_rough && round < 120 {
                    self.disturb();
                }
                if round == 120 {
                    self.gateways[who].is_cut_off = false;
                }
                if self.gateways[who].is_alive {
                    self.step(who);
                }
                if !self.is_rough {
                    self.check_waves();
                }
            }
        }
    }

    /// Nobody is ahead of its wave where all see the same.
    fn check_waves(&self) {
        let begun = self.gateways.iter().filter(|gateway| gateway.began.is_some()).count();
        let wave = self.store.campaign.as_ref().map_or(0, |campaign| campaign.wave);
        let size = self.rules.size(wave, self.gateways.len());
        assert!(begun <= size, "{begun} have begun in wave {wave}, which has {size}");
        let Some(before) = wave.checked_sub(1) else { return };
        let promoted = |gateway: &&Gateway| {
            let became = &gateway.word;
            // One that follows a stop had been promoted.
            matches!(became.progress, Progress::Promoted | Progress::Followed) || gateway.began.is_some()
        };
        let promoted = self.gateways.iter().filter(promoted).count();
        assert!(promoted >= self.rules.size(before, self.gateways.len()));
    }
}

/// Runs one world to its end; whether the target is everywhere.
fn ends(seed: u64, is_rough: bool) -> bool {
    let mut world = World::new(seed, is_rough);
    world.run();
    let alive: Vec<&Gateway> = world.gateways.iter().filter(|gateway| gateway.is_alive).collect();
    let said = || -> Vec<_> {
        let words = alive
            .iter()
            .map(|gateway| (&gateway.name, &gateway.word, gateway.is_kept));
        words.collect()
    };
    if alive.iter().all(|gateway| gateway.word.progress == Progress::Promoted) {
        let campaign = world.store.campaign.as_ref();
        let is_stopped = campaign.is_some_and(|campaign| campaign.stopped.is_some());
        // The one exception: all of those that are left were promoted, and have no way back.
        assert!(
            !is_stopped || alive.iter().all(|gateway| !gateway.is_kept),
            "seed {seed}: {:?}",
            said()
        );
        return !is_stopped;
    }
    for gateway in &alive {
        let is_back = matches!(gateway.word.progress, Progress::RolledBack | Progress::Followed);
        let has_no_way_back = gateway.word.progress == Progress::Promoted && !gateway.is_kept;
        assert!(
            is_back || has_no_way_back,
            "seed {seed}: {} in {:?}",
            gateway.name,
            said()
        );
        let followed = gateway.word.progress == Progress::Followed;
        let why = gateway.word.why.as_deref().unwrap_or_default();
        assert!(
            !followed || why.contains("faults: 4 in 212") && why.contains("gw-"),
            "seed {seed}: {why}"
        );
    }
    let stopped = world
        .store
        .campaign
        .as_ref()
        .and_then(|campaign| campaign.stopped.as_ref());
    assert!(
        alive.is_empty() || stopped.is_some(),
        "seed {seed}: nobody says why: {:?}",
        said()
    );
    false
}

#[test]
fn fleets_end_with_all_on_one_generation_whatever_comes_between() {
    let over = (0..500).filter(|seed| ends(*seed, true)).count();
    assert!(over > 50 && over < 450, "{over} of 500 were promoted everywhere");
}

#[test]
fn where_all_see_the_same_nobody_is_ahead_of_its_wave() {
    let over = (0..300).filter(|seed| ends(*seed, false)).count();
    assert!(over > 75 && over < 285, "{over} of 300 were promoted everywhere");
}

fn word(target: &str, attempt: u32, progress: Progress) -> Word {
    Word {
        target: target.to_owned(),
        attempt,
        progress,
        why: (progress == Progress::RolledBack).then(|| String::from("faults: 4 in 212")),
        since: String::new(),
    }
}

fn report(gateway: &str, beat: u64, word: Word) -> Report {
    Report {
        gateway: gateway.to_owned(),
        process: String::from("1"),
        beat,
        plugins: BTreeMap::from([(PLUGIN.to_owned(), word)]),
    }
}

fn mine(word: &Word) -> Mine<'_> {
    Mine {
        gateway: "a",
        plugin: PLUGIN,
        word,
        now: "now",
    }
}

#[test]
fn a_wave_waits_for_a_gateway_that_is_silent_until_it_is_gone_and_a_lost_store_is_nobodys_silence() {
    let (mut fleet, mut member) = (Fleet::default(), Member::default());
    let own = word("t", 0, Progress::Promoted);
    let campaign = Campaign::new("t");
    let rules = Rules {
        sizes: vec![WaveSize::Gateways(2)],
        ..rules(0)
    };
    let others = |beat| {
        let names = ["b", "c"];
        names
            .map(|name| report(name, beat, word("t", 0, Progress::RollingOut)))
            .to_vec()
    };
    let mut waves = Vec::new();
    for look in 0..40 {
        fleet.look(others(1), &[], LOOK_MS);
        if look == 15 {
            fleet.lost();
        }
        let advice = member.look(mine(&own), &rules, (Some(&campaign), &fleet), LOOK_MS);
        waves.push(advice.view.members.len());
    }
    let gone = waves.iter().position(|members| *members == 1);
    assert_eq!(gone, Some(15 + 20), "{waves:?}");
    fleet.look(others(2), &[], LOOK_MS);
    let advice = member.look(mine(&own), &rules, (Some(&campaign), &fleet), LOOK_MS);
    assert_eq!(advice.view.members.len(), 3, "they speak again");
}

#[test]
fn the_pause_behind_a_wave_begins_when_it_is_seen_to_be_complete_however_long_nobody_looked() {
    let (mut fleet, mut member) = (Fleet::default(), Member::default());
    let own = word("t", 0, Progress::Promoted);
    let campaign = Campaign::new("t");
    let rules = rules(2_000);
    let mut look = |passed_ms| {
        fleet.look(vec![report("b", passed_ms, word("t", 0, Progress::Waiting))], &[], 0);
        let advice = member.look(mine(&own), &rules, (Some(&campaign), &fleet), passed_ms);
        advice.write.map(|write| write.wave)
    };
    assert_eq!(look(40_000), None);
    assert_eq!(look(1_999), None);
    assert_eq!(look(1), Some(1));
}

#[test]
fn a_target_takes_the_place_of_another_when_nobody_is_under_way_to_that_one() {
    let own = word("new", 0, Progress::Waiting);
    let campaign = Campaign::new("old");
    for (others, looks) in [
        (Progress::Promoted, 1),
        (Progress::RolledBack, 1),
        // The first look does not know for how long it has been so.
        (Progress::Waiting, 1 + 20),
    ] {
        let (mut fleet, mut member) = (Fleet::default(), Member::default());
        let mut replaced = None;
        for look in 1..100 {
            fleet.look(vec![report("b", look, word("old", 0, others))], &[], LOOK_MS);
            let advice = member.look(mine(&own), &rules(0), (Some(&campaign), &fleet), LOOK_MS);
            if let Some(write) = advice.write {
                assert_eq!(write, Campaign::new("new"));
                replaced = Some(look);
                break;
            }
        }
        assert_eq!(replaced, Some(looks), "{others:?}");
    }
}

#[test]
fn what_was_stopped_is_tried_again_everywhere_when_an_operator_says_so() {
    let (mut fleet, mut member) = (Fleet::default(), Member::default());
    fleet.look(vec![report("b", 1, word("t", 0, Progress::RolledBack))], &[], LOOK_MS);
    let waiting = word("t", 0, Progress::Waiting);
    let campaign = Campaign::new("t");
    let advice = member.look(mine(&waiting), &rules(0), (Some(&campaign), &fleet), LOOK_MS);
    let stopped = advice.write.unwrap();
    assert_eq!(stopped.stopped.as_ref().unwrap().gateway, "b");
    assert!(
        matches!(&advice.task, Task::GoBack(stop) if stop.text().contains("`b`") && stop.text().contains("4 in 212"))
    );
    let followed = word("t", 0, Progress::Followed);
    let again = stopped.again();
    let advice = member.look(mine(&followed), &rules(0), (Some(&again), &fleet), LOOK_MS);
    assert_eq!((advice.task, advice.write, advice.attempt), (Task::Again, None, 1));
}

#[test]
fn an_operators_abort_on_one_gateway_leaves_that_one_out() {
    let (mut fleet, mut member) = (Fleet::default(), Member::default());
    fleet.look(vec![report("b", 1, word("t", 0, Progress::LeftOut))], &[], LOOK_MS);
    let own = word("t", 0, Progress::Promoted);
    let advice = member.look(mine(&own), &rules(0), (Some(&Campaign::new("t")), &fleet), LOOK_MS);
    assert_eq!(advice.task, Task::Nothing);
    assert!(advice.write.is_none_or(|write| write.stopped.is_none()));
}

#[test]
fn waves_never_shrink_and_the_last_has_all() {
    let rules = Rules {
        sizes: vec![WaveSize::Gateways(3), WaveSize::Part(250_000), WaveSize::Part(500_000)],
        ..rules(0)
    };
    let sizes = |all| (0..4).map(|wave| rules.size(wave, all)).collect::<Vec<_>>();
    assert_eq!(sizes(1), [1, 1, 1, 1]);
    assert_eq!(sizes(8), [3, 3, 4, 8]);
    assert_eq!(sizes(101), [3, 26, 51, 101]);
}

#[test]
fn a_rollout_goes_back_because_of_another_gateway_as_long_as_the_control_is_kept() {
    let policy = super::judgement::policy();
    let text = String::from("gateway `b` went back: faults: 4 in 212");
    let elsewhere = Event::Elsewhere { text: text.clone() };
    let back = |rollout: &Rollout| rollout.record().why().map(Why::text);
    // Before it has begun: nothing of it was done, and it goes back all the same.
    let names = (String::from("old"), String::from("new"));
    let record = Record::new(String::from("r"), PLUGIN.to_owned(), names, policy);
    let (mut waiting, _) = Rollout::begin(record.clone());
    waiting.on(elsewhere.clone());
    assert_eq!(back(&waiting), Some(text.clone()));
    // In a step.
    let (mut serving, turn) = Rollout::begin(record);
    let mut effects = turn.effects;
    while let Some(effect) = effects.pop() {
        effects = serving.on(Event::Done { key: effect.key }).effects;
    }
    assert!(matches!(serving.record().standing, Standing::Step { .. }));
    let mut effects = serving.on(elsewhere.clone()).effects;
    assert_eq!(
        effects.first().map(|effect| effect.act),
        Some(Act::SetShare(Share::NONE))
    );
    while let Some(effect) = effects.pop() {
        effects = serving.on(Event::Done { key: effect.key }).effects;
    }
    assert_eq!((serving.record().is_over(), back(&serving)), (true, Some(text)));
    // When the control is being let go, there is no way back here.
    let mut record = serving.record().clone();
    record.standing = Standing::Promoting { retiring: true };
    let (mut retiring, _) = Rollout::begin(record);
    retiring.on(elsewhere);
    assert_eq!(back(&retiring), None);
}
