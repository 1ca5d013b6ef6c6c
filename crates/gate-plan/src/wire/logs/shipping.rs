//! What sinks share: how much waits, how often is tried, and who we are.

use std::time::Duration;

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::wire::{size, span};
use crate::word::{EnvironmentName, FilePath, Size, SyncWord, Written};

/// What waits in memory for a sink. When it is full, the lowest level is dropped first.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Queue {
    /// Records.
    #[schemars(range(min = 1, max = 16777216))]
    pub(crate) records: u32,
    /// Bytes of their lines, and about 100 more for each.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "4GiB"))]
    pub(crate) bytes: Written<Size>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            records: 65_536,
            bytes: size("32MiB", 32 << 20),
        }
    }
}

/// What goes to the other side at once.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Batch {
    /// Records.
    #[schemars(range(min = 1, max = 1048576))]
    pub(crate) records: u32,
    /// Bytes; one record goes however large it is.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "64MiB"))]
    pub(crate) bytes: Written<Size>,
    /// How long a record waits for others.
    #[schemars(extend("x-maximum" = "1m"))]
    pub(crate) linger: Written<Duration>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            records: 4096,
            bytes: size("1MiB", 1 << 20),
            linger: span("200ms", Duration::from_millis(200)),
        }
    }
}

/// How long is waited before another try. It grows with each failure.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retry {
    /// After the first failure.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) wait: Written<Duration>,
    /// At most.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) wait_max: Written<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            wait: span("200ms", Duration::from_millis(200)),
            wait_max: span("30s", Duration::from_secs(30)),
        }
    }
}

/// Where records wait on disk for a sink that does not take them. They outlive a restart.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spool {
    /// A folder of its own.
    pub(crate) dir: Written<FilePath>,
    /// Bytes in it, at most; the lowest level is given up first.
    #[serde(default = "spool_bytes")]
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "16384GiB"))]
    pub(crate) bytes: Written<Size>,
    /// Bytes of one of its files.
    #[serde(default = "segment_bytes")]
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"))]
    pub(crate) segment: Written<Size>,
    /// When it is forced onto the disk: a time span, `always` before anything counts as kept, or `never`. What is written outlives the
    /// process in any case; this is for the machine's own end.
    #[serde(default = "sync")]
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) sync: Written<SyncWord>,
}

/// Who we are there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Login {
    /// `Authorization: Bearer` with this token.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic(Basic),
    /// A header whose value is secret.
    Header(SecretHeader),
}

/// A user with a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    /// The user.
    #[schemars(length(min = 1))]
    pub(crate) user: String,
    /// Where the password stands.
    pub(crate) password: Secret,
}

/// A header whose value is secret.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretHeader {
    /// Its name.
    pub(crate) name: Written<HeaderName>,
    /// Where its value stands.
    pub(crate) value: Secret,
}

/// Where a secret stands: never in the configuration itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Secret {
    /// In this file; a line's end at its end does not belong to it.
    File(Written<FilePath>),
    /// In this variable of the environment.
    Env(Written<EnvironmentName>),
}

fn spool_bytes() -> Written<Size> {
    size("1GiB", 1 << 30)
}

fn segment_bytes() -> Written<Size> {
    size("16MiB", 16 << 20)
}

pub(super) fn sync() -> Written<SyncWord> {
    Written::default_of("1s", SyncWord::Every(Duration::from_secs(1)))
}
