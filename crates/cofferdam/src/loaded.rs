//! A configuration with everything it names: what serves of it, what does not, and why.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::logs::screen::Screen;
use bytes::Bytes;
use gate_plan::{OnFault, Plan};
use gate_upstream::Prepared;
use parking_lot::Mutex;
use plug_host::{Plugin, PluginSpec};
use plug_package::{Digest, Document, Reference};
use plug_rollout::Share;

use crate::last_good::LastGood;
use crate::looks::Looks;
use crate::settle::{Settled, Stand, settle};
use crate::sources::Had;
use crate::text::Text;

/// A plugin that can serve, with what is needed to have it again.
#[derive(Clone)]
pub(crate) struct Runs {
    pub(crate) spec: Arc<gate_plan::Plugin>,
    pub(crate) plugin: Arc<Plugin>,
    /// The text in which it is configured so.
    pub(crate) text: Arc<Text>,
    pub(crate) provenance: Arc<Provenance>,
}

/// Where a module came from.
pub(crate) struct Provenance {
    pub(crate) sha256: String,
    pub(crate) image: Option<(Reference, Digest)>,
    pub(crate) made: Option<SystemTime>,
    pub(crate) documents: Vec<Document>,
    /// What its file looked like before it was read.
    looks: Option<(PathBuf, Looks)>,
    /// Its bytes, until they are kept or nobody wants to keep them.
    pub(crate) bytes: Mutex<Option<Bytes>>,
}

impl Runs {
    pub(crate) fn new((spec, plugin): (Arc<gate_plan::Plugin>, Arc<Plugin>), had: Had, text: Arc<Text>) -> Self {
        let provenance = Arc::new(Provenance {
            sha256: had.digest,
            image: had.image,
            made: had.made,
            documents: had.documents,
            looks: had.looks.map(|looks| (had.path, looks)),
            bytes: Mutex::new(Some(had.bytes)),
        });
        Self {
            spec,
            plugin,
            text,
            provenance,
        }
    }

    /// Whether it is as it was when it was made: nobody has touched its file. Only the module, not what is configured.
    pub(crate) fn is_untouched(&self) -> bool {
        let looks = self.provenance.looks.as_ref();
        looks.is_some_and(|(file, looks)| Looks::of(file) == Some(*looks))
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether an operator began it beside the configuration.
    pub(crate) fn is_begun(&self) -> bool {
        self.text.begun.contains_key(self.name())
    }

    /// Names the generation: what it is made of, whatever text says so.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.plugin.module.digest, &self.plugin.spec)
    }
}

/// Names a generation of that module, made so.
pub(crate) fn fingerprint(module: &str, spec: &PluginSpec) -> String {
    plug_host::digest(format!("{module}\n{spec:?}").as_bytes())
}

/// Why a plugin does not run as it is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) text: String,
    /// Whether it may go well another time although nobody changes anything.
    pub(crate) may_pass: bool,
}

/// What became of a plugin as it is wanted.
#[derive(Clone)]
pub(crate) struct Tried {
    pub(crate) name: String,
    pub(crate) outcome: Result<Runs, Refused>,
}

impl Tried {
    pub(crate) fn plugin(&self) -> Option<Arc<Plugin>> {
        self.outcome.as_ref().ok().map(|runs| Arc::clone(&runs.plugin))
    }
}

/// What served before.
#[derive(Clone, Default)]
pub(crate) struct Former {
    pub(crate) plan: Option<Arc<Plan>>,
    /// Its text.
    pub(crate) text: Option<Arc<Text>>,
    /// The texts of what stayed as it was then already.
    pub(crate) held: Vec<(String, Arc<Text>)>,
    /// Its plugins that ran, as they were configured.
    pub(crate) specs: Vec<Arc<gate_plan::Plugin>>,
    /// Those of them that are made.
    pub(crate) runs: Vec<Runs>,
}

impl Former {
    pub(crate) fn of(plan: Arc<Plan>, text: Arc<Text>, held: Vec<(String, Arc<Text>)>, runs: Vec<Runs>) -> Self {
        Self {
            plan: Some(plan),
            text: Some(text),
            held,
            specs: runs.iter().map(|runs| Arc::clone(&runs.spec)).collect(),
            runs,
        }
    }

    pub(crate) fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.runs.iter().map(|runs| Arc::clone(&runs.plugin)).collect()
    }

    /// A plugin of which nothing is to be changed: not what is configured, and not its module.
    pub(crate) fn untouched(&self, (spec, plan): (&Arc<gate_plan::Plugin>, &Plan)) -> Option<&Runs> {
        let before = self.plan.as_ref()?;
        let is_as_before = before.recordings == plan.recordings && before.audit == plan.audit;
        let mut runs = self.runs.iter();
        runs.find(|runs| is_as_before && runs.spec == *spec && spec.debug.is_none() && runs.is_untouched())
    }

    /// The text in which `place` is as it served.
    fn text_of(&self, place: &str) -> Option<&Arc<Text>> {
        let held = self.held.iter().find(|(held, _)| held == place);
        held.map(|(_, text)| text).or(self.text.as_ref())
    }

    fn forget(&mut self, name: &str) {
        self.specs.retain(|spec| spec.name != name);
        self.runs.retain(|runs| runs.name() != name);
    }
}

/// How a plugin stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) plugin: String,
    pub(crate) stand: Stand,
    /// Why it does not run as it is wanted.
    pub(crate) why_not: Option<String>,
}

/// A route or TCP listener that is not as it is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) place: String,
    /// The plugin on which it waits.
    pub(crate) plugin: String,
    /// What its exchanges get meanwhile; none when it stays as it was.
    pub(crate) on_fault: Option<OnFault>,
}

/// A generation that is tried beside the one in force.
#[derive(Clone)]
pub(crate) struct OnTrial {
    /// The rollout.
    pub(crate) id: String,
    pub(crate) runs: Runs,
    pub(crate) share: Share,
    /// The same as it runs aside, if it does in this rollout, and whether it does now.
    pub(crate) shadow: Option<Arc<Plugin>>,
    pub(crate) is_shadowing: bool,
}

/// A configuration with everything it names.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// What is to be in force.
    pub(crate) plan: Arc<Plan>,
    pub(crate) text: Arc<Text>,
    /// Its plugins that run.
    pub(crate) running: Vec<Runs>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) upstreams: Prepared,
    /// What is tried beside it.
    pub(crate) on_trial: Vec<OnTrial>,
    /// Both generations of rollouts that are not over, kept for the way on and for the way back.
    pub(crate) spare: Vec<Runs>,
    /// Its log guests, started; taken when it comes into force.
    pub(crate) screen: Arc<Mutex<Option<Screen>>>,
    /// The files it names, for noticing changes.
    pub(crate) files: Vec<PathBuf>,
    wanted: Plan,
    tried: Vec<Tried>,
    former: Former,
    /// Plugins that did not run either when this text served last.
    foreseen: Vec<String>,
}

impl Loaded {
    pub(crate) fn new(
        (wanted, text): (Plan, Arc<Text>),
        tried: Vec<Tried>,
        former: Former,
        (upstreams, files): (Prepared, Vec<PathBuf>),
    ) -> Self {
        let mut loaded = Self {
            plan: Arc::new(wanted.clone()),
            text,
            running: Vec::new(),
            standings: Vec::new(),
            waiting: Vec::new(),
            upstreams,
            on_trial: Vec::new(),
            spare: Vec::new(),
            screen: Arc::default(),
            files,
            wanted,
            tried,
            former,
            foreseen: Vec::new(),
        };
        loaded.settle();
        loaded
    }

    /// The plugins that run.
    pub(crate) fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.running.iter().map(|runs| Arc::clone(&runs.plugin)).collect()
    }

    /// Whether all plugins run as they are wanted.
    pub(crate) fn is_as_wanted(&self) -> bool {
        self.tried.iter().all(|tried| tried.outcome.is_ok())
    }

    /// Whether trying again may help although nothing changes.
    pub(crate) fn may_pass(&self) -> bool {
        let mut refused = self.tried.iter().filter_map(|tried| tried.outcome.as_ref().err());
        refused.any(|refused| refused.may_pass)
    }

    /// Whether this generation runs, or is tried.
    pub(crate) fn has(&self, runs: &Runs) -> bool {
        let tried = self.on_trial.iter().map(|trial| &trial.runs);
        let mut all = self.running.iter().chain(tried);
        all.any(|known| Arc::ptr_eq(&known.plugin, &runs.plugin))
    }

    /// Takes a plugin out that does not start; what it was before takes its place. False when nothing is left to take its place with.
    pub(crate) fn refuse(&mut self, name: &str, text: &str) -> bool {
        // Of two generations the new one is to blame: the other serves.
        if let Some(place) = self.on_trial.iter().position(|trial| trial.runs.name() == name) {
            self.on_trial.remove(place);
            self.hold_back(name, text);
            return true;
        }
        let wanted = self.tried.iter_mut().find(|tried| tried.name == name);
        match wanted.filter(|tried| tried.outcome.is_ok()) {
            Some(tried) => {
                tried.outcome = Err(Refused {
                    text: text.to_owned(),
                    may_pass: false,
                });
            }
            None if self.former.runs.iter().any(|runs| runs.name() == name) => self.former.forget(name),
            None => return false,
        }
        self.settle();
        true
    }

    /// What serves now is what served before, also if it changed while this was loaded.
    pub(crate) fn comes_after(&mut self, former: Former) {
        self.former = former;
        self.settle();
    }

    /// Plugins that run as they are wanted and come into force by a rollout.
    pub(crate) fn rolled_out(&self) -> Vec<Runs> {
        let tried = self.tried.iter().filter_map(|tried| tried.outcome.as_ref().ok());
        tried.filter(|runs| runs.spec.rollout.is_some()).cloned().collect()
    }

    /// How a plugin that goes on as it was is wanted.
    pub(crate) fn held_back(&self, name: &str) -> Option<&gate_plan::Plugin> {
        let mut standings = self.standings.iter();
        standings.find(|standing| standing.plugin == name && standing.stand == Stand::Former)?;
        let wanted = self.wanted.plugins.iter().find(|wanted| wanted.name == name);
        wanted.map(Arc::as_ref)
    }

    /// A plugin as it served before.
    pub(crate) fn former(&self, name: &str) -> Option<&Runs> {
        self.former.runs.iter().find(|runs| runs.name() == name)
    }

    /// A plugin as it served before the start, for a rollout that goes on or begins.
    pub(crate) fn remember(&mut self, runs: Runs, plan: &Arc<Plan>) {
        self.former.plan.get_or_insert_with(|| Arc::clone(plan));
        self.former.specs.push(Arc::clone(&runs.spec));
        self.former.runs.push(runs);
    }

    /// A plugin goes on as it was, although it could run as it is wanted.
    pub(crate) fn hold_back(&mut self, name: &str, why: &str) {
        let outcome = Err(Refused {
            text: why.to_owned(),
            may_pass: false,
        });
        self.become_of(name, outcome);
    }

    /// A plugin goes back to a generation before that which serves.
    pub(crate) fn return_to(&mut self, runs: Runs, why: &str) {
        let name = runs.name().to_owned();
        self.former.forget(&name);
        self.former.specs.push(Arc::clone(&runs.spec));
        self.former.runs.push(runs);
        self.hold_back(&name, why);
    }

    /// A plugin runs as `runs` has it.
    pub(crate) fn adopt(&mut self, runs: Runs) {
        let name = runs.name().to_owned();
        self.give_up(&name);
        self.become_of(&name, Ok(runs));
    }

    /// What is tried of a plugin is tried no more.
    pub(crate) fn give_up(&mut self, name: &str) {
        self.on_trial.retain(|trial| trial.runs.name() != name);
    }

    fn become_of(&mut self, name: &str, outcome: Result<Runs, Refused>) {
        if let Some(tried) = self.tried.iter_mut().find(|tried| tried.name == name) {
            tried.outcome = outcome;
        }
        self.settle();
    }

    /// What is tried, as workers take it.
    pub(crate) fn trials(&self) -> Vec<gate_flow::Trial> {
        let trials = self.on_trial.iter().map(|trial| gate_flow::Trial {
            id: trial.id.clone(),
            spec: Arc::clone(&trial.runs.spec),
            plugin: Arc::clone(&trial.runs.plugin),
            share: trial.share,
            shadow: trial.shadow.clone(),
            is_shadowing: trial.is_shadowing,
        });
        trials.collect()
    }

    /// Takes what served before the start for what served before.
    pub(crate) fn recall(&mut self, kept: &LastGood) {
        self.former.plan = Some(Arc::clone(&kept.plan));
        self.former.text = Some(Arc::clone(&kept.text));
        self.former.held.clone_from(&kept.held);
        self.former.specs.clone_from(&kept.specs);
        self.settle();
    }

    pub(crate) fn recalled(&mut self, runs: Runs) {
        self.former.runs.push(runs);
        self.settle();
    }

    /// A plugin that is to run as it did before, and is not made yet.
    pub(crate) fn unmade(&self) -> Option<String> {
        let mut standings = self.standings.iter();
        let is_made = |name: &str| self.running.iter().any(|runs| runs.name() == name);
        let unmade = standings.find(|standing| standing.stand != Stand::Missing && !is_made(&standing.plugin))?;
        Some(unmade.plugin.clone())
    }

    /// Plugins that did not run either when this text served last are no reason not to start.
    pub(crate) fn note_kept(&mut self, kept: &LastGood) {
        if kept.text.sha256 == self.text.sha256 {
            self.foreseen.clone_from(&kept.missing);
        }
    }

    /// Why the gateway does not start; nothing when it does.
    pub(crate) fn unforeseen(&self) -> Vec<String> {
        let is_missing = |standing: &&Standing| {
            standing.stand == Stand::Missing
                && !self.wanted.start_without_plugins
                && !self.foreseen.contains(&standing.plugin)
        };
        let missing = self.standings.iter().filter(is_missing);
        missing.filter_map(|standing| standing.why_not.clone()).collect()
    }

    /// How many plugins do not run as they are wanted.
    pub(crate) fn refused(&self) -> usize {
        let refused = |standing: &&Standing| standing.why_not.is_some() && !self.is_tried(standing);
        self.standings.iter().filter(refused).count()
    }

    /// What does not run as it is wanted, for people: why, and what happens instead.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let untried = self.standings.iter().filter(|standing| !self.is_tried(standing));
        let plugins = untried.filter_map(|standing| {
            let why = standing.why_not.as_deref()?.trim_end();
            let instead = match standing.stand {
                Stand::Missing => String::from("it does not run"),
                _ => format!(
                    "it goes on as it was, as generation {}",
                    self.generation(&standing.plugin)
                ),
            };
            Some(format!("{why}\n  {instead}"))
        });
        let places = self.waiting.iter().map(|waiting| {
            let Waiting {
                place,
                plugin,
                on_fault,
            } = waiting;
            match on_fault {
                None => format!("warning: `{place}` stays as it was, for `{plugin}` does not run"),
                Some(OnFault::Close) => format!("warning: `{place}` answers 503, for `{plugin}` does not run"),
                Some(OnFault::Open) => {
                    format!("warning: `{place}` serves without `{plugin}`, which does not run and has `on_fault: open`")
                }
            }
        });
        plugins.chain(places).collect()
    }

    /// Whether the generation that is wanted is being tried.
    fn is_tried(&self, standing: &Standing) -> bool {
        self.on_trial.iter().any(|trial| trial.runs.name() == standing.plugin)
    }

    fn generation(&self, plugin: &str) -> u64 {
        let runs = self.running.iter().find(|runs| runs.name() == plugin);
        runs.map_or(0, |runs| runs.plugin.generation)
    }

    /// The texts of routes and TCP listeners that stay as they were.
    pub(crate) fn held(&self) -> Vec<(String, Arc<Text>)> {
        let held = self.waiting.iter().filter(|waiting| waiting.on_fault.is_none());
        let text = |place: &String| Some((place.clone(), Arc::clone(self.former.text_of(place)?)));
        held.filter_map(|waiting| text(&waiting.place)).collect()
    }

    fn settle(&mut self) {
        let outcome = |name: &str| {
            self.tried
                .iter()
                .find(|tried| tried.name == name)
                .map(|tried| &tried.outcome)
        };
        let runs = |name: &str| outcome(name).is_some_and(Result::is_ok);
        let before = self
            .former
            .plan
            .as_deref()
            .map(|plan| (plan, self.former.specs.as_slice()));
        let Settled {
            plan,
            stands,
            held,
            bare,
        } = settle(&self.wanted, runs, before);
        let mut running = Vec::new();
        let mut standings = Vec::new();
        for (spec, stand) in plan.plugins.iter().zip(stands) {
            let refused = outcome(&spec.name).and_then(|outcome| outcome.as_ref().err());
            running.extend(match stand {
                Stand::Wanted => outcome(&spec.name).and_then(|outcome| outcome.as_ref().ok()).cloned(),
                Stand::Former | Stand::Retained => {
                    self.former.runs.iter().find(|runs| runs.name() == spec.name).cloned()
                }
                Stand::Missing => None,
            });
            standings.push(Standing {
                plugin: spec.name.clone(),
                stand,
                why_not: refused.map(|refused| refused.text.clone()),
            });
        }
        let held = held.into_iter().map(|(place, plugin)| Waiting {
            place,
            plugin,
            on_fault: None,
        });
        let bare = bare.into_iter().map(|(place, plugin, on_fault)| Waiting {
            place,
            plugin,
            on_fault: Some(on_fault),
        });
        self.waiting = held.chain(bare).collect();
        self.plan = Arc::new(plan);
        self.running = running;
        self.standings = standings;
    }
}
