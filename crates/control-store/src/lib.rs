//! Where the configuration of a gateway comes from: a folder, etcd, Consul KV or Redis, behind one [`Watch`].
//!
//! Lives here: the layout of keys, the four stores, the thread that follows one of them, what it takes and what it does not, the report that goes
//! back, and how a new revision is written.
//! Never enters: YAML, a plan, an engine, a worker. What a text means is decided elsewhere; here it is bytes with a revision.
//! From: stores, which anybody may have written who has a password. To: the thread of the gateway that loads configurations, as [`Delivered`],
//! and the verbs of `cofferdam config`.

mod fault;
pub use fault::StoreFault;
mod asked;
pub use asked::{Call, Came, Listener};
mod settings;
pub use settings::{Backend, Consul, Endpoint, Etcd, Login, Place, Redis, Secret, Settings, Tls};
mod revision;
pub use revision::Revision;
mod layout;
pub use layout::{Entry as HistoryEntry, Pointer, RECORD_BYTES_MAX, Status, Verdict};
mod backoff;
pub use backoff::Backoff;
mod taking;
pub use taking::Delivered;
mod dial;
mod folders;
pub use folders::Bell;
mod keys;
mod look;
mod folder;
mod etcd;
mod consul;
mod redis;
mod watch;
pub use watch::{Health, News, Outcome, Watch};
mod board;
pub use board::{Board, Note, Posted};
mod store;
pub use store::{Current, Publication, Published, Store};
