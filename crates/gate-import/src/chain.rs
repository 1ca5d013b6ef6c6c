//! Where plugins stand whose source says nothing of routes, and the placeholders that make a whole of what was imported.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::gateway::{Answer, Gateway, Listener, Loose, Path, Plugin, Route, Tcp, Upstream};
use crate::ledger::{At, Ledger};

/// What stands where the source says nothing.
const ENDPOINT: &str = "127.0.0.1:9000";
/// The same for listeners, of HTTP and of bytes.
const PORT: u16 = 8080;
const TCP_ADDRESS: &str = "127.0.0.1:9001";

/// Adds what is missing, so that the whole can run.
pub(crate) fn complete(gateway: &mut Gateway, ledger: &Ledger<'_>) {
    let mut loose = std::mem::take(&mut gateway.loose);
    let places: HashMap<&str, (u8, Reverse<i64>)> = gateway
        .plugins
        .iter()
        .map(|plugin| (plugin.name.as_str(), rank(plugin)))
        .collect();
    let key = |loose: &Loose| (places.get(loose.plugin.as_str()).copied(), loose.tie.clone());
    loose.sort_by_cached_key(key);
    let (network, http): (Vec<Loose>, Vec<Loose>) = loose.into_iter().partition(|loose| loose.network);
    place_network(gateway, &network, ledger);
    place_http(gateway, &http, ledger);
    listeners(gateway, ledger);
    upstreams(gateway, ledger);
}

/// The order in which the gateway itself sorts a chain.
fn rank(plugin: &Plugin) -> (u8, Reverse<i64>) {
    let phase = match plugin.phase {
        Some("authn") => 0,
        Some("authz") => 1,
        Some("stats") => 2,
        _ => 3,
    };
    (phase, Reverse(plugin.priority.unwrap_or(0)))
}

fn fill_in(what: &str) -> Vec<String> {
    vec![format!("FILL IN: {what}")]
}

fn say(ledger: &Ledger<'_>, at: Option<At>, what: &str) {
    if let Some(at) = at {
        let hint = "a placeholder is in the configuration, marked with FILL IN";
        ledger.note(at, format!("the source does not say {what}"), hint);
    }
}

fn place_of(gateway: &Gateway, name: &str) -> Option<At> {
    gateway
        .plugins
        .iter()
        .find(|plugin| plugin.name == name)
        .map(|plugin| plugin.at)
}

/// The upstream of placeholders.
fn nowhere(gateway: &mut Gateway) -> String {
    let name = gateway.upstream_named("upstream");
    gateway.add_upstream(Upstream {
        comments: fill_in("where requests go"),
        name: name.clone(),
        endpoints: vec![ENDPOINT.to_owned()],
        ..Upstream::default()
    });
    name
}

fn place_network(gateway: &mut Gateway, loose: &[Loose], ledger: &Ledger<'_>) {
    let Some(first) = loose.first() else { return };
    let names = loose.iter().map(|loose| loose.plugin.clone());
    if gateway.listeners.iter().any(|listener| listener.tcp.is_some()) {
        let names: Vec<String> = names.collect();
        let tcp = gateway
            .listeners
            .iter_mut()
            .filter_map(|listener| listener.tcp.as_mut());
        tcp.for_each(|tcp| tcp.plugins.extend(names.clone()));
        return;
    }
    let plugins = names.collect();
    say(
        ledger,
        place_of(gateway, &first.plugin),
        "where connections arrive and where their bytes go",
    );
    let upstream = nowhere(gateway);
    let name = gateway.listener_names.unique("tcp", "tcp");
    gateway.listeners.push(Listener {
        at: None,
        comments: fill_in("where connections arrive"),
        name,
        listen: TCP_ADDRESS.to_owned(),
        tls: None,
        tcp: Some(Tcp { upstream, plugins }),
    });
}

fn place_http(gateway: &mut Gateway, loose: &[Loose], ledger: &Ledger<'_>) {
    let Some(first) = loose.first() else { return };
    if !gateway.routes.is_empty() {
        let names: Vec<String> = loose.iter().map(|loose| loose.plugin.clone()).collect();
        if gateway.affords(gateway.routes.len().saturating_mul(names.len())) {
            gateway
                .routes
                .iter_mut()
                .for_each(|route| route.plugins.extend(names.clone()));
        } else if let Some(at) = place_of(gateway, &first.plugin) {
            ledger.too_much(at);
        }
        return;
    }
    let Some(at) = place_of(gateway, &first.plugin) else {
        return;
    };
    say(
        ledger,
        Some(at),
        "where requests arrive, which routes there are and where they lead",
    );
    let upstream = nowhere(gateway);
    let mut ports: Vec<Option<u16>> = loose
        .iter()
        .flat_map(|loose| loose.ports.iter().copied().map(Some))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let everywhere = loose.iter().any(|loose| loose.ports.is_empty()) && !ports.contains(&Some(PORT));
    if everywhere || ports.is_empty() {
        ports.insert(0, None);
    }
    let alone = ports.len() == 1;
    for port in ports {
        let listener = http_listener(gateway, port.unwrap_or(PORT), port.is_some());
        let here = |loose: &&Loose| loose.ports.is_empty() || port.is_some_and(|port| loose.ports.contains(&port));
        let name = gateway.route_name(&if alone {
            "everything".to_owned()
        } else {
            format!("everything-{listener}")
        });
        let mut route = Route::new(at, name, Answer::Upstream(upstream.clone()));
        route.comments = fill_in("which requests it serves");
        route.path = Path::Prefix("/".to_owned());
        route.plugins = loose.iter().filter(here).map(|loose| loose.plugin.clone()).collect();
        route.listeners = if alone { Vec::new() } else { vec![listener] };
        gateway.routes.push(route);
    }
}

fn http_listener(gateway: &mut Gateway, port: u16, given: bool) -> String {
    let wanted = if given {
        format!("port-{port}")
    } else {
        "web".to_owned()
    };
    let name = gateway.listener_names.unique(&wanted, "web");
    gateway.listeners.push(Listener {
        at: None,
        comments: fill_in("where requests arrive"),
        name: name.clone(),
        listen: format!("127.0.0.1:{port}"),
        tls: None,
        tcp: None,
    });
    name
}

/// Routes without a listener of HTTP are reached by nobody.
fn listeners(gateway: &mut Gateway, ledger: &Ledger<'_>) {
    let http = gateway.listeners.iter().any(|listener| listener.tcp.is_none());
    let at = gateway.routes.first().map(|route| route.at);
    if !http && at.is_some() {
        say(ledger, at, "where requests arrive");
        http_listener(gateway, PORT, false);
    }
}

/// Somebody sends traffic to them, and nobody says where they are.
fn upstreams(gateway: &mut Gateway, ledger: &Ledger<'_>) {
    for (name, at) in std::mem::take(&mut gateway.wanted) {
        let missing = gateway.add_upstream(Upstream {
            at: Some(at),
            comments: fill_in("where it is"),
            name: name.clone(),
            endpoints: vec![ENDPOINT.to_owned()],
            ..Upstream::default()
        });
        if missing {
            say(ledger, Some(at), &format!("where `{name}` is"));
        }
    }
}
