//! What a log guest exports: a module that is given batches of records behind the mask, without Proxy-Wasm.

use crate::ValueType;

const I32: ValueType = ValueType::I32;
const I64: ValueType = ValueType::I64;

/// One function that a log guest exports, or may.
#[derive(Clone, Copy, Debug)]
pub struct LogExport {
    /// The name of the export.
    pub name: &'static str,
    /// The types of the parameters.
    pub params: &'static [ValueType],
    /// The types of the results.
    pub results: &'static [ValueType],
    /// Whether there is no log guest without it.
    pub required: bool,
    /// What it does.
    pub summary: &'static str,
}

/// The function whose being there says that a module is a log guest of this version. It is never called.
pub const LOG_MARKER: LogExport = LogExport {
    name: "cofferdam_log_abi_0_1_0",
    params: &[],
    results: &[],
    required: true,
    summary: "says that the module is a log guest; never called",
};
/// What is called first, where it is there.
pub const LOG_INITIALIZE: LogExport = LogExport {
    name: "_initialize",
    params: &[],
    results: &[],
    required: false,
    summary: "begins a reactor of WASI, once, before anything else",
};
/// Where the guest wants its input.
pub const LOG_ALLOC: LogExport = LogExport {
    name: "cofferdam_log_alloc",
    params: &[I32],
    results: &[I32],
    required: true,
    summary: "gives the place of as many bytes, which stay the host's to write until the next call of it",
};
/// What takes the configuration.
pub const LOG_CONFIGURE: LogExport = LogExport {
    name: "cofferdam_log_configure",
    params: &[I32, I32],
    results: &[I32],
    required: false,
    summary: "takes the configuration, by place and length; 0 when it is taken",
};
/// What takes a batch.
pub const LOG_BATCH: LogExport = LogExport {
    name: "cofferdam_log_batch",
    params: &[I32, I32],
    results: &[I64],
    required: true,
    summary: "takes a batch, by place and length, and gives place and length of its answer, in the upper and the lower half",
};

/// Every export of a log guest beside its memory, in the order in which they are called.
pub static LOG_EXPORTS: &[LogExport] = &[LOG_MARKER, LOG_INITIALIZE, LOG_ALLOC, LOG_CONFIGURE, LOG_BATCH];
