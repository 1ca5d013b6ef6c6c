//! The configuration as it is written; the doc comment of a key is its reference entry.

mod audit;
mod grant;
mod listener;
pub(crate) mod logs;
mod plugin;
mod rollout;
mod route;
mod shape;
mod signatures;
mod store;
pub(crate) mod tracing;
mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::audit::{Audit, AuditToolchain};
pub(crate) use self::grant::{
    BodyAccess, Folder, Grant, GrantFile, GrantLimits, GrantMode, GrantOrName, GrantProfile, Grants, HeaderAccess,
    NameAccess,
};
pub(crate) use self::listener::{CertificateFiles, ClientCertificates, Listener, ListenerProtocol, ServerTls};
pub(crate) use self::plugin::{
    Burst, Isolation, LineLevel, MatchRule, OnFault, Payload, Phase, Plugin, PluginDebug, PluginLimits, Pull, Restart,
    Source,
};
pub(crate) use self::rollout::{
    Analysis, PartBound, Rollout, RolloutMetric, RolloutStep, Shadow, SpanBound, Sticky, Waves,
};
pub(crate) use self::route::{
    HeaderCondition, HeaderEdits, Match, PathMatch, QueryCondition, Redirect, Respond, Route, Scheme,
};
pub(crate) use self::shape::Pairs;
pub(crate) use self::signatures::{SignatureMode, Signatures, Signer};
pub(crate) use self::store::{Bootstrap, Store};
pub(crate) use self::upstream::{Balance, ClientTls, Timeouts, Upstream, UpstreamProtocol};
use crate::word::{FilePath, ImagePattern, Size, Written};

/// The configuration of a Cofferdam gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the operator's listener stands. Without it there is none.
    pub(crate) admin: Option<Admin>,
    /// Number of worker threads. Default: the number of cores.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) workers: Option<u16>,
    /// Sockets on which traffic arrives; at least one.
    #[serde(default)]
    pub(crate) listeners: Vec<Listener>,
    /// Destinations of traffic.
    #[serde(default)]
    pub(crate) upstreams: Vec<Upstream>,
    /// Proxy-Wasm modules with their configurations.
    #[serde(default)]
    pub(crate) plugins: Vec<Plugin>,
    /// Whose signature plugins must have. Without it, none.
    pub(crate) signatures: Option<Signatures>,
    /// What every plugin's module must be before it is loaded. Without it, anything that runs.
    pub(crate) audit: Option<Audit>,
    /// What plugins may do, by name: each plugin names its own.
    #[serde(default)]
    pub(crate) grants: Grants,
    /// Which exchange is answered by what. The most specific match wins: host (exact, then the longest `*.suffix`, then the longest
    /// `prefix.*`, then `*`), then path (exact, then regex, then the longest prefix), then the number of further conditions (each
    /// header and query condition, and one each for methods and listeners), then the place in the file.
    #[serde(default)]
    pub(crate) routes: Vec<Route>,
    /// Where access records go: `stdout`, `off`, or a file. Without effect, and so not to be written, where there are `logs.sinks`.
    #[serde(default)]
    pub(crate) access_log: AccessLog,
    /// What becomes a record, what is masked in it, what is kept of it, and where it goes.
    #[serde(default)]
    pub(crate) logs: logs::Logs,
    /// Which trace an exchange belongs to, who is told, and where spans go.
    pub(crate) tracing: Option<tracing::Tracing>,
    /// How a stop proceeds.
    #[serde(default)]
    pub(crate) drain: Drain,
    /// Folder in which compiled modules are kept. Default: a folder in the user's cache folder.
    pub(crate) cache_dir: Option<Written<FilePath>>,
    /// Folder in which the gateway keeps what it must find again after a restart: the configuration and the modules that served last.
    /// A plugin whose module cannot be had, or that does not start, then serves as it did before. One folder may serve several
    /// gateways, each with a file of its own. Default: a folder in the user's state folder.
    pub(crate) state_dir: Option<Written<FilePath>>,
    /// Whether to start although a plugin cannot run and did not run before: exchanges through it get what its `on_fault` says. Without
    /// it such a start is refused. A plugin that is added while the gateway runs never stops it.
    #[serde(default)]
    pub(crate) start_without_plugins: bool,
    /// Where reports of plugins that died are kept, and what makes them readable.
    #[serde(default)]
    pub(crate) crash_reports: CrashReports,
    /// What is kept of the last callbacks of each plugin, so that those that ended in its death can run again offline.
    #[serde(default)]
    pub(crate) recordings: Recordings,
    /// What compiling a module may take. It happens in a process of its own, beside the gateway and with less right to the processors.
    #[serde(default)]
    pub(crate) compile: Compile,
    /// Bounds on what a client may send.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// What is added to and believed in forwarding headers.
    #[serde(default)]
    pub(crate) forwarding: Forwarding,
}

/// The operator's listener: health, metrics, configuration, plugins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    /// Address and port; with port 0 the system chooses one.
    pub(crate) listen: Written<SocketAddr>,
    /// From where `cofferdam rollout start --source` may take modules; without `--source`, other configurations of the modules that are
    /// configured. Whoever reaches the listener may then say what is tried, within `signatures`, `audit` and `grants`. Without it, nobody:
    /// what is rolled out is what the configuration says.
    pub(crate) rollouts_from: Option<RolloutsFrom>,
}

/// From where modules may be taken that the configuration does not name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RolloutsFrom {
    /// Folders of this machine, with all that is below; links are followed first.
    pub(crate) folders: Vec<Written<FilePath>>,
    /// Repositories of images: `registry.example.com/team/plugin`, or `registry.example.com/team/*` with all that is below.
    pub(crate) images: Vec<Written<ImagePattern>>,
}

/// Where access records go.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum AccessLog {
    /// One JSON line for each exchange to stdout.
    #[default]
    Stdout,
    /// Nowhere.
    Off,
    /// One JSON line for each exchange to this file, opened for appending.
    File(Written<FilePath>),
}

/// Where reports of plugins that died are kept, and what makes them readable.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CrashReports {
    /// Folder of the reports, one for each place at which a plugin died. Default: a folder in the user's state folder.
    pub(crate) dir: Option<Written<FilePath>>,
    /// Bytes of all reports together; beyond it those leave that were seen longest ago. With 0 none is kept.
    #[schemars(extend("x-maximum" = "64GiB"))]
    pub(crate) size: Written<Size>,
    /// Folder of unstripped modules: they give a stripped one its lines of source when the code is the same. The files' names do
    /// not matter. `NAME.debug.wasm` beside `NAME.wasm` is found without it.
    pub(crate) debug_files: Option<Written<FilePath>>,
}

impl Default for CrashReports {
    fn default() -> Self {
        Self {
            dir: None,
            size: size("64MiB", 64 << 20),
            debug_files: None,
        }
    }
}

/// What is kept of the last callbacks of a plugin. It stays in the process until the plugin dies; then it becomes a file beside the crash
/// report, which `cofferdam plugin replay` runs again.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Recordings {
    /// About how many bytes each instance keeps of its last callbacks, beside its start; a start and a single callback may take 256 KiB
    /// more. With 0 nothing is recorded.
    #[schemars(extend("x-maximum" = "16MiB"))]
    pub(crate) size: Written<Size>,
    /// Headers whose values are not written into a file; stars of the same number stand for them.
    pub(crate) sensitive_headers: Vec<Written<HeaderName>>,
    /// The same for properties, their parts joined by dots, such as `request.query`; those below one are meant too.
    pub(crate) sensitive_properties: Vec<String>,
}

/// Headers that carry who somebody is, in the clear.
const SENSITIVE_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-api-key",
    "x-auth-token",
    "x-access-token",
    "x-csrf-token",
    "x-goog-api-key",
    "x-amz-security-token",
    "x-forwarded-client-cert",
];

impl Default for Recordings {
    fn default() -> Self {
        let header = |name: &&'static str| Written::default_of(name, HeaderName::from_static(name));
        Self {
            size: size("32KiB", 32 << 10),
            sensitive_headers: SENSITIVE_HEADERS.iter().map(header).collect(),
            sensitive_properties: vec!["request.query".to_owned()],
        }
    }
}

/// How a stop proceeds.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Drain {
    /// Between "not ready" and closed sockets.
    #[schemars(extend("x-maximum" = "1h"))]
    pub(crate) grace: Written<Duration>,
    /// Longest wait for exchanges in flight.
    #[schemars(extend("x-maximum" = "1h"))]
    pub(crate) wait: Written<Duration>,
}

/// What compiling one module may take; a module that takes more is refused.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Compile {
    /// Memory, counted as address space.
    #[schemars(extend("x-minimum" = "256MiB", "x-maximum" = "1TiB"))]
    pub(crate) memory: Written<Size>,
    /// Processor time of all cores together, in whole seconds.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) cpu: Written<Duration>,
    /// Time by the clock.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) time: Written<Duration>,
}

/// Bounds on what a client may send.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// All header bytes of one request; beyond it the answer is 431.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1MiB"))]
    pub(crate) header_bytes_max: Written<Size>,
    /// Number of header lines; beyond it the answer is 431.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) header_count_max: u16,
    /// For the headers of a request to arrive.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) header_timeout: Written<Duration>,
    /// Streams at a time on one HTTP/2 connection.
    #[schemars(range(min = 1, max = 65536))]
    pub(crate) http2_streams_max: u32,
    /// Connections at a time on one worker.
    #[schemars(range(min = 1, max = 1048576))]
    pub(crate) connections_max: u32,
}

/// What is added to and believed in forwarding headers.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Forwarding {
    /// Hops in front of the gateway whose `x-forwarded-for` entries are believed (Envoy's `xff_num_trusted_hops`).
    #[schemars(range(min = 0, max = 100))]
    pub(crate) trusted_hops: u32,
    /// Whether the client's `x-request-id` is kept (Envoy's `preserve_external_request_id`).
    pub(crate) preserve_request_id: bool,
}

/// A time span, given as it would be written and as it is.
pub(crate) fn span(text: &str, span: Duration) -> Written<Duration> {
    Written::default_of(text, span)
}

/// A size, given as it would be written and in bytes.
pub(crate) fn size(text: &str, bytes: u64) -> Written<Size> {
    Written::default_of(text, Size(bytes))
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            grace: span("0s", Duration::ZERO),
            wait: span("30s", Duration::from_secs(30)),
        }
    }
}

impl Default for Compile {
    fn default() -> Self {
        Self {
            memory: size("2GiB", 2 << 30),
            cpu: span("2m", Duration::from_secs(120)),
            time: span("5m", Duration::from_secs(300)),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes_max: size("60KiB", 60 << 10),
            header_count_max: 100,
            header_timeout: span("10s", Duration::from_secs(10)),
            http2_streams_max: 100,
            connections_max: 16_384,
        }
    }
}
