//! What the console asks of the process.

use serde_json::Value;

/// LIMIT: seconds of a look at a plugin.
pub const PROFILE_SECONDS_MAX: u64 = 300;

/// The process, as an operator looks at it. Asked on threads where a short wait harms nobody.
pub trait House: Send + Sync + 'static {
    /// Whether traffic is wanted: false until everything serves, and again from the moment a drain begins. Must not wait.
    fn ready(&self) -> bool;

    /// All metrics, in the Prometheus text format.
    fn metrics(&self) -> Vec<u8>;

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

    /// Begins to look at a plugin; may take as long as compiling it.
    fn profile(&self, plugin: &str, what: Looked) -> Result<Box<dyn Profiling>, NoProfile>;
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
