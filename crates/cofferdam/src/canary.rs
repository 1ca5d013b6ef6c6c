//! Tries changed plugins out before they serve: started and configured once, aside, with the outside world out of reach.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use plug_host::{
    CallRefused, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, Outside, Plugin, Process, RedisClient,
    Saying, Services, WorkerPlugins,
};
use tokio::sync::mpsc;

use crate::crashes::{Crashes, Told};

/// Not the number of any worker, so that nothing is counted.
const NO_WORKER: usize = usize::MAX;

/// The outside world as a canary sees it: upstreams have names, calls begin and never end.
struct Nowhere {
    upstreams: HashSet<String>,
}

impl Nowhere {
    fn pending<T: 'static>(&self) -> LocalFuture<T> {
        Box::pin(std::future::pending())
    }
}

impl Outside for Nowhere {
    fn say(&self, saying: Saying<'_>) {
        // Lines are said again when the plugin starts on its workers; a fault is what the caller reports.
        let _ = saying;
    }

    fn http_call(&self, _: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        Ok(self.pending())
    }

    fn grpc_call(
        &self,
        _: GrpcCall,
        _: mpsc::UnboundedReceiver<GrpcOut>,
        _: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        Ok(self.pending())
    }

    fn knows_upstream(&self, upstream: &str) -> bool {
        // Higress's four fields end with the name.
        let name = upstream.rsplit('|').next().unwrap_or(upstream);
        self.upstreams.contains(upstream) || self.upstreams.contains(name)
    }

    fn redis_call(&self, _: &RedisClient, _: Bytes) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        Ok(self.pending())
    }
}

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
        outside: Rc::new(Nowhere { upstreams }),
        worker: NO_WORKER,
    };
    let local = tokio::task::LocalSet::new();
    let warmed = local.block_on(&runtime, async {
        WorkerPlugins::arrange(plugins, &services, None).warm().await
    });
    let faults = warmed.err().unwrap_or_default();
    Ok(faults.iter().map(|fault| crashes.explain(&Told::of(fault))).collect())
}
