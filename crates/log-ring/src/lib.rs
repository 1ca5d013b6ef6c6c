//! The room of rings: where a worker puts records so that they outlive the process, and where they are read from.
//!
//! What lives here: the ring of bytes in shared memory with its two ends, what is refused when it is full and how that is told, the files of rings and who
//! may touch them, and the reading of rings whose process is gone.
//! What never enters: names of levels, classes and fields, what a payload means, masking (it comes before), sinks, clocks, threads, waiting. A ring
//! wakes nobody: who drains looks several times a second.
//! Data comes from workers, one [`Producer`] each, as masked bytes with a [`Mark`]; it goes to the one thread that drains, which has the
//! [`Consumer`], and after a death to whoever starts next, through [`recover_folder`].
//!
//! How it is used: at the start [`Folder::open`], then [`recover_folder`], whose records are shipped like others and whose files are removed when they
//! are safe; and again now and then, for a process that went before may still have lived. Then one [`Ring::create`] for each worker. A worker calls
//! [`Producer::write`] or [`Producer::begin`], and [`Producer::tell`] when it has been idle. The drain takes a [`Consumer::batch`], encodes it,
//! spools it, and then calls [`Consumer::release`] with the batch's end. At an orderly stop: `tell`, drain, [`Ring::remove`]; or [`Ring::sync`] where
//! the drain did not come to an end.

mod fault;
pub use fault::{Damage, RingFault};

mod mark;
pub use mark::{CLASSES_MAX, Class, LEVELS_MAX, Level, Mark, Refusal};
mod policy;
pub use policy::Policy;

mod layout;
mod shared;

mod gap;
pub use gap::{Dropped, Gap};
mod producer;
pub use producer::{Grant, Overrun, Producer};
mod record;
pub use record::{Body, Position, Record, Records};
mod count;
mod consumer;
pub use consumer::{Batch, Consumer};

mod folder;
pub use folder::Folder;
mod ring;
pub use ring::{RING_BYTES_MAX, RING_BYTES_MIN, Ring, Settings};
mod recover;
pub use recover::{Found, Recovered, recover, recover_folder};

#[cfg(test)]
mod tests;
