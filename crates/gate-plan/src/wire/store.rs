//! The file of a gateway whose configuration stands in a store: which store, and what belongs to the machine.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Admin, ClientTls, span};
use crate::plan::EndpointSpec;
use crate::word::{EnvironmentName, FilePath, Label, Written};

/// Where a gateway has its configuration from. What this file does not hold stands in the store, as one text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bootstrap {
    /// The store, and where in it.
    pub(crate) store: Store,
    /// Where the operator's listener stands. Without it there is none.
    pub(crate) admin: Option<Admin>,
    /// Number of worker threads. Default: the number of cores.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) workers: Option<u16>,
    /// Folder in which compiled modules are kept. Default: a folder in the user's cache folder.
    pub(crate) cache_dir: Option<Written<FilePath>>,
    /// Folder in which is kept what served last; from it the gateway starts while the store is down. Default: a folder in the user's state
    /// folder.
    pub(crate) state_dir: Option<Written<FilePath>>,
}

/// A store of configurations: one of `folder`, `etcd`, `consul` and `redis`, and one of `prefix` and `key`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// Files in a folder, each a key: of a network file system, or a `ConfigMap` of Kubernetes.
    pub(crate) folder: Option<Written<FilePath>>,
    /// A cluster of etcd, by its third API.
    pub(crate) etcd: Option<EtcdStore>,
    /// The KV store of Consul.
    pub(crate) consul: Option<ConsulStore>,
    /// Redis, from 6.2.
    pub(crate) redis: Option<RedisStore>,
    /// Below which keys the configuration stands: `PREFIX/current` points to a bundle, which never changes. `cofferdam config push` writes it so.
    #[schemars(length(min = 1))]
    pub(crate) prefix: Option<String>,
    /// The one key in which the configuration stands as text, instead of `prefix`.
    #[schemars(length(min = 1))]
    pub(crate) key: Option<String>,
    /// File of the public key whose signature each bundle must have: ECDSA on P-256 or P-384, Ed25519, RSA, SM2 (`BEGIN PUBLIC KEY`). With
    /// `prefix` only.
    pub(crate) signed_by: Option<Written<FilePath>>,
    /// Under which name this gateway says what became of a configuration; each gateway has its own. Default: the machine's name.
    pub(crate) node: Option<Written<Label>>,
    /// How often everything is read anew, whatever the store has told.
    #[serde(default = "reconcile")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub(crate) reconcile: Written<Duration>,
    /// How long a start waits for the store, before it goes on with what served last, or fails.
    #[serde(default = "wait")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    pub(crate) wait: Written<Duration>,
}

/// A cluster of etcd.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EtcdStore {
    /// Its members; one of them is spoken to at a time.
    #[schemars(length(min = 1))]
    pub(crate) endpoints: Vec<Written<EndpointSpec>>,
    /// Who we are. Default: nobody.
    pub(crate) user: Option<String>,
    /// File with the password.
    pub(crate) password_file: Option<Written<FilePath>>,
    /// Variable of the environment with the password.
    pub(crate) password_env: Option<Written<EnvironmentName>>,
    /// TLS towards the members.
    pub(crate) tls: Option<ClientTls>,
}

/// An agent or server of Consul.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsulStore {
    /// Where its HTTP API is.
    pub(crate) endpoint: Written<EndpointSpec>,
    /// File with the token.
    pub(crate) token_file: Option<Written<FilePath>>,
    /// Variable of the environment with the token.
    pub(crate) token_env: Option<Written<EnvironmentName>>,
    /// The data centre. Default: the agent's own.
    pub(crate) datacenter: Option<Written<Label>>,
    /// TLS towards it.
    pub(crate) tls: Option<ClientTls>,
    /// How long a query waits for a change.
    #[serde(default = "query_wait")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "10m"))]
    pub(crate) wait: Written<Duration>,
}

/// A server of Redis.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedisStore {
    /// Where it is.
    pub(crate) endpoint: Written<EndpointSpec>,
    /// Number of the database.
    #[serde(default)]
    #[schemars(range(min = 0, max = 65535))]
    pub(crate) database: u16,
    /// Who we are. Default: Redis's user `default`.
    pub(crate) user: Option<String>,
    /// File with the password.
    pub(crate) password_file: Option<Written<FilePath>>,
    /// Variable of the environment with the password.
    pub(crate) password_env: Option<Written<EnvironmentName>>,
    /// TLS towards it.
    pub(crate) tls: Option<ClientTls>,
}

fn reconcile() -> Written<Duration> {
    span("5m", Duration::from_mins(5))
}

fn wait() -> Written<Duration> {
    span("30s", Duration::from_secs(30))
}

fn query_wait() -> Written<Duration> {
    span("1m", Duration::from_mins(1))
}
