//! What a tested plugin finds outside.

use std::collections::BTreeMap;

use gate_plan::document::TimeSpan;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::words::{Number, Values};
use crate::matcher::Matcher;
use crate::piece::Piece;

/// What a tested plugin finds outside.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
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
    pub(crate) shared_data: BTreeMap<String, Piece>,
    /// Queues that are there before it starts, and what waits in them.
    pub(crate) queues: Vec<Queue>,
    /// What time it is at the beginning, as in RFC 3339. Default: 2026-01-01T00:00:00Z.
    pub(crate) time: Option<String>,
}

impl Mocks {
    /// With those of the suite behind its own.
    pub(crate) fn append(&mut self, suite: &Self) {
        self.http.extend(suite.http.iter().cloned());
        self.grpc.extend(suite.grpc.iter().cloned());
        self.redis.extend(suite.redis.iter().cloned());
        self.queues.splice(..0, suite.queues.iter().cloned());
        for (path, value) in &suite.properties {
            self.properties.entry(path.clone()).or_insert_with(|| value.clone());
        }
        for (key, value) in &suite.shared_data {
            self.shared_data.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
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
    pub(crate) body: Option<Piece>,
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
    /// Metadata that comes first.
    pub(crate) initial_metadata: BTreeMap<String, Values>,
    /// Messages that come.
    pub(crate) messages: Vec<Piece>,
    /// Metadata that comes after them.
    pub(crate) trailing_metadata: BTreeMap<String, Values>,
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
    /// The value as bytes, instead of `reply`.
    pub(crate) bytes: Option<Piece>,
    /// An error that it gives, as `ERR no such key`.
    pub(crate) error: Option<String>,
    /// How long it takes.
    pub(crate) after: Option<TimeSpan>,
    /// How it ends without an answer.
    pub(crate) fails: Option<Silence>,
}

/// A shared queue, and what is put in it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    /// Its name.
    pub(crate) name: String,
    /// The VM whose queue it is. Default: the plugin's own.
    #[serde(default)]
    pub(crate) vm_id: String,
    /// What is put in, in order.
    #[serde(default)]
    pub(crate) items: Vec<Piece>,
}
