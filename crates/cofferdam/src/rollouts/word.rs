//! What this gateway says to the others of its rollouts, and what is done here because of what they say.

use std::sync::Arc;

use plug_host::PluginSpec;
use plug_rollout::{Command, Event, Progress, Rollout, Rules, Standing, StepState, WaveSize, Why};

use super::drive::told;
use super::shown::LOOK_MAX;
use super::{Book, Entry, Rollouts};
use crate::assemble::House;
use crate::loaded::Runs;

/// A plugin with waves, as it stands here.
pub(super) struct Local {
    pub(super) plugin: String,
    /// Names the generation that is wanted, by what is the same on every machine.
    pub(super) target: String,
    pub(super) progress: Progress,
    /// Why it went back.
    pub(super) why: Option<String>,
    pub(super) rules: Rules,
}

impl Rollouts {
    /// Whether a rollout waits or goes on, or a change comes into force, which may begin one.
    pub(super) fn is_under_way(&self) -> bool {
        let book = self.book.try_lock_for(LOOK_MAX);
        book.is_none_or(|book| book.entries.iter().any(|entry| !entry.record().is_over()))
    }

    /// Every plugin with waves.
    pub(super) fn locals(&self) -> Vec<Local> {
        self.book.lock().locals()
    }

    /// Whether what is wanted of a plugin was begun here by an operator.
    pub(super) fn is_begun(&self, plugin: &str) -> bool {
        self.book.lock().loaded.text.begun.contains_key(plugin)
    }

    /// The same; none while a change comes into force.
    pub(super) fn locals_now(&self) -> Option<Vec<Local>> {
        Some(self.book.try_lock_for(LOOK_MAX)?.locals())
    }

    /// Its wave has come, or an operator does not wait for it.
    pub(super) fn come(&self, house: &House, plugin: &str, is_promoted: bool) {
        let mut book = self.hold();
        book.stop_waiting(house, plugin);
        if let Some(index) = book.place(plugin).filter(|_| is_promoted) {
            book.happens(house, index, Event::Operator(Command::Promote));
        }
        book.tell_lost(house);
    }

    /// Another gateway went back: so does this one, also when the new generation serves here already. Why not, when it cannot.
    pub(super) fn follow_back(&self, house: &House, plugin: &str, text: &str) -> Result<(), String> {
        let mut book = self.hold();
        let gone = || String::from("the generation before is not kept any more");
        let index = book.place(plugin).ok_or_else(gone)?;
        let Some(entry) = book.entries.get_mut(index) else {
            return Err(gone());
        };
        if entry.record().standing == Standing::Promoted {
            return book.return_to_control(house, index, text);
        }
        if entry.record().is_over() {
            return Err(gone());
        }
        entry.do_not_begin();
        let text = text.to_owned();
        book.happens(house, index, Event::Elsewhere { text });
        book.tell_lost(house);
        Ok(())
    }
}

impl Book {
    fn locals(&self) -> Vec<Local> {
        let serving = self.loaded.rolled_out();
        let serves = |name: &str| serving.iter().any(|runs| runs.name() == name);
        // What an operator began here is about this gateway alone.
        let is_ours = |runs: &Runs| !runs.is_begun();
        let entries = self.entries.iter();
        let tried = entries.filter(|entry| !serves(&entry.plugin) && is_ours(&entry.candidate));
        let tried = tried.filter_map(|entry| {
            let (progress, why) = entry.progress()?;
            local(&entry.candidate, progress, why)
        });
        let wanted = serving.iter().filter(|runs| is_ours(runs));
        let wanted = wanted.filter_map(|runs| local(runs, Progress::Promoted, None));
        tried.chain(wanted).collect()
    }

    fn place(&self, plugin: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.plugin == plugin)
    }

    /// A plugin's rollout waits for its wave no more.
    pub(super) fn stop_waiting(&mut self, house: &House, plugin: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.plugin == plugin) {
            entry.waits = false;
        }
        self.begin(house);
    }

    /// The generation before takes over again from one that serves alone. First it serves, then that is written down: a gateway that is
    /// killed in between finds the generation before as what served last, and the way to the new one stopped.
    fn return_to_control(&mut self, house: &House, index: usize, text: &str) -> Result<(), String> {
        let entry = self.entries.get(index).ok_or("it is gone")?;
        if target(&entry.control) == target(&entry.candidate) {
            return Err(String::from("the generation before is not kept any more"));
        }
        let mut record = entry.record().clone();
        record.standing = Standing::RolledBack {
            why: Why::Elsewhere { text: text.to_owned() },
        };
        for step in &mut record.steps {
            step.state = StepState::Compensated;
        }
        let before = entry.record().words();
        let mut entry = entry.clone();
        let (rollout, _) = Rollout::begin(record);
        entry.rollout = rollout;
        let mut back = self.loaded.clone();
        back.comes_after(house.former());
        back.return_to(entry.control.clone(), &entry.why_not());
        let (name, promoted) = (entry.plugin.clone(), self.loaded.clone());
        self.change(house, back)?;
        if !self.loaded.running.iter().any(|runs| runs.name() == name) {
            let mut again = promoted;
            again.comes_after(house.former());
            self.change(house, again)?;
            return Err(String::from("the generation before does not start any more"));
        }
        told(&entry, &before);
        crate::records::saga(entry.rollout.record(), &mut entry.written);
        entry.disinherit(house);
        if let Some(place) = self.entries.get_mut(index) {
            *place = entry;
        }
        self.write(index);
        Ok(())
    }
}

impl Entry {
    /// How far it is, for other gateways; none when nothing is to be said of its candidate.
    fn progress(&self) -> Option<(Progress, Option<String>)> {
        let record = self.record();
        let back = |why: &Why| {
            let progress = match why {
                Why::Overtaken => return None,
                Why::Operator => Progress::LeftOut,
                Why::Elsewhere { .. } => Progress::Followed,
                Why::Measure { .. } | Why::Effect { .. } | Why::TooLong => Progress::RolledBack,
            };
            Some((progress, Some(why.text())))
        };
        match &record.standing {
            _ if self.waits => Some((Progress::Waiting, None)),
            Standing::Promoted => Some((Progress::Promoted, None)),
            Standing::RollingBack { why } | Standing::RolledBack { why } => back(why),
            Standing::Staged | Standing::Step { .. } | Standing::Promoting { .. } => Some((Progress::RollingOut, None)),
        }
    }

    /// Whether it is over here, and may yet go the other way because of other gateways.
    pub(super) fn may_follow(&self) -> bool {
        let rollout = self.candidate.spec.rollout.as_ref();
        let has_waves = rollout.is_some_and(|rollout| rollout.waves.is_some());
        let standing = &self.record().standing;
        let may_turn = matches!(
            standing,
            Standing::Promoted
                | Standing::RolledBack {
                    why: Why::Elsewhere { .. }
                }
        );
        has_waves && may_turn && self.control.fingerprint() != self.candidate.fingerprint()
    }

    /// What would follow from its beginning does not.
    pub(super) fn do_not_begin(&mut self) {
        if self.waits {
            self.waits = false;
            self.first = None;
        }
    }
}

fn local(runs: &Runs, progress: Progress, why: Option<String>) -> Option<Local> {
    let waves = runs.spec.rollout.as_ref()?.waves.as_ref()?;
    let ms = |length: std::time::Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let size = |gateways: &gate_plan::WaveGateways| match *gateways {
        gate_plan::WaveGateways::Count(count) => WaveSize::Gateways(count),
        gate_plan::WaveGateways::Part(part) => WaveSize::Part(part),
    };
    Some(Local {
        plugin: runs.name().to_owned(),
        target: target(runs),
        progress,
        why,
        rules: Rules {
            sizes: waves.gateways.iter().map(size).collect(),
            pause_ms: ms(waves.pause),
            gone_after_ms: ms(waves.gone_after),
        },
    })
}

/// Names a generation for other gateways: its module and what is configured, without what belongs to a machine.
fn target(runs: &Runs) -> String {
    let mut grant = runs.plugin.spec.grant.clone();
    let folders = grant.as_mut().map(|grant| &mut Arc::make_mut(grant).folders);
    for folder in folders.into_iter().flatten() {
        folder.path = std::path::PathBuf::new();
    }
    let spec = PluginSpec {
        grant,
        folders: None,
        log_level: plug_abi::LogLevel::Info,
        ..runs.plugin.spec.clone()
    };
    let text = format!("{}\n{spec:?}", runs.plugin.module.digest);
    format!("sha256:{}", plug_host::digest(text.as_bytes()))
}
