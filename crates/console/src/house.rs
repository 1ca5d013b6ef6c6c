//! What the console asks of the process.

use std::net::IpAddr;

use log_record::exposition::Form;
use serde_json::Value;

/// LIMIT: seconds of a look at a plugin.
pub const PROFILE_SECONDS_MAX: u64 = 300;

/// The process, as an operator looks at it. Asked on threads where a short wait harms nobody.
pub trait House: Send + Sync + 'static {
    /// Whether traffic is wanted: false until everything serves, and again from the moment a drain begins. Must not wait.
    fn ready(&self) -> bool;

    /// All metrics.
    fn metrics(&self, form: Form) -> Vec<u8>;

    /// The configuration in force, without secrets.
    fn config(&self) -> Value;

    /// Each plugin on each worker: state, generation, memory, faults, last error.
    fn plugins(&self) -> Value;

    /// Why plugins died: one summary for each place of death, the latest first.
    fn crashes(&self) -> Value;

    /// One crash report whose signature begins so, for programs and for people; none when there is none, or more than one.
    fn crash(&self, signature: &str) -> Option<(Value, String)>;

    /// Starts a plugin in quarantine again, on every worker; false when none has that name.
    fn lift(&self, plugin: &str) -> bool;

    /// Gives a plugin another level for a time, as the query says it: `level=debug&seconds=600`. What came of it for people, or why not; none when
    /// no plugin has that name.
    fn set_level(&self, plugin: &str, query: &str) -> Option<Result<String, String>>;

    /// The rollout of a plugin, or its last one; none when it has none.
    fn rollout(&self, plugin: &str) -> Option<Value>;

    /// Leads a rollout as an operator wants; none when the plugin has none.
    fn lead_rollout(&self, plugin: &str, order: RolloutOrder) -> Option<Led>;

    /// Begins a rollout of something that the configuration does not have: a JSON object. What came of it for people, or why not.
    fn begin_rollout(&self, plugin: &str, order: &[u8]) -> Result<String, String>;

    /// Begins to look at a plugin; may take as long as compiling it.
    fn profile(&self, plugin: &str, what: Looked) -> Result<Box<dyn Profiling>, NoProfile>;

    /// Hears of each order, once it is known what came of it.
    fn ordered(&self, ordered: &Ordered<'_>);
}

/// An order of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ordered<'a> {
    /// Who ordered it, as far as an address tells.
    pub from: IpAddr,
    /// The word for it: `lift`, `level`, `profile`, or that of a [`RolloutOrder`].
    pub order: &'static str,
    /// The plugin that it is about; there need not be one of that name.
    pub plugin: &'a str,
    /// What came of it, for people; empty where the order says it all.
    pub what: &'a str,
    /// Why it was not done.
    pub why_not: Option<&'a str>,
}

/// What an operator wants of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutOrder {
    /// Try the generation again that went back.
    Start,
    /// Let the time of the step stand.
    Pause,
    /// Go on.
    Resume,
    /// Let the new generation take over now.
    Promote,
    /// Go back to the generation before now.
    Abort,
    /// As [`Self::Start`], on every gateway of the store.
    StartEverywhere,
    /// As [`Self::Promote`], on every gateway of the store.
    PromoteEverywhere,
    /// As [`Self::Abort`], on every gateway of the store.
    AbortEverywhere,
}

impl RolloutOrder {
    /// Every order.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Pause,
        Self::Resume,
        Self::Promote,
        Self::Abort,
        Self::StartEverywhere,
        Self::PromoteEverywhere,
        Self::AbortEverywhere,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::StartEverywhere => "start/everywhere",
            Self::PromoteEverywhere => "promote/everywhere",
            Self::AbortEverywhere => "abort/everywhere",
        }
    }
}

/// What became of such an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Led {
    /// It is so.
    Done,
    /// It was so before.
    Already,
    /// It cannot be so; why.
    Refused(String),
}

/// What of a plugin is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// What it computes.
    Time,
    /// What its allocator keeps.
    Memory,
}

impl Looked {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Memory => "memory",
        }
    }
}

/// A look at a plugin, until it is asked or dropped.
pub trait Profiling: Send {
    /// What was seen, as a file for the Firefox Profiler, with a summary as `cofferdam` in it.
    fn end(self: Box<Self>) -> Value;
}

/// Why a plugin is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoProfile {
    /// None has that name.
    Unknown,
    /// Somebody does already.
    Busy,
    /// It cannot be looked at like that; why.
    Refused(String),
}

impl NoProfile {
    /// The reason, without who asked for what.
    pub fn text(&self) -> &str {
        match self {
            Self::Unknown => "no plugin has that name",
            Self::Busy => "somebody looks at it already",
            Self::Refused(why) => why,
        }
    }
}
