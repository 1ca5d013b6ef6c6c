//! What serves when plugins cannot run.

use super::*;

fn plan(text: &str) -> Plan {
    gate_plan::check(text, "plan.yaml").unwrap_or_else(|findings| panic!("{findings}"))
}

/// Listeners, two upstreams, the plugins of these names, and routes with their chains and upstreams.
fn configuration(plugins: &[(&str, &str)], routes: &[(&str, &str, &str)]) -> Plan {
    let mut text = String::from(
        "listeners: [{name: l, listen: '127.0.0.1:0'}]\nupstreams:\n- {name: one, endpoints: ['127.0.0.1:1']}\n- {name: two, endpoints: ['127.0.0.1:2']}\n",
    );
    if !plugins.is_empty() {
        text.push_str("plugins:\n");
    }
    for (name, more) in plugins {
        text.push_str(&format!("- {{name: {name}, source: {{file: {name}.wasm}}{more}}}\n"));
    }
    text.push_str("routes:\n");
    for (name, upstream, chain) in routes {
        text.push_str(&format!(
            "- {{name: {name}, match: {{path: {{prefix: /{name}}}}}, upstream: {upstream}, plugins: [{chain}]}}\n"
        ));
    }
    plan(&text)
}

fn chain<'a>(plan: &'a Plan, route: &str) -> Vec<&'a str> {
    let found = plan.routes.iter().find(|known| known.name == route).unwrap();
    found.plugins.iter().map(String::as_str).collect()
}

fn stands(settled: &Settled) -> Vec<(&str, Stand)> {
    let names = settled.plan.plugins.iter().map(|plugin| plugin.name.as_str());
    names.zip(settled.stands.iter().copied()).collect()
}

#[test]
fn where_all_run_all_is_as_it_is_wanted() {
    let wanted = configuration(&[("a", ""), ("b", "")], &[("r", "one", "a, b")]);
    let settled = settle(&wanted, |_| true, None);
    assert_eq!(stands(&settled), [("a", Stand::Wanted), ("b", Stand::Wanted)]);
    assert!(settled.held.is_empty() && settled.bare.is_empty());
    assert_eq!(chain(&settled.plan, "r"), ["a", "b"]);
}

#[test]
fn one_that_does_not_run_stays_what_it_was_and_another_is_changed() {
    let before = configuration(
        &[("a", ", config: old"), ("b", ", config: old")],
        &[("r", "one", "a, b")],
    );
    let wanted = configuration(
        &[("a", ", config: new, on_fault: open"), ("b", ", config: new")],
        &[("r", "two", "a, b")],
    );
    let settled = settle(&wanted, |name| name == "b", Some((&before, &before.plugins)));
    assert_eq!(stands(&settled), [("a", Stand::Former), ("b", Stand::Wanted)]);
    let config = |index: usize| String::from_utf8_lossy(&settled.plan.plugins[index].config).into_owned();
    assert_eq!((config(0), config(1)), ("old".to_owned(), "new".to_owned()));
    // What becomes of its faults belongs to what runs, not to what does not.
    assert_eq!(settled.plan.plugins[0].on_fault, OnFault::Close);
    assert!(settled.held.is_empty() && settled.bare.is_empty());
}

fn upstream<'a>(plan: &'a Plan, route: &str) -> &'a str {
    let found = plan.routes.iter().find(|known| known.name == route).unwrap();
    match &found.action {
        gate_plan::Action::Forward {
            target: gate_plan::Target::Upstream(name),
            ..
        } => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_route_stays_what_it_was_when_a_plugin_that_joins_it_does_not_run() {
    let before = configuration(&[("old", "")], &[("r", "one", "old"), ("s", "one", "")]);
    let wanted = configuration(
        &[("new", "")],
        &[
            ("r", "one", "new"),
            ("s", "two", "new"),
            ("t", "one", "new"),
            ("u", "two", ""),
        ],
    );
    let settled = settle(&wanted, |_| false, Some((&before, &before.plugins)));
    assert_eq!(stands(&settled), [("new", Stand::Missing), ("old", Stand::Retained)]);
    assert_eq!(chain(&settled.plan, "r"), ["old"]);
    // What it leads to now is not reached past the new guard.
    assert!(chain(&settled.plan, "s").is_empty());
    assert_eq!(upstream(&settled.plan, "s"), "one");
    // A route that is new has nothing to stay, and one that waits for nobody is as it is wanted.
    assert_eq!(chain(&settled.plan, "t"), ["new"]);
    assert_eq!(upstream(&settled.plan, "u"), "two");
    let pair = |place: &str| (place.to_owned(), "new".to_owned());
    assert_eq!(settled.held, [pair("r"), pair("s")]);
    assert_eq!(settled.bare, [("t".to_owned(), "new".to_owned(), OnFault::Close)]);
}

#[test]
fn a_route_whose_upstream_is_another_under_the_same_name_is_closed() {
    let before = configuration(&[], &[("r", "one", "")]);
    let mut wanted = configuration(&[("guard", "")], &[("r", "one", "guard")]);
    Arc::make_mut(&mut wanted.upstreams[0]).endpoints = before.upstreams[1].endpoints.clone();
    let settled = settle(&wanted, |_| false, Some((&before, &before.plugins)));
    assert_eq!(chain(&settled.plan, "r"), ["guard"]);
    assert_eq!(settled.bare, [("r".to_owned(), "guard".to_owned(), OnFault::Close)]);
    // So is one whose old upstream is gone.
    wanted.upstreams.remove(0);
    let settled = settle(&wanted, |_| false, Some((&before, &before.plugins)));
    assert_eq!(settled.bare.len(), 1);
}

#[test]
fn a_route_does_not_stay_to_take_what_a_guarded_one_had() {
    let guarded = &[("admin", "one", "auth"), ("r", "one", "")];
    let before = configuration(&[("auth", "")], guarded);
    let wanted = configuration(&[("new", "")], &[("r", "one", "new")]);
    let settled = settle(&wanted, |_| false, Some((&before, &before.plugins)));
    assert_eq!(chain(&settled.plan, "r"), ["new"]);
    assert_eq!(settled.bare.len(), 1);
}

#[test]
fn a_route_does_not_stay_for_clients_who_could_not_reach_it() {
    let before = configuration(&[], &[("r", "one", "")]);
    let wanted = configuration(&[("new", "")], &[("r", "one", "new")]);
    let mut moved = wanted.clone();
    Arc::make_mut(&mut moved.listeners[0]).listen = "0.0.0.0:0".parse().unwrap();
    let mut more = wanted.clone();
    let mut open = (*more.listeners[0]).clone();
    open.name = "open".to_owned();
    more.listeners.push(Arc::new(open));
    for other in [moved, more] {
        let settled = settle(&other, |_| false, Some((&before, &before.plugins)));
        assert_eq!(chain(&settled.plan, "r"), ["new"]);
    }
    let settled = settle(&wanted, |_| false, Some((&before, &before.plugins)));
    assert_eq!(settled.held.len(), 1);
}

#[test]
fn a_chain_that_did_not_run_before_is_not_kept() {
    let before = configuration(&[("gone", "")], &[("r", "one", "gone")]);
    let wanted = configuration(&[("new", "")], &[("r", "one", "new")]);
    // `gone` is configured, and never ran.
    let settled = settle(&wanted, |_| false, Some((&before, &[])));
    assert_eq!(stands(&settled), [("new", Stand::Missing)]);
    assert_eq!(chain(&settled.plan, "r"), ["new"]);
}

#[test]
fn nothing_before_means_that_it_is_missing() {
    let wanted = configuration(&[("a", ", on_fault: open")], &[("r", "one", "a")]);
    let settled = settle(&wanted, |_| false, None);
    assert_eq!(stands(&settled), [("a", Stand::Missing)]);
    assert_eq!(settled.bare, [("r".to_owned(), "a".to_owned(), OnFault::Open)]);
}

#[test]
fn a_tcp_listener_keeps_its_chain_as_a_route_does() {
    let tcp = |plugins: &str, chain: &str, upstream: &str| {
        plan(&format!(
            "listeners: [{{name: t, listen: '127.0.0.1:0', protocol: tcp, upstream: {upstream}, plugins: [{chain}]}}]\nupstreams:\n- {{name: one, endpoints: ['127.0.0.1:1']}}\n- {{name: two, endpoints: ['127.0.0.1:2']}}\nplugins: [{plugins}]\n"
        ))
    };
    let new = "{name: new, source: {file: new.wasm}}";
    let before = tcp("{name: old, source: {file: old.wasm}}", "old", "one");
    let chain_of = |plan: &Plan| match &plan.listeners[0].protocol {
        Protocol::Tcp { plugins, .. } => plugins.clone(),
        Protocol::Http => Vec::new(),
    };
    let settled = settle(&tcp(new, "new", "one"), |_| false, Some((&before, &before.plugins)));
    assert_eq!(chain_of(&settled.plan), ["old"]);
    // One that leads elsewhere stays where it led, too.
    let settled = settle(&tcp(new, "new", "two"), |_| false, Some((&before, &before.plugins)));
    assert_eq!(settled.plan.listeners[0].protocol, before.listeners[0].protocol);
    // One on another socket would show to others what it guards.
    let mut moved = tcp(new, "new", "one");
    Arc::make_mut(&mut moved.listeners[0]).listen = "0.0.0.0:0".parse().unwrap();
    let settled = settle(&moved, |_| false, Some((&before, &before.plugins)));
    assert_eq!(chain_of(&settled.plan), ["new"]);
    assert_eq!(settled.bare.len(), 1);
}
