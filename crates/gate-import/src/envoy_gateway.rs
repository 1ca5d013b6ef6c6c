//! Envoy Gateway's `EnvoyExtensionPolicy`.

use crate::gateway::{Config, Gateway, Loose, Plugin, payload};
use crate::istio;
use crate::ledger::Cursor;
use crate::module::{self, Module};

/// `gateway.envoyproxy.io/v1alpha1`, `EnvoyExtensionPolicy`.
pub(crate) fn policy(resource: Cursor<'_, '_>, gateway: &mut Gateway) {
    gateway.imported("Envoy Gateway EnvoyExtensionPolicy");
    let Some(spec) = istio::spec(&resource) else { return };
    let policy = istio::name(&resource);
    for (index, wasm) in spec.maps("wasm").into_iter().enumerate() {
        let name = wasm
            .text("name")
            .map_or_else(|| format!("{policy}-{index}"), str::to_owned);
        let Some(module) = module(&wasm) else { continue };
        let name = gateway.plugin_name(&name);
        module.say(&wasm, &name);
        let mut plugin = Plugin::new(wasm.at, name.clone(), module);
        plugin.root_id = wasm.text("rootID").unwrap_or_default().to_owned();
        plugin.open = wasm.flag("failOpen").unwrap_or(false);
        plugin.config = wasm
            .whole("config")
            .map_or(Config::Nothing, |value| Config::One(payload(value)));
        gateway.plugins.push(plugin);
        gateway.loose.push(Loose {
            plugin: name,
            network: false,
            ports: Vec::new(),
            tie: policy.to_owned(),
        });
        if let Some(env) = wasm.get("env") {
            let hint = "the process's environment is not passed on; write the values under `environment`";
            env.leave_out("`env` takes values from the proxy's environment", hint);
        }
    }
}

fn module(wasm: &Cursor<'_, '_>) -> Option<Module> {
    let Some(code) = wasm.map("code") else {
        wasm.wrong("the plugin has no `code`, so there is no module", "give `code`");
        return None;
    };
    code.without_note("type");
    let beside = module::digest(&code, "sha256");
    let (source, web) = match (code.map("http"), code.map("image")) {
        (Some(http), _) => (http, true),
        (None, Some(image)) => (image, false),
        (None, None) => {
            code.leave_out(
                "`code` names no module of a kind that is known",
                "only `http` and `image` are",
            );
            return None;
        }
    };
    let digest = module::digest(&source, "sha256").or(beside);
    let Some(url) = source.text("url") else {
        source.wrong_key("there is no `url`", "give `url`");
        return None;
    };
    Some(if web {
        Module::Http {
            url: url.to_owned(),
            sha256: digest,
        }
    } else {
        Module::at(url, digest)
    })
}
