//! `routes`: which exchange is answered by what.

use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::shape::{Echo, Pairs};
use crate::route::{HostPattern, Pattern};
use crate::word::{Authority, FieldText, HostName, Label, PathText, Written};

/// Which exchange is answered by what. One of `upstream`, `upstream_header`, `redirect`, `respond` and `echo` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Unique name.
    pub(crate) name: Written<Label>,
    /// What the route serves. Default: everything.
    #[serde(default, rename = "match")]
    pub(crate) matches: Match,
    /// Names of the listeners that it serves. Default: all that speak HTTP.
    #[serde(default)]
    pub(crate) listeners: Vec<String>,
    /// The upstream that answers.
    pub(crate) upstream: Option<String>,
    /// The request header that names the upstream that answers (Envoy's `cluster_header`). It is read after the plugins.
    pub(crate) upstream_header: Option<Written<HeaderName>>,
    /// A redirect as the answer.
    pub(crate) redirect: Option<Redirect>,
    /// A fixed answer.
    pub(crate) respond: Option<Respond>,
    /// The request, described as JSON, as the answer: `true` or `{}`.
    #[serde(default)]
    pub(crate) echo: Echo,
    /// Changes to path and host of the request before it goes upstream.
    pub(crate) rewrite: Option<Rewrite>,
    /// Names of the plugins, in the order in which a request passes them; a response passes them in the opposite order.
    #[serde(default)]
    pub(crate) plugins: Vec<String>,
    /// Changes to the request's headers, after the plugins.
    #[serde(default)]
    pub(crate) request_headers: HeaderEdits,
    /// Changes to the response's headers, after the plugins.
    #[serde(default)]
    pub(crate) response_headers: HeaderEdits,
}

/// What a route serves; every condition must hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Match {
    /// Hosts without port, compared without regard to case: exact, `*.example.com`, `example.*` or `*`. Any of them. Default: `*`.
    #[schemars(length(min = 1))]
    pub(crate) hosts: Option<Vec<Written<HostPattern>>>,
    /// The path. Default: every path.
    pub(crate) path: Option<PathMatch>,
    /// Methods; any of them. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) methods: Option<Vec<Written<Method>>>,
    /// Conditions on headers; all of them.
    #[serde(default)]
    pub(crate) headers: Vec<HeaderCondition>,
    /// Conditions on query parameters; all of them. Names and values are percent-decoded first.
    #[serde(default)]
    pub(crate) query: Vec<QueryCondition>,
}

/// Which paths.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum PathMatch {
    /// This path and no other.
    Exact(Written<PathText>),
    /// This path and everything below it: `/api` serves `/api` and `/api/x`, not `/apix`. `/` serves everything.
    Prefix(Written<PathText>),
    /// Paths that match as a whole; the syntax is that of RE2.
    Regex(Written<Pattern>),
}

/// A condition on a header. Exactly one of `exact`, `prefix`, `suffix`, `contains`, `regex` and `present` is given. Of several lines
/// with the name, one that passes is enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderCondition {
    /// Name, compared without regard to case.
    pub(crate) name: Written<HeaderName>,
    /// The value is this.
    pub(crate) exact: Option<String>,
    /// The value begins with this.
    pub(crate) prefix: Option<String>,
    /// The value ends with this.
    pub(crate) suffix: Option<String>,
    /// The value contains this.
    pub(crate) contains: Option<String>,
    /// The value matches as a whole; the syntax is that of RE2.
    pub(crate) regex: Option<Written<Pattern>>,
    /// The header is there (`true`) or not there (`false`).
    pub(crate) present: Option<bool>,
    /// Turns the outcome round; an absent header then passes.
    #[serde(default)]
    pub(crate) invert: bool,
}

/// A condition on a query parameter. Exactly one of `exact`, `prefix`, `suffix`, `contains`, `regex` and `present` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryCondition {
    /// Name, compared with regard to case.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// The value is this.
    pub(crate) exact: Option<String>,
    /// The value begins with this.
    pub(crate) prefix: Option<String>,
    /// The value ends with this.
    pub(crate) suffix: Option<String>,
    /// The value contains this.
    pub(crate) contains: Option<String>,
    /// The value matches as a whole; the syntax is that of RE2.
    pub(crate) regex: Option<Written<Pattern>>,
    /// The parameter is there (`true`) or not there (`false`).
    pub(crate) present: Option<bool>,
    /// Turns the outcome round; an absent parameter then passes.
    #[serde(default)]
    pub(crate) invert: bool,
}

/// A redirect (RFC 9110 section 15.4). At least one of `scheme`, `host`, `port` and `path` is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redirect {
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "moved_permanently")]
    #[schemars(range(min = 301, max = 308))]
    pub(crate) status: u16,
    /// New scheme. Default: that of the request.
    pub(crate) scheme: Option<Scheme>,
    /// New host. Default: that of the request.
    pub(crate) host: Option<Written<HostName>>,
    /// New port. Default: that of the request, or the scheme's when the scheme is new.
    #[schemars(range(min = 1, max = 65535))]
    pub(crate) port: Option<u16>,
    /// New path. Default: that of the request.
    pub(crate) path: Option<Written<PathText>>,
    /// Whether the query is left out.
    #[serde(default)]
    pub(crate) strip_query: bool,
}

/// The scheme of a redirect.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// A fixed answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Respond {
    /// Status.
    #[serde(default = "ok")]
    #[schemars(range(min = 200, max = 599))]
    pub(crate) status: u16,
    /// Body.
    #[serde(default)]
    pub(crate) body: String,
    /// Headers.
    #[serde(default)]
    pub(crate) headers: Pairs<HeaderName, Written<FieldText>>,
}

/// Changes to path and host of a request before it goes upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rewrite {
    /// Replaces the prefix that the route matched, or the whole of an exact path.
    pub(crate) prefix: Option<Written<PathText>>,
    /// Replaces the host; a port may follow it.
    pub(crate) host: Option<Written<Authority>>,
}

/// Changes to a header map: removed first, then set, then added.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HeaderEdits {
    /// Names taken out.
    pub(crate) remove: Vec<Written<HeaderName>>,
    /// Replaced or created.
    pub(crate) set: Pairs<HeaderName, Written<FieldText>>,
    /// Appended.
    pub(crate) add: Pairs<HeaderName, Written<FieldText>>,
}

fn moved_permanently() -> u16 {
    301
}

fn ok() -> u16 {
    200
}
