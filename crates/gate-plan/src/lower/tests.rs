//! What the plan holds for what the file says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    AccessLog, Action, Balance, ClientCertificates, EndpointSpec, Isolation, OnFault, Plan, PluginLimits, PluginPhase,
    Protocol, Pull, Source, Target, UpstreamProtocol,
};

const LISTENERS: &str = "listeners: [{ name: web, listen: 127.0.0.1:8080 }]\n";

fn plan(rest: &str) -> Plan {
    crate::check(&format!("{LISTENERS}{rest}"), "t.yaml").unwrap_or_else(|findings| panic!("{findings}"))
}

fn plugin_config(keys: &str) -> String {
    let plan = plan(&format!(
        "plugins:\n  - name: p\n    source: {{ file: p.wasm }}\n{keys}"
    ));
    String::from_utf8(plan.plugins[0].config.clone()).unwrap()
}

#[test]
fn metrics_of_a_plugin_have_bounds_in_their_own_units() {
    let plan = plan(
        "plugins:
  - name: p
    source: { file: p.wasm }
    rollout:
      steps: [{ share: 5%, pause: 1m }]
      analysis:
        metrics:
          - counter: { name: misses, absolute: 250%, relative: 150% }
          - counter: { name: refused }
          - histogram: { name: took, quantile: 99.9%, absolute: 2000 }
          - histogram: { name: rows, absolute: 1 }
",
    );
    let metrics = &plan.plugins[0].rollout.as_ref().unwrap().analysis.metrics;
    let found = metrics.iter().map(|metric| {
        let bound = (metric.bound.absolute, metric.bound.relative);
        (metric.name.as_str(), metric.thousandths, bound)
    });
    let expected = [
        ("misses", None, (2.5, 1.5)),
        ("refused", None, (0.01, 2.0)),
        ("took", Some(999), (2_000.0, 2.0)),
        ("rows", Some(990), (1.0, 2.0)),
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let described = plan.describe();
    let described = &described["plugins"][0]["rollout"]["analysis"]["metrics"];
    assert_eq!(
        described[0],
        json!({"counter": "misses", "absolute": "250%", "relative": "150%"})
    );
    assert_eq!(described[2]["quantile"], "99.9%");
}

#[test]
fn what_is_not_said_has_its_default() {
    let plan =
        plan("upstreams: [{ name: u, endpoints: [127.0.0.1:1] }]\nplugins: [{ name: p, source: { file: p.wasm } }]\n");
    assert!(plan.admin.is_none() && plan.workers.is_none() && plan.cache_dir.is_none());
    assert_eq!(plan.access_log, AccessLog::Stdout);
    assert_eq!(
        (plan.drain.grace, plan.drain.wait),
        (Duration::ZERO, Duration::from_secs(30))
    );
    assert_eq!(plan.limits.header_bytes_max, 60 * 1024);
    assert_eq!(
        (plan.limits.header_count_max, plan.limits.http2_streams_max),
        (100, 100)
    );
    assert_eq!(
        (plan.limits.header_timeout, plan.limits.connections_max),
        (Duration::from_secs(10), 16384)
    );
    assert_eq!(
        (plan.forwarding.trusted_hops, plan.forwarding.preserve_request_id),
        (0, false)
    );
    let upstream = &plan.upstreams[0];
    assert_eq!(
        (upstream.balance, upstream.protocol),
        (Balance::RoundRobin, UpstreamProtocol::Http1)
    );
    assert_eq!(
        (upstream.timeouts.connect, upstream.timeouts.request),
        (Duration::from_secs(5), Duration::from_secs(15))
    );
    assert_eq!(
        (upstream.timeouts.idle, upstream.timeouts.pool_idle),
        (Duration::from_secs(300), Duration::from_secs(60))
    );
    let plugin = &plan.plugins[0];
    assert!(plugin.config.is_empty() && plugin.vm_config.is_empty() && plugin.vm_id.is_empty());
    assert_eq!(
        (plugin.limits.memory_bytes_max, plugin.limits.stack_bytes_max),
        (64 << 20, 512 << 10)
    );
    assert_eq!(
        (plugin.limits.cpu_slice, plugin.limits.body_bytes_max),
        (Duration::from_millis(50), 1 << 20)
    );
    assert_eq!(
        (plugin.on_fault, plugin.phase, plugin.priority),
        (OnFault::Close, PluginPhase::Unspecified, 0)
    );
    assert_eq!(
        (plugin.isolation, plugin.limits.instances_max),
        (Isolation::Worker, 100)
    );
    assert_eq!(
        (plan.compile.memory_bytes_max, plan.compile.cpu, plan.compile.time),
        (2 << 30, Duration::from_secs(120), Duration::from_secs(300))
    );
    assert_eq!(plugin.allow_on_headers_stop_iteration, None);
    assert_eq!(
        (plugin.limits.open_files_max, plugin.limits.written_bytes_max),
        (256, 1 << 30)
    );
    assert_eq!(
        (plan.grants.open_files_max, plan.grants.written_bytes_max),
        (1_024, 16 << 30)
    );
}

/// A configuration that says everything.
const EVERY_KEY: &str = r#"
admin: { listen: "[::1]:9901" }
workers: 3
listeners:
  - name: web
    listen: 0.0.0.0:443
    tls:
      certificates: [{ chain: a.pem, key: a.key }, { chain: b.pem, key: b.key }]
      client_certificates: { optional: { authorities: ca.pem } }
  - { name: tcp, listen: 127.0.0.1:1, protocol: tcp, upstream: u, plugins: [p] }
upstreams:
  - name: u
    aliases: ["outbound|80||u.static"]
    endpoints: [10.0.0.1:80, "[2001:db8::1]:81", u.internal:82]
    balance: least_request
    protocol: http2
    tls: { server_name: u.internal, authorities: ca.pem, certificate: { chain: c.pem, key: c.key } }
    timeouts: { connect: 10ms, request: 1h, idle: 2m, pool_idle: 3s }
    idle_connections_max: 7
plugins:
  - name: p
    source: { file: dir/p.wasm, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 }
    vm_config: [1, two]
    vm_id: shared
    isolation: exchange
    root_id: root
    environment: { B: "2", A: "1" }
    limits:
      { memory: 1MB, cpu_slice: 5ms, stack: 65536, call_depth: 20, body: 2KiB, table: 11, callouts: 12, shared_data: 13KiB, shared_keys: 14,
        queue_length: 15, log_lines: 0, timer: 17ms, cpu_share: 18%, trusted_after: 19, open_files: 21, written: 22B, instances: 8 }
    on_fault: open
    allow_on_headers_stop_iteration: true
    phase: stats
    priority: -7
routes:
  - name: by-header
    upstream_header: X-Cluster
    rewrite: { host: "other.internal:8080" }
    listeners: [web]
    response_headers: { remove: [Server], set: { x-b: b, x-a: a }, add: { x-c: c } }
access_log: { file: access.log }
drain: { grace: 1s, wait: 2s }
cache_dir: /var/cache/cofferdam
crash_reports: { dir: crashes, size: 1MiB, debug_files: debug }
compile: { memory: 1GiB, cpu: 3s, time: 4s }
limits: { header_bytes_max: 2KiB, header_count_max: 5, header_timeout: 3s, http2_streams_max: 6, connections_max: 7 }
forwarding: { trusted_hops: 2, preserve_request_id: true }
grants: { open_files: 23, written: 24KiB }
"#;

fn full() -> Plan {
    crate::check(EVERY_KEY, "t.yaml").unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn every_key_of_listeners_and_upstreams_reaches_the_plan() {
    let plan = full();
    assert_eq!(plan.admin.as_ref().unwrap().listen.to_string(), "[::1]:9901");
    assert_eq!(plan.workers.unwrap().get(), 3);
    let tls = plan.listeners[0].tls.as_ref().unwrap();
    assert_eq!(tls.certificates.len(), 2);
    assert_eq!(
        tls.client_certificates,
        ClientCertificates::Optional {
            authorities: "ca.pem".into()
        }
    );
    assert_eq!(
        plan.listeners[1].protocol,
        Protocol::Tcp {
            upstream: "u".into(),
            plugins: vec!["p".into()]
        }
    );
    let upstream = &plan.upstreams[0];
    assert_eq!(
        upstream.endpoints[1],
        EndpointSpec::Fixed("[2001:db8::1]:81".parse().unwrap())
    );
    assert_eq!(
        upstream.endpoints[2],
        EndpointSpec::Named {
            host: "u.internal".into(),
            port: 82
        }
    );
    assert_eq!(
        (upstream.balance, upstream.protocol),
        (Balance::LeastRequest, UpstreamProtocol::Http2)
    );
    assert_eq!(
        (upstream.timeouts.connect, upstream.idle_connections_max),
        (Duration::from_millis(10), 7)
    );
}

#[test]
fn every_limit_of_a_plugin_reaches_the_plan() {
    let limits = PluginLimits {
        memory_bytes_max: 1_000_000,
        cpu_slice: Duration::from_millis(5),
        stack_bytes_max: 65_536,
        call_depth_max: Some(20),
        body_bytes_max: 2_048,
        table_entries_max: 11,
        callouts_max: 12,
        shared_data_bytes_max: 13 * 1_024,
        shared_keys_max: 14,
        queue_length_max: 15,
        log_lines_per_s_max: 0,
        timer_min: Duration::from_millis(17),
        cpu_share_percent_max: 18,
        trusted_after: 19,
        open_files_max: 21,
        written_bytes_max: 22,
        instances_max: 8,
    };
    assert_eq!(full().plugins[0].limits, limits);
    let numbers = limits.numbers();
    let of = |key| {
        numbers
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, number)| *number)
    };
    assert_eq!(
        (of("memory"), of("timer"), of("cpu_share"), of("callouts")),
        (Some(1_000_000.0), Some(0.017), Some(0.18), Some(12.0))
    );
    assert_eq!(of("call_depth"), Some(20.0));
    let uncounted = PluginLimits {
        call_depth_max: None,
        ..limits
    };
    assert!(uncounted.numbers().iter().all(|(key, _)| *key != "call_depth"));
    assert_eq!(uncounted.describe()["call_depth"], Value::Null);
}

#[test]
fn every_key_of_plugins_routes_and_the_process_reaches_the_plan() {
    let plan = full();
    assert_eq!(
        (plan.grants.open_files_max, plan.grants.written_bytes_max),
        (23, 24 * 1_024)
    );
    let plugin = &plan.plugins[0];
    let Source::File { path, sha256 } = &plugin.source else {
        panic!("{:?}", plugin.source);
    };
    assert_eq!(
        (path.to_str(), sha256.unwrap()[0], sha256.unwrap()[31]),
        (Some("dir/p.wasm"), 0x9f, 0x08)
    );
    assert_eq!(plugin.vm_config, b"[1,\"two\"]");
    assert_eq!(
        plugin.environment,
        [("B".to_owned(), "2".to_owned()), ("A".to_owned(), "1".to_owned())]
    );
    assert_eq!(
        (plugin.phase, plugin.priority, plugin.on_fault),
        (PluginPhase::Stats, -7, OnFault::Open)
    );
    assert_eq!(
        (plugin.isolation, plugin.limits.instances_max),
        (Isolation::Exchange, 8)
    );
    assert_eq!(
        (plan.compile.memory_bytes_max, plan.compile.cpu, plan.compile.time),
        (1 << 30, Duration::from_secs(3), Duration::from_secs(4))
    );
    let route = plan.routes.iter().next().unwrap();
    let Action::Forward {
        target: Target::Header(name),
        host_rewrite,
        ..
    } = &route.action
    else {
        panic!("{route:?}")
    };
    assert_eq!(
        (name.as_str(), host_rewrite.as_deref()),
        ("x-cluster", Some("other.internal:8080"))
    );
    let set: Vec<&str> = route
        .response_headers
        .set
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        (set, route.response_headers.remove[0].as_str()),
        (vec!["x-b", "x-a"], "server")
    );
    assert_eq!(plan.access_log, AccessLog::File("access.log".into()));
    assert_eq!((plan.limits.header_bytes_max, plan.limits.connections_max), (2048, 7));
    assert_eq!(
        (plan.forwarding.trusted_hops, plan.forwarding.preserve_request_id),
        (2, true)
    );
}

#[test]
fn a_map_goes_to_the_plugin_as_json_with_its_keys_in_order_and_a_text_as_it_is() {
    for (written, bytes) in [
        (
            "    config: { z: 1, a: [true, null, 1.5, -2, 0x10], m: { y: \"5\", x: é } }\n",
            r#"{"z":1,"a":[true,null,1.5,-2,16],"m":{"y":"5","x":"é"}}"#,
        ),
        ("    config: [1, two]\n", r#"[1,"two"]"#),
        ("    config: plain text\n", "plain text"),
        (
            "    config: |\n      line one\n      line two\n",
            "line one\nline two\n",
        ),
        (
            "    config: { 200: ok, true: yes, 18446744073709551615: 18446744073709551615 }\n",
            r#"{"200":"ok","true":"yes","18446744073709551615":18446744073709551615}"#,
        ),
        ("    config: {}\n", "{}"),
        ("    config: \"\"\n", ""),
        ("    on_fault: open\n", ""),
    ] {
        assert_eq!(plugin_config(written), bytes);
    }
}

#[test]
fn anchors_and_aliases_repeat_values() {
    let config = plugin_config("    config: { a: &x { k: [1, 2] }, b: *x, c: *x }\n");
    assert_eq!(config, r#"{"a":{"k":[1,2]},"b":{"k":[1,2]},"c":{"k":[1,2]}}"#);
}

#[test]
fn a_default_and_rules_become_one_json_as_higress_writes_it() {
    let config = plugin_config(
        r#"
    default_config: { consumers: { "*": { deniedCidrs: [127.0.0.0/8] } } }
    match_rules:
      - { domain: ["*.open.example", "vip*"], config: { consumers: { "*": {} } } }
      - { ingress: [edge-route], route: [other], service: ["web.static:80"], config: { x: 1 } }
      - { route_prefix: [edge-] }
      - { domain: [off.example], config_disable: true, config: { x: 2 } }
"#,
    );
    let expected = json!({
        "consumers": {"*": {"deniedCidrs": ["127.0.0.0/8"]}},
        "_rules_": [
            {"_match_domain_": ["*.open.example", "vip*"], "consumers": {"*": {}}},
            {"_match_route_": ["edge-route", "other"], "_match_service_": ["web.static:80"], "x": 1},
            {"_match_route_prefix_": ["edge-"]},
        ],
    });
    assert_eq!(serde_json::from_str::<Value>(&config).unwrap(), expected);
}

#[test]
fn a_disabled_default_leaves_only_the_rules() {
    let keys = "    default_config: { a: 1 }\n    default_config_disable: true\n    match_rules: [{ ingress: [r], config: { a: 2 } }]\n";
    assert_eq!(plugin_config(keys), r#"{"_rules_":[{"_match_route_":["r"],"a":2}]}"#);
    assert_eq!(plugin_config("    default_config: { a: 1 }\n"), r#"{"a":1}"#);
    assert_eq!(plugin_config("    default_config: {}\n"), "{}");
}

#[test]
fn a_plugin_that_is_switched_off_leaves_every_chain() {
    let plan = plan(
        r#"
plugins:
  - { name: off, source: { file: p.wasm }, default_config: { a: 1 }, default_config_disable: true }
  - { name: on, source: { file: p.wasm } }
routes: [{ name: r, echo: true, plugins: [off, on] }]
"#,
    );
    assert_eq!(plan.plugins.len(), 1);
    assert_eq!(plan.routes.iter().next().unwrap().plugins, ["on"]);
    assert!(!plan.warnings.is_empty());
}

#[test]
fn phase_then_priority_then_the_written_order_decide_the_chain() {
    let plugins: String = [
        ("plain", ""),
        ("plain2", ""),
        ("high", ", priority: 10"),
        ("low", ", priority: -10"),
        ("stats", ", phase: stats"),
        ("authz", ", phase: authz"),
        ("authn", ", phase: authn, priority: 1"),
        ("authn-high", ", phase: authn, priority: 300"),
    ]
    .iter()
    .map(|(name, keys)| format!("  - {{ name: {name}, source: {{ file: p.wasm }}{keys} }}\n"))
    .collect();
    let chain = |written: &str| {
        let plan = plan(&format!(
            "plugins:\n{plugins}routes: [{{ name: r, echo: true, plugins: [{written}] }}]\n"
        ));
        plan.routes.iter().next().unwrap().plugins.join(" ")
    };
    assert_eq!(chain("plain2, plain"), "plain2 plain");
    assert_eq!(
        chain("low, plain2, stats, high, authn, plain, authz, authn-high"),
        "authn-high authn authz stats high plain2 plain low"
    );
}

#[test]
fn unchanged_upstreams_and_plugins_are_equal_and_changed_ones_are_not() {
    let text = |endpoint: &str, memory: &str| {
        format!(
            "upstreams: [{{ name: u, endpoints: [{endpoint}] }}]\nplugins: [{{ name: p, source: {{ file: p.wasm }}, limits: {{ memory: {memory} }} }}]\n"
        )
    };
    let (one, same) = (
        plan(&text("127.0.0.1:1", "1MiB")),
        plan(&text("127.0.0.1:1", "1048576")),
    );
    assert!(one.upstreams == same.upstreams && one.plugins == same.plugins);
    let other = plan(&text("127.0.0.1:2", "2MiB"));
    assert!(one.upstreams != other.upstreams && one.plugins != other.plugins);
}

#[test]
fn the_description_holds_no_secret() {
    let plan = plan(
        r#"
upstreams: [{ name: u, endpoints: [127.0.0.1:1] }]
plugins: [{ name: p, source: { file: p.wasm }, config: { token: s3cret-1 }, vm_config: s3cret-2, environment: { T: s3cret-3 } }]
routes:
  - name: a
    match: { headers: [{ name: x-api-key, exact: s3cret-4 }, { name: x-env, exact: shown }], query: [{ name: access_token, prefix: s3cret-5 }] }
    upstream: u
    plugins: [p]
    request_headers: { set: { x-proof: s3cret-6 }, add: { authorization: s3cret-7 } }
  - { name: b, respond: { body: s3cret-8, headers: { x-a: s3cret-9 } } }
"#,
    );
    let described = plan.describe().to_string();
    assert!(!described.contains("s3cret"), "{described}");
    assert!(described.contains("shown") && described.contains("x-proof"));
    assert_eq!(
        plan.describe()["plugins"][0]["config"]["bytes"],
        plan.plugins[0].config.len()
    );
}

fn source(text: &str) -> (Source, Value) {
    let text = format!("listeners: [{{ name: w, listen: '127.0.0.1:1' }}]\nplugins: [{{ name: p, source: {text} }}]\n");
    let plan = crate::check(&text, "file").unwrap();
    let described = plan.describe()["plugins"][0]["source"].clone();
    (plan.plugins[0].source.clone(), described)
}

#[test]
fn modules_from_elsewhere_keep_all_that_is_said_of_them() {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let (oci, described) = source(&format!(
        "{{ oci: 'r.example/a:1', digest: 'sha256:{digest}', credentials_file: c.json, pull: always, plain_http: true, timeout: 5s }}"
    ));
    let Source::Oci {
        name,
        digest: pinned,
        credentials_file,
        fetch,
    } = oci
    else {
        panic!("{oci:?}");
    };
    assert_eq!((name.as_str(), pinned.unwrap()[0]), ("r.example/a:1", 0x9f));
    assert_eq!(credentials_file.unwrap().to_str(), Some("c.json"));
    assert_eq!(
        (fetch.pull, fetch.plain_http, fetch.timeout),
        (Some(Pull::Always), true, Duration::from_secs(5))
    );
    assert_eq!(described["digest"], format!("sha256:{digest}"));
    let (http, described) = source(&format!(
        "{{ http: 'https://r.example/a?token=secret', sha256: {digest} }}"
    ));
    let Source::Http { url, fetch } = http else {
        panic!("{http:?}");
    };
    assert_eq!(url, "https://r.example/a?token=secret");
    assert_eq!((fetch.pull, fetch.timeout), (None, Duration::from_secs(60)));
    assert!(!described.to_string().contains("secret"), "{described}");
    assert_eq!(described["http"], "https://r.example/a");
    source("{ http: 'http://127.0.0.1:80/a' }");
    source("{ http: 'http://[::1]/a' }");
}
