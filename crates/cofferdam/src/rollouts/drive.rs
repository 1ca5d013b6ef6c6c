//! What rollouts do: samples are taken, what follows is written down and done, and people are told.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gate_flow::Flow;
use gate_serve::worker::{self, Mailbox, Workers};
use plug_host::{Plugin, PluginStats, Reading};
use plug_rollout::{Act, Answer, Command, Counts, CustomBound, Effect, Event, Sample, Share, Standing, Turn};

use super::{Book, Entry, Rollouts, arrange, file, is_serving, spare};
use crate::assemble::{ANSWER_MAX, House};
use crate::loaded::Loaded;
use crate::voice::{fail, say, warn};

/// How often both generations are looked at. A plugin that dies in each exchange has gone back after two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks at rollouts on a thread of its own, until the gateway stops.
pub(crate) fn drive(house: Arc<House>) -> io::Result<()> {
    let look = move || {
        while house.is_ready() {
            house.rollouts.look(&house);
            std::thread::sleep(LOOK_EVERY);
        }
    };
    std::thread::Builder::new().name("rollouts".to_owned()).spawn(look)?;
    Ok(())
}

impl Rollouts {
    /// Goes over to another configuration; plugins with a rollout begin one. How many plugins do not run as they are wanted, and
    /// what is to be said of that.
    pub(crate) fn apply(&self, house: &House, mut loaded: Loaded) -> anyhow::Result<(usize, Vec<String>)> {
        let mut book = self.hold();
        loaded.comes_after(house.former());
        let entries = arrange(&book.entries, &mut loaded, book.folder.as_deref());
        loaded.spare = spare(&entries);
        let goes_on = |entry: &Entry| {
            let same = entries.iter().find(|new| new.record().id == entry.record().id);
            same.is_some_and(|same| same.record().why().is_none())
        };
        house.may_change(&loaded)?;
        let under_way = book.entries.iter().filter(|entry| !entry.record().is_over());
        let overtaken: Vec<_> = under_way.filter(|entry| !goes_on(entry)).collect();
        // Before the next generation starts, which would take over from it.
        overtaken.iter().for_each(|entry| entry.disinherit(house));
        if let Err(why) = house.change(&mut loaded) {
            overtaken.iter().for_each(|entry| entry.inherit_again(house));
            return Err(why);
        }
        let troubles = (loaded.refused(), loaded.troubles());
        let before = std::mem::replace(&mut book.entries, entries);
        book.loaded = loaded;
        for gone in before {
            if gone.record().is_over() {
                book.forget(&gone.plugin);
                continue;
            }
            let stays = |entry: &Entry| entry.record().id == gone.record().id;
            if !book.entries.iter().any(stays) {
                book.leave(house, gone);
            }
        }
        book.begin(house);
        Ok(troubles)
    }

    /// Does what the start of the gateway asks for.
    pub(crate) fn begin(&self, house: &House) {
        self.hold().begin(house);
    }

    fn look(&self, house: &House) {
        if self.book.lock().entries.iter().all(|entry| entry.record().is_over()) {
            return;
        }
        let mut book = self.hold();
        let samples = samples(house);
        let mut aside = super::shadow::tallies(house, &book.entries);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        for index in 0..book.entries.len() {
            let Some(entry) = book.entries.get_mut(index) else {
                continue;
            };
            if entry.record().is_over() || entry.waits {
                continue;
            }
            if is_serving(entry.record()) {
                let plugin = entry.plugin.clone();
                let of_exchanges = samples.iter().filter(|(known, _)| *known == plugin);
                let mut sample = entry.sample(of_exchanges.map(|(_, sample)| sample));
                sample.shadow = entry.shadowed(&mut aside);
                book.happens(house, index, Event::Sample(Box::new(sample)));
            }
            book.happens(house, index, Event::Time { now_ms });
        }
        book.tell_lost(house);
    }

    /// What an operator orders; none when the plugin has no rollout.
    pub(crate) fn order(&self, house: &House, plugin: &str, command: Command) -> Option<Answer> {
        let mut book = self.hold();
        let index = book.entries.iter().position(|entry| entry.plugin == plugin)?;
        match command {
            // Who takes it upon themselves does not wait for the others.
            Command::Promote => book.stop_waiting(house, plugin),
            Command::Abort => book.entries.get_mut(index)?.do_not_begin(),
            Command::Pause | Command::Resume => {}
        }
        let answer = book.happens(house, index, Event::Operator(command));
        book.tell_lost(house);
        answer
    }

    /// The order by which something was begun that went back, and is not wanted any more.
    pub(crate) fn begun_before(&self, plugin: &str) -> Option<String> {
        let book = self.book.lock();
        let entry = book.entries.iter().find(|entry| entry.plugin == plugin)?;
        entry.why_begun_went_back()?;
        let is_wanted = book.loaded.held_back(plugin).is_some();
        let order = entry.candidate.text.begun.get(plugin);
        order.filter(|_| !is_wanted).cloned()
    }

    /// Tries a generation again that went back; none when the plugin has no rollout.
    pub(crate) fn start(&self, house: &House, plugin: &str) -> Option<Result<(), String>> {
        let mut book = self.hold();
        let index = book.entries.iter().position(|entry| entry.plugin == plugin)?;
        let entry = book.entries.get(index)?;
        if !entry.record().is_over() {
            return Some(Err(String::from("a rollout goes on; `abort` ends it")));
        }
        if entry.record().why().is_none() {
            return Some(Err(String::from("the generation that is wanted serves already")));
        }
        if book.loaded.held_back(plugin).is_none() {
            return Some(Err(String::from("the generation that is wanted serves already")));
        }
        let mut loaded = book.loaded.clone();
        // What is wanted is wanted again, and nothing is known of how it went before.
        loaded.adopt(entry.candidate.clone());
        loaded.comes_after(house.former());
        // Without a folder, for the record there says how it went; the new one takes its place once it has begun.
        let begun = arrange(&[], &mut loaded, None);
        let Some(begun) = begun.into_iter().find(|entry| entry.plugin == plugin) else {
            return Some(Err(String::from("there is nothing to go over to")));
        };
        loaded.spare = [spare(&book.entries), spare(std::slice::from_ref(&begun))].concat();
        let number = begun.candidate.plugin.generation;
        house.process.take_back_heritage(plugin, number);
        if let Err(why) = house.change(&mut loaded) {
            house.process.give_up_heritage(plugin, number);
            return Some(Err(why.to_string()));
        }
        if let Some(entry) = book.entries.get_mut(index) {
            *entry = begun;
        }
        book.loaded = loaded;
        book.begin(house);
        Some(Ok(()))
    }
}

impl Entry {
    /// What both generations have counted so far is left out of what follows.
    fn look_anew(&mut self) {
        let custom = &self.record().policy.custom;
        self.seen = (
            counts(&self.control.plugin, custom),
            counts(&self.candidate.plugin, custom),
        );
    }

    /// What both generations did since the last look: what the exchanges tell, and what each generation counts for itself.
    fn sample<'sample>(&mut self, of_exchanges: impl Iterator<Item = &'sample Sample>) -> Sample {
        let mut sample = Sample::default();
        of_exchanges.for_each(|more| sample.add(more));
        let custom = &self.record().policy.custom;
        let control = counts(&self.control.plugin, custom);
        let candidate = counts(&self.candidate.plugin, custom);
        let since = (control.since(&self.seen.0), candidate.since(&self.seen.1));
        self.seen = (control, candidate);
        take(&mut sample.control, since.0);
        take(&mut sample.candidate, since.1);
        sample
    }
}

/// Takes over what a generation counts for itself. Of a control whose exchanges do not all take part, as much as do.
fn take(counts: &mut Counts, own: Counts) {
    let part = match own.exchanges {
        0 => 1.0,
        all => (counts.exchanges as f64 / all as f64).min(1.0),
    };
    // Exchanges begin and end at different looks: only a part that is clearly smaller is one.
    let part = if part > 0.5 { 1.0 } else { part };
    let scaled = |count: u64| (count as f64 * part).round() as u64;
    counts.faults = own
        .faults
        .into_iter()
        .map(|(code, count)| (code, scaled(count)))
        .collect();
    counts.cpu_us = scaled(own.cpu_us);
    counts.memory_bytes = scaled(own.memory_bytes);
    counts.log_errors = scaled(own.log_errors);
    counts.custom = own
        .custom
        .into_iter()
        .map(|(name, value)| (name, value * part))
        .collect();
    // How values are spread does not depend on how many exchanges take part.
    counts.spreads = own.spreads;
}

/// What a generation has counted for itself, on all workers.
pub(super) fn counts(plugin: &Plugin, custom: &[CustomBound]) -> Counts {
    let sum = |count: fn(&PluginStats) -> u64| plugin.workers.iter().map(count).sum();
    let mut counts = Counts {
        exchanges: sum(|stats| stats.exchanges.load(Ordering::Relaxed)),
        cpu_us: sum(|stats| u64::try_from(stats.computed().sum.as_micros()).unwrap_or(u64::MAX)),
        memory_bytes: sum(|stats| stats.memory_grown_bytes.load(Ordering::Relaxed)),
        log_errors: sum(|stats| stats.error_lines.load(Ordering::Relaxed)),
        ..Counts::default()
    };
    for (code, count) in plugin.workers.iter().flat_map(PluginStats::faults_by_code) {
        if count > 0 {
            *counts.faults.entry(code.to_owned()).or_default() += count;
        }
    }
    for wanted in custom {
        let readings = plugin.workers.iter().filter_map(|stats| stats.metric(&wanted.name));
        readings.for_each(|reading| count_metric(&mut counts, wanted, &reading));
    }
    counts
}

/// Takes in what a worker made of a metric that the plugin defines. A gauge goes up and down, and nothing is said of it.
fn count_metric(counts: &mut Counts, wanted: &CustomBound, reading: &Reading) {
    match (wanted.thousandths, reading) {
        (None, Reading::Counter(value)) => {
            *counts.custom.entry(wanted.name.clone()).or_default() += *value as f64;
        }
        (Some(_), Reading::Histogram(histogram)) => {
            let spread = counts.spreads.entry(wanted.name.clone()).or_default();
            let mut below = 0;
            for (upper, seen) in &histogram.buckets {
                spread.add_up_to(*upper, seen.saturating_sub(below));
                below = *seen;
            }
            spread.add_up_to(u64::MAX, histogram.count.saturating_sub(below));
        }
        _ => {}
    }
}

/// What exchanges tell, from every worker.
fn samples(house: &House) -> Vec<(String, Sample)> {
    let told = ask_all(house, |mailbox| {
        mailbox.ask(|flow| async move { flow.take_arms() }).ok()
    });
    told.into_iter().flatten().collect()
}

/// What every worker answers. One that does not answer in time tells it at the next look.
pub(super) fn ask_all<T>(house: &House, ask: impl FnMut(&Mailbox<Flow>) -> Option<worker::Answer<T>>) -> Vec<T> {
    let workers = house.workers.lock();
    let mailboxes = workers.iter().flat_map(Workers::mailboxes);
    let asked: Vec<_> = mailboxes.filter_map(ask).collect();
    drop(workers);
    let answers = asked.into_iter();
    answers.filter_map(|answer| answer.wait(ANSWER_MAX)).collect()
}

impl Book {
    /// Does what follows from beginnings.
    pub(super) fn begin(&mut self, house: &House) {
        for index in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(index) else {
                continue;
            };
            // Without a store there are no others.
            entry.waits &= house.store.get().is_some();
            if entry.waits {
                continue;
            }
            if let Some(turn) = entry.first.take() {
                // What failed while it was staged beside others is not held against it.
                entry.look_anew();
                let words = if entry.record().is_over() {
                    entry.record().words()
                } else {
                    String::new()
                };
                self.follow(house, index, &words, turn);
            }
        }
        self.tell_lost(house);
    }

    pub(super) fn happens(&mut self, house: &House, index: usize, event: Event) -> Option<Answer> {
        let entry = self.entries.get_mut(index)?;
        let words = entry.record().words();
        let turn = entry.rollout.on(event);
        let answer = turn.answer;
        self.follow(house, index, &words, turn);
        answer
    }

    /// Writes down what changed, does what is to be done, and goes on with what follows from that.
    fn follow(&mut self, house: &House, index: usize, words: &str, turn: Turn) {
        let mut words = words.to_owned();
        let mut turns = VecDeque::from([turn]);
        while let Some(turn) = turns.pop_front() {
            if turn.write {
                self.write(index);
            }
            if let Some(entry) = self.entries.get(index) {
                words = told(entry, &words);
            }
            if let Some(entry) = self.entries.get_mut(index) {
                crate::records::saga(entry.rollout.record(), &mut entry.written);
            }
            for effect in turn.effects {
                let done = self.perform(house, index, &effect);
                let Some(entry) = self.entries.get_mut(index) else {
                    return;
                };
                crate::records::effect(
                    entry.rollout.record(),
                    &effect,
                    done.as_ref().map_err(Undone::text).copied(),
                );
                let key = effect.key;
                turns.push_back(entry.rollout.on(match done {
                    Ok(()) => Event::Done { key },
                    Err(Undone::Failed(why)) => Event::Failed { key, why },
                    Err(Undone::Refused(why)) => Event::Refused { key, why },
                }));
            }
        }
        self.keep_less(house);
    }

    /// What only rollouts need that are over is kept no longer.
    fn keep_less(&mut self, house: &House) {
        let spare = spare(&self.entries);
        if spare.len() < self.loaded.spare.len() {
            self.loaded.spare = spare;
            house.keep(&self.loaded);
        }
    }

    pub(super) fn write(&self, index: usize) {
        let (Some(folder), Some(entry)) = (&self.folder, self.entries.get(index)) else {
            return;
        };
        if let Err(why) = write(folder, entry) {
            warn(&format!(
                "warning: the rollout of plugin `{}` is not written down: {why}\nhint: `state_dir` names another folder",
                entry.plugin
            ));
        }
    }

    fn perform(&mut self, house: &House, index: usize, effect: &Effect) -> Result<(), Undone> {
        let entry = self.entries.get(index).ok_or_else(|| String::from("it is gone"))?;
        let name = entry.plugin.clone();
        match effect.act {
            // The configuration that brought it has started it on every worker.
            Act::Stage => match self.loaded.on_trial.iter().any(|trial| trial.runs.name() == name) {
                true => Ok(()),
                false => Err(self.why_not(&name).into()),
            },
            Act::SetShare(share) => {
                self.give(house, &name, share);
                Ok(())
            }
            Act::StartShadow | Act::StopShadow => {
                super::shadow::lead(house, &mut self.loaded, &name, effect.act);
                Ok(())
            }
            Act::Adopt => {
                let mut adopted = self.loaded.clone();
                adopted.adopt(entry.candidate.clone());
                house.keep(&adopted);
                Ok(kept(house)?)
            }
            Act::RestoreControl => {
                house.keep(&self.loaded);
                Ok(kept(house)?)
            }
            Act::RetireControl => {
                let mut adopted = self.loaded.clone();
                adopted.adopt(entry.candidate.clone());
                self.change(house, adopted)?;
                self.took_over(index).map_err(Undone::Refused)
            }
            Act::RetireCandidate => {
                let mut without = self.loaded.clone();
                let was_tried = without.on_trial.iter().any(|trial| trial.runs.name() == name);
                without.give_up(&name);
                without.hold_back(&name, &entry.why_not());
                entry.disinherit(house);
                match was_tried {
                    true => Ok(self.change(house, without)?),
                    false => Ok(()),
                }
            }
        }
    }

    pub(super) fn change(&mut self, house: &House, mut loaded: Loaded) -> Result<(), String> {
        loaded.spare = spare(&self.entries);
        house.change(&mut loaded).map_err(|why| format!("{why:#}"))?;
        self.loaded = loaded;
        Ok(())
    }

    /// Gives a candidate its part of the exchanges, on every worker from its next exchange on.
    fn give(&mut self, house: &House, name: &str, share: Share) {
        for trial in self
            .loaded
            .on_trial
            .iter_mut()
            .filter(|trial| trial.runs.name() == name)
        {
            trial.share = share;
        }
        for mailbox in house.workers.lock().iter().flat_map(Workers::mailboxes) {
            let name = name.to_owned();
            // A worker that is not reached is going away.
            let _ = mailbox.tell(move |flow| flow.give(&name, share));
        }
    }

    pub(super) fn why_not(&self, name: &str) -> String {
        let mut standings = self.loaded.standings.iter();
        let standing = standings.find(|standing| standing.plugin == name);
        let why = standing.and_then(|standing| standing.why_not.clone());
        why.unwrap_or_else(|| String::from("it is not wanted any more"))
    }
}

/// Why an effect is not done.
enum Undone {
    /// It may go well another time.
    Failed(String),
    /// It will not.
    Refused(String),
}

impl Undone {
    fn text(&self) -> &str {
        match self {
            Self::Failed(why) | Self::Refused(why) => why,
        }
    }
}

impl From<String> for Undone {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

fn kept(house: &House) -> Result<(), String> {
    match house.has_kept() {
        true => Ok(()),
        false => Err(String::from("what served last is not on disk")),
    }
}

pub(super) fn write(folder: &Path, entry: &Entry) -> io::Result<()> {
    let file = file(folder, &entry.plugin, entry.candidate.is_begun());
    crate::last_good::replace(&file, entry.record().to_json().as_bytes())
}

/// Tells people where a rollout is, if it is elsewhere than it was.
pub(super) fn told(entry: &Entry, before: &str) -> String {
    let (record, words) = (entry.record(), entry.record().words());
    if words == before {
        return words;
    }
    let line = format!(
        "rollout plugin={} id={} share=\"{}\": {words}",
        entry.plugin,
        record.id,
        record.share()
    );
    crate::records::standing(record, &words);
    match record.why() {
        Some(why) => fail(&format!("{line}: {}", why.text())),
        None => say(&line),
    }
    if record.standing == Standing::Promoted && entry.candidate.is_begun() {
        say(&format!(
            "hint: plugin `{}` serves as `rollout start` has it until the text of the configuration changes: write it there",
            entry.plugin
        ));
    }
    words
}

impl House {
    fn has_kept(&self) -> bool {
        self.keeper.has_kept()
    }
}
