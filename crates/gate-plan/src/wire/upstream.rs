//! `upstreams`: destinations of traffic.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CertificateFiles, span};
use crate::plan::EndpointSpec;
use crate::word::{FilePath, HostName, Label, Written};

/// A destination: one or more endpoints behind one name.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// Unique name.
    pub(crate) name: Written<Label>,
    /// Further names under which plugins know it, for example `outbound|80||api.static`. Unique among all names and aliases.
    #[serde(default)]
    pub(crate) aliases: Vec<Written<Label>>,
    /// Where it is: `address:port` or `name:port`. Names are resolved, and resolved again.
    #[schemars(length(min = 1))]
    pub(crate) endpoints: Vec<Written<EndpointSpec>>,
    /// How an endpoint is chosen.
    #[serde(default)]
    pub(crate) balance: Balance,
    /// What is spoken to it.
    #[serde(default)]
    pub(crate) protocol: UpstreamProtocol,
    /// TLS towards it; `{}` for the defaults. Without the key it is spoken to in the clear.
    pub(crate) tls: Option<ClientTls>,
    /// Bounds in time.
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
    /// Idle connections kept for each endpoint and worker.
    #[serde(default = "idle_connections_max")]
    #[schemars(range(min = 0, max = 65536))]
    pub(crate) idle_connections_max: u32,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Of two taken at random, the one with fewer exchanges in flight.
    LeastRequest,
}

/// What is spoken to an upstream.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, by ALPN under TLS, else by prior knowledge. What gRPC needs.
    Http2,
}

/// TLS towards an upstream.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientTls {
    /// Name that is sent as SNI and must stand in the certificate. Default: the endpoint's host.
    pub(crate) server_name: Option<Written<HostName>>,
    /// PEM file of the trusted authorities. Default: the system's.
    pub(crate) authorities: Option<Written<FilePath>>,
    /// Own certificate, for mutual TLS.
    pub(crate) certificate: Option<CertificateFiles>,
}

/// Bounds in time.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// For a connection to stand, TLS included.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "10m"))]
    pub(crate) connect: Written<Duration>,
    /// From the request's last byte to the response's headers.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1d"))]
    pub(crate) request: Written<Duration>,
    /// Longest silence in a body, in either direction.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1d"))]
    pub(crate) idle: Written<Duration>,
    /// How long an unused connection is kept.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1d"))]
    pub(crate) pool_idle: Written<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: span("5s", Duration::from_secs(5)),
            request: span("15s", Duration::from_secs(15)),
            idle: span("5m", Duration::from_mins(5)),
            pool_idle: span("1m", Duration::from_mins(1)),
        }
    }
}

fn idle_connections_max() -> u32 {
    128
}
