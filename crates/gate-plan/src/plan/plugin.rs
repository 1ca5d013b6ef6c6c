//! A plugin: where its module is, what it gets, its bounds, and what becomes of its faults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plug_grant::Grant;

use super::Rollout;
use crate::route::ExchangeMatch;

/// A module with its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// Unique name.
    pub name: String,
    /// Where the module is.
    pub source: Source,
    /// Bytes the plugin gets in `proxy_on_configure`.
    pub config: Vec<u8>,
    /// Bytes the plugin gets in `proxy_on_vm_start`.
    pub vm_config: Vec<u8>,
    /// Plugins of one `vm_id`, module and `vm_config` share one instance for each worker; empty means an instance of its own.
    pub vm_id: String,
    /// Who shares an instance.
    pub isolation: Isolation,
    /// Whether its last callbacks are kept.
    pub record: bool,
    /// Name of the root context inside the module.
    pub root_id: String,
    /// Environment variables (WASI).
    pub environment: Vec<(String, String)>,
    /// Bounds.
    pub limits: PluginLimits,
    /// What an exchange gets when the plugin is not able to decide.
    pub on_fault: OnFault,
    /// What an exchange gets that comes while it waits to be started again.
    pub while_restarting: OnFault,
    /// How it comes back after a fault.
    pub restart: Restart,
    /// How long exchanges may stay in it after another generation took over.
    pub retire_after: Duration,
    /// A suite of tests that a new generation must pass before it serves.
    pub probe: Option<PathBuf>,
    /// When more is written down of it; never when absent.
    pub burst: Option<Burst>,
    /// Header-phase `StopIteration` is honoured as such, not widened to "stop all" (Envoy's `allow_on_headers_stop_iteration`); the ABI decides when absent.
    pub allow_on_headers_stop_iteration: Option<bool>,
    /// Order class in a chain, as in Higress.
    pub phase: PluginPhase,
    /// Within a phase, higher comes first.
    pub priority: i64,
    /// Where LLDB attaches, if it may.
    pub debug: Option<PluginDebug>,
    /// How a new generation of it comes into force; at once when absent.
    pub rollout: Option<Rollout>,
    /// What it may do; everything when absent.
    pub grant: Option<Arc<Grant>>,
    /// The name under which its grant stands, if it has one. Where there is a name and no grant, a file has it.
    pub grant_name: Option<String>,
}

/// Where LLDB attaches to a plugin, and which exchanges it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginDebug {
    /// Where it attaches; port 0 for one that is free.
    pub listen: SocketAddr,
    /// Whether that may be an address that other machines reach.
    pub expose: bool,
    /// Which exchanges are debugged.
    pub matches: ExchangeMatch,
    /// How long each of them waits for LLDB.
    pub wait: Duration,
}

/// Where a module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, relative to the configuration's folder, with the SHA-256 it must have.
    File {
        /// Path as written.
        path: PathBuf,
        /// Expected digest, 64 hexadecimal digits.
        sha256: Option<[u8; 32]>,
    },
    /// An image in a registry.
    Oci {
        /// Its name, checked as far as its letters go.
        name: String,
        /// The digest that its manifest must have.
        digest: Option<[u8; 32]>,
        /// Credentials; those of the user when absent.
        credentials_file: Option<PathBuf>,
        /// How it is fetched.
        fetch: Fetch,
    },
    /// A file of a server.
    Http {
        /// Its URL.
        url: String,
        /// How it is fetched.
        fetch: Fetch,
    },
}

/// How a module is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The digest that the module must have.
    pub sha256: Option<[u8; 32]>,
    /// When it is asked for anew; the tag decides when absent.
    pub pull: Option<Pull>,
    /// Whether other machines are asked without TLS.
    pub plain_http: bool,
    /// How long it may take. Default 1 minute.
    pub timeout: Duration,
}

/// When what was had before is asked for anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Never.
    IfNotPresent,
    /// At each start and reload.
    Always,
}

/// Bounds of one plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// Linear memory of one instance. Default 64 MiB.
    pub memory_bytes_max: u64,
    /// CPU time of one callback. Default 50 ms.
    pub cpu_slice: Duration,
    /// Stack of the guest. Default 512 KiB.
    pub stack_bytes_max: u64,
    /// Frames of the guest on its stack; not counted when absent, which is the default.
    pub call_depth_max: Option<u32>,
    /// Body bytes held for it, in each direction. Default 1 MiB.
    pub body_bytes_max: u64,
    /// Entries of all tables of one instance. Default 200,000.
    pub table_entries_max: usize,
    /// Callouts of one instance that have not ended. Default 4,096.
    pub callouts_max: usize,
    /// Bytes of shared data. Default 64 MiB.
    pub shared_data_bytes_max: u64,
    /// Keys of shared data. Default 100,000.
    pub shared_keys_max: usize,
    /// Entries of a queue. Default 65,536.
    pub queue_length_max: usize,
    /// Lines for each second on one worker; none when 0. Default 1,000.
    pub log_lines_per_s_max: u32,
    /// Shortest period of a timer. Default 1 ms.
    pub timer_min: Duration,
    /// Share of one worker's CPU time, 1 to 100; not measured when 100. Default 100.
    pub cpu_share_percent_max: u8,
    /// Quick callbacks in a row after which it runs on the worker's own stack; never when 0. Default 1,000.
    pub trusted_after: u32,
    /// Files and folders of its grant open at a time in all its instances. Default 256.
    pub open_files_max: u32,
    /// Bytes that all its instances may write into folders of its grant. Default 1 GiB.
    pub written_bytes_max: u64,
    /// Instances at a time on one worker when each exchange has its own. Default 100.
    pub instances_max: u32,
}

/// How a plugin comes back after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// Wait after the second fault in a row; doubled with each further one. Default 10 ms.
    pub backoff: Duration,
    /// Longest such wait. Default 10 s.
    pub backoff_max: Duration,
    /// An instance that lived this long has recovered. Default 1 s.
    pub recovered_after: Duration,
    /// Faults in a row after which it is set aside; never when 0. Default 10.
    pub quarantine_after: u32,
    /// How long it is set aside. Default 1 minute.
    pub quarantine: Duration,
    /// Part of its memory at which an instance is replaced; never when 100. Default 75.
    pub full_at_percent: u8,
}

/// A burst of trouble on one worker, and what is written down then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// Faults that are a burst; never when 0. Default 3.
    pub faults: u32,
    /// Responses 429 and 5xx that are a burst; never when 0. Default 50.
    pub errors: u32,
    /// Within which time. Default 10 s.
    pub within: Duration,
    /// How long more is written down. Default 1 minute.
    pub lasts: Duration,
    /// Lines from this level on are written meanwhile. Default debug.
    pub level: LineLevel,
    /// Exchanges that are recorded, for each burst. Default 10.
    pub recordings: u32,
}

/// Levels of lines that a burst lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineLevel {
    /// Everything.
    Trace,
    /// For the plugin's author.
    Debug,
    /// Worth keeping.
    Info,
}

/// Who shares an instance of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All exchanges of a worker.
    Worker,
    /// Nobody: each exchange has one of its own.
    Exchange,
}

/// What an exchange gets when a plugin is not able to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFault {
    /// A 503.
    Close,
    /// As if the plugin were not in the chain.
    Open,
}

/// Order class of a plugin, earliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PluginPhase {
    /// Authentication.
    Authn,
    /// Authorization.
    Authz,
    /// Statistics.
    Stats,
    /// After all others.
    Unspecified,
}
