//! `plugins`: Proxy-Wasm modules with their configurations.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::grant::GrantOrName;
use super::rollout::Rollout;
use super::route::Match;
use super::shape::Pairs;
use super::{size, span};
use crate::word::{
    Digest, EnvironmentName, EnvironmentText, FilePath, ImageDigest, ImageName, Label, Percent, Size, WebAddress,
    Written,
};

/// A module with its configuration. A module may stand in several plugins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// Unique name.
    pub(crate) name: Written<Label>,
    /// Where the module is.
    pub(crate) source: Source,
    /// What the plugin gets in `proxy_on_configure`: a map or list as JSON, its keys in the order written; a text as it is. Nothing
    /// when absent.
    pub(crate) config: Option<Payload>,
    /// Higress's `defaultConfig`: the part of the configuration that holds where no rule matches. Instead of `config`.
    pub(crate) default_config: Option<Map<String, Value>>,
    /// Higress's `defaultConfigDisable`: leaves `default_config` out. A plugin that has no rule either leaves every chain.
    #[serde(default)]
    pub(crate) default_config_disable: bool,
    /// Higress's `matchRules`: configurations for some routes, domains or services. The plugin gets one JSON object: the keys of
    /// `default_config`, and the rules under `_rules_`.
    #[serde(default)]
    pub(crate) match_rules: Vec<MatchRule>,
    /// What the plugin gets in `proxy_on_vm_start`, as with `config`.
    pub(crate) vm_config: Option<Payload>,
    /// Plugins of one `vm_id`, module and `vm_config` share one instance on each worker. Default: an instance of its own.
    #[serde(default)]
    pub(crate) vm_id: String,
    /// Who shares an instance of the plugin: all exchanges of a `worker`, as in Envoy, or nobody: with `exchange`, each exchange gets a
    /// fresh one, which is started and configured for it and ends with it, so that nothing of one client can be found by another's
    /// request. Timers and queue wake-ups of such an instance, and callouts that it does not wait for (`proxy_on_done` of its root
    /// context answers false, for 5 s at most), end with it; what it keeps for later it keeps as shared data.
    #[serde(default)]
    pub(crate) isolation: Isolation,
    /// Whether its last callbacks are kept as `recordings` says. `false` for a plugin that sees what must never be written down.
    #[serde(default = "yes")]
    pub(crate) record: bool,
    /// Name of the root context inside the module, for modules that hold several.
    #[serde(default)]
    pub(crate) root_id: String,
    /// Environment variables that the module sees.
    #[serde(default)]
    pub(crate) environment: Pairs<EnvironmentName, Written<EnvironmentText>>,
    /// What it may do: a grant, or the name of one under `grants`. Default: everything, as in Envoy.
    pub(crate) grant: Option<GrantOrName>,
    /// Bounds.
    #[serde(default)]
    pub(crate) limits: PluginLimits,
    /// What an exchange gets when the plugin cannot decide: `close` answers 503, `open` goes on without it.
    #[serde(default)]
    pub(crate) on_fault: OnFault,
    /// The same for exchanges that come while it waits to be started again after a fault. Default: as `on_fault`. With `close` there and
    /// `open` here, the exchange in which it died is refused and others go on without it until it is back. A quarantine is not meant.
    pub(crate) while_restarting: Option<OnFault>,
    /// How it comes back after a fault.
    #[serde(default)]
    pub(crate) restart: Restart,
    /// How long exchanges may stay in this generation of the plugin after another one took over: a stream that lasts longer gets what
    /// `on_fault` says, so that no generation stays in memory for ever.
    #[serde(default = "retire_after")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "30d"))]
    pub(crate) retire_after: Written<Duration>,
    /// A suite, as `cofferdam plugin test` runs them, relative to the folder of the configuration. A new generation, with this
    /// configuration unless a case names its own, must pass it before it serves.
    pub(crate) probe: Option<Written<FilePath>>,
    /// When faults or failed exchanges come in a burst, more is written down of the plugin for a while. Without it, never.
    pub(crate) burst: Option<Burst>,
    /// Envoy's `allow_on_headers_stop_iteration`: `StopIteration` from a header callback still lets the body through to the plugin.
    /// Default: as the module's ABI has it.
    pub(crate) allow_on_headers_stop_iteration: Option<bool>,
    /// Place in a chain, as in Higress: `authn`, then `authz`, then `stats`, then `unspecified`. Where no plugin of a chain has a
    /// phase or a priority, the order is that of the chain.
    #[serde(default)]
    pub(crate) phase: Phase,
    /// Place within the phase: the higher comes first; equals keep the order of the chain.
    #[serde(default)]
    #[schemars(range(min = -1000000, max = 1000000))]
    pub(crate) priority: i64,
    /// Lets LLDB attach. An exchange that `match` says runs in an instance of its own, made for the debugger, one at a time; it stops at
    /// breakpoints and where the plugin dies. All others are as ever, and connections of a TCP listener are never debugged.
    pub(crate) debug: Option<PluginDebug>,
    /// How a change of its module, or of what its instances are made of (configuration, limits, grant, environment and the like), comes
    /// into force. Default: at once, for all exchanges.
    pub(crate) rollout: Option<Rollout>,
}

/// Where LLDB attaches, and which exchanges it sees. One at a time is debugged; others that match meanwhile are not, and how many they
/// were is said when it ends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PluginDebug {
    /// Address where LLDB attaches: `process connect --plugin wasm connect://ADDRESS`. Port 0 is one that is free, and is said at the
    /// start. Default: `127.0.0.1:0`.
    pub(crate) listen: Written<SocketAddr>,
    /// Which exchanges are debugged. Default: all.
    #[serde(rename = "match")]
    pub(crate) matches: Match,
    /// How long such an exchange waits until LLDB is there. Then it goes on undebugged.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) wait: Written<Duration>,
    /// Whether `listen` may be an address that other machines reach: whoever attaches reads all that the plugin can.
    pub(crate) expose: bool,
}

/// Where a module is: one of `file`, `oci` and `http`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// A `.wasm` file, relative to the folder of the configuration.
    pub(crate) file: Option<Written<FilePath>>,
    /// An image in a registry, as `registry.example.com/team/plugin:1.2`, with `@sha256:…` to pin it. Any layout of plugins that Istio,
    /// Envoy Gateway, Higress or CNCF tools write.
    pub(crate) oci: Option<Written<ImageName>>,
    /// A URL of a `.wasm` file, which may be compressed with gzip or be `plugin.wasm` in a tar archive.
    pub(crate) http: Option<Written<WebAddress>>,
    /// Digest that the image's manifest must have, as `sha256:` and 64 hexadecimal digits: what `cofferdam plugin push` prints. Istio calls
    /// this `sha256`. For `oci`.
    pub(crate) digest: Option<Written<ImageDigest>>,
    /// SHA-256 that the module must have, as 64 hexadecimal digits. Not checked when absent.
    pub(crate) sha256: Option<Written<Digest>>,
    /// When a tag or URL that was had before is asked for anew: `always`, at each start and reload, or `if_not_present`, never. Default, as
    /// in Istio: `if_not_present`, but `always` for the tag `latest`. What is pinned is not asked for anew. For `oci` and `http`.
    pub(crate) pull: Option<Pull>,
    /// File of credentials in docker's format. Default: those of the user who runs the gateway, as docker and podman look for them. For `oci`.
    pub(crate) credentials_file: Option<Written<FilePath>>,
    /// Whether the registry or server may be asked without TLS. This machine always may. For `oci` and `http`.
    #[serde(default)]
    pub(crate) plain_http: bool,
    /// How long fetching may take. Then what was had before is used, or the configuration refused. Default: `1m`. For `oci` and `http`.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) timeout: Option<Written<Duration>>,
}

/// When what was had before is asked for anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pull {
    /// Never.
    IfNotPresent,
    /// At each start and reload.
    Always,
}

/// What a plugin gets as bytes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Payload(Value);

/// A configuration for some routes, domains or services. At least one of the four is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchRule {
    /// Route names. Higress's word for `route`; both may be given.
    #[serde(default)]
    pub(crate) ingress: Vec<String>,
    /// Route names.
    #[serde(default)]
    pub(crate) route: Vec<String>,
    /// Beginnings of route names.
    #[serde(default)]
    pub(crate) route_prefix: Vec<String>,
    /// Hosts: exact, `*suffix` or `prefix*`.
    #[serde(default)]
    pub(crate) domain: Vec<String>,
    /// Upstreams by the name behind `outbound|80||`, with or without `:port`.
    #[serde(default)]
    pub(crate) service: Vec<String>,
    /// What the plugin gets where the rule matches.
    #[serde(default)]
    pub(crate) config: Map<String, Value>,
    /// Higress's `configDisable`: leaves the rule out.
    #[serde(default)]
    pub(crate) config_disable: bool,
}

/// Bounds of one plugin.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PluginLimits {
    /// Linear memory of one instance.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"))]
    pub(crate) memory: Written<Size>,
    /// CPU time of one callback.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1m"))]
    pub(crate) cpu_slice: Written<Duration>,
    /// Stack of the guest.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "16MiB"))]
    pub(crate) stack: Written<Size>,
    /// Frames that the plugin's own functions may have on the stack at a time; one more, and its instance dies. Default: not counted. It
    /// is counted in the module itself, which is changed for that before it is compiled, and costs some time in each call. Exchanges that
    /// `debug` lets LLDB see run the module as it is, without this bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16, max = 1000000))]
    pub(crate) call_depth: Option<u32>,
    /// Body bytes held for it, in each direction.
    #[schemars(extend("x-maximum" = "1GiB"))]
    pub(crate) body: Written<Size>,
    /// Entries of all tables of one instance. A module that begins with more is not loaded.
    #[schemars(range(min = 0, max = 200000))]
    pub(crate) table: u32,
    /// Callouts of one instance, of any kind, that have not ended: 0 for none.
    #[schemars(range(min = 0, max = 65536))]
    pub(crate) callouts: u32,
    /// Keys and values in shared data, each pair with 96 bytes more. They are kept by `vm_id`, and of plugins that share one, the
    /// limit of the one that writes counts, for what the others wrote too.
    #[schemars(extend("x-maximum" = "64MiB"))]
    pub(crate) shared_data: Written<Size>,
    /// Keys in shared data, counted as `shared_data` is: 0 for none.
    #[schemars(range(min = 0, max = 700000))]
    pub(crate) shared_keys: u32,
    /// Entries up to which this plugin may fill a queue, whoever put them there: 0 for none. A queue holds 16 MiB at most.
    #[schemars(range(min = 0, max = 65536))]
    pub(crate) queue_length: u32,
    /// Lines that it may write for each second on one worker, as many at once, and 0 for none. What is over is left out and counted,
    /// and once a second one line says how many there were.
    #[schemars(range(min = 0, max = 1000000))]
    pub(crate) log_lines: u32,
    /// Shortest period of a timer; shorter ones are raised to it.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) timer: Written<Duration>,
    /// Share of one worker's CPU time in each second, its starts left out. When it is used up, exchanges that come get what `on_fault`
    /// says, and timers and the wake-ups of queues wait; what a callback used beyond it, the next seconds pay. Not measured at `100%`.
    #[schemars(extend("x-minimum" = "1%", "x-maximum" = "100%"))]
    pub(crate) cpu_share: Written<Percent>,
    /// Callbacks that must have been quick, one after the other, before the plugin runs on the worker's own stack; 0 for never. There a
    /// callback costs a fraction, but one that computes holds up the worker, once in ten minutes and for `cpu_slice` at most.
    pub(crate) trusted_after: u32,
    /// Files and folders of its grant that all its instances have open at a time: 0 for none.
    #[schemars(range(min = 0, max = 65536))]
    pub(crate) open_files: u32,
    /// Bytes that all its instances may write into folders of its grant before a new generation of it begins. A file that is made counts
    /// 4 KiB.
    #[schemars(extend("x-maximum" = "1TiB"))]
    pub(crate) written: Written<Size>,
    /// With `isolation: exchange`, instances at a time on one worker: an exchange over it gets what `on_fault` says. Each may take
    /// `memory`. All plugins with that isolation have 1500 in the whole process.
    #[schemars(range(min = 1, max = 1500))]
    pub(crate) instances: u32,
}

/// A burst of trouble on one worker, and what is written down then.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Burst {
    /// Faults of the plugin that are a burst; 0 for never.
    pub(crate) faults: u32,
    /// Responses 429 and 5xx of exchanges through the plugin that are a burst; 0 for never.
    pub(crate) errors: u32,
    /// Within which time.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) within: Written<Duration>,
    /// How long more is written down, from the last burst on.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub(crate) lasts: Written<Duration>,
    /// Lines of the plugin from this level on are written meanwhile.
    pub(crate) level: LineLevel,
    /// Exchanges that are recorded, for each burst: each is a file beside the crash reports, which `cofferdam plugin replay` runs again.
    #[schemars(range(max = 1000))]
    pub(crate) recordings: u32,
}

impl Default for Burst {
    fn default() -> Self {
        Self {
            faults: 3,
            errors: 50,
            within: span("10s", Duration::from_secs(10)),
            lasts: span("1m", Duration::from_secs(60)),
            level: LineLevel::Debug,
            recordings: 10,
        }
    }
}

/// Levels of lines that a burst lets through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineLevel {
    /// Everything.
    Trace,
    /// For the plugin's author.
    #[default]
    Debug,
    /// Worth keeping.
    Info,
}

fn retire_after() -> Written<Duration> {
    span("1h", Duration::from_secs(3600))
}

fn yes() -> bool {
    true
}

/// How a plugin comes back after a fault: the first time at once, then after longer and longer waits, then after a quarantine.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Restart {
    /// Wait after the second fault in a row, give or take a quarter; doubled with each further one.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) backoff: Written<Duration>,
    /// Longest such wait.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) backoff_max: Written<Duration>,
    /// An instance that lived this long has recovered: its next fault is a first one.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    pub(crate) recovered_after: Written<Duration>,
    /// Faults in a row after which it is set aside on the worker; 0 for never.
    pub(crate) quarantine_after: u32,
    /// How long it is set aside. Then it is tried once. `POST /plugins/NAME/lift` on the admin listener ends it earlier.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "7d"))]
    pub(crate) quarantine: Written<Duration>,
    /// Part of `limits.memory` at which an instance is full: one that has grown to it since its start is replaced by a fresh one between
    /// two exchanges, every ten seconds at most, before a leak becomes a fault. `100%` for never.
    pub(crate) full_at: Written<Percent>,
}

/// Who shares an instance of a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Isolation {
    /// All exchanges of a worker.
    #[default]
    Worker,
    /// Nobody.
    Exchange,
}

/// What an exchange gets when a plugin cannot decide.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFault {
    /// A 503.
    #[default]
    Close,
    /// As if the plugin were not in the chain.
    Open,
}

/// Order class of a plugin, earliest first.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Authentication.
    Authn,
    /// Authorization.
    Authz,
    /// Statistics.
    Stats,
    /// After all others.
    #[default]
    Unspecified,
}

impl Payload {
    /// A text as it is, anything else as JSON.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self.0 {
            Value::String(text) => text.into_bytes(),
            value => value.to_string().into_bytes(),
        }
    }
}

impl JsonSchema for Payload {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["object", "array", "string"]})
    }
}

impl Default for PluginDebug {
    fn default() -> Self {
        Self {
            listen: Written::default_of("127.0.0.1:0", SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            matches: Match::default(),
            wait: span("30s", Duration::from_secs(30)),
            expose: false,
        }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            backoff: span("10ms", Duration::from_millis(10)),
            backoff_max: span("10s", Duration::from_secs(10)),
            recovered_after: span("1s", Duration::from_secs(1)),
            quarantine_after: 10,
            quarantine: span("1m", Duration::from_secs(60)),
            full_at: Written::default_of("75%", Percent(75)),
        }
    }
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory: size("64MiB", 64 << 20),
            cpu_slice: span("50ms", Duration::from_millis(50)),
            stack: size("512KiB", 512 << 10),
            call_depth: None,
            body: size("1MiB", 1 << 20),
            table: 200_000,
            callouts: 4_096,
            shared_data: size("64MiB", 64 << 20),
            shared_keys: 100_000,
            queue_length: 65_536,
            log_lines: 1_000,
            timer: span("1ms", Duration::from_millis(1)),
            cpu_share: Written::default_of("100%", Percent(100)),
            trusted_after: 1_000,
            open_files: 256,
            written: size("1GiB", 1 << 30),
            instances: 100,
        }
    }
}
