//! `grants` and `plugins[].grant`: what a plugin may do.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::shape::Pairs;
use crate::word::{
    FilePath, FolderName, ForeignFunction, HeaderPattern, HostCallWord, Label, NamePattern, Percent, RedisCommand,
    Size, WasiWord, Word, Written,
};

/// Grants by name, here or in a file of their own. A plugin names its own: `grant: NAME`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Grants {
    /// A file with grants, relative to the folder of the configuration: `grants:` with a grant under each name, as under `named` here. It is
    /// followed as the configuration is, and a plugin whose grant changed there gets a new generation.
    pub(crate) file: Option<Written<FilePath>>,
    /// Whether the store out of which the configuration comes has grants beside it, in the form of such a file. The file is read only where
    /// nothing stands there.
    #[serde(default)]
    pub(crate) store: bool,
    /// Grants by name.
    pub(crate) named: Pairs<Label, Grant>,
    /// Files and folders that all plugins together have open at a time in folders of their grants.
    #[schemars(range(min = 0, max = 65536))]
    pub(crate) open_files: u32,
    /// Bytes that all plugins together may write into folders of their grants while the gateway runs. A file that is made counts 4 KiB.
    #[schemars(extend("x-maximum" = "1TiB"))]
    pub(crate) written: Written<Size>,
}

impl Default for Grants {
    fn default() -> Self {
        Self {
            file: None,
            store: false,
            named: Pairs::default(),
            open_files: 1_024,
            written: Written::default_of("16GiB", Size(16 << 30)),
        }
    }
}

/// What becomes of what is not granted. Either way it is counted, and said once a second at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GrantMode {
    /// It is denied.
    #[default]
    Enforce,
    /// It is let through.
    Report,
}

/// What plugins of a kind need. Each grants lines of the log, the clock and what runtimes need besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GrantProfile {
    /// Lets requests through or refuses them: reads all request headers, answers itself, may hold a request.
    Validator,
    /// As a validator, and shares values with other workers; writes the response headers of rate limits.
    RateLimiter,
    /// Reads all headers, reads and writes both bodies.
    LogRedactor,
    /// Reads all headers, trailers and properties, defines metrics; changes nothing.
    Observer,
}

/// What a plugin may do: what is listed, and nothing else but what is its own, which are its configuration, its name, its contexts. A call is
/// let through when `calls` has it and what it is about is listed, too. What may not be read looks as if it were not there, and what may not be
/// written stays as it is; the call is answered with a status that plugins of every SDK survive.
///
/// A module whose toolchain links what is used (Go, TinyGo, and those that are not known) is refused at the load when it imports a call that
/// `calls` lacks, unless `unneeded` has it. SDKs for Rust, C++ and AssemblyScript link nearly all calls, so that nothing follows from their
/// imports. `random_get` is never denied while it runs: a module that imports it needs it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Grant {
    /// What becomes of what is not granted.
    pub(crate) mode: GrantMode,
    /// What is granted to start with; the other keys add to it.
    pub(crate) profile: Option<GrantProfile>,
    /// Host calls, by name (`proxy_get_property`) or by family: `log`, `time`, `buffer`, `map`, `local_response`, `http_call`, `grpc_call`,
    /// `shared_data`, `shared_queue`, `metric`, `property`, `foreign`, `stream`, `redis`, `inject`, `upstream_hosts`, `legacy`.
    pub(crate) calls: Vec<Written<HostCallWord>>,
    /// Functions of WASI, by name (`clock_time_get`) or by what they are for: `log`, `clock`, `random`, `environment`, `files`. Denied, the
    /// clock stands still, what is written to standard output is lost, and there are no variables and no folders.
    pub(crate) wasi: Vec<Written<WasiWord>>,
    /// Host calls that the module may import although they are denied whenever it makes them.
    pub(crate) unneeded: Vec<Written<HostCallWord>>,
    /// Upstreams that callouts by HTTP, gRPC and Redis may reach. By whatever alias the plugin names one, it is held against the upstream.
    pub(crate) upstreams: Vec<Written<NamePattern>>,
    /// Headers of requests, pseudo-headers such as `:path` included; `host` and `:authority` are one.
    pub(crate) request_headers: HeaderAccess,
    /// Headers of responses, `:status` included.
    pub(crate) response_headers: HeaderAccess,
    /// Trailers of both.
    pub(crate) trailers: HeaderAccess,
    /// Properties, their parts joined by dots, such as `request.id`. One that shows a header needs that header, too: `request.path` needs
    /// `:path`.
    pub(crate) properties: NameAccess,
    /// Bodies, and the two directions of a TCP connection.
    pub(crate) bodies: Bodies,
    /// Metrics that it may define.
    pub(crate) metrics: Vec<Written<NamePattern>>,
    /// Keys of shared data.
    pub(crate) shared_data: NameAccess,
    /// Queues of its own `vm_id`.
    pub(crate) queues: Vec<Written<NamePattern>>,
    /// Queues of other `vm_id`s, by `vm_id`.
    pub(crate) queues_of: Pairs<Label, Vec<Written<NamePattern>>>,
    /// What may be asked of Redis.
    pub(crate) redis: Redis,
    /// Functions for `proxy_call_foreign_function`. What one of them reads or writes needs its own line, too.
    pub(crate) foreign_functions: Vec<Written<ForeignFunction>>,
    /// Variables that it may see, of those under `environment` of the plugin.
    pub(crate) environment: Vec<Written<NamePattern>>,
    /// Folders of this machine that it sees as preopened ones, for `wasi: [files]`.
    pub(crate) folders: Vec<Folder>,
    /// Bounds that the plugin's `limits` do not go beyond.
    pub(crate) limits: GrantLimits,
}

/// Headers that may be read, and that may be added, replaced and removed: names, beginnings such as `x-team-*`, or `*`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HeaderAccess {
    /// To read.
    pub(crate) read: Vec<Written<HeaderPattern>>,
    /// To write.
    pub(crate) write: Vec<Written<HeaderPattern>>,
}

/// What may be read and what may be written: names, beginnings such as `team.*`, or `*`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NameAccess {
    /// To read.
    pub(crate) read: Vec<Written<NamePattern>>,
    /// To write.
    pub(crate) write: Vec<Written<NamePattern>>,
}

/// Whose bodies.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Bodies {
    /// From the client.
    pub(crate) request: BodyAccess,
    /// To the client.
    pub(crate) response: BodyAccess,
}

/// What may be done with a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyAccess {
    /// Nothing.
    #[default]
    None,
    /// It may be read.
    Read,
    /// It may be replaced unread.
    Write,
    /// Both.
    ReadWrite,
}

/// What may be asked of Redis. Each call is one command in RESP. What changes the connection, such as `SELECT` or `MULTI`, and what waits on it,
/// such as `BLPOP`, is always denied, and so is a command that is not known; scripts and searches, whose keys nobody can tell, need `keys: ["*"]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Redis {
    /// Commands, in either case; `*` for all that are known.
    pub(crate) commands: Vec<Written<RedisCommand>>,
    /// Keys that they may name.
    pub(crate) keys: Vec<Written<NamePattern>>,
    /// Databases that it may choose by `?db=` when it names the upstream, beside 0. A key is granted in each of them.
    pub(crate) databases: Vec<u32>,
}

/// A folder of this machine. Nothing outside it can be reached through it: neither by `..`, nor by links that lead out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    /// Where it is, relative to the folder of the configuration.
    pub(crate) path: Written<FilePath>,
    /// What the plugin calls it, such as `/data`.
    #[serde(rename = "as")]
    pub(crate) name: Written<FolderName>,
    /// Whether the plugin may make and change files in it.
    #[serde(default)]
    pub(crate) write: bool,
}

/// Bounds that the plugin's `limits` do not go beyond: where these are tighter than the defaults, they hold, and a limit that is written
/// wider is a mistake.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GrantLimits {
    /// For `limits.memory`.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"))]
    pub(crate) memory: Option<Written<Size>>,
    /// For `limits.stack`.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "16MiB"))]
    pub(crate) stack: Option<Written<Size>>,
    /// For `limits.cpu_slice`.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1m"))]
    pub(crate) cpu_slice: Option<Written<Duration>>,
    /// For `limits.cpu_share`.
    #[schemars(extend("x-minimum" = "1%", "x-maximum" = "100%"))]
    pub(crate) cpu_share: Option<Written<Percent>>,
}

/// A grant, or the name of one.
#[derive(Debug)]
pub(crate) enum GrantOrName {
    /// One of its own.
    Own(Box<Grant>),
    /// One of those by name.
    Named(Label),
}

impl<'de> Deserialize<'de> for GrantOrName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Label::read(&name)
                .map(Self::Named)
                .map_err(|flaw| D::Error::custom(flaw.message)),
            value => serde_json::from_value(value)
                .map(|grant| Self::Own(Box::new(grant)))
                .map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for GrantOrName {
    fn schema_name() -> Cow<'static, str> {
        "GrantOrName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Grant::json_schema(generator);
        schema.insert(
            "type".to_owned(),
            json_schema!({"type": ["object", "string"]})
                .get("type")
                .cloned()
                .unwrap_or_default(),
        );
        schema.insert("format".to_owned(), Label::FORMAT.into());
        schema
    }
}

/// A file of grants.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantFile {
    /// Grants by name.
    pub(crate) grants: Pairs<Label, Grant>,
}
