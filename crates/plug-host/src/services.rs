//! What a worker gives its instances.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Process;
use crate::outside::Outside;
use crate::trial::Trial;

/// The number of no worker: plugins are tried out there, and nothing is counted.
pub const ASIDE: usize = usize::MAX;

/// What a worker gives its instances.
#[derive(Clone)]
pub struct Services {
    /// What workers share.
    pub process: Arc<Process>,
    /// Callouts and the log.
    pub outside: Rc<dyn Outside>,
    /// Number of the worker.
    pub worker: usize,
    /// Clock and witness of plugins that are tested; none where plugins serve.
    pub trial: Option<Rc<Trial>>,
}

impl Services {
    /// Whether plugins do not serve here, so that what they write is kept from everybody.
    pub(crate) fn is_aside(&self) -> bool {
        self.worker == ASIDE || self.trial.is_some()
    }

    /// Waits on the clock that plugins see.
    pub(crate) async fn sleep(&self, length: Duration) {
        match &self.trial {
            Some(trial) => trial.sleep(length).await,
            None => tokio::time::sleep(length).await,
        }
    }
}
