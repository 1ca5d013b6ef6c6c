//! What a worker saw when a plugin died: data without a life of its own, taken in microseconds.

use serde::{Deserialize, Serialize};

/// The facts of one death.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The fault's code, such as `plugin.trapped`.
    pub code: String,
    /// The fault in one sentence.
    pub summary: String,
    /// Name of the plugin.
    pub plugin: String,
    /// The plugin's generation.
    pub generation: u64,
    /// The worker; none for a trial start.
    pub worker: Option<usize>,
    /// The module.
    pub module: ModuleNote,
    /// The callback that was running.
    pub callback: Callback,
    /// The exchange in whose name it ran; none for root contexts.
    pub exchange: Option<Exchange>,
    /// Frames of the guest, innermost first.
    pub frames: Vec<Frame>,
    /// The last lines that the guest wrote to standard error or logged at error level or worse.
    pub last_words: Vec<String>,
    /// Memory and CPU.
    pub figures: Figures,
    /// What the guest asked of the host.
    pub host_calls: HostCalls,
}

/// A module, as far as a report needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleNote {
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of its code section: the same for a module and its stripped twin.
    pub code_sha256: String,
    /// The toolchain, as one word.
    pub toolchain: String,
    /// Languages and tools with their versions, as the module says itself.
    pub producers: Vec<String>,
    /// Whether it names its functions.
    pub has_names: bool,
    /// Whether it has lines of source.
    pub has_dwarf: bool,
}

/// A callback with its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Name of the export.
    pub name: String,
    /// What it was called with.
    pub arguments: Vec<Argument>,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Argument {
    /// What it is called in the ABI.
    pub name: String,
    /// Its value; bits of a 64-bit number as they are.
    pub value: u64,
}

/// The exchange that died.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Id of the context in the guest.
    pub context: u32,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// Trace id of `traceparent` (W3C Trace Context section 3.2.2.3).
    pub trace_id: Option<String>,
}

/// One frame of the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Index of the function in the module.
    pub index: u32,
    /// Offset in the module's code section, as DWARF counts; none when the engine does not know it.
    pub offset: Option<u64>,
    /// Name of the function, when the module has names.
    pub function: Option<String>,
    /// The places in the source: an inlined function comes before the one that it was put into. Empty without debug information.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

/// A place in the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of the function.
    pub function: Option<String>,
    /// File, as the compiler wrote it.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
}

/// Memory and CPU at the death.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Bytes of linear memory.
    pub memory_bytes: u64,
    /// Its bound.
    pub memory_bytes_max: u64,
    /// How long the callback had computed, in microseconds, in the grain of the guests' tick (0.25 ms).
    pub computed_us: u64,
    /// The slice of one callback, in microseconds.
    pub slice_us: u64,
}

/// What the guest asked of the host since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCalls {
    /// How many in all.
    pub total: u64,
    /// The last ones, in order.
    pub last: Vec<HostCall>,
}

/// One host call. Values of headers, properties and keys are never kept, only their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCall {
    /// Name of the import.
    pub call: String,
    /// The callback in which it was made.
    pub callback: String,
    /// The numbers that it was called with; pointers and lengths too.
    pub arguments: Vec<u64>,
    /// What it was about: the name of a header, a property, a key, an upstream; cut to a few bytes.
    pub name: Option<String>,
    /// The status that it answered; none when it never returned.
    pub answer: Option<u32>,
    /// How many calls like it followed at once and are not told one by one: a text written in pieces. The answer is that of the last.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: u64,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}
