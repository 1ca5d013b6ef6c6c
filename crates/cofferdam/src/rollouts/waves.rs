//! Rollouts over several gateways: a thread that tells the others how far this one is, looks how far they are, and does what follows.

mod everywhere;

pub(crate) use self::everywhere::Everywhere;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use control_store::{Backoff, Board, Note, Posted, Settings, StoreFault};
use parking_lot::Mutex;
use plug_rollout::{Advice, Campaign, Fleet, Member, Mine, Progress, Report, Stop, Task, View, Word};
use serde_json::{Value, json};

use super::word::Local;
use crate::assemble::House;
use crate::voice::{fail, say, warn};

/// How often the store is looked at while a rollout is under way anywhere.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// LIMIT: the longest time between two looks, two words, or two tries at a store that was lost.
const BEAT_EVERY_MAX: Duration = Duration::from_secs(5);
/// Times that a gateway says that it is there, within the silence after which it would be gone.
const BEATS: u64 = 4;
/// Silence after which what a gateway said is removed, in milliseconds.
const FORGET_AFTER_MS: u64 = 24 * 3_600_000;
/// LIMIT: so many are removed at once; stores bound what one transaction may do.
const FORGOTTEN_MAX: usize = 16;
/// LIMIT: characters of a reason that others are told.
const WHY_CHARS_MAX: usize = 1_000;

/// What is known of the other gateways.
#[derive(Default)]
pub(crate) struct Waves {
    settings: Mutex<Option<Settings>>,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    /// Why the store is not reached.
    lost: Option<String>,
    plugins: BTreeMap<String, (String, View)>,
}

/// Follows the others on a thread of its own, until the gateway stops.
pub(crate) fn follow(house: Arc<House>, settings: Settings) -> io::Result<()> {
    *house.rollouts.waves.settings.lock() = Some(settings.clone());
    let work = move || Follower::new(settings).follow(&house);
    std::thread::Builder::new().name("waves".to_owned()).spawn(work)?;
    Ok(())
}

/// The thread's own.
struct Follower {
    settings: Settings,
    board: Option<Board>,
    backoff: Backoff,
    fleet: Fleet,
    members: BTreeMap<String, Member>,
    /// What was said last, and when; nothing when nothing stands there.
    said: Option<(Report, Instant)>,
    looked: Option<Instant>,
    /// How often this gateway says that it is there, and looks at the others while nothing is under way.
    beat_every: Duration,
    process: String,
    beat: u64,
    /// Of each plugin, the target and which try of it is under way.
    attempts: BTreeMap<String, (String, u32)>,
    /// Whether another gateway spoke under this one's name.
    is_doubled: bool,
    /// Targets that stay although others went back, and why.
    staying: BTreeMap<String, (String, String)>,
}

impl Follower {
    fn new(settings: Settings) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            settings,
            board: None,
            backoff: Backoff::up_to(BEAT_EVERY_MAX),
            fleet: Fleet::default(),
            members: BTreeMap::new(),
            said: None,
            looked: None,
            beat_every: BEAT_EVERY_MAX,
            process: format!("{}-{}", std::process::id(), since.as_nanos()),
            beat: 0,
            attempts: BTreeMap::new(),
            is_doubled: false,
            staying: BTreeMap::new(),
        }
    }

    fn follow(mut self, house: &House) {
        let mut is_busy = true;
        while house.is_ready() {
            let idle = self.looked.is_none_or(|looked| looked.elapsed() >= self.beat_every);
            if !is_busy && !idle && !house.rollouts.is_under_way() {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            let wait = match self.turn(house) {
                Ok(under_way) => {
                    is_busy = under_way;
                    self.backoff.reset();
                    self.reached(house);
                    LOOK_EVERY
                }
                Err(fault) => {
                    self.lost(house, &fault);
                    self.backoff.wait()
                }
            };
            std::thread::sleep(wait);
        }
    }

    fn reached(&self, house: &House) {
        if house.rollouts.waves.shown.lock().lost.take().is_some() {
            say("waves: the other gateways are reached again");
        }
    }

    /// Who has not begun waits, and who has goes on alone.
    fn lost(&mut self, house: &House, fault: &StoreFault) {
        self.board = None;
        self.looked = None;
        self.fleet.lost();
        let before = house.rollouts.waves.shown.lock().lost.replace(fault.to_string());
        if before.is_none() {
            warn(&format!("waves: the other gateways are not reached: {fault}"));
        }
    }

    /// One look, with what follows from it; whether something is under way.
    fn turn(&mut self, house: &House) -> Result<bool, StoreFault> {
        let Some(locals) = house.rollouts.locals_now() else {
            return self.say_again().map(|()| true);
        };
        if locals.is_empty() {
            return self.leave(house);
        }
        let is_same = |plugin: &String, target: &String| {
            let mut locals = locals.iter();
            locals.any(|local| local.plugin == *plugin && local.target == *target)
        };
        self.staying.retain(|plugin, (target, _)| is_same(plugin, target));
        self.keep_time(&locals);
        let now = Instant::now();
        let passed = self.looked.replace(now).map_or(Duration::ZERO, |looked| now - looked);
        let passed_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let mut board = self.board()?;
        let posted = board.read()?;
        let reports = posted
            .reports
            .iter()
            .filter_map(|(gateway, text)| Some((gateway, serde_json::from_slice::<Report>(text).ok()?)));
        // A gateway speaks for itself alone: a store may let each write its own key only.
        let reports = reports.filter(|(gateway, report)| report.gateway == **gateway);
        let reports = reports.map(|(_, report)| report);
        self.fleet.look(reports.collect(), &posted.gateways, passed_ms);
        self.notice_double();
        let words = self.words(&locals);
        self.say(&mut board, &words)?;
        let mut any_under_way = false;
        for local in &locals {
            let Some(word) = words.get(&local.plugin) else { continue };
            let note = posted.notes.iter().find(|note| note.plugin == local.plugin);
            let advice = self.look(local, word, note, passed_ms);
            any_under_way |= is_under_way(word.progress) || others_are_under_way(&advice.view);
            if let Some(write) = &advice.write {
                let text = serde_json::to_vec(write).unwrap_or_default();
                if board.replace(&local.plugin, note, Some(text))? {
                    announce(&local.plugin, note, write);
                }
            }
            self.act(house, local, &advice);
            let view = (local.target.clone(), advice.view);
            let mut shown = house.rollouts.waves.shown.lock();
            shown.plugins.insert(local.plugin.clone(), view);
        }
        let is_known = |plugin: &String| locals.iter().any(|local| local.plugin == *plugin);
        let mut shown = house.rollouts.waves.shown.lock();
        shown.plugins.retain(|plugin, _| is_known(plugin));
        drop(shown);
        self.tidy(&mut board, &posted, &locals)?;
        // What was done is said at once.
        if let Some(locals) = house.rollouts.locals_now() {
            let words = self.words(&locals);
            self.say(&mut board, &words)?;
        }
        self.board = Some(board);
        Ok(any_under_way)
    }

    fn board(&mut self) -> Result<Board, StoreFault> {
        match self.board.take() {
            Some(board) => Ok(board),
            None => Board::open(&self.settings),
        }
    }

    /// Two gateways of one name would each overwrite what the other says.
    fn notice_double(&mut self) {
        let node = &self.settings.node;
        let spoke = self
            .fleet
            .report(node)
            .is_some_and(|report| report.process != self.process);
        if spoke && self.said.is_some() && !self.is_doubled {
            self.is_doubled = true;
            warn(&format!(
                "waves: another gateway calls itself `{node}`, too\nhint: `node` of `store` gives each its own name"
            ));
        }
    }

    /// A gateway that is there says so in time, also when it lost the store for a moment.
    fn keep_time(&mut self, locals: &[Local]) {
        let gone_after_ms = locals.iter().map(|local| local.rules.gone_after_ms).min();
        let beat_every = Duration::from_millis(gone_after_ms.unwrap_or(u64::MAX) / BEATS).min(BEAT_EVERY_MAX);
        if self.beat_every != beat_every {
            self.beat_every = beat_every;
            self.backoff = Backoff::up_to(beat_every);
        }
    }

    /// No plugin has waves any more: nobody shall wait for this gateway.
    fn leave(&mut self, house: &House) -> Result<bool, StoreFault> {
        self.looked = Some(Instant::now());
        house.rollouts.waves.shown.lock().plugins.clear();
        if self.said.is_some() {
            let mut board = Board::open(&self.settings)?;
            board.forget(std::slice::from_ref(&self.settings.node))?;
            self.said = None;
            self.members.clear();
            self.attempts.clear();
        }
        Ok(false)
    }

    fn look(&mut self, local: &Local, word: &Word, note: Option<&Note>, passed_ms: u64) -> Advice {
        let campaign: Option<Campaign> = note.and_then(|note| serde_json::from_slice(note.text()).ok());
        let now = crate::stores::clock();
        let mine = Mine {
            gateway: &self.settings.node,
            plugin: &local.plugin,
            word,
            now: &now,
        };
        let member = self.members.entry(local.plugin.clone()).or_default();
        member.look(mine, &local.rules, (campaign.as_ref(), &self.fleet), passed_ms)
    }

    fn act(&mut self, house: &House, local: &Local, advice: &Advice) {
        let plugin = &local.plugin;
        let rollouts = &house.rollouts;
        match &advice.task {
            Task::Nothing => {}
            Task::Begin => rollouts.come(house, plugin, false),
            Task::Promote => rollouts.come(house, plugin, true),
            Task::GoBack(_) if self.stays(local).is_some() => return,
            Task::GoBack(stop) => {
                if let Err(why) = rollouts.follow_back(house, plugin, &stop.text()) {
                    fail(&format!(
                        "rollout plugin={plugin}: it stays, though {}: {why}",
                        stop.text()
                    ));
                    let why = format!("it stays: {why}");
                    self.staying.insert(plugin.clone(), (local.target.clone(), why));
                }
            }
            Task::Again => match rollouts.start(house, plugin) {
                Some(Ok(())) => {}
                Some(Err(why)) => {
                    warn(&format!(
                        "warning: the rollout of plugin `{plugin}` is not tried again: {why}"
                    ));
                    return;
                }
                None => return,
            },
        }
        let is_back = matches!(
            local.progress,
            Progress::RolledBack | Progress::Followed | Progress::LeftOut
        );
        if !is_back || advice.task == Task::Again {
            let attempt = (local.target.clone(), advice.attempt);
            self.attempts.insert(plugin.clone(), attempt);
        }
    }

    fn stays(&self, local: &Local) -> Option<&String> {
        let (target, why) = self.staying.get(&local.plugin)?;
        (*target == local.target).then_some(why)
    }

    fn words(&self, locals: &[Local]) -> BTreeMap<String, Word> {
        // At first, what the process before said.
        let before = self.said.as_ref().map(|(report, _)| report);
        let before = before.or_else(|| self.fleet.report(&self.settings.node));
        let word = |local: &Local| {
            let old = before.and_then(|before| before.plugins.get(&local.plugin));
            let old = old.filter(|old| old.target == local.target);
            let attempt = self.attempts.get(&local.plugin);
            let attempt = attempt
                .filter(|(target, _)| *target == local.target)
                .map(|(_, attempt)| *attempt);
            let since = old
                .filter(|old| old.progress == local.progress)
                .map(|old| old.since.clone());
            let why = local.why.as_ref().or_else(|| self.stays(local));
            let word = Word {
                target: local.target.clone(),
                attempt: attempt.or(old.map(|old| old.attempt)).unwrap_or(0),
                progress: local.progress,
                why: why.map(|why| why.chars().take(WHY_CHARS_MAX).collect()),
                since: since.unwrap_or_else(crate::stores::clock),
            };
            (local.plugin.clone(), word)
        };
        locals.iter().map(word).collect()
    }

    /// Tells the others, if there is something new, or it is time to say that this gateway is there.
    fn say(&mut self, board: &mut Board, words: &BTreeMap<String, Word>) -> Result<(), StoreFault> {
        let said = self.said.as_ref();
        if said.is_some_and(|(said, at)| said.plugins == *words && at.elapsed() < self.beat_every) {
            return Ok(());
        }
        self.beat = self.beat.saturating_add(1);
        let report = Report {
            gateway: self.settings.node.clone(),
            process: self.process.clone(),
            beat: self.beat,
            plugins: words.clone(),
        };
        board.report(serde_json::to_vec(&report).unwrap_or_default())?;
        self.said = Some((report, Instant::now()));
        Ok(())
    }

    /// While a change comes into force here nothing follows from what others say, but they hear that this gateway is there.
    fn say_again(&mut self) -> Result<(), StoreFault> {
        let Some(words) = self.said.as_ref().map(|(said, _)| said.plugins.clone()) else {
            return Ok(());
        };
        let mut board = self.board()?;
        self.say(&mut board, &words)?;
        self.board = Some(board);
        Ok(())
    }

    /// Removes what nobody needs any more: so much stands there as there are gateways and plugins.
    fn tidy(&self, board: &mut Board, posted: &Posted, locals: &[Local]) -> Result<(), StoreFault> {
        let gone_after_ms = locals
            .iter()
            .map(|local| local.rules.gone_after_ms)
            .max()
            .unwrap_or(u64::MAX);
        if !self.fleet.is_first(&self.settings.node, gone_after_ms) {
            return Ok(());
        }
        let mut forgotten = self.fleet.forgotten(FORGET_AFTER_MS);
        // The next look takes the rest.
        forgotten.truncate(FORGOTTEN_MAX);
        if !forgotten.is_empty() {
            board.forget(&forgotten)?;
        }
        for note in &posted.notes {
            let campaign: Option<Campaign> = serde_json::from_slice(note.text()).ok();
            let is_of_use = |campaign: &Campaign| {
                let is_ours = |local: &Local| local.plugin == note.plugin && local.target == campaign.target;
                locals.iter().any(is_ours) || !self.fleet.has_no_word(&note.plugin, &campaign.target)
            };
            if !campaign.as_ref().is_some_and(is_of_use) {
                board.replace(&note.plugin, Some(note), None)?;
            }
        }
        Ok(())
    }
}

fn is_under_way(progress: Progress) -> bool {
    matches!(progress, Progress::Waiting | Progress::RollingOut)
}

/// Whether a gateway that is there is still to go over.
fn others_are_under_way(view: &View) -> bool {
    let there = view.gateways.iter().filter(|(.., is_there)| *is_there);
    there.filter_map(|(_, progress, _)| *progress).any(is_under_way)
}

/// Tells people what this gateway wrote for all.
fn announce(plugin: &str, note: Option<&Note>, write: &Campaign) {
    let before: Option<Campaign> = note.and_then(|note| serde_json::from_slice(note.text()).ok());
    let is_new = before.is_none_or(|before| before.target != write.target);
    let begun = format!("wave {} of target {}", write.wave.saturating_add(1), write.target);
    let stopped = write.stopped.as_ref().map(Stop::text);
    crate::records::wave(plugin, stopped.as_deref().map_or(Ok(&*begun), Err));
    match &write.stopped {
        Some(stop) => fail(&format!("waves plugin={plugin}: stopped: {}", stop.text())),
        None if is_new => say(&format!("waves plugin={plugin}: begin with target={}", write.target)),
        None => say(&format!(
            "waves plugin={plugin}: wave {} begins",
            write.wave.saturating_add(1)
        )),
    }
}

impl Waves {
    /// How it stands with all gateways, for people; none when the plugin has no waves.
    pub(super) fn shown(&self, plugin: &str) -> Option<Value> {
        let shown = self.shown.lock();
        let (target, view) = shown.plugins.get(plugin)?;
        let gateways = view.gateways.iter().map(|(gateway, progress, is_there)| {
            let progress = progress.map_or("has not heard of it", Progress::word);
            json!({
                "gateway": gateway,
                "state": progress,
                "in_wave": view.of_wave.contains(gateway),
                "silent": !is_there,
            })
        });
        let campaign = view.campaign.as_ref();
        Some(json!({
            "target": target,
            "wave": campaign.map(|campaign| campaign.wave.saturating_add(1)),
            "attempt": campaign.map(|campaign| campaign.attempt),
            "of_wave": view.of_wave.len(),
            "of_all": view.members.len(),
            "stopped": campaign.and_then(|campaign| campaign.stopped.as_ref()).map(Stop::text),
            "lost": shown.lost,
            "gateways": gateways.collect::<Vec<_>>(),
        }))
    }
}
