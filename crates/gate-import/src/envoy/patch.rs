//! Istio's `EnvoyFilter`: patches that put filters and clusters into what Istio makes.

use super::{LooseFilter, Parts};
use crate::istio;
use crate::ledger::Cursor;

/// `networking.istio.io/v1alpha3`, `EnvoyFilter`.
pub(crate) fn patches<'d, 'l>(resource: Cursor<'d, 'l>, parts: &mut Parts<'d, 'l>) {
    let Some(spec) = istio::spec(&resource) else { return };
    istio::name(&resource);
    for change in spec.maps("configPatches") {
        let kind = change.text("applyTo").unwrap_or_default();
        let ports = ports(&change);
        let Some(patch) = change.map("patch") else {
            change.leave_out("there is no `patch`", "give one");
            continue;
        };
        let operation = patch.text("operation").unwrap_or_default();
        let adds = operation == "ADD" || operation.starts_with("INSERT_");
        let value = patch.map("value");
        let filter = |network| {
            value.map(|filter| LooseFilter {
                filter,
                network,
                ports: ports.clone(),
            })
        };
        match (kind, value) {
            ("HTTP_FILTER" | "NETWORK_FILTER", Some(_)) if adds => {
                parts.filters.extend(filter(kind == "NETWORK_FILTER"));
                if operation != "INSERT_BEFORE" && operation != "ADD" {
                    patch.say(
                        format!("`{operation}` has no counterpart"),
                        "plugins stand in the chain in the order of the file; `phase` and `priority` change that",
                    );
                }
            }
            ("EXTENSION_CONFIG", Some(value)) if adds => parts.extensions.push(value),
            ("CLUSTER", Some(value)) if adds => parts.clusters.push(value),
            ("LISTENER", Some(value)) if adds => parts.listeners.push(value),
            _ => change.leave_out(
                format!("a patch `{operation}` of `{kind}` has no counterpart"),
                "only filters, their configurations, clusters and listeners that are added are imported",
            ),
        }
    }
}

/// The port of the listener that is patched; the rest of `match` says where in a chain of Istio's the filter goes.
fn ports(change: &Cursor<'_, '_>) -> Vec<u16> {
    let Some(matched) = change.map("match") else {
        return Vec::new();
    };
    let port = matched
        .map("listener")
        .and_then(|listener| listener.integer("portNumber"));
    if let Some(context) = matched.get("context")
        && context.as_text().is_some_and(|word| word != "GATEWAY" && word != "ANY")
    {
        context.say(
            "`context` has no counterpart",
            "a gateway has one direction: from clients to upstreams",
        );
    }
    port.and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0)
        .into_iter()
        .collect()
}
