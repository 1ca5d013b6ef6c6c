//! Tries changed plugins out before they serve: started and configured once, aside, with the outside world out of reach.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use plug_host::{Plugin, Process, Services, WorkerPlugins};

use crate::crashes::{Crashes, Told};
use crate::nowhere::Nowhere;

/// Not the number of any worker, so that nothing is counted.
const NO_WORKER: usize = usize::MAX;

/// Starts every plugin that is not among `before`; the reports of those that do not start.
pub(crate) fn try_out(
    plugins: &[Arc<Plugin>],
    before: &[Arc<Plugin>],
    upstreams: HashSet<String>,
    crashes: &Arc<Crashes>,
) -> Result<(), Vec<String>> {
    let changed = |plugin: &&Arc<Plugin>| !before.iter().any(|old| Arc::ptr_eq(old, plugin));
    if !plugins.iter().any(|plugin| changed(&plugin)) {
        return Ok(());
    }
    let plugins = plugins.to_vec();
    let crashes = Arc::clone(crashes);
    let trial = std::thread::Builder::new()
        .name("canary".to_owned())
        .spawn(move || start(&plugins, upstreams, &crashes));
    let trial = trial.map_err(|why| vec![format!("no thread to try plugins out: {why}")])?;
    let faults = trial
        .join()
        .unwrap_or_else(|_| Err("trying plugins out failed".to_owned()));
    match faults {
        Ok(faults) if faults.is_empty() => Ok(()),
        Ok(faults) => Err(faults),
        Err(why) => Err(vec![why]),
    }
}

fn start(plugins: &[Arc<Plugin>], upstreams: HashSet<String>, crashes: &Crashes) -> Result<Vec<String>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no runtime to try plugins out: {why}"))?;
    let services = Services {
        process: Arc::new(Process::default()),
        outside: Rc::new(Nowhere {
            upstreams,
            says_lines: false,
        }),
        worker: NO_WORKER,
    };
    let local = tokio::task::LocalSet::new();
    let warmed = local.block_on(&runtime, async {
        WorkerPlugins::arrange(plugins, &services, None).warm().await
    });
    let faults = warmed.err().unwrap_or_default();
    Ok(faults.iter().map(|fault| crashes.explain(&Told::of(fault))).collect())
}
