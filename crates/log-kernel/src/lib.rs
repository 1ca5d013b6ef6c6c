//! The room of the kernel's knowledge: what it counts for a TCP connection, when it sent a segment again, and why it may refuse to tell.
//!
//! What lives here: `TCP_INFO` and the name of the congestion control of a socket ([`TcpInfo`], [`congestion`]), with a [`Gauge`] for whoever
//! does not own the socket; a small program that the kernel runs at each retransmit, put together here and fitted to the kernel's own
//! description of its types ([`Retransmits`]); the bounded [`Table`] of time stamps by connection; both in one hand ([`Watcher`]); and [`doctor`], which says what of this a
//! host allows, what follows, and what to do.
//! What never enters: names of fields, records, YAML, a runtime, threads, what is written on a connection. Nothing here waits unless it is told how long.
//! Data comes from sockets of `gate-serve` and `gate-upstream`, and from the kernel. It goes to whoever finishes a record: numbers of `TCP_INFO`
//! are read on the worker, one call of about a microsecond for a logged exchange; time stamps are asked for on the one thread that drains the
//! ring and owns the table, where records are encoded. That thread is the only one that touches either, so there is no lock:
//!
//! ```no_run
//! use log_kernel::{Bounds, Clock, Flow, Moment, Settings, Watcher};
//! # fn address() -> std::net::SocketAddr { ([127, 0, 0, 1], 1).into() }
//! # fn main() -> std::io::Result<()> {
//! let mut watcher = Watcher::start(&Settings::default(), Bounds::default());
//! if let Some(why) = watcher.refusal() {
//!     let _ = why; // It goes to stderr, and TCP_INFO serves.
//! }
//! // For a batch of records that are about to be encoded:
//! watcher.tick()?;
//! let clock = Clock::read();
//! let began = Moment::now(); // of the exchange: `Moment::of(instant)`
//! let seen = watcher.since(Flow::new(address(), address()), began);
//! for stamp in seen.iter().flat_map(|seen| seen.stamps()) {
//!     let _ = clock.wall(stamp.at);
//! }
//! # Ok(())
//! # }
//! ```

mod moment;
pub use moment::{Clock, Moment};
mod flow;
pub use flow::{Flow, Tag};
mod fault;
pub use fault::{LoadFault, Step, TcpInfoFault, TypesFault};

mod syscall;

mod tcp_info;
pub use tcp_info::{Congestion, TcpInfo, TcpState, congestion};
mod gauge;
pub use gauge::{Gauge, Mount};

mod btf;
mod layout;
mod event;
pub use event::Retransmit;
mod assembler;
mod program;
mod ring;
mod watch;
pub use watch::{Counts, Retransmits, Settings};

mod table;
pub use table::{Bounds, Seen, Stamp, Table};

mod watcher;
pub use watcher::Watcher;

mod doctor;
pub use doctor::{Facts, Finding, Grade, Topic, doctor};

#[cfg(test)]
mod tests;
