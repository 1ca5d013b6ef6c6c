//! From a configuration file to everything that it names, read, compiled and tried; `run`, `check` and a reload all come this way.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate_plan::Plan;
use gate_upstream::{Prepared, Upstreams};
use plug_abi::LogLevel;
use plug_host::{
    BurstPolicy, Changes, CodeCache, CompileLimits, Compiler, Debugging, Folders, Isolation, Limits, Module, Plugin,
    PluginSpec, Process, RestartPolicy,
};

use crate::canary::{Failure, World};
use crate::crashes::Crashes;
use crate::debugging::{Place, Places};
use crate::signing::{Candidate, Signers};
use crate::sources::{Had, Sources};

/// LIMIT: bytes of a configuration file; the reader refuses more.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A configuration with everything it names.
pub(crate) struct Loaded {
    pub(crate) plan: Arc<Plan>,
    pub(crate) plugins: Vec<Arc<Plugin>>,
    pub(crate) upstreams: Prepared,
    /// The files it was read from, for noticing changes.
    pub(crate) files: Vec<PathBuf>,
}

/// Everything that is wrong, one text each, for people and for programs.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) texts: Vec<String>,
    pub(crate) findings: Vec<serde_json::Value>,
    /// The files that were read, as far as they are known.
    pub(crate) files: Vec<PathBuf>,
}

impl Wrong {
    fn from_texts(texts: Vec<String>) -> Self {
        Self::of(texts, &[])
    }

    fn of(texts: Vec<String>, files: &[PathBuf]) -> Self {
        let findings = texts
            .iter()
            .map(|text| serde_json::json!({ "severity": "error", "message": text }))
            .collect();
        Self {
            texts,
            findings,
            files: files.to_vec(),
        }
    }
}

/// What stays over several loads: engines, the code cache, modules and plugins in force.
pub(crate) struct Loader {
    pub(crate) process: Arc<Process>,
    log_level: LogLevel,
    modules: HashMap<(String, u64, Changes), Arc<Module>>,
    cache: Option<CodeCache>,
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
            cache: None,
            sources: Sources::default(),
            crashes: Arc::default(),
            places: Places::default(),
            runs,
        }
    }

    /// Reads `file` and what it names. Plugins of `before` that did not change stay the same.
    pub(crate) fn load(&mut self, file: &Path, before: &[Arc<Plugin>]) -> Result<Loaded, Wrong> {
        let text = read_text(file).map_err(|why| Wrong::from_texts(vec![why]))?;
        let origin = file.display().to_string();
        let mut plan = gate_plan::check(&text, &origin).map_err(|findings| Wrong {
            texts: vec![findings.to_string()],
            findings: findings.iter().map(|finding| finding.to_json()).collect(),
            files: Vec::new(),
        })?;
        if !plan.warnings.is_empty() {
            crate::voice::warn(plan.warnings.to_string().trim_end());
        }
        let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
        crate::anchor::anchor(&mut plan, &folder);
        let mut wrong = certificates(&plan);
        let granted = crate::granting::take(&mut plan, &folder);
        wrong.extend(granted.err().unwrap_or_default());
        let upstreams = match Upstreams::prepare(&plan.upstreams) {
            Ok(prepared) => Some(prepared),
            Err(faults) => {
                wrong.extend(faults.iter().map(|fault| format!("error: {fault}")));
                None
            }
        };
        self.open_cache(&plan);
        self.crashes.configure(&plan, self.runs);
        let mut plugins = Vec::new();
        let files = files(file, (&plan, &folder));
        let signers = plan.signatures.as_ref().map(Signers::open).transpose();
        let signers = signers.map_err(|faults| {
            wrong.extend(faults.iter().map(|fault| format!("error: {fault}")));
            Wrong::of(wrong.clone(), &files)
        })?;
        let modules = (&plan, signers.as_ref());
        let mut modules = self.sources.gather(modules, &folder, self.cache_folder(&plan));
        for spec in &plan.plugins {
            let had = modules
                .remove(&spec.name)
                .unwrap_or_else(|| Err(String::from("its module was not looked for")));
            let had = had.and_then(|had| {
                crate::auditing::judge(spec, &had, plan.audit.as_ref())?;
                signed(spec, had, (signers.as_ref(), &plan))
            });
            match had.and_then(|had| self.plugin(spec, (&had, &plan), before)) {
                Ok(plugin) => plugins.push(plugin),
                Err(why) => wrong.push(format!("error: plugin `{}`: {why}", spec.name)),
            }
        }
        self.modules
            .retain(|_, module| plugins.iter().any(|plugin| Arc::ptr_eq(&plugin.module, module)));
        let Some(upstreams) = upstreams.filter(|_| wrong.is_empty()) else {
            return Err(Wrong::of(wrong, &files));
        };
        let world = World {
            upstreams: Some(upstream_names(&plan)),
            says_lines: false,
        };
        crate::canary::try_out(&plugins, before, world, &self.crashes).map_err(|failures| {
            let error = |failure: &Failure| format!("error: {}", failure.text);
            Wrong::of(failures.iter().map(error).collect(), &files)
        })?;
        crate::granting::tell(before, &plugins, &crate::granting::origin(&plan, file));
        Ok(Loaded {
            plan: Arc::new(plan),
            plugins,
            upstreams,
            files,
        })
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

    fn plugin(
        &mut self,
        wanted: &gate_plan::Plugin,
        (had, plan): (&Had, &Plan),
        before: &[Arc<Plugin>],
    ) -> Result<Arc<Plugin>, String> {
        let Had {
            bytes,
            path,
            digest: found,
            ..
        } = had;
        let module = self.module(wanted, bytes, found, compiler(plan))?;
        crate::granting::suffices(wanted.grant.as_deref(), &module.facts)?;
        self.crashes.module(found, path);
        let folders = wanted.grant.as_deref().map(Folders::open).transpose()?.flatten();
        let spec = PluginSpec {
            folders: folders.map(Arc::new),
            ..spec(wanted, self.log_level, plan.recordings.bytes_max)
        };
        let same = before.iter().find(|plugin| plugin.spec.name == spec.name);
        if let Some(same) = same
            && same.spec == spec
            && same.module.digest == *found
            && self.is_debugged_as(same, wanted)
        {
            return Ok(Arc::clone(same));
        }
        let generation = same.map_or(1, |plugin| plugin.generation + 1);
        let plugin = Plugin::new(spec, module, generation, workers(plan).get());
        if let Some(debug) = wanted.debug.as_ref().filter(|_| self.runs) {
            let twin = self.debugged(&plugin, debug, (path, bytes), compiler(plan))?;
            plugin.debug_as(twin);
        }
        Ok(plugin)
    }

    /// Whether LLDB attaches to a plugin where the plan says.
    fn is_debugged_as(&self, plugin: &Plugin, plan: &gate_plan::Plugin) -> bool {
        let wanted = plan.debug.as_ref().filter(|_| self.runs);
        let wanted = wanted.map(|debug| Place::new(debug.listen, debug.expose));
        self.places.suits(plugin, wanted)
    }

    /// The plugin as LLDB sees it.
    fn debugged(
        &mut self,
        plugin: &Plugin,
        debug: &gate_plan::PluginDebug,
        (path, bytes): (&Path, &[u8]),
        compiler: Compiler,
    ) -> Result<Arc<Plugin>, String> {
        let engines = &self.process.engines;
        let engine = engines.for_debugger(plugin.spec.stack_bytes_max, self.cache.as_ref());
        let engine = engine.map_err(|why| why.to_string())?;
        // As the author built it, so that LLDB finds each place where it looks for it.
        let unchanged = (bytes, Changes::default());
        let module = Module::load_by(Some(&compiler), &engine, unchanged, self.cache.as_ref());
        let module = module.map_err(|why| why.to_string())?;
        let twin = crate::debugging::twin(path, bytes, &self.crashes.debug_files());
        let image = module.image(path, bytes, twin.as_deref());
        let place = Place::new(debug.listen, debug.expose);
        let name = &plugin.spec.name;
        let (debugger, opened) = self.places.open(name, place, &image)?;
        if opened {
            crate::voice::say(&format!(
                "plugin {name}: waiting for LLDB at {}: {}",
                debugger.address(),
                debugger.command()
            ));
        }
        let debugging = Debugging::new(debugger, image);
        let like = (plugin.generation, plugin.workers.len());
        Ok(Plugin::debugged(plugin.spec.clone(), module, like, debugging))
    }

    fn module(
        &mut self,
        plan: &gate_plan::Plugin,
        bytes: &[u8],
        found: &str,
        compiler: Compiler,
    ) -> Result<Arc<Module>, String> {
        let stack_bytes_max = plan.limits.stack_bytes_max;
        let changes = limits(&plan.limits).changes();
        let key = (found.to_owned(), stack_bytes_max, changes.clone());
        if let Some(module) = self.modules.get(&key) {
            return Ok(Arc::clone(module));
        }
        let engine = self
            .process
            .engines
            .for_stack(stack_bytes_max, self.cache.as_ref())
            .map_err(|why| why.to_string())?;
        let began = std::time::Instant::now();
        let module = Module::load_by(Some(&compiler), &engine, (bytes, changes), self.cache.as_ref());
        let module = module.map_err(|why| why.to_string())?;
        let how = if module.cached { "from cache" } else { "compiled" };
        crate::voice::say(&format!(
            "plugin loaded plugin={} abi={} bytes={} how={how:?} ms={}",
            plan.name,
            module.abi(),
            bytes.len(),
            began.elapsed().as_millis()
        ));
        self.modules.insert(key, Arc::clone(&module));
        Ok(module)
    }
}

/// The files that a configuration is read from: itself, the keys of signers, and modules with what is beside them.
fn files(main: &Path, (plan, folder): (&Plan, &Path)) -> Vec<PathBuf> {
    let of_plugins = plan
        .plugins
        .iter()
        .flat_map(|spec| crate::sources::files(spec, (plan, folder)));
    let all = [main.to_owned()].into_iter().chain(plan.grants.file.clone());
    let all = all.chain(crate::signing::files(plan));
    all.chain(of_plugins).collect()
}

/// Upstreams by all their names.
fn upstream_names(plan: &Plan) -> HashMap<String, String> {
    let names = plan.upstreams.iter().flat_map(|upstream| {
        let names = [upstream.name.clone()].into_iter().chain(upstream.aliases.clone());
        names.map(|name| (name, upstream.name.clone()))
    });
    names.collect()
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

/// Lets a module through that is signed by one who may, and says who that is. Without signers, all are let through.
fn signed(plugin: &gate_plan::Plugin, had: Had, (signers, plan): (Option<&Signers>, &Plan)) -> Result<Had, String> {
    let Some(signers) = signers else { return Ok(had) };
    let candidate = Candidate {
        grant: plugin.grant.as_deref(),
        ..had.candidate()
    };
    match signers.judge(&candidate) {
        Ok((signer, signed)) => {
            crate::auditing::signer(plan.audit.as_ref(), &signer)?;
            crate::voice::say(&format!(
                "plugin signed plugin={} signer={signer} form={} by={:?}",
                plugin.name,
                signed.form.word(),
                signed.by
            ));
            Ok(had)
        }
        Err(why) => {
            let unasked = had.unasked.as_ref();
            let why = unasked.map_or(why.clone(), |unasked| {
                format!("{why}; signatures cannot be had: {unasked}")
            });
            if signers.enforced {
                return Err(why);
            }
            crate::voice::warn(&format!(
                "warning: plugin `{}` runs only as `signatures` has `mode: warn`: {why}",
                plugin.name
            ));
            Ok(had)
        }
    }
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

pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let about =
        std::fs::metadata(file).map_err(|why| format!("error: configuration `{shown}` cannot be read: {why}"))?;
    if about.len() > FILE_BYTES_MAX {
        return Err(format!(
            "error: configuration `{shown}` has {} bytes, more than {FILE_BYTES_MAX}",
            about.len()
        ));
    }
    std::fs::read_to_string(file).map_err(|why| format!("error: configuration `{shown}` cannot be read: {why}"))
}

/// Where compiled code is kept when the configuration does not say (XDG Base Directory Specification).
pub(crate) fn default_cache() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("cofferdam").join("code"))
}

pub(crate) fn limits(plan: &gate_plan::PluginLimits) -> Limits {
    Limits {
        table_entries_max: plan.table_entries_max,
        callouts_max: plan.callouts_max,
        shared_data_bytes_max: usize::try_from(plan.shared_data_bytes_max).unwrap_or(usize::MAX),
        shared_keys_max: plan.shared_keys_max,
        queue_length_max: plan.queue_length_max,
        log_lines_per_s_max: plan.log_lines_per_s_max,
        timer_min: plan.timer_min,
        cpu_share_percent_max: plan.cpu_share_percent_max,
        call_depth_max: plan.call_depth_max,
    }
}

fn spec(plan: &gate_plan::Plugin, log_level: LogLevel, recording_bytes_max: u64) -> PluginSpec {
    PluginSpec {
        name: plan.name.clone(),
        config: plan.config.clone().into(),
        vm_config: plan.vm_config.clone().into(),
        vm_id: plan.vm_id.clone(),
        isolation: match plan.isolation {
            gate_plan::Isolation::Worker => Isolation::Worker,
            gate_plan::Isolation::Exchange => Isolation::Exchange {
                instances_max: plan.limits.instances_max,
            },
        },
        root_id: plan.root_id.clone(),
        grant: plan.grant.clone(),
        folders: None,
        environment: plan.environment.clone(),
        memory_bytes_max: plan.limits.memory_bytes_max,
        cpu_slice: plan.limits.cpu_slice,
        trusted_after: plan.limits.trusted_after,
        stack_bytes_max: plan.limits.stack_bytes_max,
        limits: limits(&plan.limits),
        allow_on_headers_stop_iteration: plan.allow_on_headers_stop_iteration,
        restart: RestartPolicy {
            backoff: plan.restart.backoff,
            backoff_max: plan.restart.backoff_max,
            recovered_after: plan.restart.recovered_after,
            quarantine_after: plan.restart.quarantine_after,
            quarantine: plan.restart.quarantine,
            full_at_percent: plan.restart.full_at_percent,
        },
        log_level,
        burst: plan.burst.map(burst),
        recording_bytes_max: if plan.record { recording_bytes_max } else { 0 },
    }
}

fn burst(plan: gate_plan::Burst) -> BurstPolicy {
    BurstPolicy {
        faults: plan.faults,
        errors: plan.errors,
        within: plan.within,
        lasts: plan.lasts,
        level: match plan.level {
            gate_plan::LineLevel::Trace => LogLevel::Trace,
            gate_plan::LineLevel::Debug => LogLevel::Debug,
            gate_plan::LineLevel::Info => LogLevel::Info,
        },
        recordings: plan.recordings,
    }
}
