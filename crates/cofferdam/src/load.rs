//! From a configuration to everything that it names, read, compiled and tried; `run`, `check` and a reload all come this way.

mod plugin;
mod recall;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate_plan::Plan;
use gate_upstream::{Prepared, Upstreams};
use plug_abi::LogLevel;
use plug_host::{Changes, CodeCache, CompileLimits, Compiler, LogEngine, Module, Plugin, Process};

pub(crate) use self::plugin::limits;
use crate::canary::World;
use crate::crashes::Crashes;
use crate::debugging::Places;
use crate::loaded::{Former, Loaded, Refused, Runs, Tried};
use crate::logs::screen::Screen;
use crate::numbers::Numbers;
use crate::signing::Signers;
use crate::sources::{Had, Sources};
use crate::text::{Text, Wrong};

/// What served before a load.
pub(crate) enum Before {
    /// Nothing may be missing: somebody wants to know whether all is well.
    Check,
    /// What the gateway of this file served before it was started, as far as it was kept.
    Start(PathBuf),
    /// What serves now.
    Serving(Former),
}

/// What stays over several loads: engines, the code cache, modules and plugins in force.
pub(crate) struct Loader {
    pub(crate) process: Arc<Process>,
    log_level: LogLevel,
    modules: HashMap<(String, u64, Changes), Arc<Module>>,
    /// The text that was read last, and its plan: most changes are of what a text names.
    checked: Option<(Arc<Text>, Plan)>,
    numbers: Numbers,
    cache: Option<CodeCache>,
    /// Where log guests run; none before there is one.
    log_engine: Option<Arc<LogEngine>>,
    sources: Sources,
    pub(crate) crashes: Arc<Crashes>,
    /// Where LLDB attaches.
    places: Places,
    /// Whether a gateway runs: a check keeps no reports of deaths, and lets no debugger attach.
    runs: bool,
}

impl Loader {
    pub(crate) fn new(log_level: LogLevel, runs: bool) -> Self {
        Self {
            process: Arc::default(),
            log_level,
            modules: HashMap::new(),
            checked: None,
            numbers: Numbers::default(),
            cache: None,
            log_engine: None,
            sources: Sources::default(),
            crashes: Arc::default(),
            places: Places::default(),
            runs,
        }
    }

    /// Reads what `text` names. Plugins that served before and did not change stay the same, and those that cannot run as they are wanted
    /// stay what they were.
    pub(crate) fn load(&mut self, text: &Arc<Text>, before: Before) -> Result<Loaded, Wrong> {
        let mut serves = match &before {
            Before::Serving(former) => former.plugins(),
            Before::Start(_) | Before::Check => Vec::new(),
        };
        let loaded = self.load_all(text, before);
        serves.extend(loaded.iter().flat_map(Loaded::plugins));
        self.modules
            .retain(|_, module| serves.iter().any(|plugin| Arc::ptr_eq(&plugin.module, module)));
        loaded
    }

    fn load_all(&mut self, text: &Arc<Text>, before: Before) -> Result<Loaded, Wrong> {
        let (plan, text) = self.plan(text)?;
        let text = &text;
        if !plan.warnings.is_empty() {
            crate::voice::warn(plan.warnings.to_string().trim_end());
        }
        self.open_cache(&plan);
        self.crashes.configure(&plan, self.runs);
        let files = files((&plan, &text.folder));
        let (mut wrong, around) = around(&plan);
        let signers = plan.signatures.as_ref().map(Signers::open).transpose();
        let signers = signers.map_err(|faults| {
            wrong.extend(faults.iter().map(|fault| format!("error: {fault}")));
            Wrong::of(wrong.clone(), &files)
        })?;
        let (former, is_check) = match &before {
            Before::Serving(former) => (former.clone(), false),
            Before::Start(_) => (Former::default(), false),
            Before::Check => (Former::default(), true),
        };
        if let Before::Start(main) = &before {
            let folder = crate::last_good::folder(&plan, main);
            let kept = folder.map(|folder| crate::last_good::numbers(&folder));
            self.numbers.recall(kept.unwrap_or_default());
        }
        let tried = self.try_plugins((&plan, text), signers.as_ref(), &former);
        let upstreams = match around {
            Some(upstreams) if !is_check || tried.iter().all(|tried| tried.outcome.is_ok()) => upstreams,
            _ => {
                let refused = tried.iter().filter_map(|tried| tried.outcome.as_ref().err());
                wrong.extend(refused.map(|refused| refused.text.clone()));
                return Err(Wrong::of(wrong, &files));
            }
        };
        let screen = self
            .screen(&plan)
            .map_err(|why| Wrong::of(vec![format!("error: {why}")], &files))?;
        let mut loaded = Loaded::new((plan, Arc::clone(text)), tried, former, (upstreams, files));
        *loaded.screen.lock() = screen;
        if let Before::Start(main) = before {
            self.recall(&mut loaded, &main, signers.as_ref())?;
            self.recall_controls(&mut loaded, &main, signers.as_ref());
        }
        Ok(loaded)
    }

    /// The log guests of a plan, started.
    fn screen(&mut self, plan: &Plan) -> Result<Option<Screen>, String> {
        if plan.logs.sandbox.is_none() {
            return Ok(None);
        }
        let engine = match &self.log_engine {
            Some(engine) => Arc::clone(engine),
            None => {
                let engine = LogEngine::new().map_err(|why| why.to_string())?;
                Arc::clone(self.log_engine.insert(engine))
            }
        };
        Screen::start(plan, &engine, (&compiler(plan), self.cache.as_ref()))
    }

    /// The plan of a text, and the text with everything beside it.
    fn plan(&mut self, text: &Arc<Text>) -> Result<(Plan, Arc<Text>), Wrong> {
        let checked = match self.checked.take().filter(|(before, _)| before.reads_as(text)) {
            Some((_, plan)) => plan,
            None => text.checked()?,
        };
        let (_, plan) = self.checked.insert((Arc::clone(text), checked));
        let (plan, grants) = text.completed(plan.clone())?;
        Ok((plan, text.with_grants(grants)))
    }

    /// Every plugin of a plan made, and started once aside; or why it is not.
    fn try_plugins(
        &mut self,
        (plan, text): (&Plan, &Arc<Text>),
        signers: Option<&Signers>,
        former: &Former,
    ) -> Vec<Tried> {
        let store = self.cache_folder(plan);
        // A signature is judged anew each time, and so the module is read for it.
        let same = |spec: &Arc<gate_plan::Plugin>| former.untouched((spec, plan)).filter(|_| signers.is_none());
        // Looked at once: a file may be written while others are read.
        let all: Vec<_> = plan.plugins.iter().map(|spec| (spec, same(spec))).collect();
        let unread = all.iter().filter(|(_, same)| same.is_none());
        let to_read: Vec<_> = unread.map(|(spec, _)| *spec).collect();
        let mut modules = self.sources.gather((&to_read, signers), &text.folder, store);
        let before = former.plugins();
        let mut tried = Vec::new();
        for (spec, same) in all {
            if let Some(runs) = same {
                tried.push(Tried {
                    name: spec.name.clone(),
                    outcome: Ok(Runs {
                        text: Arc::clone(text),
                        ..runs.clone()
                    }),
                });
                continue;
            }
            let had = modules
                .remove(&spec.name)
                .unwrap_or_else(|| Err(String::from("its module was not looked for")));
            let may_pass = had.is_err() && !matches!(spec.source, gate_plan::Source::File { .. });
            let made = had.and_then(|had| self.make((spec, text), (had, plan), signers, &before));
            let outcome = made.map_err(|why| Refused {
                text: format!("error: plugin `{}`: {why}", spec.name),
                may_pass,
            });
            tried.push(Tried {
                name: spec.name.clone(),
                outcome,
            });
        }
        self.try_out(plan, &mut tried, &before);
        probe(&mut tried, &before);
        tried
    }

    /// A plugin from its module; the one that served before when nothing about it changed.
    fn make(
        &mut self,
        (spec, text): (&Arc<gate_plan::Plugin>, &Arc<Text>),
        (had, plan): (Had, &Plan),
        signers: Option<&Signers>,
        before: &[Arc<Plugin>],
    ) -> Result<Runs, String> {
        crate::auditing::judge(spec, &had, plan.audit.as_ref())?;
        let had = plugin::signed(spec, had, (signers, plan))?;
        let plugin = self.plugin(spec, (&had, plan), before)?;
        Ok(Runs::new((Arc::clone(spec), plugin), had, Arc::clone(text)))
    }

    /// Starts those that are new, once and aside. One that does not start is refused, and the others are tried without it: plugins that share
    /// an instance start together.
    fn try_out(&self, plan: &Plan, all: &mut [Tried], before: &[Arc<Plugin>]) {
        // Each turn refuses a plugin at least.
        for _ in 0..=all.len() {
            let plugins: Vec<_> = all.iter().filter_map(Tried::plugin).collect();
            let world = World {
                upstreams: Some(upstream_names(plan)),
                says_lines: false,
            };
            let Err(failures) = crate::canary::try_out(&plugins, before, world, &self.crashes) else {
                return;
            };
            for tried in all.iter_mut().filter(|tried| tried.outcome.is_ok()) {
                let failed = failures.iter().find(|failure| failure.concerns(&tried.name));
                if let Some(failure) = failed {
                    tried.outcome = Err(Refused {
                        text: format!("error: {}", failure.text),
                        may_pass: false,
                    });
                }
            }
        }
    }

    /// Where fetched modules are kept: beside compiled code.
    fn cache_folder(&self, plan: &Plan) -> Option<PathBuf> {
        plan.cache_dir
            .as_ref()
            .map(|folder| folder.join("modules"))
            .or_else(crate::sources::default_store)
    }

    /// A folder that does not open costs compile time at each start, nothing else.
    fn open_cache(&mut self, plan: &Plan) {
        if self.cache.is_some() {
            return;
        }
        let Some(folder) = plan.cache_dir.clone().or_else(default_cache) else {
            return;
        };
        match CodeCache::open(&folder) {
            Ok(cache) => self.cache = Some(cache),
            Err(why) => crate::voice::warn(&format!(
                "warning: no cache of compiled code in `{}`: {why}",
                folder.display()
            )),
        }
    }
}

/// Lets those that are new run the suites that they must pass.
fn probe(all: &mut [Tried], before: &[Arc<Plugin>]) {
    for tried in all {
        let Ok(Runs { spec, plugin, .. }) = &tried.outcome else {
            continue;
        };
        let Some(suite) = spec
            .probe
            .as_ref()
            .filter(|_| !before.iter().any(|old| Arc::ptr_eq(old, plugin)))
        else {
            continue;
        };
        if let Err(why) = crate::probe::probe(plugin, suite) {
            tried.outcome = Err(Refused {
                text: format!("error: plugin `{}`: {why}", tried.name),
                may_pass: false,
            });
        }
    }
}

/// The files that a configuration names: keys of signers, modules with what is beside them, and what log guests read.
fn files((plan, folder): (&Plan, &Path)) -> Vec<PathBuf> {
    let of_plugins = plan
        .plugins
        .iter()
        .flat_map(|spec| crate::sources::files(spec, (plan, folder)));
    let probes = plan.plugins.iter().filter_map(|spec| spec.probe.clone());
    let keys = crate::signing::files(plan).into_iter().chain(plan.grants.file.clone());
    let guests = plan.logs.sandbox.iter().flat_map(|sandbox| &sandbox.plugins);
    let guests = guests.flat_map(|guest| {
        let files = guest.files.iter().map(|(_, path)| path.clone());
        [guest.module.clone()].into_iter().chain(files)
    });
    keys.chain(of_plugins).chain(probes).chain(guests).collect()
}

/// Upstreams by all their names.
fn upstream_names(plan: &Plan) -> HashMap<String, String> {
    let names = plan.upstreams.iter().flat_map(|upstream| {
        let names = [upstream.name.clone()].into_iter().chain(upstream.aliases.clone());
        names.map(|name| (name, upstream.name.clone()))
    });
    names.collect()
}

/// The upstreams of a plan, ready to be used; none when they, or certificates of listeners, are wrong, with everything that is.
fn around(plan: &Plan) -> (Vec<String>, Option<Prepared>) {
    let mut wrong = certificates(plan);
    match Upstreams::prepare(&plan.upstreams) {
        Ok(upstreams) if wrong.is_empty() => (wrong, Some(upstreams)),
        Ok(_) => (wrong, None),
        Err(faults) => {
            wrong.extend(faults.iter().map(|fault| format!("error: {fault}")));
            (wrong, None)
        }
    }
}

/// What is wrong with certificates of listeners.
fn certificates(plan: &Plan) -> Vec<String> {
    let wrong = plan.listeners.iter().filter_map(|listener| {
        let checked = listener.tls.as_ref().map_or(Ok(()), gate_serve::tls::check_files);
        let why = checked.err()?;
        Some(format!("error: listener `{}`: {why}", listener.name))
    });
    wrong.collect()
}

/// Compiles in a process of its own, within what the plan allows.
pub(crate) fn compiler(plan: &Plan) -> Compiler {
    Compiler {
        verb: crate::COMPILE,
        limits: CompileLimits {
            memory_bytes_max: plan.compile.memory_bytes_max,
            cpu: plan.compile.cpu,
            time: plan.compile.time,
        },
    }
}

/// Number of workers a plan asks for.
pub(crate) fn workers(plan: &Plan) -> NonZeroUsize {
    plan.workers
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZeroUsize::MIN)
}

/// Where compiled code is kept when the configuration does not say (XDG Base Directory Specification).
pub(crate) fn default_cache() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("cofferdam").join("code"))
}
