//! Kong's routes: one of ours for each path.

use super::service::Service;
use crate::gateway::{Answer, Gateway, Path, Route};
use crate::ledger::Cursor;
use crate::yaml::Yaml;

/// Conditions of Kong's that ours do not have.
const CONDITIONS: &[&str] = &["snis", "sources", "destinations", "expression"];

/// Takes over a route.
pub(super) fn routes(
    route: &Cursor<'_, '_>,
    service: Option<&Service<'_, '_>>,
    plugins: &[String],
    gateway: &mut Gateway,
) {
    let wanted = route.text("name").unwrap_or("route");
    if let Some(condition) = CONDITIONS.iter().find(|key| route.has(key)) {
        let message = format!("the route `{wanted}` was left out: its condition `{condition}` has no counterpart");
        return route.leave_out(message, "write a route for it, or do without");
    }
    let protocols = route.texts("protocols");
    if let Some((place, other)) = protocols
        .iter()
        .find(|(_, word)| !matches!(*word, "http" | "https" | "grpc" | "grpcs"))
    {
        place.say(
            format!("the protocol `{other}` was not imported"),
            "a listener with `protocol: tcp` carries bytes",
        );
    }
    let Some(base) = base(route, wanted, service, gateway) else {
        return;
    };
    let strip = route.flag("strip_path").unwrap_or(true);
    let paths = route.texts("paths");
    let prefix = service
        .map_or("", |service| service.path.as_str())
        .trim_end_matches('/');
    for (place, path) in &paths {
        let mut one = base.clone();
        if serve(&mut one, place, (path, prefix, strip)) {
            one.plugins = plugins.to_vec();
            one.name = gateway.route_name(wanted);
            gateway.add_route(one, route.ledger());
        }
    }
    if paths.is_empty() {
        let mut one = base;
        one.plugins = plugins.to_vec();
        if !prefix.is_empty() {
            one.path = Path::Prefix("/".to_owned());
            one.rewrite_prefix = Some(prefix.to_owned());
        }
        one.name = gateway.route_name(wanted);
        gateway.add_route(one, route.ledger());
    }
}

/// Lets a route serve a path, with what the service puts before it; false when it would not do what it does in Kong.
fn serve(route: &mut Route, place: &Cursor<'_, '_>, (path, prefix, strip): (&str, &str, bool)) -> bool {
    if let Some(regex) = path.strip_prefix('~') {
        if strip || !prefix.is_empty() {
            let message = format!(
                "a path of the route `{}` was left out: it rewrites what a regex matched",
                route.name
            );
            place.say(message, "write a route for it; only prefixes are rewritten");
            return false;
        }
        // Kong's match the beginning of a path, ours the whole.
        route.path = Path::Regex(format!("(?:{regex}).*"));
        return true;
    }
    if !path.ends_with('/') {
        let hint = "here a prefix ends at a `/`; a route with a regex serves the others";
        place.say(format!("Kong's path `{path}` also matches `{path}x`"), hint);
    }
    route.path = Path::Prefix(path.to_owned());
    let target = format!("{prefix}{}", if strip { "" } else { path });
    let target = if target.is_empty() { "/".to_owned() } else { target };
    route.rewrite_prefix = (target != path).then_some(target);
    true
}

/// What all paths of a route have in common.
fn base(
    route: &Cursor<'_, '_>,
    wanted: &str,
    service: Option<&Service<'_, '_>>,
    gateway: &mut Gateway,
) -> Option<Route> {
    let upstream = match service {
        Some(service) => service.upstream.clone(),
        None => gateway.upstream_wanted("upstream", route.at),
    };
    let mut base = Route::new(route.at, wanted.to_owned(), Answer::Upstream(upstream));
    base.hosts = route
        .texts("hosts")
        .iter()
        .map(|(_, host)| (*host).to_owned())
        .collect();
    base.methods = route
        .texts("methods")
        .iter()
        .map(|(_, method)| (*method).to_owned())
        .collect();
    let headers = route
        .map("headers")
        .map(|headers| headers.entries())
        .unwrap_or_default();
    for (name, values) in headers {
        let values: Vec<&str> = values.as_list().iter().filter_map(|value| value.as_text()).collect();
        let [value] = values.as_slice() else {
            let message = format!("the route `{wanted}` was left out: its condition on `{name}` has no single value");
            route.leave_out(message, "write a route for each value");
            return None;
        };
        let test = Yaml::map().with("name", name);
        base.headers.push(match value.strip_prefix("~*") {
            Some(regex) => test.with("regex", format!("(?i).*(?:{regex}).*")),
            None => test.with("exact", *value),
        });
    }
    let preserve = route.flag("preserve_host").unwrap_or(false);
    base.rewrite_host = service.and_then(|service| service.host.clone()).filter(|_| !preserve);
    Some(base)
}
