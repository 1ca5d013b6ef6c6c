//! The room of shipping: encoded records go to where they are kept or read, each sink by itself, and none of them is ever waited for.
//!
//! What lives here: the queue, the spool and the thread of a sink; files with their rotation and retention, standard output, JSON over HTTP, Loki, OTLP
//! for logs and spans over HTTP and gRPC, syslog; lines as logfmt or by a template; and the chain of audit records with what verifies it.
//! What never enters: workers, rings, masking (what comes is masked), YAML, names of fields (they are handed in), and the decision what is worth a record.
//! Data comes from the thread that drains the rings, which numbers records over all of them and gives each batch to all sinks as `Arc<Record>`: one copy
//! of a line for all. It goes out through sockets and files. Back to the giver goes one number: up to there no durable sink has need of the rings.
//!
//! ```text
//! give ─► Queue (bytes and records; the lowest level is dropped first) ─► Carrier ─► the other side
//!            │  while the other side does not take, or not fast enough           ▲
//!            └───────► Spool (segments on disk, by level) ───────────────────────┘
//! ```
//!
//! What a protocol wants of a record beside its line (labels, ids, attributes) is read out of the line on the sink's own thread, so that a record in a
//! queue or a spool is one piece of bytes with 18 beside it, and a sink that wants nothing costs nothing.
//!
//! Of each sink `accepted == delivered + dropped + held`, at any moment ([`Tally`]). A record is sent at least once where the protocol says that it
//! arrived; syslog, standard output and files have only the system's word. What is sent again may come twice and later than what is younger.
//!
//! To wire it: make sinks with the functions `start_*`, a [`Ship`] of them, and give batches from one thread; release the rings up to
//! [`Ship::acknowledged`]; write a gap record when a [`Tally`] has lost something new; call [`Ship::reopen`] on the signal of logrotate, and [`Ship::end`]
//! when draining. A spool and a chain each have a folder of their own: end the sink that has it before another one with the same is started, or leave
//! that to [`Ship::change`], by which a running gateway swaps its set of sinks and nobody waits.

mod record;
mod kinds;
mod tally;
mod batch;
mod queue;
mod backoff;
mod fault;
mod talk;
mod spool;
mod format;
mod carrier;
mod sink;
mod ship;
mod clock;
mod stdout;
mod file;
mod net;
mod json;
mod loki;
mod otlp;
mod syslog;
pub mod chain;
#[doc(hidden)]
pub mod hostile;

#[cfg(test)]
mod scene;

pub use clock::{Clock, SystemClock};
pub use fault::ShipFault;
pub use file::{FileSettings, Keep, Lane, start as start_files};
pub use format::{Format, Template, TemplateFault};
pub use json::{Shape, start as start_json};
pub use loki::{LokiSettings, start as start_loki};
pub use net::{Login, Secret, Target, Tls};
pub use otlp::{
    OtlpSettings, SpanSettings, start_grpc as start_otlp_grpc, start_http as start_otlp_http,
    start_spans_grpc as start_otlp_spans_grpc, start_spans_http as start_otlp_spans_http,
};
pub use queue::{BatchLimits, QueueLimits};
pub use record::{Class, Level, Record, Selection};
pub use ship::{Ship, Wanted};
pub use sink::{Frame, Sink};
pub use spool::{SpoolSettings, Sync};
pub use stdout::{start_stdout, start_writer};
pub use syslog::{SyslogSettings, Transport, start as start_syslog};
pub use talk::{Kind, Listener, Notice};
pub use tally::{Reason, Tally};
