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
mod clock;
mod stdout;
mod file;
mod net;
mod json;
mod loki;
mod otlp;
mod syslog;
pub mod chain;

#[cfg(test)]
mod scene;

pub use clock::{Clock, SystemClock};
pub use fault::ShipFault;
pub use file::{FileSettings, Keep, Lane, start as start_files};
pub use json::{Shape, start as start_json};
pub use loki::{LokiSettings, start as start_loki};
pub use net::{Login, Secret, Target, Tls};
pub use otlp::{OtlpSettings, start_grpc as start_otlp_grpc, start_http as start_otlp_http};
pub use queue::{BatchLimits, QueueLimits};
pub use record::{Class, Level, Record, Selection};
pub use sink::{Frame, Sink};
pub use spool::{SpoolSettings, Sync};
pub use stdout::{start_stdout, start_writer};
pub use syslog::{SyslogSettings, Transport, start as start_syslog};
pub use talk::{Kind, Listener, Notice};
pub use tally::{Reason, Tally};
