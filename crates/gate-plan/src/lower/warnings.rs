//! What is allowed but probably not meant.

use std::collections::HashSet;

use crate::findings::{Draft, Report};
use crate::plan::{Action, Plan, Protocol, Target};
use crate::tree::Node;

/// Reports what no exchange will ever use, and routes that can do less than they say.
pub(super) fn check(plan: &Plan, tree: &Node, report: &mut Report) {
    // With errors in the file, what looks unused may be what a wrong part refers to.
    if report.has_errors() {
        return;
    }
    unused_upstreams(plan, tree, report);
    unused_plugins(plan, tree, report);
    no_routes(plan, tree, report);
    edits_without_upstream(tree, report);
}

/// Plugins may call any upstream, and a header may name any.
fn unused_upstreams(plan: &Plan, tree: &Node, report: &mut Report) {
    let mut used: HashSet<&str> = HashSet::new();
    for route in plan.routes.iter() {
        match &route.action {
            Action::Forward {
                target: Target::Upstream(name),
                ..
            } => used.insert(name),
            Action::Forward {
                target: Target::Header(_),
                ..
            } => return,
            Action::Redirect(_) | Action::Respond(_) | Action::Echo => continue,
        };
    }
    for listener in &plan.listeners {
        if let Protocol::Tcp { upstream, .. } = &listener.protocol {
            used.insert(upstream);
        }
    }
    if plan.plugins.is_empty() {
        unused(
            tree,
            "upstreams",
            &used,
            report,
            "no route and no listener refers to it",
        );
    }
}

fn unused_plugins(plan: &Plan, tree: &Node, report: &mut Report) {
    let routes = tree.list("routes").iter().flat_map(|route| route.list("plugins"));
    let listeners = tree
        .list("listeners")
        .iter()
        .flat_map(|listener| listener.list("plugins"));
    let used: HashSet<&str> = routes.chain(listeners).filter_map(Node::text).collect();
    if !plan.plugins.is_empty() {
        unused(
            tree,
            "plugins",
            &used,
            report,
            "it is started, but no route and no listener has it in its chain",
        );
    }
}

fn unused(tree: &Node, section: &str, used: &HashSet<&str>, report: &mut Report, help: &str) {
    for name in tree.list(section).iter().filter_map(|item| item.get("name")) {
        let Some(text) = name.text().filter(|text| !used.contains(text)) else {
            continue;
        };
        let kind = section.trim_end_matches('s');
        report.add(Draft::warning(name.span, format!("the {kind} `{text}` is not used")).help(help));
    }
}

fn no_routes(plan: &Plan, tree: &Node, report: &mut Report) {
    let http = plan
        .listeners
        .iter()
        .any(|listener| listener.protocol == Protocol::Http);
    if http && plan.routes.is_empty() {
        let draft = Draft::warning(
            tree.key_span("listeners"),
            "there is no route, so every request is answered with 404",
        );
        report.add(draft.help("add one under `routes`"));
    }
}

fn edits_without_upstream(tree: &Node, report: &mut Report) {
    for route in tree.list("routes") {
        let answered_here = ["redirect", "respond"].into_iter().any(|key| route.get(key).is_some());
        if answered_here && route.get("request_headers").is_some() {
            let draft = Draft::warning(
                route.key_span("request_headers"),
                "nobody gets these headers: the route answers by itself",
            );
            report.add(draft.help("remove them, or give `upstream`"));
        }
    }
}
