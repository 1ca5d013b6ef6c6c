//! Tries changed plugins out before they serve: started and configured once, aside, with the outside world out of reach.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use plug_host::{ASIDE, Fault, Plugin, Process, Services, WorkerPlugins};

use crate::crashes::{Crashes, Told};
use crate::nowhere::Nowhere;

/// Where plugins are tried out.
pub(crate) struct World {
    /// Upstreams that they find there, by all their names; any when there is no list.
    pub(crate) upstreams: Option<HashMap<String, String>>,
    /// Whether what they write is said.
    pub(crate) says_lines: bool,
}

/// Why a plugin does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The plugin; none when none could be tried.
    plugin: Option<String>,
    /// The fault's code.
    pub(crate) code: &'static str,
    /// The report.
    pub(crate) text: String,
}

impl Failure {
    /// Whether it keeps that plugin from starting.
    pub(crate) fn concerns(&self, name: &str) -> bool {
        self.plugin.as_deref().is_none_or(|plugin| plugin == name)
    }

    /// No plugin was tried.
    pub(crate) fn untried(text: String) -> Vec<Self> {
        let code = "plugin.not_instantiated";
        let plugin = None;
        vec![Self { plugin, code, text }]
    }
}

/// Starts every plugin that is not among `before`, with those that share its instance, and all where that does not go well; why some do
/// not start.
pub(crate) fn try_out(
    plugins: &[Arc<Plugin>],
    before: &[Arc<Plugin>],
    world: World,
    crashes: &Arc<Crashes>,
) -> Result<(), Vec<Failure>> {
    let is_new = |plugin: &&Arc<Plugin>| !before.iter().any(|old| Arc::ptr_eq(old, plugin));
    let new: Vec<_> = plugins.iter().filter(is_new).collect();
    if new.is_empty() {
        return Ok(());
    }
    let starts = |plugin: &&Arc<Plugin>| {
        new.iter()
            .any(|new| Arc::ptr_eq(new, plugin) || new.shares_instance_with(plugin))
    };
    let some: Vec<_> = plugins.iter().filter(starts).cloned().collect();
    let all = plugins.to_vec();
    let crashes = Arc::clone(crashes);
    let trial = std::thread::Builder::new().name("canary".to_owned()).spawn(move || {
        let faults = start(&some, &world, &crashes)?;
        // One may need what another shares with it from its start on.
        match faults.is_empty() || some.len() == all.len() {
            true => Ok(faults),
            false => start(&all, &world, &crashes),
        }
    });
    let trial = trial.map_err(|why| Failure::untried(format!("no thread to try plugins out: {why}")))?;
    let faults = trial
        .join()
        .unwrap_or_else(|_| Err("trying plugins out failed".to_owned()));
    match faults {
        Ok(faults) if faults.is_empty() => Ok(()),
        Ok(faults) => Err(faults),
        Err(why) => Err(Failure::untried(why)),
    }
}

fn start(plugins: &[Arc<Plugin>], world: &World, crashes: &Crashes) -> Result<Vec<Failure>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no runtime to try plugins out: {why}"))?;
    let services = Services {
        process: Arc::new(Process::default()),
        outside: Rc::new(Nowhere {
            upstreams: world.upstreams.clone(),
            says_lines: world.says_lines,
        }),
        worker: ASIDE,
        trial: None,
    };
    let local = tokio::task::LocalSet::new();
    let warmed = local.block_on(&runtime, async {
        WorkerPlugins::arrange(plugins, &services, None).warm().await
    });
    let failure = |fault: &Fault| Failure {
        plugin: Some(fault.plugin.to_string()),
        code: fault.code(),
        text: crashes.explain(&Told::of(fault)),
    };
    Ok(warmed.err().unwrap_or_default().iter().map(failure).collect())
}
