//! What a suite may say. The doc comments are its reference.

use std::collections::BTreeMap;

use gate_plan::document::{Document, PluginPart, TimeSpan};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::piece::{Piece, Pieces};

mod words;
pub(crate) use words::{Number, Values, Verdict};
mod mocks;
pub(crate) use mocks::{GrpcMock, HttpMock, Mocks, Queue, RedisMock, Silence};
mod connection;
pub(crate) use connection::{End, Event};
mod expect;
pub(crate) use expect::{
    Expect, ExpectedCallout, ExpectedConnection, ExpectedGrpc, ExpectedLine, ExpectedRedis, ExpectedRequest,
    ExpectedResponse, Paused, Reach,
};

/// A suite of tests for one plugin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The module, relative to the suite. `--module` on the command line comes first.
    pub module: Option<String>,
    /// What the plugin is given, as under `plugins` of a configuration.
    #[serde(default)]
    pub(crate) plugin: Option<PluginPart>,
    /// Its configuration as bytes, instead of `plugin.config`.
    pub(crate) config_bytes: Option<Piece>,
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
    /// Its configuration as bytes, instead of `plugin.config`.
    pub(crate) config_bytes: Option<Piece>,
    /// What it finds outside, before what the suite says.
    #[serde(default)]
    pub(crate) mocks: Mocks,
    /// The request of the one exchange.
    pub(crate) request: Option<Request>,
    /// What its upstream answers.
    pub(crate) response: Option<Response>,
    /// A TCP connection instead of an exchange: what its ends do, in order.
    pub(crate) connection: Option<Vec<Event>>,
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
    /// What somebody else puts in queues before the exchange.
    pub(crate) enqueue: Vec<Queue>,
    /// The request of an exchange.
    pub(crate) request: Option<Request>,
    /// What its upstream answers.
    pub(crate) response: Option<Response>,
    /// What the ends of a TCP connection do, in order. It stays open over the steps of its case.
    pub(crate) connection: Option<Vec<Event>>,
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
    /// The body: a text or other bytes, or a list of pieces as they come.
    pub(crate) body: Option<Pieces>,
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
    /// The body: a text or other bytes, or a list of pieces as they come.
    pub(crate) body: Option<Pieces>,
    /// The body as JSON, instead of `body`.
    pub(crate) json: Option<Value>,
    /// Trailers.
    pub(crate) trailers: BTreeMap<String, Values>,
}
