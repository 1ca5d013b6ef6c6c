//! What becomes a record, what is masked in it, what is kept of it, and where it goes.

mod debug;
mod mask;
mod paths;
mod sampling;
mod shipping;
mod sink;

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
pub use log_record::grade::{Class, Level};

pub use self::debug::{Before, Bodies, DebugWindows, SlowTrigger, Trigger};
pub use self::mask::{Digest, Hash, HashAlgorithm, Mask, MaskFault, Masking, Rules};
pub use self::sampling::{Faults, Keep, Named, Rate, RateEach, Sampling, SamplingRule, Statuses, Tail};
pub use self::shipping::{Batch, Login, Queue, Retry, Secret, Selection, Spool, Sync, Target};
pub use self::sink::{
    Audit, FileKeep, Files, Format, HttpShape, Lane, Loki, Otlp, OtlpProtocol, Piece, Sink, Syslog, SyslogTransport, To,
};

/// What becomes a record, what is masked in it, what is kept of it, and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// The memory between workers and sinks.
    pub rings: Rings,
    /// Lines below it become no record.
    pub level: Level,
    /// What is masked; nothing when absent.
    pub mask: Option<Mask>,
    /// Fields of access records beside those that each has.
    pub fields: Vec<Field>,
    /// The header of the request that names its tenant; nobody is a tenant when absent.
    pub tenant: Option<HeaderName>,
    /// What part is kept.
    pub sampling: Sampling,
    /// Debug windows; none opens when absent.
    pub debug: Option<DebugWindows>,
    /// Guests that see records before the sinks do.
    pub sandbox: Option<Sandbox>,
    /// Where records go; when there are none, access records go where [`crate::AccessLog`] says.
    pub sinks: Vec<Sink>,
}

/// The memory between workers and sinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rings {
    /// Its folder; one in `/dev/shm` when absent.
    pub dir: Option<PathBuf>,
    /// Bytes of each worker's, a power of two from 64 KiB to 256 MiB.
    pub bytes: u64,
}

impl Rings {
    /// Bytes of each worker's where a configuration says nothing: 8 MiB.
    pub const BYTES: u64 = 8 << 20;
}

/// A field of access records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub from: FieldFrom,
}

/// Where the value of a field comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldFrom {
    /// A header of the request, as plugins left it.
    RequestHeader(HeaderName),
    /// A header of the response, as it was sent.
    ResponseHeader(HeaderName),
    /// A property as plugins know it, by the parts of its path.
    Property(Vec<String>),
}

/// Guests that see records before the sinks do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The guests, in order.
    pub plugins: Vec<SandboxPlugin>,
    /// Records that a guest is shown at once, at most. Default 64.
    pub batch_records_max: u32,
    /// How long a guest may take for a batch. Default 50 ms.
    pub slice: Duration,
}

/// One guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxPlugin {
    /// Unique among the guests.
    pub name: String,
    /// Its module.
    pub module: PathBuf,
    /// What it gets as its configuration.
    pub config: Vec<u8>,
    /// Files that it may read, by the names under which it finds them.
    pub files: Vec<(String, PathBuf)>,
    /// Bytes of its memory. Default 64 MiB.
    pub memory_bytes_max: u64,
}
