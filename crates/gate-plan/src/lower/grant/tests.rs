//! Grants as the host gets them.

use plug_abi::{MapKind, call_number};

use crate::{Plan, check, check_grants};

fn plan(plugin: &str) -> Plan {
    let text = format!(
        "listeners: [{{ name: web, listen: \"127.0.0.1:8080\" }}]\nroutes: [{{ name: r, echo: true, plugins: [p] }}]\n\
         upstreams: [{{ name: auth, aliases: [\"outbound|80||auth\"], endpoints: [\"127.0.0.1:9000\"] }}]\n\
         grants: {{ named: {{ small: {{ calls: [log], limits: {{ memory: 16MiB, cpu_share: 10% }} }} }}, file: grants.yaml }}\n\
         plugins: [{{ name: p, source: {{ file: a.wasm }}, {plugin} }}]\n"
    );
    check(&text, "t.yaml").unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn a_profile_is_where_a_grant_starts_and_an_alias_is_its_upstream() {
    let plan = plan(
        "grant: { profile: validator, calls: [http_call], upstreams: [\"outbound|80||auth\"], request_headers: { write: [X-User, Host] } }",
    );
    let grant = plan.plugins[0].grant.clone().unwrap();
    let has = |call| grant.has_call(call_number(call));
    assert!(has("proxy_http_call") && has("proxy_send_local_response") && !has("proxy_get_property"));
    assert!(grant.reaches("auth") && !grant.reaches("outbound|80||auth"));
    let request = MapKind::HttpRequestHeaders;
    assert!(grant.reads_header(request, b"anything") && grant.writes_header(request, b"x-user"));
    assert!(grant.writes_header(request, b":authority") && !grant.writes_header(request, b"x-other"));
    let described = &plan.describe()["plugins"][0]["grant"];
    assert_eq!(described["upstreams"], serde_json::json!(["auth"]));
    assert_eq!(
        described["request_headers.write"],
        serde_json::json!([":authority", "host", "x-user"])
    );
    assert_eq!(described["mode"], serde_json::json!(["enforce"]));
}

#[test]
fn limits_are_no_wider_than_a_grant_lets_them_be() {
    let limits = plan("grant: small").plugins[0].limits;
    assert_eq!((limits.memory_bytes_max, limits.cpu_share_percent_max), (16 << 20, 10));
    assert_eq!(limits.stack_bytes_max, 512 << 10);
    let everything = plan("vm_id: x");
    assert!(everything.plugins[0].grant.is_none());
}

#[test]
fn a_grant_of_a_file_comes_to_the_plugin_that_names_it() {
    let mut plan = plan("grant: other");
    let text =
        "grants: { other: { calls: [http_call], upstreams: [\"outbound|80||auth\"], limits: { memory: 8MiB } } }";
    let (grants, findings) = check_grants(text, "grants.yaml").unwrap();
    assert!(plan.plugins[0].grant.is_none() && findings.is_empty());
    plan.take_grants(&grants).unwrap();
    assert!(plan.plugins[0].grant.as_ref().unwrap().reaches("auth"));
    assert_eq!(plan.plugins[0].limits.memory_bytes_max, 8 << 20);
}

#[test]
fn a_name_that_nobody_has_and_an_upstream_that_is_not_there_are_said() {
    let mut nobody = plan("grant: nobody");
    let wrong = nobody.take_grants(&Default::default()).unwrap_err();
    assert!(
        wrong[0].contains("there is no grant with the name `nobody`"),
        "{wrong:?}"
    );
    let (grants, _) = check_grants(
        "grants: { other: { calls: [http_call], upstreams: [ghost] } }",
        "g.yaml",
    )
    .unwrap();
    let wrong = plan("grant: other").take_grants(&grants).unwrap_err();
    assert!(
        wrong[0].contains("there is no upstream with the name `ghost`"),
        "{wrong:?}"
    );
    let findings = check_grants("grants: { a: { calls: [proxy_lgo] } }", "g.yaml")
        .unwrap_err()
        .to_string();
    assert!(
        findings.contains("g.yaml:1:24") && findings.contains("did you mean `proxy_log`?"),
        "{findings}"
    );
}
