//! What a worker gives its instances.

use std::rc::Rc;
use std::sync::Arc;

use crate::engine::Process;
use crate::outside::Outside;

/// What a worker gives its instances.
#[derive(Clone)]
pub struct Services {
    /// What workers share.
    pub process: Arc<Process>,
    /// Callouts and the log.
    pub outside: Rc<dyn Outside>,
    /// Number of the worker.
    pub worker: usize,
}
