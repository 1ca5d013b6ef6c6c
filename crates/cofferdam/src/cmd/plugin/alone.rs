//! A plugin without a gateway: its module read and compiled as a gateway does it, its bounds those that a gateway gives when nothing is written.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::document::{PluginPart, PluginSettings};
use plug_abi::LogLevel;
use plug_host::{Changes, CodeCache, CompileLimits, Compiler, Isolation, Module, PluginSpec, Process, RestartPolicy};

use crate::load::{default_cache, limits};

/// LIMIT: what compiling a module may take here; several times what the largest one known needs.
pub(super) const COMPILE: CompileLimits = CompileLimits {
    memory_bytes_max: 2 << 30,
    cpu: Duration::from_secs(120),
    time: Duration::from_secs(300),
};

/// The bytes of a module.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|why| format!("module `{}` cannot be read: {why}", file.display()))
}

/// What a plugin is given when nothing is written.
pub(super) fn defaults() -> PluginSettings {
    PluginPart::default().settings()
}

/// A plugin of this file as a gateway would have it; its lines are all let through.
pub(super) fn spec(file: &Path, settings: PluginSettings) -> PluginSpec {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    PluginSpec {
        name: name.into_owned(),
        config: settings.config.unwrap_or_default().into(),
        vm_config: settings.vm_config.into(),
        vm_id: String::new(),
        isolation: Isolation::Worker,
        root_id: settings.root_id,
        grant: None,
        folders: None,
        environment: settings.environment,
        memory_bytes_max: settings.limits.memory_bytes_max,
        cpu_slice: settings.limits.cpu_slice,
        stack_bytes_max: settings.limits.stack_bytes_max,
        trusted_after: settings.limits.trusted_after,
        limits: limits(&settings.limits),
        allow_on_headers_stop_iteration: settings.allow_on_headers_stop_iteration,
        restart: RestartPolicy::default(),
        log_level: LogLevel::Trace,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 0,
    }
}

/// Compiles a module for a plugin of this spec, in a process of its own, or takes the code that was kept.
pub(super) fn load(process: &Process, bytes: &[u8], spec: &PluginSpec) -> Result<Arc<Module>, String> {
    let cache = default_cache().and_then(|folder| CodeCache::open(&folder).ok());
    let engine = process.engines.for_stack(spec.stack_bytes_max, cache.as_ref());
    let engine = engine.map_err(|why| why.to_string())?;
    let compiler = Compiler {
        verb: crate::COMPILE,
        limits: COMPILE,
    };
    let changes: Changes = spec.limits.changes();
    Module::load_by(Some(&compiler), &engine, (bytes, changes), cache.as_ref()).map_err(|why| why.to_string())
}
