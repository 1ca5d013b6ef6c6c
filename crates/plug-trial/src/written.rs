//! What a suite may say. The doc comments are its reference.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gate_plan::document::{Document, PluginPart, TimeSpan};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::matcher::{Matcher, as_text};

/// A suite of tests for one plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The module, relative to the suite. `--module` on the command line comes first.
    pub module: Option<String>,
    /// What the plugin is given, as under `plugins` of a configuration.
    #[serde(default)]
    pub(crate) plugin: Option<PluginPart>,
    /// What it finds outside, in all cases.
    #[serde(default)]
    pub(crate) mocks: Mocks,
    /// The cases, each with a plugin of its own.
    pub(crate) cases: Vec<Case>,
}

impl Document for Suite {
    const LEAST: &'static str = "cases";
    const TITLE: &'static str = "Cofferdam suite of plugin tests";
}

/// A case: one exchange, or several steps, with the same instance of the plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What is tested. Unique within the suite.
    pub(crate) name: String,
    /// Rows of a table: the case runs once for each, and `{{key}}` in its texts is the row's value.
    #[serde(default)]
    pub(crate) each: Vec<Map<String, Value>>,
    /// What the plugin is given instead of what the suite says.
    pub(crate) plugin: Option<PluginPart>,
    /// What it finds outside, before what the suite says.
    #[serde(default)]
    pub(crate) mocks: Mocks,
    /// The request of the one exchange.
    pub(crate) request: Option<Request>,
    /// What its upstream answers.
    pub(crate) response: Option<Response>,
    /// What is expected of it, or of the start when there is no request.
    pub(crate) expect: Option<Expect>,
    /// Several steps, instead of one exchange.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// A step: an exchange, or time that goes by.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Step {
    /// How far the clock goes on first; timers fire on the way.
    pub(crate) advance: Option<TimeSpan>,
    /// The request of an exchange.
    pub(crate) request: Option<Request>,
    /// What its upstream answers.
    pub(crate) response: Option<Response>,
    /// What is expected after it.
    pub(crate) expect: Option<Expect>,
}

/// A request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Request {
    /// Default: GET.
    pub(crate) method: Option<String>,
    /// Path with its query. Default: /.
    pub(crate) path: Option<String>,
    /// Host, with a port if there is one. Default: example.com.
    pub(crate) authority: Option<String>,
    /// http or https. Default: http.
    pub(crate) scheme: Option<String>,
    /// Headers; a list gives one several times.
    pub(crate) headers: BTreeMap<String, Values>,
    /// The body: a text, or a list of pieces as they come.
    pub(crate) body: Option<Values>,
    /// The body as JSON, instead of `body`.
    pub(crate) json: Option<Value>,
    /// Trailers.
    pub(crate) trailers: BTreeMap<String, Values>,
}

/// A response.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Response {
    /// Default: 200.
    pub(crate) status: Option<Number>,
    /// Headers; a list gives one several times.
    pub(crate) headers: BTreeMap<String, Values>,
    /// The body: a text, or a list of pieces as they come.
    pub(crate) body: Option<Values>,
    /// The body as JSON, instead of `body`.
    pub(crate) json: Option<Value>,
    /// Trailers.
    pub(crate) trailers: BTreeMap<String, Values>,
}

/// What a tested plugin finds outside.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mocks {
    /// Answers to HTTP callouts: the first that fits.
    pub(crate) http: Vec<HttpMock>,
    /// Answers to gRPC callouts: the first that fits.
    pub(crate) grpc: Vec<GrpcMock>,
    /// Answers to Redis calls: the first that fits.
    pub(crate) redis: Vec<RedisMock>,
    /// Properties by their path, as `source.address`: a text, a number, or a truth.
    pub(crate) properties: BTreeMap<String, Value>,
    /// Values that it finds in shared data.
    pub(crate) shared_data: BTreeMap<String, String>,
    /// What time it is at the beginning, as in RFC 3339. Default: 2026-01-01T00:00:00Z.
    pub(crate) time: Option<String>,
}

/// How a callout ends that does not end with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Silence {
    /// The connection breaks: no answer.
    Broken,
    /// Nothing comes: it ends at the callout's own timeout.
    Silent,
    /// There is no such upstream: the call itself is refused.
    Unknown,
}

/// An answer to an HTTP callout.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpMock {
    /// Upstream that is called. Default: any.
    pub(crate) upstream: Option<Matcher>,
    /// Its method. Default: any.
    pub(crate) method: Option<Matcher>,
    /// Its path. Default: any.
    pub(crate) path: Option<Matcher>,
    /// Status of the answer. Default: 200.
    pub(crate) status: Option<Number>,
    /// Headers of the answer.
    pub(crate) headers: BTreeMap<String, Values>,
    /// Body of the answer.
    pub(crate) body: Option<String>,
    /// Body of the answer as JSON, instead of `body`.
    pub(crate) json: Option<Value>,
    /// How long the answer takes.
    pub(crate) after: Option<TimeSpan>,
    /// How it ends without an answer.
    pub(crate) fails: Option<Silence>,
    /// How many callouts it answers. Default: any number.
    pub(crate) times: Option<usize>,
}

/// An answer to a gRPC callout.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GrpcMock {
    /// Upstream that is called. Default: any.
    pub(crate) upstream: Option<Matcher>,
    /// Full name of the service. Default: any.
    pub(crate) service: Option<Matcher>,
    /// Its method. Default: any.
    pub(crate) method: Option<Matcher>,
    /// Messages that come.
    pub(crate) messages: Vec<String>,
    /// Status at the end. Default: 0.
    pub(crate) status: Option<Number>,
    /// Message at the end.
    pub(crate) message: String,
    /// How long it takes until they come.
    pub(crate) after: Option<TimeSpan>,
    /// How it ends without an answer.
    pub(crate) fails: Option<Silence>,
}

/// An answer to a Redis call.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RedisMock {
    /// Upstream that is called. Default: any.
    pub(crate) upstream: Option<Matcher>,
    /// The command with its arguments, with spaces between them. Default: any.
    pub(crate) command: Option<Matcher>,
    /// The value that it gives: a text, a number, nothing, or a list of these.
    pub(crate) reply: Option<Value>,
    /// An error that it gives, as `ERR no such key`.
    pub(crate) error: Option<String>,
    /// How long it takes.
    pub(crate) after: Option<TimeSpan>,
    /// How it ends without an answer.
    pub(crate) fails: Option<Silence>,
}

/// What is expected of a step.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Expect {
    /// The request as the upstream gets it. That it gets one is expected with that.
    pub(crate) request: Option<ExpectedRequest>,
    /// The response as the client gets it.
    pub(crate) response: Option<ExpectedResponse>,
    /// Whether the request reaches the upstream.
    pub(crate) upstream: Option<Reach>,
    /// Why the plugin answered by itself, as it said it to the host.
    pub(crate) details: Option<Matcher>,
    /// The direction in which the plugin still holds the exchange when nothing moves any more.
    pub(crate) paused: Option<Paused>,
    /// Whether the plugin ended the stream without a response.
    pub(crate) reset: Option<bool>,
    /// The code of the fault of which the plugin died. Without it, a death fails the case.
    pub(crate) fault: Option<String>,
    /// What callbacks answered, by their names: `continue`, `pause` or a number.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
    /// Lines that the plugin logged, each at least once.
    pub(crate) logs: Vec<ExpectedLine>,
    /// Lines that it must not have logged.
    pub(crate) no_logs: Vec<ExpectedLine>,
    /// Counters and gauges by their names; a histogram's is its count.
    pub(crate) metrics: BTreeMap<String, i64>,
    /// What it left in shared data, by key.
    pub(crate) shared_data: BTreeMap<String, Matcher>,
    /// Properties that it set, by their paths.
    pub(crate) properties: BTreeMap<String, Matcher>,
    /// HTTP callouts of this step, all of them, in order.
    pub(crate) callouts: Option<Vec<ExpectedCallout>>,
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
    pub(crate) body: Option<Matcher>,
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
    pub(crate) body: Option<Matcher>,
    /// Its whole body, compared as JSON.
    pub(crate) json: Option<Value>,
    /// Its whole body, in a file beside the suite; `--update` writes it.
    pub(crate) golden: Option<String>,
    /// Trailers among others.
    pub(crate) trailers: BTreeMap<String, Matcher>,
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
    pub(crate) body: Option<Matcher>,
    /// Its whole body, compared as JSON.
    pub(crate) json: Option<Value>,
}

/// One text or several: `x`, `5` or `[a, b]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values(pub(crate) Vec<String>);

/// A number, or a `{{key}}` that becomes one.
#[derive(Debug, Clone)]
pub(crate) struct Number(pub(crate) String);

/// What a callback answered.
#[derive(Debug, Clone)]
pub(crate) struct Verdict(pub(crate) String);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let texts = match &value {
            Value::Array(items) => items.iter().map(as_text).collect(),
            one => as_text(one).map(|text| vec![text]),
        };
        texts
            .map(Self)
            .ok_or_else(|| D::Error::custom("a text or a list of texts"))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        as_text(&value).map(Self).ok_or_else(|| D::Error::custom("a number"))
    }
}

impl<'de> Deserialize<'de> for Verdict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        as_text(&value)
            .map(Self)
            .ok_or_else(|| D::Error::custom("a word or a number"))
    }
}

/// A schema for a type with a reader of its own.
macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(Values, "Values", {
    "type": ["string", "number", "integer", "boolean", "array"],
    "items": {"type": ["string", "number", "integer", "boolean"]},
});
schema!(Number, "Number", {"type": ["integer", "string"]});
schema!(Verdict, "Verdict", {"type": ["integer", "string"]});
