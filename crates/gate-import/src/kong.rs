//! Kong's declarative configuration: filter chains, and the services and routes that they belong to.

mod route;
mod service;

use std::collections::HashMap;

use self::service::Service;
use crate::gateway::{Config, Gateway, Loose, Plugin, payload};
use crate::ledger::Cursor;
use crate::module::Module;

/// What filter chains belong to.
#[derive(Default)]
struct Chains {
    by_service: HashMap<String, Vec<String>>,
    by_route: HashMap<String, Vec<String>>,
}

/// Reads all documents.
pub(crate) fn import(documents: &[Cursor<'_, '_>], gateway: &mut Gateway) {
    for document in documents {
        gateway.imported("Kong");
        document.without_note("_format_version");
        let targets = service::targets(document);
        let mut chains = Chains::default();
        for chain in document.maps("filter_chains") {
            chains.take(&chain, gateway);
        }
        let mut services: Vec<Service<'_, '_>> = Vec::new();
        for service in document.maps("services") {
            let made = Service::read(&service, &targets, gateway);
            let nested = nested(&service, gateway);
            if let Some(made) = made {
                chains.by_service.entry(made.key.clone()).or_default().extend(nested);
                services.push(made);
            }
        }
        for service in &services {
            let routes = service.cursor.maps("routes");
            routes
                .iter()
                .for_each(|route| chains.route(route, Some(service), gateway));
        }
        for route in document.maps("routes") {
            let service = route.get("service").and_then(|place| reference(&place));
            let service = service.and_then(|key| services.iter().find(|service| service.is(key)));
            chains.route(&route, service, gateway);
        }
        chains.rest(gateway);
    }
}

/// `{ name: x }`, `{ id: x }` or `x`.
fn reference<'d>(place: &Cursor<'d, '_>) -> Option<&'d str> {
    if place.is_map() {
        return place.text("name").or_else(|| place.text("id"));
    }
    place.as_text()
}

/// The plugins of the chains that stand inside of what they belong to.
fn nested(owner: &Cursor<'_, '_>, gateway: &mut Gateway) -> Vec<String> {
    let chains = owner.maps("filter_chains");
    chains.iter().flat_map(|chain| filters(chain, gateway)).collect()
}

/// The plugins of a chain, in order.
fn filters(chain: &Cursor<'_, '_>, gateway: &mut Gateway) -> Vec<String> {
    chain.without_note("name");
    let on = chain.flag("enabled").unwrap_or(true);
    if !on {
        chain.say("the filter chain is switched off", "its plugins are in no chain");
    }
    let filters = chain.maps("filters").into_iter();
    let plugins = filters.filter_map(|filter| self::filter(&filter, gateway)).collect();
    if on { plugins } else { Vec::new() }
}

fn filter(filter: &Cursor<'_, '_>, gateway: &mut Gateway) -> Option<String> {
    let Some(wanted) = filter.text("name") else {
        filter.wrong("the filter has no `name`", "give the name of its module");
        return None;
    };
    let name = gateway.plugin_name(wanted);
    let module = Module::File {
        path: format!("{}.wasm", crate::name::file_name(wanted)),
        sha256: None,
    };
    let mut plugin = Plugin::new(filter.at, name.clone(), module);
    plugin
        .comments
        .push("The module stands in Kong's folder `wasm_filters_path`.".to_owned());
    plugin.config = filter
        .whole("config")
        .map_or(Config::Nothing, |value| Config::One(payload(value)));
    gateway.plugins.push(plugin);
    let off = filter.flag("enabled") == Some(false);
    if off {
        filter.say(
            format!("`{name}` is switched off"),
            "it is in no chain; name it in the `plugins` of a route to switch it on",
        );
    }
    (!off).then_some(name)
}

impl Chains {
    fn take(&mut self, chain: &Cursor<'_, '_>, gateway: &mut Gateway) {
        let service = chain
            .get("service")
            .and_then(|place| reference(&place))
            .map(str::to_owned);
        let route = chain
            .get("route")
            .and_then(|place| reference(&place))
            .map(str::to_owned);
        let plugins = filters(chain, gateway);
        match (service, route) {
            (_, Some(route)) => self.by_route.entry(route).or_default().extend(plugins),
            (Some(service), None) => self.by_service.entry(service).or_default().extend(plugins),
            (None, None) => {
                chain.say(
                    "the filter chain belongs to no service and no route",
                    "its plugins are in every chain",
                );
                loose(plugins, gateway);
            }
        }
    }

    /// The routes of one route of Kong's. A service's filters come before the route's.
    fn route(&mut self, route: &Cursor<'_, '_>, service: Option<&Service<'_, '_>>, gateway: &mut Gateway) {
        let name = route.text("name").unwrap_or_default();
        let nested = nested(route, gateway);
        let of_service = service
            .and_then(|service| self.by_service.get(&service.key))
            .cloned()
            .unwrap_or_default();
        let of_route = self.by_route.get(name).cloned().unwrap_or_default();
        let plugins = [of_service, of_route, nested].concat();
        route::routes(route, service, &plugins, gateway);
    }

    /// Chains of services and routes that the file does not have.
    fn rest(self, gateway: &mut Gateway) {
        let placed: std::collections::HashSet<String> =
            gateway.routes.iter().flat_map(|route| route.plugins.clone()).collect();
        let mut rest: Vec<(String, Vec<String>)> = self.by_service.into_iter().chain(self.by_route).collect();
        rest.sort();
        for (_, plugins) in rest {
            loose(
                plugins.into_iter().filter(|plugin| !placed.contains(plugin)).collect(),
                gateway,
            );
        }
    }
}

fn loose(plugins: Vec<String>, gateway: &mut Gateway) {
    for plugin in plugins {
        gateway.loose.push(Loose {
            plugin,
            network: false,
            ports: Vec::new(),
            tie: String::new(),
        });
    }
}
