//! The file of a gateway whose configuration stands in a store: one store, one place in it, and secrets that stand elsewhere.

use std::num::NonZeroUsize;

use super::upstream::client_tls;
use crate::findings::{Draft, Report};
use crate::plan::{Bootstrap, Machine, Plan, Store, StoreBackend, StoreLogin, StorePlace, StoreSecret};
use crate::tree::Node;
use crate::wire;
use crate::word::{EnvironmentName, FilePath, Written};

/// Keys that belong to the machine.
const OF_THE_MACHINE: [&str; 4] = ["admin", "workers", "cache_dir", "state_dir"];

/// The bootstrap of a tree whose shape was checked.
pub(crate) fn bootstrap(tree: &Node, report: &mut Report) -> Option<Bootstrap> {
    if report.has_errors() {
        return None;
    }
    let written = match serde_json::from_value::<wire::Bootstrap>(tree.to_json()) {
        Ok(written) => written,
        Err(error) => {
            report.add(Draft::error(tree.span, format!("the file cannot be read: {error}")));
            return None;
        }
    };
    let machine = Machine {
        admin: written.admin.map(super::admin),
        workers: written
            .workers
            .and_then(|workers| NonZeroUsize::new(usize::from(workers))),
        cache_dir: written.cache_dir.map(|path| path.word.0),
        state_dir: written.state_dir.map(|path| path.word.0),
    };
    let store = store(written.store, tree.at("store"), report)?;
    Some(Bootstrap { store, machine })
}

/// Puts what belongs to the machine into a plan out of a store; what such a text says of it is a mistake.
pub(crate) fn furnish(plan: &mut Plan, machine: &Machine, tree: &Node, report: &mut Report) {
    for key in OF_THE_MACHINE.iter().chain(&["store"]) {
        if tree.get(key).is_some() {
            let message = format!("`{key}` belongs to the machine, not into a store");
            let help = "leave it out; it stands in the file with which the gateway is started";
            report.add(Draft::error(tree.key_span(key), message).help(help));
        }
    }
    plan.admin.clone_from(&machine.admin);
    plan.workers = machine.workers;
    plan.cache_dir.clone_from(&machine.cache_dir);
    plan.state_dir.clone_from(&machine.state_dir);
}

fn store(written: wire::Store, node: &Node, report: &mut Report) -> Option<Store> {
    let place = place(&written, node, report);
    let backends = ["folder", "etcd", "consul", "redis"];
    let named: Vec<&str> = backends.into_iter().filter(|key| node.get(key).is_some()).collect();
    if named.len() != 1 {
        let draft = match named.get(1) {
            None => {
                Draft::error(node.span, "no store is named").help("add one of `folder`, `etcd`, `consul` and `redis`")
            }
            Some(second) => {
                let message = format!(
                    "two stores are named: `{}` and `{second}`",
                    named.first().unwrap_or(second)
                );
                Draft::error(node.key_span(second), message).help("a gateway has its configuration from one store")
            }
        };
        report.add(draft);
        return None;
    }
    if written.signed_by.is_some() && written.key.is_some() {
        let message = "`signed_by` needs `prefix`: a single key has no place for a signature";
        let draft = Draft::error(node.key_span("signed_by"), message);
        report
            .add(draft.help(
                "write `prefix` instead of `key`; `cofferdam config push --sign` writes bundles with signatures",
            ));
    }
    let backend = backend(&written, node, report)?;
    Some(Store {
        backend,
        place: place?,
        signed_by: written.signed_by.map(|path| path.word.0),
        node: written.node.map(|node| node.word.0),
        reconcile: written.reconcile.word,
        wait: written.wait.word,
    })
}

fn place(written: &wire::Store, node: &Node, report: &mut Report) -> Option<StorePlace> {
    match (&written.prefix, &written.key) {
        (Some(prefix), None) => Some(StorePlace::Prefix(prefix.clone())),
        (None, Some(key)) => Some(StorePlace::Key(key.clone())),
        (Some(_), Some(_)) => {
            let draft = Draft::error(
                node.key_span("key"),
                "the configuration has two places: `prefix` and `key`",
            );
            report.add(draft.help("keep `prefix` for bundles, `key` for a single text"));
            None
        }
        (None, None) => {
            let draft = Draft::error(node.span, "nothing says where in the store the configuration stands");
            report.add(draft.help("write `prefix: cofferdam/production`, or `key: …` for a single text"));
            None
        }
    }
}

fn backend(written: &wire::Store, node: &Node, report: &mut Report) -> Option<StoreBackend> {
    if let Some(folder) = &written.folder {
        return Some(StoreBackend::Folder(folder.word.0.clone()));
    }
    if let Some(etcd) = &written.etcd {
        let node = node.at("etcd");
        let password = secret((&etcd.password_file, &etcd.password_env), ("password", node), report);
        if etcd.user.is_some() && password.is_none() && !report.has_errors() {
            report.add(
                Draft::error(node.key_span("user"), "the user has no password").help("write `password_file: FILE`"),
            );
        }
        if etcd.user.is_none() && password.is_some() {
            report.add(Draft::error(node.span, "the password belongs to nobody").help("write `user: NAME`"));
        }
        return Some(StoreBackend::Etcd {
            endpoints: etcd.endpoints.iter().map(|endpoint| endpoint.word.clone()).collect(),
            login: password.map(|password| StoreLogin {
                user: etcd.user.clone(),
                password,
            }),
            tls: etcd.tls.clone().map(client_tls),
        });
    }
    if let Some(consul) = &written.consul {
        let token = secret(
            (&consul.token_file, &consul.token_env),
            ("token", node.at("consul")),
            report,
        );
        return Some(StoreBackend::Consul {
            endpoint: consul.endpoint.word.clone(),
            token,
            datacenter: consul.datacenter.as_ref().map(|name| name.word.0.clone()),
            tls: consul.tls.clone().map(client_tls),
            wait: consul.wait.word,
        });
    }
    let redis = written.redis.as_ref()?;
    let node = node.at("redis");
    let password = secret((&redis.password_file, &redis.password_env), ("password", node), report);
    if redis.user.is_some() && password.is_none() && !report.has_errors() {
        report.add(Draft::error(node.key_span("user"), "the user has no password").help("write `password_file: FILE`"));
    }
    Some(StoreBackend::Redis {
        endpoint: redis.endpoint.word.clone(),
        database: redis.database,
        login: password.map(|password| StoreLogin {
            user: redis.user.clone(),
            password,
        }),
        tls: redis.tls.clone().map(client_tls),
    })
}

type Places<'w> = (&'w Option<Written<FilePath>>, &'w Option<Written<EnvironmentName>>);

fn secret((file, variable): Places<'_>, (what, node): (&str, &Node), report: &mut Report) -> Option<StoreSecret> {
    match (file, variable) {
        (Some(file), None) => Some(StoreSecret::File(file.word.0.clone())),
        (None, Some(name)) => Some(StoreSecret::Environment(name.word.0.clone())),
        (Some(_), Some(_)) => {
            let key = format!("{what}_env");
            let draft = Draft::error(node.key_span(&key), format!("the {what} stands in two places"));
            report.add(draft.help(format!("keep `{what}_file` or `{what}_env`")));
            None
        }
        (None, None) => None,
    }
}
