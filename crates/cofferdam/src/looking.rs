//! Plugins that somebody looks at while they serve: what they compute, and what their allocators keep.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use console::house::{Looked, NoProfile, Profiling};
use gate_flow::Flow;
use gate_serve::worker::{Mailbox, Workers};
use parking_lot::Mutex;
use plug_host::{Allocator, Changes, CodeCache, Isolation, Module, Plugin, PluginSpec, Profiler, module_note};
use plug_report::Symbols;
use serde_json::{Value, json};

use crate::assemble::House;
use crate::crashes::Crashes;
use crate::load::{compiler, default_cache};
use crate::voice::say;

/// The key of our summary in a file for the Firefox Profiler, which passes over what it does not know.
pub(crate) const SUMMARY: &str = "cofferdam";

/// Names of plugins whose memory is looked at.
pub(crate) type Traced = Arc<Mutex<HashSet<String>>>;

/// Begins to look at a plugin. Takes as long as compiling it does when its memory is looked at.
pub(crate) fn begin(house: &House, name: &str, what: Looked) -> Result<Box<dyn Profiling>, NoProfile> {
    let plugins = House::plugins(house);
    let plugin = plugins.iter().find(|plugin| plugin.spec.name == name);
    let plugin = plugin.ok_or(NoProfile::Unknown)?;
    let look: Box<dyn Profiling> = match what {
        Looked::Time => Box::new(TimeLook {
            profiler: Profiler::begin(plugin).ok_or(NoProfile::Busy)?,
            crashes: Arc::clone(&house.crashes),
        }),
        Looked::Memory => Box::new(MemoryLook::begin(house, plugin)?),
    };
    say(&format!("plugin profiled plugin={name} what={}", what.word()));
    Ok(look)
}

/// What it computes.
struct TimeLook {
    profiler: Profiler,
    crashes: Arc<Crashes>,
}

impl Profiling for TimeLook {
    fn end(self: Box<Self>) -> Value {
        let plugin = Arc::clone(self.profiler.plugin());
        let profile = self.profiler.end();
        in_words(&self.crashes, &plugin, |symbols| {
            (profile.firefox(symbols), json!(profile.summary(symbols)))
        })
    }
}

/// The file that `words` makes of a plugin's symbols, with the summary in it.
fn in_words(crashes: &Crashes, plugin: &Plugin, words: impl Fn(Option<&Symbols<'_>>) -> (Value, Value)) -> Value {
    let (mut file, summary) = crashes.with_symbols(&module_note(plugin), words);
    if let Some(keys) = file.as_object_mut() {
        keys.insert(SUMMARY.to_owned(), summary);
    }
    file
}

/// What its allocator keeps: its exchanges go to a twin until this is dropped.
struct MemoryLook {
    plugin: Arc<Plugin>,
    twin: Arc<Plugin>,
    crashes: Arc<Crashes>,
    workers: Vec<Mailbox<Flow>>,
    _turn: Turn,
}

/// The right to look at a plugin's memory: one at a time has it, from before its module is compiled.
struct Turn {
    name: String,
    traced: Traced,
}

impl Turn {
    fn take(house: &House, name: &str) -> Option<Self> {
        let traced = Arc::clone(&house.traced);
        traced.lock().insert(name.to_owned()).then(|| Self {
            name: name.to_owned(),
            traced: Arc::clone(&traced),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.traced.lock().remove(&self.name);
    }
}

impl MemoryLook {
    fn begin(house: &House, plugin: &Arc<Plugin>) -> Result<Self, NoProfile> {
        if plugin.spec.isolation != Isolation::Worker {
            let why = "with `isolation: exchange` nothing that it keeps outlives an exchange";
            return Err(NoProfile::Refused(why.to_owned()));
        }
        let turn = Turn::take(house, &plugin.spec.name).ok_or(NoProfile::Busy)?;
        let module = telling(house, plugin).map_err(NoProfile::Refused)?;
        let like = (plugin.generation, plugin.workers.len());
        let workers = house
            .workers
            .lock()
            .iter()
            .flat_map(Workers::mailboxes)
            .cloned()
            .collect();
        let spec = PluginSpec {
            grant: plugin.grant(),
            ..plugin.spec.clone()
        };
        let look = Self {
            plugin: Arc::clone(plugin),
            twin: Plugin::traced(spec, module, like),
            crashes: Arc::clone(&house.crashes),
            workers,
            _turn: turn,
        };
        look.send(Some(&look.twin));
        Ok(look)
    }

    /// Sends exchanges to the twin, or back to the plugin's own instances.
    fn send(&self, twin: Option<&Arc<Plugin>>) {
        for worker in &self.workers {
            let (plugin, twin) = (Arc::clone(&self.plugin), twin.cloned());
            // A worker that is not reached is going away, or so busy that it keeps the twin until the next change, without exchanges.
            let _ = worker.tell(move |flow| flow.trace(&plugin, twin));
        }
    }
}

impl Profiling for MemoryLook {
    fn end(self: Box<Self>) -> Value {
        let (twin, crashes) = (Arc::clone(&self.twin), Arc::clone(&self.crashes));
        let profile = twin.kept();
        // Before words are made, which takes its time; and not earlier, for a twin that ends gives memory back.
        drop(self);
        let Some(profile) = profile else {
            return Value::Null;
        };
        in_words(&crashes, &twin, |symbols| {
            (profile.firefox(symbols), json!(profile.summary(symbols)))
        })
    }
}

impl Drop for MemoryLook {
    fn drop(&mut self) {
        self.twin.end_tracing();
        self.send(None);
    }
}

/// The plugin's module, changed so that its allocator tells.
fn telling(house: &House, plugin: &Plugin) -> Result<Arc<Module>, String> {
    let note = module_note(plugin);
    let allocators = house.crashes.with_symbols(&note, known_allocators);
    if allocators.is_empty() {
        return Err("no function of its module is known to be its allocator: that takes names of functions, in the module or in its \
                    unstripped twin, and `malloc` and `free` of C, `__rust_alloc` of Rust or `__alloc` of AssemblyScript; \
                    what the garbage collectors of Go and TinyGo keep cannot be told"
            .to_owned());
    }
    let file = house.crashes.module_file(&note.sha256);
    let file = file.ok_or("nothing is known of its module's file")?;
    let bytes = std::fs::read(&file).map_err(|why| format!("module `{}` cannot be read: {why}", file.display()))?;
    if plug_host::digest(&bytes) != note.sha256 {
        return Err(format!("`{}` is no longer the module that runs", file.display()));
    }
    let plan = house.plan();
    let folder: Option<PathBuf> = plan.cache_dir.clone().or_else(default_cache);
    let cache = folder.and_then(|folder| CodeCache::open(&folder).ok());
    let engine = house
        .process
        .engines
        .for_stack(plugin.spec.stack_bytes_max, cache.as_ref());
    let engine = engine.map_err(|why| why.to_string())?;
    let changes = Changes {
        allocators,
        ..plugin.spec.limits.changes()
    };
    let module = Module::load_by(Some(&compiler(&plan)), &engine, (&bytes, changes), cache.as_ref());
    module.map_err(|why| why.to_string())
}

fn known_allocators(symbols: Option<&Symbols<'_>>) -> Vec<(u32, Allocator)> {
    let functions = symbols.into_iter().flat_map(Symbols::functions);
    let mut known: Vec<_> = functions
        .filter_map(|(number, name)| Some((number, Allocator::of(&name)?)))
        .collect();
    known.sort_unstable_by_key(|(number, _)| *number);
    known
}
