//! Where records go.

use std::path::PathBuf;
use std::time::Duration;

use super::{Batch, Hash, Queue, Retry, Selection, Spool, Sync, Target};

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sink {
    /// Unique name.
    pub name: String,
    /// Which records go there.
    pub takes: Selection,
    /// How a record is written; JSON where the other side has a form of its own.
    pub format: Format,
    /// What waits for it in memory.
    pub queue: Queue,
    /// What goes to it at once.
    pub batch: Batch,
    /// How often is tried again.
    pub retry: Retry,
    /// Where records wait on disk.
    pub spool: Option<Spool>,
    /// Whether a record stays in the rings until it is there.
    pub durable: bool,
    /// The other side.
    pub to: To,
}

/// The other side of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Standard output.
    Stdout,
    /// Files.
    Files(Files),
    /// JSON over HTTP.
    Http {
        /// Where.
        target: Target,
        /// How records stand in a body.
        shape: HttpShape,
    },
    /// Grafana Loki.
    Loki(Loki),
    /// An OpenTelemetry collector.
    Otlp(Otlp),
    /// A syslog daemon.
    Syslog(Syslog),
    /// A chain of audit records.
    Audit(Audit),
}

/// How a record is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// A text with fields in it.
    Template(Vec<Piece>),
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The value of the field of this name, which is in the table of `log-record` or among [`super::Logs::fields`].
    Field(String),
}

/// Files. A record goes to the first lane that takes it; the last one takes all that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// One to 64 lanes, each with a path of its own.
    pub lanes: Vec<Lane>,
    /// A file is rotated when it has this many bytes. Default 128 MiB.
    pub rotate_bytes: u64,
    /// Or is this old. Default 1 day.
    pub rotate_every: Duration,
    /// Whether rotated files are compressed. Default true.
    pub compress: bool,
    /// When what is written is forced onto the disk. Default every second.
    pub sync: Sync,
}

/// One file with those it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Which records.
    pub takes: Selection,
    /// The file.
    pub path: PathBuf,
    /// What is kept of it.
    pub keep: FileKeep,
}

/// What is kept of rotated files. What is absent bounds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileKeep {
    /// For how long after its last record a file is kept.
    pub age_max: Option<Duration>,
    /// Bytes of all of them.
    pub bytes_max: Option<u64>,
    /// Their number.
    pub files_max: Option<usize>,
}

/// How records stand in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpShape {
    /// A line for each.
    Lines,
    /// One array.
    Array,
}

/// Grafana Loki.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loki {
    /// Where; with the path of its API.
    pub target: Target,
    /// Labels that every stream has. Default `service_name: cofferdam`.
    pub labels: Vec<(String, String)>,
    /// The label of the level. Default `level`.
    pub level_label: String,
    /// The label of the class. Default `class`.
    pub class_label: String,
    /// Fields that are labels: name of the field, name of the label.
    pub field_labels: Vec<(String, String)>,
    /// Fields that are structured metadata: name of the field, name there. Default the trace.
    pub metadata: Vec<(String, String)>,
}

/// An OpenTelemetry collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Where; over HTTP with the path of its API.
    pub target: Target,
    /// What is spoken.
    pub protocol: OtlpProtocol,
    /// Attributes of the resource. Default `service.name: cofferdam`.
    pub resource: Vec<(String, String)>,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP/1.1.
    Http,
    /// gRPC.
    Grpc,
}

/// A syslog daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// The way.
    pub transport: SyslogTransport,
    /// Number of the facility, 0 to 23. Default 16, `local0`.
    pub facility: u8,
    /// This machine's name; the one that it has when absent.
    pub host: Option<String>,
    /// Our name. Default `cofferdam`.
    pub application: String,
    /// Bytes of a datagram. Default 2048.
    pub datagram_bytes_max: usize,
    /// How long a connection or a write may take. Default 5 s.
    pub wait_max: Duration,
}

/// The way to a syslog daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogTransport {
    /// Datagrams to `HOST:PORT`.
    Udp(String),
    /// A stream to `HOST:PORT`.
    Tcp(String),
    /// Datagrams to a socket.
    UnixDatagram(PathBuf),
    /// A stream to a socket.
    UnixStream(PathBuf),
}

/// A chain of audit records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// A folder of its own.
    pub dir: PathBuf,
    /// What hashes. Default SHA-256 without a key.
    pub hash: Hash,
    /// A file ends when it has this many bytes. Default 64 MiB.
    pub segment_bytes_max: u64,
    /// Or is this old. Default 1 day.
    pub segment_every: Duration,
    /// For how long a file is kept; for ever when absent.
    pub age_max: Option<Duration>,
    /// When it is forced onto the disk. Default always.
    pub sync: Sync,
}
