//! APISIX's routes: one of ours for each URI.

use super::{Parts, identity, scalar};
use crate::gateway::{Answer, Gateway, Path, Route};
use crate::ledger::Cursor;

/// Conditions of APISIX's that ours do not have.
const CONDITIONS: &[&str] = &["vars", "remote_addr", "remote_addrs", "filter_func"];

impl<'d, 'l> Parts<'d, 'l> {
    pub(super) fn route(&mut self, route: &Cursor<'d, 'l>, gateway: &mut Gateway) {
        let id = identity(route);
        let wanted = route.text("name").map_or_else(
            || {
                if id.is_empty() {
                    "route".to_owned()
                } else {
                    format!("route-{id}")
                }
            },
            str::to_owned,
        );
        if let Some(condition) = CONDITIONS.iter().find(|key| route.has(key)) {
            let message = format!("the route `{wanted}` was left out: its condition `{condition}` has no counterpart");
            return route.leave_out(message, "write a route for it, or do without");
        }
        if route.integer("status") == Some(0) {
            return route.leave_out(format!("the route `{wanted}` is switched off"), "nothing is to be done");
        }
        let service = referred(route, "service_id", &self.services);
        let shared = referred(route, "plugin_config_id", &self.plugin_configs);
        let holders: Vec<Cursor<'d, 'l>> = service.into_iter().chain(shared).chain([*route]).collect();
        let plugins = self.chain(&holders, gateway);
        let (upstream, host) = self.upstream_of(route, service, (&wanted, gateway));
        let mut base = Route::new(route.at, wanted.clone(), Answer::Upstream(upstream));
        base.rewrite_host = host;
        base.plugins = plugins;
        base.hosts = texts(route, ["host", "hosts"]);
        base.methods = route
            .texts("methods")
            .iter()
            .map(|(_, method)| (*method).to_owned())
            .collect();
        for uri in texts(route, ["uri", "uris"]) {
            let mut one = base.clone();
            one.path = match uri.strip_suffix('*') {
                Some("/" | "") => Path::Prefix("/".to_owned()),
                Some(prefix) if prefix.ends_with('/') => Path::Prefix(prefix.to_owned()),
                Some(_) => {
                    route.say(
                        format!("the URI `{uri}` ends in the middle of a segment"),
                        "a prefix ends at a `/`; a regex was written",
                    );
                    Path::Regex(format!("{}.*", escaped(uri.trim_end_matches('*'))))
                }
                None => Path::Exact(uri),
            };
            one.name = gateway.route_name(&wanted);
            gateway.add_route(one, route.ledger());
        }
    }
}

/// What an id refers to.
pub(super) fn referred<'d, 'l>(
    holder: &Cursor<'d, 'l>,
    key: &str,
    known: &std::collections::HashMap<String, Cursor<'d, 'l>>,
) -> Option<Cursor<'d, 'l>> {
    let place = holder.get(key)?;
    let found = known.get(&scalar(&place)).copied();
    if found.is_none() {
        place.say(
            format!("what `{key}` refers to is in none of the files"),
            "import that file too",
        );
    }
    found
}

/// A single text under one key, several under the other.
fn texts(route: &Cursor<'_, '_>, keys: [&str; 2]) -> Vec<String> {
    let [one, several] = keys;
    let several = route.texts(several).into_iter().map(|(_, text)| text);
    route.text(one).into_iter().chain(several).map(str::to_owned).collect()
}

/// A text as a regex that matches it alone.
fn escaped(text: &str) -> String {
    let special = |char: char| "\\.+*?()|[]{}^$#&-~".contains(char);
    text.chars()
        .flat_map(|char| special(char).then_some('\\').into_iter().chain([char]))
        .collect()
}
