//! What a worker gives its instances.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Process;
use crate::outside::Outside;
use crate::trial::Trial;

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
    /// Waits on the clock that plugins see.
    pub(crate) async fn sleep(&self, length: Duration) {
        match &self.trial {
            Some(trial) => trial.sleep(length).await,
            None => tokio::time::sleep(length).await,
        }
    }
}
