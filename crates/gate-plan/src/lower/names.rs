//! Names and what refers to them, read from the tree as written, so that one wrong key does not make its entry's name unknown.

use std::collections::HashMap;

use crate::findings::{Draft, Report};
use crate::nearest::{enumerated, nearest, nearest_key};
use crate::place::Span;
use crate::tree::{Node, Value};

/// LIMIT: names that a message enumerates.
const ENUMERATED_MAX: usize = 8;

/// Reports names that are given twice and references to names that are not there.
pub(super) fn check(tree: &Node, report: &mut Report) {
    some_listener(tree, report);
    let listeners = Names::collect(tree, "listeners", "listener", report);
    let upstreams = Names::collect(tree, "upstreams", "upstream", report).with_aliases(tree, report);
    let plugins = Names::collect(tree, "plugins", "plugin", report);
    let routes = Names::collect(tree, "routes", "route", report);
    Names::collect(tree.at("signatures"), "signers", "signer", report);
    for route in tree.list("routes") {
        upstreams.check_one(route.get("upstream"), report);
        plugins.check_list(route, "plugins", report);
        listeners.check_list(route, "listeners", report);
        check_protocols(tree, route, report);
    }
    for plugin in tree.list("plugins") {
        routes.check_list(plugin.at("rollout"), "routes", report);
    }
    granted(tree, &upstreams, report);
    logged(tree, (&routes, &plugins, &listeners), report);
    for listener in tree.list("listeners") {
        upstreams.check_one(listener.get("upstream"), report);
        plugins.check_list(listener, "plugins", report);
    }
}

/// Names within logs and traces, and what these name of the rest.
fn logged(tree: &Node, named: (&Names<'_>, &Names<'_>, &Names<'_>), report: &mut Report) {
    let (routes, plugins, listeners) = named;
    if let Some(logs) = tree.get("logs") {
        Names::collect(logs, "sinks", "sink", report);
        Names::collect(logs, "fields", "field", report);
        if let Some(sandbox) = logs.get("sandbox") {
            Names::collect(sandbox, "plugins", "plugin", report);
        }
        let sampling = logs.get("sampling");
        for rule in sampling.map_or(&[][..], |sampling| sampling.list("rules")) {
            routes.check_one(rule.get("route"), report);
            plugins.check_one(rule.get("plugin"), report);
        }
        let slow = sampling.and_then(|sampling| sampling.get("tail")?.get("slow_routes"));
        for entry in slow.map_or(&[][..], Node::entries) {
            routes.check_name(&entry.key, entry.key_span, report);
        }
        if let Some(bodies) = logs.get("debug").and_then(|debug| debug.get("bodies")) {
            routes.check_list(bodies, "routes", report);
        }
    }
    if let Some(trust) = tree.get("tracing").and_then(|tracing| tracing.get("trust")) {
        listeners.check_list(trust, "listeners", report);
    }
}

/// Grants that plugins name, and upstreams that grants name.
fn granted(tree: &Node, upstreams: &Names<'_>, report: &mut Report) {
    let grants = tree.at("grants");
    let named = grants.get("named").map_or(&[][..], Node::entries);
    for entry in named {
        upstreams.check_granted(&entry.value, report);
    }
    for node in tree.list("plugins").iter().filter_map(|plugin| plugin.get("grant")) {
        upstreams.check_granted(node, report);
        let Some(name) = node.text() else { continue };
        let is_known = named.iter().any(|entry| entry.key == name);
        if is_known || grants.get("file").is_some() || grants.get("store").is_some() {
            continue;
        }
        let draft = Draft::error(node.span, format!("there is no grant with the name `{name}`"));
        let help = match nearest(name, named.iter().map(|entry| entry.key.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add it under `grants.named`".to_owned(),
        };
        report.add(draft.help(help));
    }
}

fn some_listener(tree: &Node, report: &mut Report) {
    let none = match tree.get("listeners") {
        Some(node) => node.value == Value::List(Vec::new()),
        // A key that was meant to be `listeners` has its own finding.
        None => !tree
            .entries()
            .iter()
            .any(|entry| nearest_key(&entry.key, ["listeners"].into_iter()).is_some()),
    };
    if none {
        let draft = Draft::error(
            tree.key_span("listeners"),
            "there is no listener, so no traffic can arrive",
        );
        report.add(draft.help("add one: `listeners: [{ name: web, listen: \"127.0.0.1:8080\" }]`"));
    }
}

/// The names of one kind of thing.
struct Names<'t> {
    kind: &'static str,
    section: &'static str,
    places: HashMap<&'t str, Span>,
    /// Names in the order of the file.
    order: Vec<&'t str>,
    /// Further names with the name for which each stands.
    aliases: HashMap<&'t str, (Span, &'t str)>,
}

impl<'t> Names<'t> {
    fn collect(tree: &'t Node, section: &'static str, kind: &'static str, report: &mut Report) -> Self {
        let mut names = Self {
            kind,
            section,
            places: HashMap::new(),
            order: Vec::new(),
            aliases: HashMap::new(),
        };
        for node in tree.list(section).iter().filter_map(|item| item.get("name")) {
            let Some(name) = node.text() else { continue };
            if let Some(first) = names.places.get(name) {
                let draft = Draft::error(node.span, format!("there are two {section} with the name `{name}`"));
                report.add(
                    draft
                        .related("the first one is here", *first)
                        .help("give one of them another name"),
                );
            } else {
                names.places.insert(name, node.span);
                names.order.push(name);
            }
        }
        names
    }

    fn with_aliases(mut self, tree: &'t Node, report: &mut Report) -> Self {
        for item in tree.list(self.section) {
            let owner = item.get("name").and_then(Node::text).unwrap_or("");
            for node in item.list("aliases") {
                let Some(alias) = node.text() else { continue };
                let taken = self
                    .places
                    .get(alias)
                    .copied()
                    .or_else(|| self.aliases.get(alias).map(|(span, _)| *span));
                if let Some(first) = taken {
                    let draft = Draft::error(node.span, format!("the alias `{alias}` is taken"));
                    report.add(
                        draft
                            .related("it is given here already", first)
                            .help("an upstream's names and aliases are unique"),
                    );
                } else {
                    self.aliases.insert(alias, (node.span, owner));
                }
            }
        }
        self
    }

    /// Upstreams that a grant lists, by name or alias; beginnings may be of some that come later.
    fn check_granted(&self, grant: &Node, report: &mut Report) {
        for node in grant.list("upstreams") {
            let alias = node
                .text()
                .is_some_and(|name| name.ends_with('*') || self.aliases.contains_key(name));
            if !alias {
                self.check_one(Some(node), report);
            }
        }
    }

    fn check_list(&self, item: &Node, key: &str, report: &mut Report) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for node in item.list(key) {
            self.check_one(Some(node), report);
            let Some(name) = node.text() else { continue };
            if let Some(first) = seen.insert(name, node.span) {
                let draft = Draft::warning(
                    node.span,
                    format!("the {} `{name}` stands twice in this list", self.kind),
                );
                report.add(draft.related("it stands here, too", first));
            }
        }
    }

    fn check_one(&self, node: Option<&Node>, report: &mut Report) {
        let Some((node, name)) = node.and_then(|node| Some((node, node.text()?))) else {
            return;
        };
        self.check_name(name, node.span, report);
    }

    fn check_name(&self, name: &str, span: Span, report: &mut Report) {
        if self.places.contains_key(name) {
            return;
        }
        let draft = Draft::error(span, format!("there is no {} with the name `{name}`", self.kind));
        report.add(draft.help(self.help(name)));
    }

    fn help(&self, name: &str) -> String {
        if let Some((_, owner)) = self.aliases.get(name) {
            return format!("it is an alias, which only plugins use; write `{owner}`");
        }
        let known = || self.order.iter().copied();
        match nearest(name, known()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.order.is_empty() => {
                format!("there are no {} yet; add one under `{}`", self.section, self.section)
            }
            None if self.order.len() == 1 => format!("the only {} is {}", self.kind, enumerated(known(), "and")),
            None if self.order.len() <= ENUMERATED_MAX => {
                format!("the {} are {}", self.section, enumerated(known(), "and"))
            }
            None => format!("add it under `{}`", self.section),
        }
    }
}

/// Routes serve what speaks HTTP.
fn check_protocols(tree: &Node, route: &Node, report: &mut Report) {
    let protocol = |name: &str| {
        let named = |listener: &&Node| listener.get("name").and_then(Node::text) == Some(name);
        tree.list("listeners")
            .iter()
            .find(named)
            .and_then(|listener| listener.get("protocol"))
            .and_then(Node::text)
    };
    for node in route.list("listeners") {
        if node.text().and_then(protocol) == Some("tcp") {
            let message = format!(
                "the listener `{}` speaks tcp, which knows no routes",
                node.text().unwrap_or("")
            );
            report
                .add(Draft::error(node.span, message).help("a tcp listener names its `upstream` and `plugins` itself"));
        }
    }
}
