//! APISIX: `wasm.plugins` of its configuration, and routes, standalone or as its Admin API takes them.

mod route;
mod upstream;

use std::collections::{HashMap, HashSet};

use crate::gateway::{Config, Gateway, Loose, Plugin, payload};
use crate::istio::priority;
use crate::ledger::Cursor;
use crate::module::Module;

/// What routes refer to.
#[derive(Default)]
struct Parts<'d, 'l> {
    definitions: HashMap<&'d str, Definition<'d, 'l>>,
    upstreams: HashMap<String, Cursor<'d, 'l>>,
    services: HashMap<String, Cursor<'d, 'l>>,
    plugin_configs: HashMap<String, Cursor<'d, 'l>>,
    /// Plugins by their name and configuration: one that several routes have is one of ours.
    made: HashMap<(String, String), String>,
    used: HashSet<&'d str>,
}

/// A plugin as `config.yaml` defines it.
struct Definition<'d, 'l> {
    cursor: Cursor<'d, 'l>,
    file: &'d str,
    priority: Option<i64>,
    rewrites: bool,
}

/// Reads all documents.
pub(crate) fn import<'d>(documents: &[Cursor<'d, '_>], gateway: &mut Gateway) {
    if documents.is_empty() {
        return;
    }
    gateway.imported("APISIX");
    let mut parts = Parts::default();
    let mut routes = Vec::new();
    let mut rules = Vec::new();
    for document in documents {
        if let Some(wasm) = document.map("wasm") {
            wasm.maps("plugins").iter().for_each(|plugin| parts.define(plugin));
        }
        for (key, known) in [
            ("upstreams", &mut parts.upstreams),
            ("services", &mut parts.services),
            ("plugin_configs", &mut parts.plugin_configs),
        ] {
            let items = document.maps(key).into_iter();
            known.extend(items.map(|item| (identity(&item), item)));
        }
        routes.extend(document.maps("routes"));
        rules.extend(document.maps("global_rules"));
        if document.has("uri") || document.has("uris") {
            routes.push(*document);
        }
    }
    for route in routes {
        parts.route(&route, gateway);
    }
    for rule in rules {
        rule.without_note("id");
        let plugins = parts.chain(&[rule], gateway);
        plugins.into_iter().for_each(|plugin| loose(plugin, gateway));
    }
    parts.rest(gateway);
}

/// Ids are texts or numbers.
fn identity(item: &Cursor<'_, '_>) -> String {
    item.get("id").map(|id| scalar(&id)).unwrap_or_default()
}

fn scalar(place: &Cursor<'_, '_>) -> String {
    match place.json() {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn loose(plugin: String, gateway: &mut Gateway) {
    gateway.loose.push(Loose {
        plugin,
        network: false,
        ports: Vec::new(),
        tie: String::new(),
    });
}

impl<'d, 'l> Parts<'d, 'l> {
    fn define(&mut self, plugin: &Cursor<'d, 'l>) {
        let (Some(name), Some(file)) = (plugin.text("name"), plugin.text("file")) else {
            return plugin.wrong("a plugin has a `name` and a `file`", "give both");
        };
        let definition = Definition {
            cursor: *plugin,
            file,
            priority: plugin.get("priority").and_then(|place| priority(&place)),
            rewrites: plugin.text("http_request_phase") == Some("rewrite"),
        };
        self.definitions.insert(name, definition);
    }

    /// The Wasm plugins of these holders of `plugins`; the last that configures one decides.
    fn chain(&mut self, holders: &[Cursor<'d, 'l>], gateway: &mut Gateway) -> Vec<String> {
        let mut found: Vec<(&'d str, Cursor<'d, 'l>)> = Vec::new();
        for (name, plugin) in holders
            .iter()
            .filter_map(|holder| holder.map("plugins"))
            .flat_map(|plugins| plugins.entries())
        {
            let wasm = self.definitions.contains_key(name) || (self.definitions.is_empty() && name.starts_with("wasm"));
            if !wasm {
                plugin.leave_out(
                    format!("the plugin `{name}` is no Wasm plugin"),
                    "look whether a plugin or a key of the route does the same",
                );
                continue;
            }
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = plugin,
                None => found.push((name, plugin)),
            }
        }
        found
            .into_iter()
            .filter_map(|(name, plugin)| self.plugin(name, &plugin, gateway))
            .collect()
    }

    fn plugin(&mut self, name: &'d str, plugin: &Cursor<'d, 'l>, gateway: &mut Gateway) -> Option<String> {
        self.used.insert(name);
        let config = plugin.whole("conf").map(payload);
        if plugin.map("_meta").and_then(|meta| meta.flag("disable")) == Some(true) {
            plugin.say(format!("`{name}` is switched off here"), "it is left out of this chain");
            return None;
        }
        let key = (
            name.to_owned(),
            config.as_ref().map(ToString::to_string).unwrap_or_default(),
        );
        if let Some(known) = self.made.get(&key) {
            return Some(known.clone());
        }
        let own = gateway.plugin_name(name);
        let made = self.make(name, own.clone(), plugin, config);
        gateway.plugins.push(made);
        self.made.insert(key, own.clone());
        Some(own)
    }

    fn make(&self, name: &str, own: String, place: &Cursor<'d, 'l>, config: Option<serde_json::Value>) -> Plugin {
        let definition = self.definitions.get(name);
        let path = definition.map_or_else(
            || format!("{}.wasm", crate::name::file_name(name)),
            |definition| definition.file.to_owned(),
        );
        let mut plugin = Plugin::new(place.at, own, Module::File { path, sha256: None });
        plugin.config = config.map_or(Config::Nothing, Config::One);
        match definition {
            None => {
                plugin
                    .comments
                    .push("FILL IN: APISIX's `config.yaml` says where the module is, and its priority".to_owned());
                place.say(
                    format!("the module of `{name}` is defined in APISIX's `config.yaml`"),
                    "import that file together with this one",
                );
            }
            Some(definition) => {
                plugin.priority = definition.priority;
                if definition.rewrites {
                    plugin.phase = Some("authn");
                    plugin
                        .comments
                        .push("It ran in APISIX's phase `rewrite`, before those of `access`.".to_owned());
                }
            }
        }
        plugin
    }

    /// Plugins that are defined, and that nothing uses.
    fn rest(&mut self, gateway: &mut Gateway) {
        let unused = |(name, _): &(&&'d str, &Definition<'d, 'l>)| !self.used.contains(**name);
        let mut rest: Vec<_> = self
            .definitions
            .iter()
            .filter(unused)
            .map(|(name, definition)| (definition.cursor, *name))
            .collect();
        rest.sort_by_key(|(cursor, _)| cursor.at);
        for (cursor, name) in rest {
            let own = gateway.plugin_name(name);
            let made = self.make(name, own.clone(), &cursor, None);
            gateway.plugins.push(made);
            let message = format!("nothing uses the plugin `{name}`");
            if gateway.routes.is_empty() {
                cursor.say(
                    message,
                    "it is in every chain, without a configuration; import the routes too",
                );
                loose(own, gateway);
            } else {
                cursor.say(
                    message,
                    "it is in no chain; name it in the `plugins` of a route to use it",
                );
            }
        }
    }
}
