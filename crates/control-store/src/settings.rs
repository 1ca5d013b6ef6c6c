//! Which store, how it is reached, and where in it the configuration stands.

use std::path::PathBuf;
use std::time::Duration;

use crate::asked::Listener;

use crate::fault::{Result, StoreFault};

/// LIMIT: bytes of a file with a password or token.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// All that a [`crate::Watch`] or [`crate::Store`] needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store.
    pub backend: Backend,
    /// Where in it.
    pub place: Place,
    /// Under which name this gateway reports.
    pub node: String,
    /// The folder from which paths of a delivered text are meant.
    pub folder: PathBuf,
    /// The public key whose signature each bundle must have.
    pub signed_by: Option<PathBuf>,
    /// How often everything is read anew, whatever the store has told.
    pub reconcile: Duration,
    /// What time it is, in RFC 3339.
    pub clock: fn() -> String,
    /// Who hears of each call.
    pub listener: Listener,
}

/// A store.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Files in a folder, each a key.
    Folder(PathBuf),
    /// etcd, by its third API.
    Etcd(Etcd),
    /// The KV store of Consul.
    Consul(Consul),
    /// Redis, from 6.2.
    Redis(Redis),
}

/// A cluster of etcd.
#[derive(Clone, Debug)]
pub struct Etcd {
    /// Its members; one of them is spoken to at a time.
    pub endpoints: Vec<Endpoint>,
    /// Who we are.
    pub login: Option<Login>,
    /// How lines are encrypted.
    pub tls: Option<Tls>,
}

/// An agent or server of Consul.
#[derive(Clone, Debug)]
pub struct Consul {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its token for us.
    pub token: Option<Secret>,
    /// The data centre, when not the agent's own.
    pub datacenter: Option<String>,
    /// How lines are encrypted.
    pub tls: Option<Tls>,
    /// How long a query may wait for a change.
    pub wait: Duration,
}

/// A server of Redis.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Number of the database.
    pub database: i64,
    /// Who we are.
    pub login: Option<Login>,
    /// How lines are encrypted.
    pub tls: Option<Tls>,
}

/// A host with a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            return write!(out, "[{}]:{}", self.host, self.port);
        }
        write!(out, "{}:{}", self.host, self.port)
    }
}

/// A user with a password.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name; Redis's `default` when absent.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

/// Where a secret stands. It is read anew for each connection, so that it may be changed while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a file; a line's end at its end does not belong to it.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}

impl Secret {
    /// What it is now.
    pub(crate) fn read(&self) -> Result<String> {
        let (what, read) = match self {
            Self::File(path) => {
                let shown = format!("the file `{}`", path.display());
                let about = std::fs::metadata(path).map_err(|why| StoreFault::Secret {
                    what: shown.clone(),
                    why: why.to_string(),
                })?;
                if about.len() > SECRET_BYTES_MAX {
                    return Err(StoreFault::Secret {
                        what: shown,
                        why: format!("it has more than {SECRET_BYTES_MAX} bytes"),
                    });
                }
                (shown, std::fs::read_to_string(path).map_err(|why| why.to_string()))
            }
            Self::Environment(name) => (
                format!("the variable `{name}`"),
                std::env::var(name).map_err(|why| why.to_string()),
            ),
        };
        read.map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|why| StoreFault::Secret { what, why })
    }
}

/// How a line is encrypted.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// PEM file of the authorities that are trusted; the system's when absent.
    pub authorities: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name in the server's certificate, when not the endpoint's host.
    pub server_name: Option<String>,
}

/// Where in a store the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below a prefix: a pointer to bundles.
    Prefix(String),
    /// In one key, as text.
    Key(String),
}

impl Backend {
    /// The word for the kind of store.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Etcd(_) => "etcd",
            Self::Consul(_) => "consul",
            Self::Redis(_) => "redis",
        }
    }

    /// What messages call it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Etcd(etcd) => {
                let endpoints: Vec<String> = etcd.endpoints.iter().map(ToString::to_string).collect();
                format!("etcd://{}", endpoints.join(","))
            }
            Self::Consul(consul) => format!("consul://{}", consul.endpoint),
            Self::Redis(redis) => format!("redis://{}/{}", redis.endpoint, redis.database),
        }
    }
}
