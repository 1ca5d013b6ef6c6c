//! The plugin host: runs Proxy-Wasm modules so that none of them can harm the process.
//!
//! Lives here: the engine and its settings, instances and their starts and deaths, every host call, shared data, queues and metrics.
//! Never enters: sockets, configuration text, routes, and any other room's knowledge of the engine: no other crate names `wasmtime`.
//! From: `gate-flow`, which leads an exchange through a chain of [`PluginStream`]s and answers [`Facts`] and [`Outside`].
//! To: verdicts as the ABI's actions, and [`Fault`]s.

mod engine;
pub use engine::{Engine, Engines, MEMORY_BYTES_MAX, Process, Purpose, QueueRefused, TICK};
mod cache;
pub use cache::CodeCache;
mod compile;
pub use compile::{CompileFault, CompileLimits, Compiler, compile_as_child};
mod module;
pub use module::{Module, digest};
mod plugin;
pub use plugin::{Isolation, Plugin, PluginSpec, PluginState, PluginStats};
mod limit;
pub use limit::{Limit, Limits};
pub use plug_instrument::{Allocator, Changes};
mod vm;
pub use vm::{PluginHandle, WorkerPlugins};
mod restart;
pub use restart::RestartPolicy;
mod apart;
mod trial;
pub use trial::{Trial, Witnessed};
mod services;
pub use services::{ASIDE, Services};
mod stream;
pub use stream::PluginStream;
mod exchange;
pub use exchange::{
    Direction, Exchange, Facts, LocalReply, Property, RequestHead, ResponseHead, Side, StreamContext, Visible,
};
mod trace;
pub use trace::{CalloutStep, Marks, TraceIds};
mod outside;
pub use outside::{
    CallRefused, Caller, DebugNews, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, LogLine, Outside,
    RedisClient, Saying, Writing,
};
mod fault;
pub use fault::{Fault, FaultKind, LoadFault};

mod seat;
mod start;
mod instance;
mod turn;
mod entry;
mod exports;
mod callouts;
mod shutdown;
mod orphans;
mod debug;
pub use debug::Debugging;
mod guest;
mod words;
mod bounds;
mod slice;
mod pace;
mod trail;
mod tape;
mod record;
mod player;
pub use player::Divergence;
mod replay;
pub use replay::{Replay, ReplayFault, is_same_code, replay, spec_of};
mod scene;
pub use scene::module_note;
mod allowance;
mod granted;
mod folders;
pub use folders::Folders;
mod file_counts;
pub use file_counts::FileBounds;
mod files;
mod scratch;
mod lines;
mod share;
mod meter;
mod burst;
pub use burst::{BurstPolicy, Trouble};
mod growth;
mod ledger;
mod profile;
pub use profile::Profiler;
mod tally;
pub use tally::Computed;
mod budget;
mod shim;
mod calls;
mod map;
pub use map::{NotAllowed, PluginMap};
mod body;
pub use body::HeldBody;
mod bell;
pub use bell::Bell;
mod heritage;
mod shared_data;
mod metrics;
pub use metrics::{HistogramReading, MetricRegistry, Reading};
mod protobuf;
mod signature;
mod expression;
mod log_guest;
pub use log_guest::{
    BATCH_TIME_MAX, LogEngine, LogFault, LogGrant, LogGuest, LogGuestSpec, LogModule, LogSays, Passed,
};

#[cfg(test)]
mod tests;
