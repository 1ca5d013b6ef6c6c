//! What sinks share: how much waits, how often is tried, where to, and who we are.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use log_record::grade::{Class, Level};

use crate::plan::ClientTls;

/// Which records something is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The lowest level.
    pub level_min: Level,
    /// The highest level, not below the lowest.
    pub level_max: Level,
    /// The classes; all when empty.
    pub classes: Vec<Class>,
}

impl Selection {
    /// Whether records of that level and class belong to it.
    #[must_use]
    pub fn takes(&self, level: Level, class: Class) -> bool {
        (self.level_min..=self.level_max).contains(&level) && (self.classes.is_empty() || self.classes.contains(&class))
    }
}

/// What waits in memory for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Records. Default 65,536.
    pub records_max: usize,
    /// Bytes. Default 32 MiB.
    pub bytes_max: usize,
}

/// What goes to the other side at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Records. Default 4096.
    pub records_max: usize,
    /// Bytes. Default 1 MiB.
    pub bytes_max: usize,
    /// How long a record waits for others. Default 200 ms.
    pub linger: Duration,
}

/// How long is waited before another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure. Default 200 ms.
    pub wait: Duration,
    /// At most; not below the first. Default 30 s.
    pub wait_max: Duration,
}

/// Where records wait on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// A folder of its own.
    pub dir: PathBuf,
    /// Bytes of all its files. Default 1 GiB.
    pub bytes_max: u64,
    /// Bytes of one file. Default 16 MiB.
    pub segment_bytes_max: u64,
    /// When it is forced onto the disk. Default every second.
    pub sync: Sync,
}

/// When what is written is forced onto the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// When the system thinks so.
    Never,
    /// When this long has passed since the last time.
    Every(Duration),
    /// Before anything counts as kept.
    Always,
}

/// The other side of a sink that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http` or `https`, with a host and no credentials.
    pub uri: Uri,
    /// For `https`; the system's authorities when absent.
    pub tls: Option<ClientTls>,
    /// Who we are.
    pub login: Option<Login>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Whether bodies are compressed with gzip; never over gRPC. Default true.
    pub gzip: bool,
    /// How long one try may take. Default 10 s.
    pub answer_wait_max: Duration,
}

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic(String, Secret),
    /// A header whose value is secret, by its name in small letters.
    Header(String, Secret),
}

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file; a line's end at its end does not belong to it.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}
