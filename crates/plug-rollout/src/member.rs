//! One gateway's part in a rollout over several: when it may begin, when it goes back, and what it writes for all.

use crate::fleet::Fleet;
use crate::wave::{Campaign, Progress, Rules, Stop, Word, rank};

/// How this gateway stands.
#[derive(Debug, Clone, Copy)]
pub struct Mine<'mine> {
    /// Its name.
    pub gateway: &'mine str,
    /// The plugin.
    pub plugin: &'mine str,
    /// What it says of the plugin now.
    pub word: &'mine Word,
    /// What time it is, in RFC 3339.
    pub now: &'mine str,
}

/// What this gateway has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Nothing.
    Nothing,
    /// Its wave has come.
    Begin,
    /// An operator lets the target take over everywhere.
    Promote,
    /// Another gateway went back.
    GoBack(Stop),
    /// An operator tries it again everywhere.
    Again,
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// For this gateway.
    pub task: Task,
    /// What replaces the campaign that was looked at, if that still stands there.
    pub write: Option<Campaign>,
    /// The try that is under way.
    pub attempt: u32,
    /// For people.
    pub view: View,
}

/// How it stands with all, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The campaign of this target, if there is one.
    pub campaign: Option<Campaign>,
    /// Gateways of the open wave and those before it.
    pub of_wave: Vec<String>,
    /// All gateways that count.
    pub members: Vec<String>,
    /// All gateways with how far they are; none for those that say nothing of this target.
    pub gateways: Vec<(String, Option<Progress>, bool)>,
}

/// What one gateway keeps in mind of one plugin.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Target, try and wave that were looked at last.
    of: (String, u32, u32),
    /// For how long this campaign has been seen, in milliseconds.
    known_ms: u64,
    /// For how long every gateway of the wave has been seen to have promoted the target.
    complete_ms: Option<u64>,
    /// For how long another target has been seen to be in the way.
    foreign_ms: Option<u64>,
}

impl Member {
    /// Looks at what stands in the store.
    pub fn look(
        &mut self,
        mine: Mine<'_>,
        rules: &Rules,
        (campaign, fleet): (Option<&Campaign>, &Fleet),
        passed_ms: u64,
    ) -> Advice {
        match campaign.filter(|campaign| campaign.target == mine.word.target) {
            Some(campaign) => self.ours(mine, rules, (campaign, fleet), passed_ms),
            None => self.foreign(mine, rules, (campaign, fleet), passed_ms),
        }
    }

    /// Another target stands there, or none. Ours takes its place when nobody is under way to the other one.
    fn foreign(
        &mut self,
        mine: Mine<'_>,
        rules: &Rules,
        (campaign, fleet): (Option<&Campaign>, &Fleet),
        passed_ms: u64,
    ) -> Advice {
        let under_way = |word: &Word| matches!(word.progress, Progress::Waiting | Progress::RollingOut);
        let is_in_the_way = campaign.is_some_and(|campaign| {
            let of_it = |word: &Word| word.target == campaign.target && under_way(word);
            let others = fleet
                .words(mine.plugin)
                .filter(|(gateway, ..)| *gateway != mine.gateway);
            let mut speaking = others.filter(|(.., silent_ms)| *silent_ms < rules.gone_after_ms);
            speaking.any(|(_, word, _)| word.is_some_and(of_it))
        });
        self.foreign_ms = is_in_the_way.then(|| longer(self.foreign_ms, passed_ms));
        let may_replace = self
            .foreign_ms
            .is_none_or(|foreign_ms| foreign_ms >= rules.gone_after_ms);
        let write = if under_way(mine.word) && may_replace {
            Some(Campaign::new(&mine.word.target))
        } else if campaign.is_none() && mine.word.progress == Progress::RolledBack {
            let stopped = Some(Stop::new(mine.gateway, mine.word.why.as_deref(), mine.now));
            let campaign = Campaign::new(&mine.word.target);
            Some(Campaign { stopped, ..campaign })
        } else {
            None
        };
        Advice {
            task: Task::Nothing,
            write,
            attempt: mine.word.attempt,
            view: View {
                gateways: gateways(mine, rules, fleet),
                ..View::default()
            },
        }
    }

    fn ours(
        &mut self,
        mine: Mine<'_>,
        rules: &Rules,
        (campaign, fleet): (&Campaign, &Fleet),
        passed_ms: u64,
    ) -> Advice {
        self.foreign_ms = None;
        self.follow(campaign, passed_ms);
        let mut members = self.members(mine, rules, campaign, fleet);
        members.sort_by_cached_key(|(gateway, _)| rank(gateway, &campaign.target));
        let size = rules.size(campaign.wave, members.len());
        let names = |members: &[(&str, Option<&Word>)]| -> Vec<String> {
            members.iter().map(|(gateway, _)| (*gateway).to_owned()).collect()
        };
        let of_wave = members.get(..size).unwrap_or(&members);
        let view = View {
            campaign: Some(campaign.clone()),
            of_wave: names(of_wave),
            members: names(&members),
            gateways: gateways(mine, rules, fleet),
        };
        let is_done = |(_, word): &(&str, Option<&Word>)| {
            word.is_some_and(|word| matches!(word.progress, Progress::Promoted | Progress::LeftOut))
        };
        let is_complete = of_wave.iter().all(is_done);
        let is_last = size >= members.len();
        let write = match stop(mine, campaign, fleet) {
            _ if campaign.stopped.is_some() => None,
            Some(stop) => Some(Campaign {
                stopped: Some(stop),
                ..campaign.clone()
            }),
            None if campaign.promote => None,
            None => self.next_wave(rules, campaign, (is_complete, is_last), passed_ms),
        };
        // What stops it now stops this gateway, too.
        let seen = write
            .as_ref()
            .filter(|write| write.stopped.is_some())
            .unwrap_or(campaign);
        Advice {
            task: task(mine, seen, view.of_wave.iter().any(|gateway| gateway == mine.gateway)),
            write,
            attempt: campaign.attempt.max(mine.word.attempt),
            view,
        }
    }

    fn follow(&mut self, campaign: &Campaign, passed_ms: u64) {
        let is_known = (&self.of.0, self.of.1) == (&campaign.target, campaign.attempt);
        self.known_ms = if is_known {
            self.known_ms.saturating_add(passed_ms)
        } else {
            0
        };
        let of = (campaign.target.clone(), campaign.attempt, campaign.wave);
        if self.of != of {
            self.complete_ms = None;
            self.of = of;
        }
    }

    /// Gateways that count: those that speak of this target, and for a while those that may not have heard of it.
    fn members<'fleet>(
        &self,
        mine: Mine<'fleet>,
        rules: &Rules,
        campaign: &Campaign,
        fleet: &'fleet Fleet,
    ) -> Vec<(&'fleet str, Option<&'fleet Word>)> {
        let others = fleet
            .words(mine.plugin)
            .filter(|(gateway, ..)| *gateway != mine.gateway);
        let others = others.filter_map(|(gateway, word, silent_ms)| {
            let word = word.filter(|word| word.target == campaign.target && word.attempt >= campaign.attempt);
            let is_there = silent_ms < rules.gone_after_ms;
            let counts = is_there && (word.is_some() || self.known_ms < rules.gone_after_ms);
            counts.then_some((gateway, word))
        });
        others.chain([(mine.gateway, Some(mine.word))]).collect()
    }

    fn next_wave(
        &mut self,
        rules: &Rules,
        campaign: &Campaign,
        (is_complete, is_last): (bool, bool),
        passed_ms: u64,
    ) -> Option<Campaign> {
        if !is_complete || is_last {
            self.complete_ms = None;
            return None;
        }
        let complete_ms = longer(self.complete_ms, passed_ms);
        self.complete_ms = Some(complete_ms);
        (complete_ms >= rules.pause_ms).then(|| Campaign {
            wave: campaign.wave.saturating_add(1),
            ..campaign.clone()
        })
    }
}

/// How long something has been seen: what was there at the last look, too, for the time between. At the first look nobody knows since when.
fn longer(seen_ms: Option<u64>, passed_ms: u64) -> u64 {
    seen_ms.map_or(0, |seen_ms| seen_ms.saturating_add(passed_ms))
}

/// Who went back by itself in this try, also if it is gone since.
fn stop(mine: Mine<'_>, campaign: &Campaign, fleet: &Fleet) -> Option<Stop> {
    let others = fleet
        .words(mine.plugin)
        .filter(|(gateway, ..)| *gateway != mine.gateway);
    let others = others.filter_map(|(gateway, word, _)| Some((gateway, word?)));
    let all = [(mine.gateway, mine.word)].into_iter().chain(others);
    let of_this = |word: &Word| word.target == campaign.target && word.attempt >= campaign.attempt;
    let back: Vec<_> = all.filter(|(_, word)| of_this(word)).collect();
    // Who followed speaks for one that is forgotten.
    let first = |progress: Progress| back.iter().find(|(_, word)| word.progress == progress);
    let (gateway, word) = first(Progress::RolledBack).or_else(|| first(Progress::Followed))?;
    Some(Stop::new(gateway, word.why.as_deref(), mine.now))
}

fn task(mine: Mine<'_>, campaign: &Campaign, is_in_wave: bool) -> Task {
    let is_new_try = mine.word.attempt < campaign.attempt;
    match (mine.word.progress, &campaign.stopped) {
        (Progress::Waiting | Progress::RollingOut | Progress::Promoted, Some(stop)) => Task::GoBack(stop.clone()),
        (Progress::RolledBack | Progress::Followed | Progress::LeftOut, None) if is_new_try => Task::Again,
        (Progress::Waiting | Progress::RollingOut, None) if campaign.promote => Task::Promote,
        (Progress::Waiting, None) if is_in_wave => Task::Begin,
        _ => Task::Nothing,
    }
}

fn gateways(mine: Mine<'_>, rules: &Rules, fleet: &Fleet) -> Vec<(String, Option<Progress>, bool)> {
    let others = fleet
        .words(mine.plugin)
        .filter(|(gateway, ..)| *gateway != mine.gateway);
    let others = others.map(|(gateway, word, silent_ms)| {
        let word = word.filter(|word| word.target == mine.word.target);
        let is_there = silent_ms < rules.gone_after_ms;
        (gateway.to_owned(), word.map(|word| word.progress), is_there)
    });
    let own = (mine.gateway.to_owned(), Some(mine.word.progress), true);
    let mut all: Vec<_> = others.chain([own]).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}
