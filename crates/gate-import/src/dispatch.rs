//! Which reader reads which document.

use crate::gateway::Gateway;
use crate::ledger::{Cursor, Ledger};
use crate::{apisix, envoy, envoy_gateway, istio, kong};

/// Keys by which a document of APISIX is known, and one of Kong.
const APISIX: &[&str] = &["wasm", "uri", "uris", "global_rules", "deployment", "apisix"];
const KONG: &[&str] = &["_format_version", "filter_chains", "services", "routes"];

/// Formats whose parts refer to one another, over documents and files.
#[derive(Default)]
struct Parts<'d, 'l> {
    envoy: envoy::Parts<'d, 'l>,
    apisix: Vec<Cursor<'d, 'l>>,
    kong: Vec<Cursor<'d, 'l>>,
}

/// Reads all documents into the gateway.
pub(crate) fn all<'d>(ledger: &Ledger<'d>, gateway: &mut Gateway) {
    let mut parts = Parts::default();
    for document in ledger.documents() {
        sort(document, gateway, &mut parts);
    }
    envoy::import(parts.envoy, gateway);
    kong::import(&parts.kong, gateway);
    apisix::import(&parts.apisix, gateway);
}

/// A document is a resource or a list of them; depth is bounded by the reader of YAML.
fn sort<'d, 'l>(document: Cursor<'d, 'l>, gateway: &mut Gateway, parts: &mut Parts<'d, 'l>) {
    if !document.is_map() {
        if document.is_scalar() {
            return document.wrong(
                "a document is a map or a list of maps",
                "give a resource, or a configuration",
            );
        }
        return document
            .as_list()
            .into_iter()
            .for_each(|item| sort(item, gateway, parts));
    }
    let kind = document.peek_text("kind");
    if let (Some(kind), Some(version)) = (kind, document.peek_text("apiVersion")) {
        document.without_note("kind");
        document.without_note("apiVersion");
        return resource(document, (version, kind), gateway, parts);
    }
    let any = |keys: &[&str]| keys.iter().any(|key| document.has(key));
    if !document.has("_format_version") && (any(APISIX) || apisix_routes(&document)) {
        return parts.apisix.push(document);
    }
    let of_envoy = any(&["address", "virtual_hosts", "typed_config", "@type"]);
    if any(KONG) && !of_envoy {
        return parts.kong.push(document);
    }
    if !envoy::sort(document, &mut parts.envoy) {
        let hint = "resources of Istio, Higress and Envoy Gateway, and configurations of Envoy, Kong and APISIX are";
        document.leave_out("the document is of no kind that is known", hint);
    }
}

fn apisix_routes(document: &Cursor<'_, '_>) -> bool {
    document.peek_any("routes", |route| route.has("uri") || route.has("uris"))
}

fn resource<'d, 'l>(
    resource: Cursor<'d, 'l>,
    (version, kind): (&str, &str),
    gateway: &mut Gateway,
    parts: &mut Parts<'d, 'l>,
) {
    let group = version.split('/').next().unwrap_or(version);
    match (group, kind) {
        ("v1", _) if kind.ends_with("List") || kind == "List" => {
            resource.without_note("metadata");
            resource
                .maps("items")
                .into_iter()
                .for_each(|item| sort(item, gateway, parts));
        }
        (_, "WasmPluginList" | "TrafficExtensionList" | "EnvoyFilterList" | "EnvoyExtensionPolicyList") => {
            resource.without_note("metadata");
            resource
                .maps("items")
                .into_iter()
                .for_each(|item| sort(item, gateway, parts));
        }
        ("extensions.istio.io", "WasmPlugin") => istio::wasm_plugin(resource, gateway),
        ("extensions.istio.io", "TrafficExtension") => istio::traffic_extension(resource, gateway),
        ("extensions.higress.io", "WasmPlugin") => istio::higress(resource, gateway),
        ("networking.istio.io", "EnvoyFilter") => envoy::patches(resource, &mut parts.envoy),
        ("gateway.envoyproxy.io", "EnvoyExtensionPolicy") => envoy_gateway::policy(resource, gateway),
        _ => {
            let hint = "only the resources that configure Wasm plugins are read";
            resource.leave_out(format!("a `{kind}` of `{group}` is not imported"), hint);
        }
    }
}
