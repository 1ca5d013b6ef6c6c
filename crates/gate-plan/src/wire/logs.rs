//! `logs`: what becomes a record, what is masked in it, what is kept of it, and where it goes.

mod debug;
mod mask;
mod sampling;
mod shipping;
mod sink;

use std::time::Duration;

use http::HeaderName;
use log_record::grade::Level;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::debug::{Bodies, Debug, Trigger, Triggers};
pub(crate) use self::mask::{Hash, HashAlgorithm, Mask, MaskAction};
pub(crate) use self::sampling::{Rate, RateEach, Sampling, SamplingRule, Tail};
pub(crate) use self::shipping::{Batch, Login, Queue, Retry, Secret, Spool};
pub(crate) use self::sink::{
    AuditSink, FileKeep, FileLane, FileSink, Format, HttpShape, HttpSink, LokiSink, OtlpProtocol, OtlpSink, Sink,
    SyslogSink, SyslogTransport,
};
use super::plugin::Payload;
use super::shape::Pairs;
use super::{size, span};
use crate::word::{FilePath, Label, Size, Written};

/// What becomes a record, what is masked in it, what is kept of it, and where it goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Logs {
    /// The memory in which records stand between a worker and the sinks. It outlives the process: after a death, the next start ships what
    /// is left in it.
    pub(crate) rings: Rings,
    /// The lowest level of what plugins and the gateway say that becomes a record. What a plugin may say at all is decided before: its own
    /// level stays where it is.
    pub(crate) level: Written<Level>,
    /// What is masked before a record rests anywhere: rules, or `off`. Default: values of headers, query keys and JSON members whose
    /// names tell that they are secret, such as `authorization` and `access_token`.
    pub(crate) mask: Mask,
    /// Fields of access records beside those that each has, from what the exchange has.
    #[schemars(length(max = 64))]
    pub(crate) fields: Vec<LogField>,
    /// Who the tenant of an exchange is; rules and rates of sampling may name one. Default: nobody is.
    pub(crate) tenant: Option<Tenant>,
    /// What part of the records is kept. It is changed while the gateway runs.
    pub(crate) sampling: Sampling,
    /// Debug windows: when there is too much of something, everything is kept for a while, with the seconds before. Default: none opens.
    pub(crate) debug: Option<Debug>,
    /// Guests that see records, masked and in batches, before the sinks do. They may add fields to them and redact more. Default: none.
    pub(crate) sandbox: Option<Sandbox>,
    /// Where records go. Each sink is by itself: one that is slow or down holds up neither traffic nor another. Default: access records go
    /// where `access_log` says.
    #[schemars(length(min = 1, max = 32))]
    pub(crate) sinks: Option<Vec<Sink>>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            rings: Rings::default(),
            level: Written::default_of("info", Level::Info),
            mask: Mask::default(),
            fields: Vec::new(),
            tenant: None,
            sampling: Sampling::default(),
            debug: None,
            sandbox: None,
            sinks: None,
        }
    }
}

/// The memory in which records stand between a worker and the sinks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rings {
    /// Folder of the rings, one file for each worker. It should be of a file system in memory. Default: a folder in `/dev/shm`.
    pub(crate) dir: Option<Written<FilePath>>,
    /// Bytes of each ring, a power of two. When a ring is full, the lowest level is dropped first; the log itself says how much.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "256MiB"))]
    pub(crate) bytes: Written<Size>,
}

impl Default for Rings {
    fn default() -> Self {
        Self {
            dir: None,
            bytes: size("8MiB", crate::plan::logs::Rings::BYTES),
        }
    }
}

/// A field of access records: one of `request_header`, `response_header` and `property`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogField {
    /// Its name in records, among `cofferdam.fields`. Unique.
    pub(crate) name: Written<Label>,
    /// The value of this header of the request, as the plugins of the route left it; of an exchange that none of them saw, as it came.
    pub(crate) request_header: Option<Written<HeaderName>>,
    /// The value of this header of the response, as it was sent.
    pub(crate) response_header: Option<Written<HeaderName>>,
    /// A property, as plugins know it, by the parts of its path, such as `[source, address]`; also one that a plugin has set.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) property: Option<Vec<String>>,
}

/// Who the tenant of an exchange is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Tenant {
    /// The value of this header of the request. Clients choose it, unless somebody in front of the gateway sets it.
    RequestHeader(Written<HeaderName>),
}

/// Guests that see records before the sinks do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sandbox {
    /// The guests, in the order in which records pass them.
    #[schemars(length(min = 1, max = 16))]
    pub(crate) plugins: Vec<SandboxPlugin>,
    /// Records that a guest is shown at once, at most. Afterwards its memory is as it was before.
    #[serde(default = "sandbox_batch")]
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) batch: u32,
    /// How long a guest may take for a batch. When it takes longer or dies, its records go on with a marker in place of every value that
    /// came from outside.
    #[serde(default = "sandbox_slice")]
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "100ms"))]
    pub(crate) slice: Written<Duration>,
}

/// One guest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxPlugin {
    /// Unique name among the guests.
    pub(crate) name: Written<Label>,
    /// File of the module, relative to the folder of the configuration.
    pub(crate) module: Written<FilePath>,
    /// What it gets as its configuration: a map or list as JSON, its keys in the order written; a text as it is. Nothing when absent.
    pub(crate) config: Option<Payload>,
    /// Files that it may read, by the names under which it finds them.
    #[serde(default)]
    pub(crate) files: Pairs<Label, Written<FilePath>>,
    /// Bytes of its memory.
    #[serde(default = "sandbox_memory")]
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "4GiB"))]
    pub(crate) memory: Written<Size>,
}

fn sandbox_batch() -> u32 {
    64
}

fn sandbox_slice() -> Written<Duration> {
    span("50ms", Duration::from_millis(50))
}

fn sandbox_memory() -> Written<Size> {
    size("64MiB", 64 << 20)
}
