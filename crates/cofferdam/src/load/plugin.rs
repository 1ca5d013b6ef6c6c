//! One plugin of a configuration: who signed its module, the module compiled, and what it is made of.

use std::path::Path;
use std::sync::Arc;

use gate_plan::Plan;
use plug_abi::LogLevel;
use plug_host::{
    BurstPolicy, Changes, Compiler, Debugging, FileBounds, Folders, Isolation, Limits, Module, Plugin, PluginSpec,
    RestartPolicy,
};

use super::{Loader, compiler, workers};
use crate::debugging::Place;
use crate::signing::{Candidate, Signers};
use crate::sources::Had;

impl Loader {
    /// The plugin of `had`; the one of `before` when nothing about it changed.
    pub(super) fn plugin(
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
        let made_of = crate::loaded::fingerprint(found, &spec);
        let generation = self.numbers.give(&spec.name, made_of);
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

/// Lets a module through that is signed by one who may, and says who that is. Without signers, all are let through.
pub(super) fn signed(
    plugin: &gate_plan::Plugin,
    had: Had,
    (signers, plan): (Option<&Signers>, &Plan),
) -> Result<Had, String> {
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
            crate::records::signature_accepted(&plugin.name, &had.digest, &signer);
            Ok(had)
        }
        Err(why) => {
            let unasked = had.unasked.as_ref();
            let why = unasked.map_or(why.clone(), |unasked| {
                format!("{why}; signatures cannot be had: {unasked}")
            });
            crate::records::signature_refused(&plugin.name, &had.digest, &why);
            if signers.enforced {
                return Err(why);
            }
            crate::auditing::unsigned(plan.audit.as_ref(), &why)?;
            crate::voice::warn(&format!(
                "warning: plugin `{}` runs only as `signatures` has `mode: warn`: {why}",
                plugin.name
            ));
            Ok(had)
        }
    }
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
        files: FileBounds {
            open_max: u64::from(plan.open_files_max),
            written_bytes_max: plan.written_bytes_max,
        },
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
        retire_after: plan.retire_after,
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
