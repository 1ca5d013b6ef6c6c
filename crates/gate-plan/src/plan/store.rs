//! Where a configuration comes from, and what belongs to the machine alone.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::{Admin, ClientTls, EndpointSpec};

/// A checked file of a gateway whose configuration stands in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The store.
    pub store: Store,
    /// What belongs to the machine.
    pub machine: Machine,
}

/// What belongs to a machine, and so stands in no store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Where the operator's listener stands.
    pub admin: Option<Admin>,
    /// Number of worker threads; as many as cores when absent.
    pub workers: Option<NonZeroUsize>,
    /// Where compiled modules are kept.
    pub cache_dir: Option<PathBuf>,
    /// Where is kept what served last.
    pub state_dir: Option<PathBuf>,
}

/// A store, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which one.
    pub backend: StoreBackend,
    /// Where in it.
    pub place: StorePlace,
    /// The public key whose signature each bundle must have.
    pub signed_by: Option<PathBuf>,
    /// The gateway's name; the machine's when absent.
    pub node: Option<String>,
    /// How often everything is read anew. Default 5 min.
    pub reconcile: Duration,
    /// How long a start waits for the store. Default 30 s.
    pub wait: Duration,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreBackend {
    /// Files in a folder.
    Folder(PathBuf),
    /// A cluster of etcd.
    Etcd {
        /// Its members.
        endpoints: Vec<EndpointSpec>,
        /// Who we are.
        login: Option<StoreLogin>,
        /// TLS towards them.
        tls: Option<ClientTls>,
    },
    /// Consul.
    Consul {
        /// Where its HTTP API is.
        endpoint: EndpointSpec,
        /// Its token for us.
        token: Option<StoreSecret>,
        /// The data centre; the agent's own when absent.
        datacenter: Option<String>,
        /// TLS towards it.
        tls: Option<ClientTls>,
        /// How long a query waits for a change. Default 1 min.
        wait: Duration,
    },
    /// Redis.
    Redis {
        /// Where it is.
        endpoint: EndpointSpec,
        /// Number of the database.
        database: u16,
        /// Who we are.
        login: Option<StoreLogin>,
        /// TLS towards it.
        tls: Option<ClientTls>,
    },
}

/// Where in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// Below a prefix, as a pointer to bundles.
    Prefix(String),
    /// In one key, as text.
    Key(String),
}

/// A user with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLogin {
    /// The name.
    pub user: Option<String>,
    /// The password.
    pub password: StoreSecret,
}

/// Where a secret is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSecret {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Environment(String),
}
