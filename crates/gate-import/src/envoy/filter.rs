//! Wasm filters of HTTP and of connections.

use super::Reader;
use super::any::{configuration, span, unwrapped};
use crate::gateway::{Config, Loose, Plugin};
use crate::ledger::Cursor;
use crate::module::{self, Module};

impl<'d, 'l> Reader<'_, 'd, 'l> {
    /// The plugins of `http_filters`, in order.
    pub(super) fn chain(&mut self, filters: Vec<Cursor<'d, 'l>>) -> Vec<String> {
        filters.iter().filter_map(|filter| self.filter(filter)).collect()
    }

    /// A filter of which nobody says where it stands.
    pub(super) fn loose_filter(&mut self, filter: &Cursor<'d, 'l>, network: bool, ports: Vec<u16>) {
        if let Some(plugin) = self.filter(filter) {
            self.gateway.loose.push(Loose {
                plugin,
                network,
                ports,
                tie: String::new(),
            });
        }
    }

    /// The plugin that a filter is, if it is one and is switched on.
    fn filter(&mut self, filter: &Cursor<'d, 'l>) -> Option<String> {
        let name = filter.text("name").unwrap_or_default();
        if let Some(discovery) = filter.get("config_discovery") {
            return self.discovered(&discovery, name);
        }
        let (kind, body) = self.body(filter)?;
        if kind == "Router" || name.ends_with(".router") || name == "envoy.router" {
            return None;
        }
        let wasm = kind == "Wasm"
            || (kind.is_empty()
                && (name.contains("wasm") || body.has("vm_config") || body.peek_any_map("config", "vm_config")));
        if !wasm {
            let hint = "look whether a plugin or a key of the route does the same";
            filter.leave_out(format!("the filter `{name}` is no Wasm plugin"), hint);
            return None;
        }
        let plugin = self.wasm(&body, name)?;
        let disabled = filter.get("disabled").filter(|_| filter.flag("disabled") == Some(true));
        if let Some(disabled) = disabled {
            disabled.say(
                format!("`{plugin}` is switched off"),
                "it is in no chain; name it in the `plugins` of a route to switch it on",
            );
            return None;
        }
        Some(plugin)
    }

    /// Type and message of a filter, or of a message that stands alone.
    fn body(&self, filter: &Cursor<'d, 'l>) -> Option<(&'d str, Cursor<'d, 'l>)> {
        if filter.has("typed_config") {
            filter.without_note("@type");
            return filter.map("typed_config").map(unwrapped);
        }
        if filter.has("@type") || filter.has("vm_config") || filter.peek_any_map("config", "vm_config") {
            return Some(unwrapped(*filter));
        }
        let Some(config) = filter.get("config") else {
            // A filter that needs no configuration: a router, as a rule.
            return Some(("", *filter));
        };
        Some(("", config.as_map()?))
    }

    /// A filter whose configuration is given elsewhere under its name.
    fn discovered(&mut self, discovery: &Cursor<'d, 'l>, name: &'d str) -> Option<String> {
        let Some(extension) = self.extensions.get(name).copied() else {
            let message = format!("the configuration of the filter `{name}` comes from a control plane");
            discovery.leave_out(message, "import it too, as a TypedExtensionConfig of that name");
            return None;
        };
        discovery.skip();
        self.extensions_used.insert(name);
        self.filter(&extension)
    }

    /// A `Wasm` message, or the `PluginConfig` in it.
    fn wasm(&mut self, body: &Cursor<'d, 'l>, filter: &str) -> Option<String> {
        let config = if body.has("vm_config") {
            *body
        } else {
            body.map("config")?
        };
        let name = config.text("name").filter(|name| !name.is_empty()).unwrap_or(filter);
        let vm = config.map("vm_config");
        let Some(module) = vm.as_ref().and_then(module) else {
            let hint = "a plugin has its module in `vm_config.code`";
            body.leave_out(
                format!("the plugin `{name}` has no module that could be imported"),
                hint,
            );
            return None;
        };
        let name = self.gateway.plugin_name(name);
        module.say(&config, &name);
        let mut plugin = Plugin::new(config.at, name.clone(), module);
        plugin.root_id = config.text("root_id").unwrap_or_default().to_owned();
        plugin.config = configuration(&config, "configuration").map_or(Config::Nothing, Config::One);
        faults(&config, &mut plugin);
        plugin.allow_stop = config.flag("allow_on_headers_stop_iteration");
        if let Some(vm) = vm {
            plugin.vm_id = vm.text("vm_id").unwrap_or_default().to_owned();
            plugin.vm_config = configuration(&vm, "configuration");
            let variables = vm
                .map("environment_variables")
                .and_then(|variables| variables.map("key_values"));
            let pairs = variables.map(|variables| variables.entries()).unwrap_or_default();
            plugin.environment = pairs
                .iter()
                .filter_map(|(key, value)| Some(((*key).to_owned(), value.as_text()?.to_owned())))
                .collect();
        }
        self.gateway.plugins.push(plugin);
        Some(name)
    }
}

fn faults(config: &Cursor<'_, '_>, plugin: &mut Plugin) {
    plugin.open = config.flag("fail_open").unwrap_or(false);
    if let Some(policy) = config.get("failure_policy") {
        match policy.as_text() {
            Some("FAIL_OPEN") => plugin.open = true,
            // A plugin always comes back after a fault, as `restart` says.
            Some("FAIL_CLOSED" | "FAIL_RELOAD" | "UNSPECIFIED") | None => {}
            Some(other) => policy.say(
                format!("`failure_policy: {other}` is not known"),
                "`on_fault: close` was written",
            ),
        }
    }
    let backoff = config.map("reload_config").and_then(|reload| reload.map("backoff"));
    plugin.backoff = backoff
        .and_then(|backoff| backoff.get("base_interval"))
        .and_then(|interval| span(&interval));
}

/// The module in `code`.
fn module(vm: &Cursor<'_, '_>) -> Option<Module> {
    if vm.peek_text("runtime") == Some("envoy.wasm.runtime.null") {
        return None;
    }
    let code = vm.map("code")?;
    if let Some(remote) = code.map("remote") {
        let uri = remote.map("http_uri")?;
        // Who fetches, and how long that may take, is no question of the gateway's.
        uri.without_note("cluster");
        uri.without_note("timeout");
        let sha256 = module::digest(&remote, "sha256");
        return uri.text("uri").map(|uri| Module::at(uri, sha256));
    }
    let local = code.map("local")?;
    if let Some(path) = local.text("filename") {
        return Some(Module::File {
            path: path.to_owned(),
            sha256: None,
        });
    }
    let inline = ["inline_bytes", "inline_string"]
        .iter()
        .find_map(|key| local.get(key))?;
    inline.skip();
    Some(Module::Inline)
}
