//! The room of the book: everything that the gateway writes down is masked and packed where it happens, survives the process, and is encoded and handed
//! to the sinks where nobody waits.
//!
//! What lives here: the [`Pen`] of a worker, the [`Desk`] that threads of control share, and the clerk, a thread that takes records out of the rings,
//! makes lines of JSON of them, numbers them, gives them to the sinks, and gives the rings their room back.
//! What never enters: what is worth a record, names of fields (the table of `log-record` has them), how a sink works, plans and YAML.
//! Data comes from `gate-flow` through pens, from `cofferdam` through the desk, and from rings of processes that are gone; it goes to `log-ship`.
//!
//! ```text
//! worker: Pen ─► mask ─► pack ─► ring ┐
//! control: Desk ─► mask ─► pack ─► ring ┼─► clerk: line of JSON, number ─► every sink
//! a process that died: its rings ─────┘            └◄ acknowledged: room is given back, files of the dead are removed
//! ```

mod fault;
pub use fault::BookFault;

mod wanted;
pub use wanted::Wanted;

mod sheet;
pub use sheet::{Members, Sheet};
mod masked;
mod pen;
pub use pen::{Desk, Pen, Subject};

mod wires;
mod source;
mod leftover;
pub use leftover::lines_of;
mod losses;
mod clerk;
mod book;
pub use book::{Book, Listener, Notice, RingCounts, Screen, Settings};

#[cfg(test)]
mod tests;
