//! `logs.sinks`: where records go.

use std::time::Duration;

use http::HeaderName;
use log_record::grade::{Class, Level};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shipping::sync;
use super::{Batch, Hash, Login, Queue, Retry, Spool};
use crate::plan::EndpointSpec;
use crate::wire::{ClientTls, Pairs, size, span};
use crate::word::{FieldText, FilePath, Label, LogAddress, PlainName, Size, SyncWord, Written};

/// Where records go: one of `stdout`, `file`, `http`, `loki`, `otlp`, `syslog` and `audit`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sink {
    /// Unique name, for metrics and messages.
    pub(crate) name: Written<Label>,
    /// Lines to standard output: `stdout: {}`.
    pub(crate) stdout: Option<StdoutSink>,
    /// Files, with rotation and retention.
    pub(crate) file: Option<FileSink>,
    /// JSON over HTTP.
    pub(crate) http: Option<HttpSink>,
    /// Grafana Loki.
    pub(crate) loki: Option<LokiSink>,
    /// An OpenTelemetry collector, by OTLP.
    pub(crate) otlp: Option<OtlpSink>,
    /// A syslog daemon (RFC 5424).
    pub(crate) syslog: Option<SyslogSink>,
    /// A folder of audit records, each with the hash of the one before: `cofferdam logs verify` shows whether somebody changed one.
    pub(crate) audit: Option<AuditSink>,
    /// How a record is written: `json`, `logfmt`, or a template. For `stdout`, `file`, `http` and `syslog`; the others have their own form.
    pub(crate) format: Option<Format>,
    /// The classes of records that go there: `access`, `plugin`, `fault`, `control`, `call`, `gateway`, `audit`, `connection`, `debug`,
    /// `span`. Default: all but `span`; of `audit`, the class `audit`.
    #[schemars(length(min = 1))]
    pub(crate) classes: Option<Vec<Written<Class>>>,
    /// The lowest level that goes there. Default: `trace`, which is all.
    pub(crate) level: Option<Written<Level>>,
    /// The highest level that goes there. Default: `critical`.
    pub(crate) up_to: Option<Written<Level>>,
    /// What waits for it in memory.
    #[serde(default)]
    pub(crate) queue: Queue,
    /// What goes to it at once.
    #[serde(default)]
    pub(crate) batch: Batch,
    /// How often is tried again.
    #[serde(default)]
    pub(crate) retry: Retry,
    /// Where records wait on disk while it does not take them. Default: nowhere, so that an outage costs what the queue does not hold.
    pub(crate) spool: Option<Spool>,
    /// Whether a record stays in the rings until this sink has it, on its disk or on the other side. Default: true of `file`, `audit` and
    /// whatever has a `spool`.
    pub(crate) durable: Option<bool>,
}

/// Lines to standard output.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdoutSink {}

/// How a record is written.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Format {
    /// One JSON object on a line.
    Json,
    /// `key=value` pairs on a line.
    Logfmt,
    /// A text with names of fields in braces: `{timestamp} {http.request.method} {url.path}`. What a record does not have is `-`; `{{` is a brace.
    Template(String),
}

/// Files.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSink {
    /// The file that is written. Rotated ones stand beside it as `PATH.NUMBER.TIME`, compressed ones with `.gz`.
    pub(crate) path: Written<FilePath>,
    /// When a new file is begun.
    #[serde(default)]
    pub(crate) rotate: Rotate,
    /// Whether rotated files are compressed with gzip.
    #[serde(default = "yes")]
    pub(crate) compress: bool,
    /// When what is written is forced onto the disk: a time span, `always` or `never`.
    #[serde(default = "sync")]
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) sync: Written<SyncWord>,
    /// What is kept of rotated files. Default: everything.
    #[serde(default)]
    pub(crate) keep: FileKeep,
    /// Files of their own for some levels and classes: a record goes to the first that is for it, and to `path` when none is.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub(crate) lanes: Vec<FileLane>,
}

/// When a new file is begun: at whatever comes first.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rotate {
    /// When it has this many bytes.
    #[schemars(extend("x-minimum" = "4KiB", "x-maximum" = "1024GiB"))]
    pub(crate) bytes: Written<Size>,
    /// When it is this old. What is kept for a shorter time is rotated four times in it.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "365d"))]
    pub(crate) every: Written<Duration>,
}

impl Default for Rotate {
    fn default() -> Self {
        Self {
            bytes: size("128MiB", 128 << 20),
            every: span("1d", Duration::from_secs(86_400)),
        }
    }
}

/// What is kept of rotated files. What is not said bounds nothing.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileKeep {
    /// For how long after its last record a file is kept.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "36500d"))]
    pub(crate) age: Option<Written<Duration>>,
    /// Bytes of all of them.
    #[schemars(extend("x-minimum" = "4KiB", "x-maximum" = "16384GiB"))]
    pub(crate) bytes: Option<Written<Size>>,
    /// Their number.
    #[schemars(range(min = 1, max = 100000))]
    pub(crate) files: Option<u32>,
}

/// A file of its own for some levels and classes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileLane {
    /// The lowest level that it is for. Default: `trace`.
    pub(crate) level: Option<Written<Level>>,
    /// The highest level that it is for. Default: `critical`.
    pub(crate) up_to: Option<Written<Level>>,
    /// The classes that it is for. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) classes: Option<Vec<Written<Class>>>,
    /// The file. Default: that of the sink, with the lane's classes, or else its highest level, before the ending: `gateway.debug.log`.
    pub(crate) path: Option<Written<FilePath>>,
    /// What is kept of it.
    #[serde(default)]
    pub(crate) keep: FileKeep,
}

/// JSON over HTTP.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpSink {
    /// Where it is, with its path: `https://logs.example.com/ingest`.
    pub(crate) url: Written<LogAddress>,
    /// TLS, for `https`.
    pub(crate) tls: Option<ClientTls>,
    /// Who we are there. Default: nobody.
    pub(crate) login: Option<Login>,
    /// Further headers. Secrets belong into `login`.
    #[serde(default)]
    pub(crate) headers: Pairs<HeaderName, Written<FieldText>>,
    /// Whether bodies are compressed with gzip.
    #[serde(default = "yes")]
    pub(crate) gzip: bool,
    /// How long one try may take, connecting included.
    #[serde(default = "answer_wait")]
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "10m"))]
    pub(crate) wait: Written<Duration>,
    /// How records stand in a body.
    #[serde(default)]
    pub(crate) shape: HttpShape,
}

/// How records stand in a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HttpShape {
    /// A line for each, `application/x-ndjson`.
    #[default]
    Lines,
    /// One array, `application/json`.
    Array,
}

/// Grafana Loki.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LokiSink {
    /// Where it is: `http://loki:3100`. Without a path, `/loki/api/v1/push`.
    pub(crate) url: Written<LogAddress>,
    /// TLS, for `https`.
    pub(crate) tls: Option<ClientTls>,
    /// Who we are there. Default: nobody.
    pub(crate) login: Option<Login>,
    /// Further headers, such as `x-scope-orgid`. Secrets belong into `login`.
    #[serde(default)]
    pub(crate) headers: Pairs<HeaderName, Written<FieldText>>,
    /// Whether bodies are compressed with gzip.
    #[serde(default = "yes")]
    pub(crate) gzip: bool,
    /// How long one try may take, connecting included.
    #[serde(default = "answer_wait")]
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "10m"))]
    pub(crate) wait: Written<Duration>,
    /// Labels that every stream has. Default: `service_name: cofferdam`.
    pub(crate) labels: Option<Pairs<PlainName, String>>,
    /// The label of a record's level.
    #[serde(default = "level_label")]
    pub(crate) level_label: Written<PlainName>,
    /// The label of a record's class.
    #[serde(default = "class_label")]
    pub(crate) class_label: Written<PlainName>,
    /// Fields that are labels, by label: `route: cofferdam.route`. Only what has few values; Loki takes 15 labels in all.
    #[serde(default)]
    pub(crate) field_labels: Pairs<PlainName, String>,
    /// Fields that are structured metadata, by name there. Default: `trace_id: trace_id`.
    pub(crate) metadata: Option<Pairs<PlainName, String>>,
}

/// An OpenTelemetry collector.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OtlpSink {
    /// Where it is: `http://collector:4317`. Over HTTP without a path, `/v1/logs`, and of spans `/v1/traces`.
    pub(crate) url: Written<LogAddress>,
    /// What is spoken.
    #[serde(default)]
    pub(crate) protocol: OtlpProtocol,
    /// TLS, for `https`.
    pub(crate) tls: Option<ClientTls>,
    /// Who we are there. Default: nobody.
    pub(crate) login: Option<Login>,
    /// Further headers. Secrets belong into `login`.
    #[serde(default)]
    pub(crate) headers: Pairs<HeaderName, Written<FieldText>>,
    /// Whether bodies are compressed with gzip, over HTTP. Default: true there.
    pub(crate) gzip: Option<bool>,
    /// How long one try may take, connecting included.
    #[serde(default = "answer_wait")]
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "10m"))]
    pub(crate) wait: Written<Duration>,
    /// Attributes of the resource. Default: `service.name: cofferdam`.
    pub(crate) resource: Option<Pairs<Label, String>>,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OtlpProtocol {
    /// Protobuf over HTTP/1.1; a collector's usual port is 4318.
    #[default]
    Http,
    /// gRPC; a collector's usual port is 4317.
    Grpc,
}

/// A syslog daemon.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyslogSink {
    /// The way to it.
    pub(crate) to: SyslogTransport,
    /// The facility.
    #[serde(default)]
    pub(crate) facility: Facility,
    /// This machine's name. Default: the one that it has.
    pub(crate) host: Option<Written<Label>>,
    /// Our name.
    #[serde(default = "application")]
    pub(crate) application: Written<Label>,
    /// Bytes of a datagram; a longer record is cut.
    #[serde(default = "datagram")]
    #[schemars(extend("x-minimum" = "480", "x-maximum" = "65507"))]
    pub(crate) datagram: Written<Size>,
    /// How long a connection or a write may take.
    #[serde(default = "syslog_wait")]
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "10m"))]
    pub(crate) wait: Written<Duration>,
}

/// The way to a syslog daemon. What the system has taken counts as delivered.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SyslogTransport {
    /// Datagrams to a host and a port.
    Udp(Written<EndpointSpec>),
    /// A stream to a host and a port, each message behind its length (RFC 6587).
    Tcp(Written<EndpointSpec>),
    /// Datagrams to a socket such as `/dev/log`.
    UnixDatagram(Written<FilePath>),
    /// A stream to a socket.
    UnixStream(Written<FilePath>),
}

/// A facility of syslog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Facility {
    /// The kernel.
    Kern,
    /// Programs of users.
    User,
    /// Mail.
    Mail,
    /// Daemons.
    Daemon,
    /// Who came in.
    Auth,
    /// The daemon of syslog itself.
    Syslog,
    /// Printers.
    Lpr,
    /// News.
    News,
    /// UUCP.
    Uucp,
    /// Work by the clock.
    Cron,
    /// Who came in, not for everybody.
    Authpriv,
    /// FTP.
    Ftp,
    /// NTP.
    Ntp,
    /// Audit of logs.
    Security,
    /// Alerts of logs.
    Console,
    /// Clocks.
    Clock,
    /// Local use 0.
    #[default]
    Local0,
    /// Local use 1.
    Local1,
    /// Local use 2.
    Local2,
    /// Local use 3.
    Local3,
    /// Local use 4.
    Local4,
    /// Local use 5.
    Local5,
    /// Local use 6.
    Local6,
    /// Local use 7.
    Local7,
}

/// A folder of audit records.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditSink {
    /// A folder of its own.
    pub(crate) dir: Written<FilePath>,
    /// What hashes. With a key, only who has it can make the chain anew. Default: SHA-256 without one.
    pub(crate) hash: Option<Hash>,
    /// A file ends when it has this many bytes,
    #[serde(default = "audit_bytes")]
    #[schemars(extend("x-minimum" = "4KiB", "x-maximum" = "64GiB"))]
    pub(crate) segment: Written<Size>,
    /// or is this old.
    #[serde(default = "audit_every")]
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "365d"))]
    pub(crate) every: Written<Duration>,
    /// For how long after its last record a file is kept. Default: for ever.
    #[schemars(extend("x-minimum" = "1h", "x-maximum" = "36500d"))]
    pub(crate) age: Option<Written<Duration>>,
    /// When it is forced onto the disk: a time span, `always` or `never`.
    #[serde(default = "sync_always")]
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) sync: Written<SyncWord>,
}

fn yes() -> bool {
    true
}

fn answer_wait() -> Written<Duration> {
    span("10s", Duration::from_secs(10))
}

fn syslog_wait() -> Written<Duration> {
    span("5s", Duration::from_secs(5))
}

fn level_label() -> Written<PlainName> {
    Written::default_of("level", PlainName("level".to_owned()))
}

fn class_label() -> Written<PlainName> {
    Written::default_of("class", PlainName("class".to_owned()))
}

fn application() -> Written<Label> {
    Written::default_of("cofferdam", Label("cofferdam".to_owned()))
}

fn datagram() -> Written<Size> {
    size("2048", 2048)
}

fn audit_bytes() -> Written<Size> {
    size("64MiB", 64 << 20)
}

fn audit_every() -> Written<Duration> {
    span("1d", Duration::from_secs(86_400))
}

fn sync_always() -> Written<SyncWord> {
    Written::default_of("always", SyncWord::Always)
}
