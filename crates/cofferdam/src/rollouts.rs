//! Rollouts of a gateway: which plugins come into force by one, what is done of it on the workers and on disk, and what an operator sees.

mod drive;
mod lost;
pub(crate) mod shadow;
mod shown;
pub(crate) mod waves;
mod word;

pub(crate) use self::drive::drive;
use self::shadow::Aside;
use self::shown::View;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use gate_plan::{Rollout as Wanted, RolloutBound, RolloutMetric};
use parking_lot::{Mutex, MutexGuard};
use plug_rollout::{
    Bound, Counts, CustomBound, Event, Pause, Policy, QuantileBound, Record, Rollout, Share, Standing, Step, StepState,
    Turn, Why,
};

use crate::loaded::{Loaded, OnTrial, Runs};
use crate::voice::warn;

/// LIMIT: bytes of a record that is read.
const RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where records are, beside what served.
const FOLDER: &str = "rollouts";

/// The rollouts of a gateway.
pub(crate) struct Rollouts {
    /// Held for as long as a change takes to come into force.
    book: Mutex<Book>,
    /// What is shown meanwhile.
    view: Mutex<Vec<View>>,
    pub(crate) waves: waves::Waves,
}

/// What is known of rollouts, and the configuration that they change.
pub(crate) struct Book {
    /// What was applied last.
    loaded: Loaded,
    entries: Vec<Entry>,
    /// Where records are written.
    folder: Option<PathBuf>,
}

/// One rollout, or the last one of a plugin.
#[derive(Clone)]
struct Entry {
    plugin: String,
    rollout: Rollout,
    candidate: Runs,
    control: Runs,
    /// What followed from its beginning, until it is done.
    first: Option<Turn>,
    /// Whether it does not begin before its wave comes.
    waits: bool,
    /// Counts of both generations at the last look: control, candidate.
    seen: (Counts, Counts),
    /// The candidate as it runs aside, if it does in this rollout.
    aside: Option<Aside>,
    /// How far its steps were when that was last written down in the log.
    written: Vec<StepState>,
}

impl Entry {
    fn begin(record: Record, control: Runs, candidate: Runs) -> Self {
        let (rollout, turn) = Rollout::begin(record);
        let aside = Aside::of(rollout.record(), &candidate);
        let custom = &rollout.record().policy.custom;
        let seen = (
            drive::counts(&control.plugin, custom),
            drive::counts(&candidate.plugin, custom),
        );
        let has_waves = candidate
            .spec
            .rollout
            .as_ref()
            .is_some_and(|rollout| rollout.waves.is_some());
        let waits = has_waves && !candidate.is_begun() && rollout.record().standing == Standing::Staged;
        Self {
            plugin: candidate.name().to_owned(),
            written: rollout.record().steps.iter().map(|step| step.state).collect(),
            rollout,
            candidate,
            control,
            first: Some(turn),
            waits,
            seen,
            aside,
        }
    }

    fn record(&self) -> &Record {
        self.rollout.record()
    }

    /// Why something went back that was begun beside the configuration, when what serves is as the configuration has it.
    fn why_begun_went_back(&self) -> Option<String> {
        let was_begun = self.candidate.is_begun() && !self.control.is_begun();
        let why = self.record().why().filter(|_| was_begun && self.record().is_over());
        why.map(Why::text)
    }

    /// Why the generation that is wanted is not in force.
    fn why_not(&self) -> String {
        let name = &self.plugin;
        match self.record().why() {
            Some(why) => {
                let everywhere = match why {
                    Why::Elsewhere { .. } => " --everywhere",
                    _ => "",
                };
                format!(
                    "error: plugin `{name}`: its rollout went back: {}\nhint: `cofferdam rollout start {name}{everywhere}` tries it again",
                    why.text()
                )
            }
            None => {
                format!("plugin `{name}` comes into force by a rollout; `cofferdam rollout status {name}` shows it")
            }
        }
    }

    /// It ends without further effects: whoever calls this takes the candidate away.
    fn overtaken(&mut self) {
        let mut turn = self.rollout.on(Event::Overtaken);
        while let Some(effect) = turn.effects.pop() {
            turn = self.rollout.on(Event::Done { key: effect.key });
        }
    }
}

impl Rollouts {
    /// The rollouts with which a gateway starts: those that were not over go on, and what was changed meanwhile begins one.
    pub(crate) fn open(loaded: &mut Loaded, main: &Path) -> Self {
        let folder = crate::last_good::folder(&loaded.plan, main).map(|folder| folder.join(FOLDER));
        folder.as_deref().map(crate::last_good::clear_parts);
        let entries = arrange(&[], loaded, folder.as_deref());
        if let Some(folder) = &folder {
            lost::clear(folder, &entries);
        }
        for entry in entries
            .iter()
            .filter(|entry| entry.first.is_some() && entry.record().is_over())
        {
            if entry.record().why().is_some() {
                warn(&entry.why_not());
            }
        }
        let mut book = Book {
            loaded: loaded.clone(),
            entries,
            folder,
        };
        book.loaded.spare = spare(&book.entries);
        loaded.spare.clone_from(&book.loaded.spare);
        Self {
            view: Mutex::new(shown::view(&book)),
            book: Mutex::new(book),
            waves: waves::Waves::default(),
        }
    }

    /// What serves at the start, which may be less than was wanted.
    pub(crate) fn serve(&mut self, loaded: &Loaded) {
        self.book.get_mut().loaded = loaded.clone();
    }

    /// The book, to change something. What it says now is shown until that is over.
    fn hold(&self) -> MutexGuard<'_, Book> {
        let book = self.book.lock();
        *self.view.lock() = shown::view(&book);
        book
    }
}

/// Both generations of each rollout that is not over, or that others may still take back: either may have to serve.
fn spare(entries: &[Entry]) -> Vec<Runs> {
    let may_turn = entries
        .iter()
        .filter(|entry| !entry.record().is_over() || entry.may_follow());
    may_turn
        .flat_map(|entry| [entry.control.clone(), entry.candidate.clone()])
        .collect()
}

/// Which rollouts there are with `loaded`, which gets their candidates and keeps the generations before.
fn arrange(before: &[Entry], loaded: &mut Loaded, folder: Option<&Path>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for wanted in loaded.rolled_out() {
        let name = wanted.name().to_owned();
        let old = before.iter().find(|entry| entry.plugin == name);
        let Some(former) = loaded.former(&name).cloned() else {
            continue;
        };
        let (control, candidate) = (former.fingerprint(), wanted.fingerprint());
        let same = old.filter(|entry| leads(entry.record(), &control, &candidate));
        let entry = if control == candidate {
            // The generation that is wanted serves already; its instances stay.
            loaded.adopt(Runs {
                plugin: former.plugin.clone(),
                ..wanted
            });
            entries.extend(served(old, folder, &candidate, &former));
            continue;
        } else if let Some(same) = same {
            let mut same = same.clone();
            if same.record().is_over() {
                // When it is tried again, then as it is wanted now.
                same.candidate = wanted;
            }
            same
        } else {
            let kept = folder.and_then(|folder| read(folder, &name, wanted.is_begun()));
            let kept = kept.filter(|record| leads(record, &control, &candidate));
            let record = kept.unwrap_or_else(|| new_record(&name, (control, candidate), &wanted));
            Entry::begin(record, former, wanted)
        };
        loaded.hold_back(&name, &entry.why_not());
        if !entry.record().is_over() {
            loaded.on_trial.push(OnTrial {
                id: entry.record().id.clone(),
                runs: entry.candidate.clone(),
                share: if entry.first.is_some() {
                    Share::NONE
                } else {
                    entry.record().share()
                },
                shadow: entry.aside.as_ref().map(Aside::plugin),
                is_shadowing: entry.first.is_none() && entry.aside.is_some() && is_serving(entry.record()),
            });
        }
        entries.push(entry);
    }
    // How it went with what was begun is shown until something else is tried, also of a plugin without `rollout`.
    let is_left = |old: &&Entry| {
        let mut standings = loaded.standings.iter();
        let is_there = standings.any(|standing| standing.plugin == old.plugin);
        is_there && old.why_begun_went_back().is_some() && !entries.iter().any(|entry| entry.plugin == old.plugin)
    };
    let left: Vec<Entry> = before.iter().filter(is_left).cloned().collect();
    entries.extend(left);
    entries
}

/// Whether a rollout leads from one to the other, or came back on that way. One that arrived there does not lead there again.
fn leads(record: &Record, control: &str, candidate: &str) -> bool {
    record.control == control
        && record.candidate == candidate
        && record.standing != Standing::Promoted
        && !record.was_overtaken()
}

/// What is left of a rollout whose candidate, or control, is wanted and serves.
fn served(old: Option<&Entry>, folder: Option<&Path>, serves: &str, runs: &Runs) -> Option<Entry> {
    let mut entry = match old {
        Some(old) => old.clone(),
        None => {
            let record = folder.and_then(|folder| read(folder, runs.name(), runs.is_begun()))?;
            Entry::begin(record, runs.clone(), runs.clone())
        }
    };
    entry.waits = false;
    if entry.record().is_over() {
        return Some(entry);
    }
    if entry.record().candidate == serves {
        // The process was killed behind the last effect but before its acknowledgement.
        let mut turn = entry.first.take().unwrap_or_default();
        while let Some(effect) = turn.effects.pop() {
            turn = entry.rollout.on(Event::Done { key: effect.key });
        }
    } else {
        entry.overtaken();
    }
    entry.first = Some(Turn {
        write: true,
        ..Turn::default()
    });
    Some(entry)
}

fn new_record(name: &str, generations: (String, String), wanted: &Runs) -> Record {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = format!("{name}-{}", since.as_millis());
    let policy = wanted.spec.rollout.as_ref().map(policy);
    let policy = policy.unwrap_or_else(Policy::at_once);
    Record::new(id, name.to_owned(), generations, policy)
}

fn policy(wanted: &Wanted) -> Policy {
    let bound = |bound: RolloutBound| Bound {
        absolute: bound.absolute,
        relative: bound.relative,
    };
    let ms = |length: std::time::Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let analysis = &wanted.analysis;
    let steps = wanted.steps.iter().map(|step| Step {
        share: Share::new(step.share).unwrap_or(Share::ALL),
        pause: step.pause.map_or(Pause::Manual, |length| Pause::ForMs(ms(length))),
    });
    let quantile = |thousandths| QuantileBound {
        thousandths,
        bound: bound(analysis.latency),
    };
    Policy {
        steps: steps.collect(),
        shadow: wanted.shadow.is_some(),
        exchanges_min: analysis.exchanges_min,
        faults: Some(bound(analysis.faults)),
        faults_max: analysis.faults_max,
        server_errors: Some(bound(analysis.server_errors)),
        client_errors: Some(bound(analysis.client_errors)),
        latency: vec![quantile(500), quantile(990)],
        cpu: Some(bound(analysis.cpu)),
        memory: Some(bound(analysis.memory)),
        log_errors: Some(bound(analysis.log_errors)),
        custom: analysis.metrics.iter().map(custom).collect(),
        differences_max: analysis.differences_max,
        ends_within_ms: ms(wanted.ends_within),
    }
}

fn custom(metric: &RolloutMetric) -> CustomBound {
    CustomBound {
        name: metric.name.clone(),
        thousandths: metric.thousandths,
        bound: Bound {
            absolute: metric.bound.absolute,
            relative: metric.bound.relative,
        },
    }
}

/// The file of a plugin's record. Names of plugins may hold what a file name may not. What was begun beside the configuration has one of its
/// own: how the configured generation went is still to be known when that is over.
fn file(folder: &Path, plugin: &str, is_begun: bool) -> PathBuf {
    let name = plug_host::digest(plugin.as_bytes());
    let end = if is_begun { ".begun.json" } else { ".json" };
    folder.join(format!("{}{end}", name.get(..16).unwrap_or(&name)))
}

/// Whether what was begun of a plugin had gone back when it was written down in `state`, where what served is kept.
pub(crate) fn had_gone_back(state: &Path, plugin: &str) -> bool {
    let record = read(&state.join(FOLDER), plugin, true);
    record.is_some_and(|record| record.is_over() && record.why().is_some())
}

fn read(folder: &Path, plugin: &str, is_begun: bool) -> Option<Record> {
    let file = file(folder, plugin, is_begun);
    let bytes = file
        .exists()
        .then(|| plug_package::read_file(&file, RECORD_BYTES_MAX))?;
    let text = bytes.map_err(|why| why.to_string());
    let record =
        text.and_then(|bytes| Record::from_json(&String::from_utf8_lossy(&bytes)).map_err(|why| why.to_string()));
    match record {
        Ok(record) => (record.plugin == plugin).then_some(record),
        Err(why) => {
            warn(&format!("warning: the rollout of plugin `{plugin}` begins anew: {why}"));
            None
        }
    }
}

/// Whether something of a rollout is to be seen on the workers.
fn is_serving(record: &Record) -> bool {
    matches!(record.standing, Standing::Step { .. })
}
