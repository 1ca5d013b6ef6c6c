//! The room of shipping.

mod record;
mod tally;
mod batch;
mod queue;
mod backoff;
mod fault;
mod talk;
mod spool;
mod carrier;
mod sink;

#[cfg(test)]
mod scene;

pub use fault::ShipFault;
pub use queue::{BatchLimits, QueueLimits};
pub use record::{Class, Level, Record, Selection};
pub use sink::{Frame, Sink};
pub use spool::{SpoolSettings, Sync};
pub use talk::{Kind, Listener, Notice};
pub use tally::{Reason, Tally};
