//! Istio's `WasmPlugin` and `TrafficExtension`, and Higress's `WasmPlugin`, which is Istio's with rules.

use std::collections::HashSet;

use crate::gateway::{Config, Gateway, Loose, Plugin, payload};
use crate::ledger::Cursor;
use crate::module::{self, Module};
use crate::yaml::Yaml;

/// The bounds of `priority` in our configuration.
const PRIORITY_MAX: i64 = 1_000_000;

/// `extensions.istio.io/v1alpha1`, `WasmPlugin`.
pub(crate) fn wasm_plugin(resource: Cursor<'_, '_>, gateway: &mut Gateway) {
    gateway.imported("Istio WasmPlugin");
    let Some(spec) = spec(&resource) else { return };
    let mut plugin = plugin(&resource, &spec, gateway);
    plugin.config = configuration(&spec);
    place(&resource, &spec, &spec, (plugin, gateway));
}

/// `extensions.istio.io/v1alpha1`, `TrafficExtension`.
pub(crate) fn traffic_extension(resource: Cursor<'_, '_>, gateway: &mut Gateway) {
    gateway.imported("Istio TrafficExtension");
    let Some(spec) = spec(&resource) else { return };
    let Some(wasm) = spec.map("wasm") else {
        let hint = "only Wasm plugins are imported";
        return resource.leave_out("the TrafficExtension has no `wasm`", hint);
    };
    let mut plugin = plugin(&resource, &wasm, gateway);
    plugin.config = configuration(&wasm);
    place(&resource, &spec, &wasm, (plugin, gateway));
}

/// `extensions.higress.io/v1alpha1`, `WasmPlugin`.
pub(crate) fn higress(resource: Cursor<'_, '_>, gateway: &mut Gateway) {
    gateway.imported("Higress WasmPlugin");
    let Some(spec) = spec(&resource) else { return };
    let mut plugin = plugin(&resource, &spec, gateway);
    plugin.config = rules(&spec);
    place(&resource, &spec, &spec, (plugin, gateway));
}

/// The specification of a resource of Kubernetes.
pub(crate) fn spec<'d, 'l>(resource: &Cursor<'d, 'l>) -> Option<Cursor<'d, 'l>> {
    let spec = resource.map("spec");
    if spec.is_none() && !resource.has("spec") {
        resource.wrong("the resource has no `spec`", "give it one");
    }
    spec
}

/// The name of a resource of Kubernetes; its other metadata gets notes.
pub(crate) fn name<'d>(resource: &Cursor<'d, '_>) -> &'d str {
    resource
        .map("metadata")
        .and_then(|metadata| metadata.text("name"))
        .unwrap_or_default()
}

/// What the three have in common, from the map that has `url`.
fn plugin(resource: &Cursor<'_, '_>, wasm: &Cursor<'_, '_>, gateway: &mut Gateway) -> Plugin {
    let wanted = name(resource);
    let url = wasm.get("url");
    if url.is_none() {
        wasm.wrong_key("there is no `url`, so there is no module", "give `url`");
    }
    let digest = module::digest(wasm, "sha256");
    // Without a module nothing is imported; the rest is read for what is wrong with it.
    let module = Module::at(url.and_then(|url| url.as_text()).unwrap_or_default(), digest);
    let name = gateway.plugin_name(wanted);
    module.say(url.as_ref().unwrap_or(wasm), &name);
    let mut plugin = Plugin::new(resource.at, name, module);
    plugin.root_id = wasm.text("pluginName").unwrap_or_default().to_owned();
    plugin.open = fail_open(wasm);
    plugin.environment = environment(wasm);
    plugin
}

fn fail_open(wasm: &Cursor<'_, '_>) -> bool {
    let Some(strategy) = wasm.get("failStrategy") else {
        return false;
    };
    match strategy.as_text() {
        Some("FAIL_OPEN") => true,
        // A plugin always comes back after a fault, as `restart` says.
        Some("FAIL_CLOSE" | "FAIL_RELOAD") | None => false,
        Some(other) => {
            strategy.say(
                format!("`failStrategy: {other}` is not known"),
                "`on_fault: close` was written",
            );
            false
        }
    }
}

fn environment(wasm: &Cursor<'_, '_>) -> Vec<(String, String)> {
    let Some(vm_config) = wasm.map("vmConfig") else {
        return Vec::new();
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut known = HashSet::new();
    for variable in vm_config.maps("env") {
        let name = variable.text("name").unwrap_or_default();
        let host = variable.text("valueFrom") == Some("HOST");
        let value = variable.text("value");
        if host {
            let hint = "the process's environment is not passed on; write the value under `environment`";
            variable.leave_out(format!("`{name}` takes its value from the proxy's environment"), hint);
        } else if !known.insert(name) {
            variable.leave_out(format!("`{name}` is given twice"), "the first one was kept");
        } else {
            pairs.push((name.to_owned(), value.unwrap_or_default().to_owned()));
        }
    }
    pairs
}

fn configuration(wasm: &Cursor<'_, '_>) -> Config {
    wasm.whole("pluginConfig")
        .map_or(Config::Nothing, |value| Config::One(payload(value)))
}

/// Higress's default and rules, which our configuration has under the same names.
fn rules(spec: &Cursor<'_, '_>) -> Config {
    let default = spec.map("defaultConfig").map(|default| default.json());
    let default_disabled = spec.flag("defaultConfigDisable").unwrap_or(false);
    let rules: Vec<Yaml> = spec.maps("matchRules").iter().map(rule).collect();
    if default.is_none() && rules.is_empty() && !default_disabled {
        return configuration(spec);
    }
    if let Some(shadowed) = spec.get("pluginConfig") {
        let hint = "put what it holds into `default_config`";
        shadowed.leave_out(
            "`pluginConfig` beside a default or rules has no effect in Higress",
            hint,
        );
    }
    Config::Higress {
        default,
        default_disabled,
        rules,
    }
}

fn rule(rule: &Cursor<'_, '_>) -> Yaml {
    let words = |key: &str| -> Vec<String> { rule.texts(key).iter().map(|(_, text)| (*text).to_owned()).collect() };
    let routes = words("ingress");
    if let (Some(first), Some(place)) = (routes.first(), rule.get("ingress")) {
        let message = format!("rules of this plugin name routes, `{first}` first");
        place.say(
            message,
            "give routes of the configuration the names of those Ingress resources",
        );
    }
    let services = words("service");
    if let (Some(first), Some(place)) = (services.first(), rule.get("service")) {
        let message = format!("rules of this plugin name services, `{first}` first");
        let hint = "give their upstreams an alias such as `outbound|80||name`, with that service as the name";
        place.say(message, hint);
    }
    let disabled = rule.flag("configDisable").filter(|disabled| *disabled);
    Yaml::map()
        .with_list("ingress", routes)
        .with_list("domain", words("domain"))
        .with_list("service", services)
        .with_some("config", rule.map("config").map(|config| config.json()))
        .with_some("config_disable", disabled)
}

/// Phase, priority and traffic are said beside `url` or above it.
fn place(resource: &Cursor<'_, '_>, spec: &Cursor<'_, '_>, wasm: &Cursor<'_, '_>, made: (Plugin, &mut Gateway)) {
    let (mut plugin, gateway) = made;
    let network = match wasm.get("type").and_then(|kind| Some((kind, kind.as_text()?))) {
        Some((_, "NETWORK")) => true,
        Some((_, "HTTP" | "UNSPECIFIED_PLUGIN_TYPE")) | None => false,
        Some((kind, other)) => {
            kind.say(
                format!("`type: {other}` is not known"),
                "it was taken for a plugin of HTTP",
            );
            false
        }
    };
    plugin.phase = phase(spec);
    plugin.priority = spec.get("priority").and_then(|place| priority(&place));
    gateway.loose.push(Loose {
        plugin: plugin.name.clone(),
        network,
        ports: ports(spec),
        // Istio orders equals by their names.
        tie: name(resource).to_owned(),
    });
    gateway.plugins.push(plugin);
}

fn phase(spec: &Cursor<'_, '_>) -> Option<&'static str> {
    let place = spec.get("phase")?;
    let word = place.as_text()?;
    match word.strip_prefix("EXECUTION_PHASE_").unwrap_or(word) {
        "AUTHN" => Some("authn"),
        "AUTHZ" => Some("authz"),
        "STATS" => Some("stats"),
        "UNSPECIFIED_PHASE" | "UNSPECIFIED" => None,
        other => {
            place.say(
                format!("`phase: {other}` is not known"),
                "the plugin comes after those that have a phase",
            );
            None
        }
    }
}

/// A priority within our bounds.
pub(crate) fn priority(place: &Cursor<'_, '_>) -> Option<i64> {
    let given = place.as_integer()?;
    let bound = given.clamp(-PRIORITY_MAX, PRIORITY_MAX);
    if bound != given {
        place.say(
            format!("the priority `{given}` is beyond our bounds"),
            format!("`{bound}` was written"),
        );
    }
    Some(bound)
}

/// The ports of `match`; none for every port.
fn ports(spec: &Cursor<'_, '_>) -> Vec<u16> {
    let mut all = Vec::new();
    let mut everywhere = false;
    for selector in spec.maps("match") {
        if let Some(mode) = selector.get("mode") {
            let word = mode.as_text().unwrap_or_default();
            if word != "CLIENT_AND_SERVER" {
                mode.say(
                    format!("`mode: {word}` has no counterpart"),
                    "a gateway has one direction: from clients to upstreams",
                );
            }
        }
        let ports = selector.maps("ports");
        everywhere |= ports.is_empty();
        for port in ports {
            let Some(number) = port.get("number") else { continue };
            match number.as_integer().map(u16::try_from) {
                Some(Ok(port)) if port > 0 => all.push(port),
                _ => number.wrong_key("a port is a number from 1 to 65535", "give such a number"),
            }
        }
    }
    if everywhere {
        all.clear();
    }
    all
}
