//! From the plan of a store to the room that follows it, and what is shown of it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use control_store::{
    Backend, Consul, Endpoint, Etcd, Health, Listener, Login, Place, Redis, Revision, Secret, Settings, Tls, Watch,
};
use gate_plan::{EndpointSpec, Store, StoreBackend, StoreLogin, StorePlace, StoreSecret};
use serde_json::{Value, json};

/// LIMIT: characters of a machine's name.
const NODE_CHARS_MAX: usize = 100;

/// Settings of a store, with paths meant from `folder`.
pub(crate) fn settings(store: &Store, folder: &Path) -> Settings {
    let tls = |tls: &gate_plan::ClientTls| Tls {
        authorities: tls.authorities.as_ref().map(|path| folder.join(path)),
        identity: tls
            .certificate
            .as_ref()
            .map(|files| (folder.join(&files.chain), folder.join(&files.key))),
        server_name: tls.server_name.clone(),
    };
    let login = |login: &StoreLogin| Login {
        user: login.user.clone(),
        password: secret(&login.password, folder),
    };
    let backend = match &store.backend {
        StoreBackend::Folder(path) => Backend::Folder(folder.join(path)),
        StoreBackend::Etcd {
            endpoints,
            login: who,
            tls: line,
        } => Backend::Etcd(Etcd {
            endpoints: endpoints.iter().map(endpoint).collect(),
            login: who.as_ref().map(login),
            tls: line.as_ref().map(tls),
        }),
        StoreBackend::Consul {
            endpoint: at,
            token,
            datacenter,
            tls: line,
            wait,
        } => Backend::Consul(Consul {
            endpoint: endpoint(at),
            token: token.as_ref().map(|token| secret(token, folder)),
            datacenter: datacenter.clone(),
            tls: line.as_ref().map(tls),
            wait: *wait,
        }),
        StoreBackend::Redis {
            endpoint: at,
            database,
            login: who,
            tls: line,
        } => Backend::Redis(Redis {
            endpoint: endpoint(at),
            database: i64::from(*database),
            login: who.as_ref().map(login),
            tls: line.as_ref().map(tls),
        }),
    };
    Settings {
        backend,
        place: match &store.place {
            StorePlace::Prefix(prefix) => Place::Prefix(prefix.clone()),
            StorePlace::Key(key) => Place::Key(key.clone()),
        },
        node: store.node.clone().unwrap_or_else(machine_name),
        folder: folder.to_owned(),
        signed_by: store.signed_by.as_ref().map(|path| folder.join(path)),
        reconcile: store.reconcile,
        clock,
        listener: Listener::new(crate::records::calls::of_store),
    }
}

/// What time it is, as records have it.
pub(crate) fn clock() -> String {
    log_record::timestamp::text(SystemTime::now())
}

fn secret(secret: &StoreSecret, folder: &Path) -> Secret {
    match secret {
        StoreSecret::File(path) => Secret::File(folder.join(path)),
        StoreSecret::Environment(name) => Secret::Environment(name.clone()),
    }
}

fn endpoint(spec: &EndpointSpec) -> Endpoint {
    match spec {
        EndpointSpec::Fixed(address) => Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
        },
        EndpointSpec::Named { host, port } => Endpoint {
            host: host.clone(),
            port: *port,
        },
    }
}

/// The name that the system gives to this machine, in letters that a key may have.
pub(crate) fn machine_name() -> String {
    let name = std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/hostname")).unwrap_or_default();
    let letters = name.trim().chars().take(NODE_CHARS_MAX);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let name: String = letters.map(|letter| if plain(letter) { letter } else { '-' }).collect();
    if name.is_empty() { String::from("gateway") } else { name }
}

/// How it stands with a store, for the page of the configuration.
pub(crate) fn describe(store: &Watch) -> Value {
    let Health {
        connected,
        silent_for,
        reconnects,
        rejected,
        wanted,
        serving,
        errors,
    } = store.health();
    let revision = |revision: Option<Revision>| {
        revision.map(|revision| json!({ "revision": revision.number, "digest": revision.digest.to_string() }))
    };
    json!({
        "connected": connected,
        "silent_s": silent_for.map(|silent| silent.as_secs()),
        "reconnects": reconnects,
        "rejected": rejected,
        "wanted": revision(wanted),
        "serving": revision(serving),
        "errors": errors,
    })
}
