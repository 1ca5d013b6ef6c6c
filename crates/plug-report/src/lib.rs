//! Crash reports: what a worker saw when a plugin died, made readable, counted and kept.
//!
//! Lives here: the facts of a death as data, source lines from DWARF and names, the files that hold debug information, the text for
//! people, and the folder in which reports are kept.
//! Never enters: an engine, a request path, a running instance: everything here happens on a control thread, after the death.
//! From: `plug-host`, which fills a [`Scene`] on the worker, and the files of modules.
//! To: the operator's log, the admin listener and `cofferdam crash`.

mod scene;
pub use scene::{Argument, Callback, Exchange, Figures, Frame, HostCall, HostCalls, ModuleNote, Place, Scene};
mod symbols;
pub use symbols::{Symbols, readable};
mod go;
mod debug_file;
pub use debug_file::{DebugFiles, code_at, code_sha256};
mod crash;
pub use crash::Crash;
mod advice;
mod text;
mod store;
pub use store::CrashStore;
pub mod profile;
pub mod recording;
