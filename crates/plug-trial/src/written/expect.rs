//! What is expected of a step.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::words::{Number, Verdict};
use crate::matcher::Matcher;
use crate::piece::ExpectedBytes;

/// What is expected of a step.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    /// The request as the upstream gets it. That it gets one is expected with that.
    pub(crate) request: Option<ExpectedRequest>,
    /// The response as the client gets it.
    pub(crate) response: Option<ExpectedResponse>,
    /// What comes out of a TCP connection in this step.
    pub(crate) connection: Option<ExpectedConnection>,
    /// Whether the request reaches the upstream.
    pub(crate) upstream: Option<Reach>,
    /// Why the plugin answered by itself, as it said it to the host.
    pub(crate) details: Option<Matcher>,
    /// The direction in which the plugin still holds the exchange when nothing moves any more.
    pub(crate) paused: Option<Paused>,
    /// Whether the plugin ended the stream without a response, or closed the connection.
    pub(crate) reset: Option<bool>,
    /// The code of the fault of which the plugin died. Without it, a death fails the case.
    pub(crate) fault: Option<String>,
    /// What callbacks answered, by their names: `continue`, `pause` or a number.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
    /// How often callbacks were called in this step, by their names.
    pub(crate) called: BTreeMap<String, usize>,
    /// Lines that the plugin logged, each at least once.
    pub(crate) logs: Vec<ExpectedLine>,
    /// Lines that it must not have logged.
    pub(crate) no_logs: Vec<ExpectedLine>,
    /// Counters and gauges by their names; a histogram's is its count.
    pub(crate) metrics: BTreeMap<String, i64>,
    /// What it left in shared data, by key.
    pub(crate) shared_data: BTreeMap<String, ExpectedBytes>,
    /// Properties that it set, by their paths.
    pub(crate) properties: BTreeMap<String, Matcher>,
    /// HTTP callouts of this step, all of them, in order.
    pub(crate) callouts: Option<Vec<ExpectedCallout>>,
    /// gRPC callouts of this step, all of them, in order.
    pub(crate) grpc: Option<Vec<ExpectedGrpc>>,
    /// Redis calls of this step, all of them, in order.
    pub(crate) redis: Option<Vec<ExpectedRedis>>,
    /// Queues, and what waits in them.
    pub(crate) queues: Vec<ExpectedQueue>,
}

/// A request as it is expected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedRequest {
    /// Its method.
    pub(crate) method: Option<Matcher>,
    /// Its path with the query.
    pub(crate) path: Option<Matcher>,
    /// Its host.
    pub(crate) authority: Option<Matcher>,
    /// Headers among others.
    pub(crate) headers: BTreeMap<String, Matcher>,
    /// Its whole body.
    pub(crate) body: Option<ExpectedBytes>,
    /// Its whole body, compared as JSON.
    pub(crate) json: Option<Value>,
    /// Its whole body, in a file beside the suite; `--update` writes it.
    pub(crate) golden: Option<String>,
    /// Trailers among others.
    pub(crate) trailers: BTreeMap<String, Matcher>,
}

/// A response as it is expected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedResponse {
    /// Its status.
    pub(crate) status: Option<Number>,
    /// Headers among others.
    pub(crate) headers: BTreeMap<String, Matcher>,
    /// Its whole body.
    pub(crate) body: Option<ExpectedBytes>,
    /// Its whole body, compared as JSON.
    pub(crate) json: Option<Value>,
    /// Its whole body, in a file beside the suite; `--update` writes it.
    pub(crate) golden: Option<String>,
    /// Trailers among others.
    pub(crate) trailers: BTreeMap<String, Matcher>,
}

/// What comes out of a TCP connection, as it is expected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedConnection {
    /// All bytes that the upstream gets.
    pub(crate) upstream: Option<ExpectedBytes>,
    /// All bytes that the client gets.
    pub(crate) client: Option<ExpectedBytes>,
}

/// Whether a request reaches the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// It does.
    Reached,
    /// It does not.
    NotReached,
}

/// Where an exchange is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Paused {
    /// On the way to the upstream.
    Request,
    /// On the way back.
    Response,
    /// Nowhere.
    Never,
}

/// A line that the plugin logged.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedLine {
    /// Its level: `trace`, `debug`, `info`, `warn`, `error`, `critical`. Default: any.
    pub(crate) level: Option<String>,
    /// Its text.
    pub(crate) text: Matcher,
}

/// A callout as it is expected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedCallout {
    /// Upstream that is called.
    pub(crate) upstream: Option<Matcher>,
    /// Its method.
    pub(crate) method: Option<Matcher>,
    /// Its path.
    pub(crate) path: Option<Matcher>,
    /// Headers among others.
    pub(crate) headers: BTreeMap<String, Matcher>,
    /// Its whole body.
    pub(crate) body: Option<ExpectedBytes>,
    /// Its whole body, compared as JSON.
    pub(crate) json: Option<Value>,
}

/// A gRPC callout as it is expected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedGrpc {
    /// Upstream that is called.
    pub(crate) upstream: Option<Matcher>,
    /// Full name of the service.
    pub(crate) service: Option<Matcher>,
    /// Its method.
    pub(crate) method: Option<Matcher>,
    /// Metadata among others.
    pub(crate) metadata: BTreeMap<String, Matcher>,
    /// Messages that the plugin sent, all of them, in order.
    pub(crate) messages: Option<Vec<ExpectedBytes>>,
}

/// A Redis call as it is expected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectedRedis {
    /// Upstream that is called.
    pub(crate) upstream: Option<Matcher>,
    /// The command with its arguments, with spaces between them.
    pub(crate) command: Option<Matcher>,
}

/// A queue as it is expected.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedQueue {
    /// Its name.
    pub(crate) name: String,
    /// The VM whose queue it is. Default: the plugin's own.
    #[serde(default)]
    pub(crate) vm_id: String,
    /// What waits in it, all of it, in order.
    pub(crate) items: Vec<ExpectedBytes>,
}
