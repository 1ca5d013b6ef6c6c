//! Envoy: a bootstrap with static resources, single resources, bare filters, and Istio's `EnvoyFilter`, which patches them in.

mod any;
mod cluster;
mod condition;
mod edit;
mod filter;
mod listener;
mod order;
mod patch;
mod route;
mod table;
mod tls;

use std::collections::{HashMap, HashSet};

pub(crate) use self::listener::authority;
pub(crate) use self::patch::patches;
use crate::gateway::Gateway;
use crate::ledger::Cursor;

/// Parts of configurations of Envoy, which refer to one another.
#[derive(Default)]
pub(crate) struct Parts<'d, 'l> {
    bootstraps: Vec<Cursor<'d, 'l>>,
    listeners: Vec<Cursor<'d, 'l>>,
    clusters: Vec<Cursor<'d, 'l>>,
    tables: Vec<Cursor<'d, 'l>>,
    /// Named configurations of filters, which `config_discovery` refers to.
    extensions: Vec<Cursor<'d, 'l>>,
    /// Filters that stand alone.
    filters: Vec<LooseFilter<'d, 'l>>,
}

/// A filter whose place in a chain the source does not say.
struct LooseFilter<'d, 'l> {
    filter: Cursor<'d, 'l>,
    network: bool,
    ports: Vec<u16>,
}

/// What is known while listeners are read.
pub(crate) struct Reader<'g, 'd, 'l> {
    gateway: &'g mut Gateway,
    extensions: HashMap<&'d str, Cursor<'d, 'l>>,
    extensions_used: HashSet<&'d str>,
    tables: HashMap<&'d str, Cursor<'d, 'l>>,
    tables_used: HashSet<&'d str>,
    /// What routes want as the longest wait of an upstream.
    timeouts: HashMap<String, String>,
}

/// Sorts a document; false when Envoy knows no such thing.
pub(crate) fn sort<'d, 'l>(document: Cursor<'d, 'l>, parts: &mut Parts<'d, 'l>) -> bool {
    let any = |keys: &[&str]| keys.iter().any(|key| document.has(key));
    let kind = document.peek_text("@type").map(any::short);
    let loose = |network| LooseFilter {
        filter: document,
        network,
        ports: Vec::new(),
    };
    match kind {
        Some("Listener") => parts.listeners.push(document),
        Some("Cluster") => parts.clusters.push(document),
        Some("RouteConfiguration") => parts.tables.push(document),
        Some("TypedExtensionConfig") => parts.extensions.push(document),
        Some("Bootstrap") => parts.bootstraps.push(document),
        Some("Wasm" | "TypedStruct" | "HttpFilter") => parts.filters.push(loose(any::is_network(&document))),
        Some(_) => return false,
        None if any(&["static_resources", "dynamic_resources", "admin"]) => parts.bootstraps.push(document),
        None if document.has("resources") => {
            let resources = document.maps("resources");
            let known = resources.into_iter().filter(|resource| !sort(*resource, parts));
            known.for_each(|resource| {
                resource.leave_out("the resource is of no kind that is known", "look whether you need it")
            });
        }
        None if document.has("http_filters") => {
            let filters = document.maps("http_filters").into_iter();
            parts.filters.extend(filters.map(|filter| LooseFilter {
                filter,
                network: false,
                ports: Vec::new(),
            }));
        }
        None if any(&["typed_config", "config_discovery", "vm_config"])
            || document.peek_any_map("config", "vm_config") =>
        {
            parts.filters.push(loose(any::is_network(&document)));
        }
        None if document.has("virtual_hosts") => parts.tables.push(document),
        None if document.has("filter_chains") => parts.listeners.push(document),
        None if document.has("load_assignment") => parts.clusters.push(document),
        None => return false,
    }
    true
}

/// Reads everything that was sorted.
pub(crate) fn import<'d, 'l>(mut parts: Parts<'d, 'l>, gateway: &mut Gateway) {
    for bootstrap in std::mem::take(&mut parts.bootstraps) {
        gateway.imported("Envoy");
        bootstrap.without_note("@type");
        if let Some(address) = bootstrap.map("admin").and_then(|admin| admin.map("address")) {
            gateway.admin = listener::socket_address(&address);
        }
        if let Some(fixed) = bootstrap.map("static_resources") {
            parts.listeners.extend(fixed.maps("listeners"));
            parts.clusters.extend(fixed.maps("clusters"));
        }
    }
    let alone = [&parts.listeners, &parts.clusters, &parts.tables, &parts.extensions];
    if alone.iter().any(|list| !list.is_empty()) || !parts.filters.is_empty() {
        gateway.imported("Envoy");
    }
    let named = |list: Vec<Cursor<'d, 'l>>| {
        list.into_iter()
            .map(|item| (item.text("name").unwrap_or_default(), item))
            .collect()
    };
    let mut reader = Reader {
        extensions: named(std::mem::take(&mut parts.extensions)),
        extensions_used: HashSet::new(),
        tables: named(std::mem::take(&mut parts.tables)),
        tables_used: HashSet::new(),
        timeouts: HashMap::new(),
        gateway,
    };
    reader.all(parts);
}

impl<'d, 'l> Reader<'_, 'd, 'l> {
    fn all(&mut self, parts: Parts<'d, 'l>) {
        // Names of clusters are kept, whatever refers to them first.
        let clusters: Vec<_> = parts
            .clusters
            .iter()
            .map(|cluster| (cluster, cluster.text("name").unwrap_or_default()))
            .collect();
        for (_, name) in &clusters {
            self.gateway.upstream_named(name);
        }
        parts.listeners.iter().for_each(|listener| self.listener(listener));
        self.rest(parts.filters);
        clusters
            .into_iter()
            .for_each(|(cluster, name)| self.cluster(cluster, name));
        let [only] = self.gateway.listeners.as_slice() else {
            return;
        };
        let only = only.name.clone();
        let routes = self.gateway.routes.iter_mut();
        routes
            .filter(|route| route.listeners == [only.as_str()])
            .for_each(|route| route.listeners.clear());
    }

    /// What no listener referred to.
    fn rest(&mut self, filters: Vec<LooseFilter<'d, 'l>>) {
        let mut tables: Vec<_> = self
            .tables
            .iter()
            .filter(|(name, _)| !self.tables_used.contains(*name))
            .map(|(_, table)| *table)
            .collect();
        tables.sort_by_key(|table| table.at);
        tables.iter().for_each(|table| self.table(table, None, &[]));
        for LooseFilter { filter, network, ports } in filters {
            self.loose_filter(&filter, network, ports);
        }
        let unused = |(name, _): &(&&'d str, &Cursor<'d, 'l>)| !self.extensions_used.contains(**name);
        let mut extensions: Vec<_> = self
            .extensions
            .iter()
            .filter(unused)
            .map(|(_, extension)| *extension)
            .collect();
        extensions.sort_by_key(|extension| extension.at);
        for extension in extensions {
            self.loose_filter(&extension, any::is_network(&extension), Vec::new());
        }
    }
}
