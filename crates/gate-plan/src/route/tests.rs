//! Which route wins, and what it matches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::{Plan, RouteKey};

/// A request, as far as routes see it.
#[derive(Clone, Copy)]
struct Asked {
    listener: &'static str,
    method: &'static str,
    host: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    headers: &'static [(&'static str, &'static str)],
}

const ASKED: Asked = Asked {
    listener: "web",
    method: "GET",
    host: "example.com",
    path: "/",
    query: None,
    headers: &[],
};

fn plan(routes: &str) -> Plan {
    let head = "listeners: [{ name: web, listen: 127.0.0.1:8080 }, { name: inner, listen: 127.0.0.1:8081 }]\nupstreams: [{ name: u, endpoints: [127.0.0.1:9001] }]\nroutes:\n";
    crate::check(&format!("{head}{routes}"), "t.yaml").unwrap_or_else(|findings| panic!("{findings}"))
}

fn asked<T>(asked: Asked, look: impl FnOnce(&RouteKey<'_>) -> T) -> T {
    let method = Method::from_bytes(asked.method.as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in asked.headers {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let Asked {
        listener,
        host,
        path,
        query,
        ..
    } = asked;
    look(&RouteKey {
        listener,
        method: &method,
        host,
        path,
        query,
        headers: &headers,
    })
}

fn found(plan: &Plan, key: Asked) -> String {
    asked(key, |key| {
        plan.routes
            .find(key)
            .map_or("none".to_owned(), |route| route.name.clone())
    })
}

fn by_path(plan: &Plan, path: &'static str) -> String {
    found(plan, Asked { path, ..ASKED })
}

fn by_host(plan: &Plan, host: &'static str) -> String {
    found(plan, Asked { host, ..ASKED })
}

#[test]
fn a_more_specific_host_wins_whatever_the_order_in_the_file() {
    let plan = plan(
        r#"
- { name: any, echo: true }
- { name: short-prefix, match: { hosts: ["api.*"] }, echo: true }
- { name: long-prefix, match: { hosts: ["api.example.*"] }, echo: true }
- { name: short-suffix, match: { hosts: ["*.com"] }, echo: true }
- { name: long-suffix, match: { hosts: ["*.example.com"] }, echo: true }
- { name: label-suffix, match: { hosts: ["*-v2.example.com"] }, echo: true }
- { name: exact, match: { hosts: [api.example.com, "[2001:db8::1]", 10.0.0.1] }, echo: true }
"#,
    );
    for (host, name) in [
        ("api.example.com", "exact"),
        ("API.Example.COM", "exact"),
        ("api.example.com.", "exact"),
        ("[2001:DB8::1]", "exact"),
        ("10.0.0.1", "exact"),
        ("www.example.com", "long-suffix"),
        ("a.b.Example.com", "long-suffix"),
        ("shop-v2.example.com", "label-suffix"),
        ("example.com", "short-suffix"),
        (".example.com", "short-suffix"),
        ("api.example.org", "long-prefix"),
        ("api.other.org", "short-prefix"),
        ("api.x", "short-prefix"),
        ("api.", "any"),
        ("other.org", "any"),
        ("", "any"),
        ("éé.com", "short-suffix"),
        ("example.comé", "any"),
    ] {
        assert_eq!(by_host(&plan, host), name, "{host}");
    }
}

#[test]
fn a_more_specific_path_wins_and_prefixes_match_by_segment() {
    let plan = plan(
        r#"
- { name: all, match: { path: { prefix: / } }, echo: true }
- { name: api, match: { path: { prefix: /api } }, echo: true }
- { name: api-v1, match: { path: { prefix: /api/v1/ } }, echo: true }
- { name: regex, match: { path: { regex: "/api/v[0-9]+/x|/short" } }, echo: true }
- { name: exact, match: { path: { exact: /api/v1/x/y } }, echo: true }
- { name: exact-slash, match: { path: { exact: /only/ } }, echo: true }
"#,
    );
    for (path, name) in [
        ("/", "all"),
        ("/apix", "all"),
        ("/ap", "all"),
        ("/API", "all"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/v1x", "api"),
        ("/api/v1", "api-v1"),
        ("/api/v1/", "api-v1"),
        ("/api/v1/z", "api-v1"),
        ("/api/v1/x", "regex"),
        ("/api/v2/x", "regex"),
        ("/api/v2/xx", "api"),
        ("/short", "regex"),
        ("/short/x", "all"),
        ("/api/v1/x/y", "exact"),
        ("/only/", "exact-slash"),
        ("/only", "all"),
        ("*", "all"),
        ("", "all"),
    ] {
        assert_eq!(by_path(&plan, path), name, "{path}");
    }
}

#[test]
fn more_conditions_win_then_the_place_in_the_file() {
    let plan = plan(
        r#"
- { name: bare, match: { path: { prefix: /a } }, echo: true }
- { name: one, match: { path: { prefix: /a } , methods: [GET, HEAD] }, echo: true }
- { name: two, match: { path: { prefix: /a }, methods: [GET], headers: [{ name: x-a, present: true }] }, echo: true }
- { name: also-two, match: { path: { prefix: /a }, headers: [{ name: x-a, present: true }, { name: x-b, present: true }] }, echo: true }
- { name: inner, match: { path: { prefix: /a } }, listeners: [inner], echo: true }
- { name: longer, match: { path: { prefix: /a/b } }, echo: true }
"#,
    );
    let asked = Asked { path: "/a", ..ASKED };
    assert_eq!(found(&plan, asked), "one");
    assert_eq!(
        found(
            &plan,
            Asked {
                method: "POST",
                ..asked
            }
        ),
        "bare"
    );
    assert_eq!(
        found(
            &plan,
            Asked {
                headers: &[("x-a", "1")],
                ..asked
            }
        ),
        "two"
    );
    assert_eq!(
        found(
            &plan,
            Asked {
                headers: &[("x-a", "1"), ("x-b", "1")],
                ..asked
            }
        ),
        "two"
    );
    assert_eq!(
        found(
            &plan,
            Asked {
                headers: &[("x-a", "1"), ("x-b", "1")],
                method: "PUT",
                ..asked
            }
        ),
        "also-two"
    );
    assert_eq!(
        found(
            &plan,
            Asked {
                listener: "inner",
                method: "PUT",
                ..asked
            }
        ),
        "inner"
    );
    assert_eq!(found(&plan, Asked { path: "/a/b", ..asked }), "longer");
}

#[test]
fn a_host_whose_routes_decline_hands_on_to_the_next_pattern() {
    let plan = plan(
        r#"
- { name: exact, match: { hosts: [a.example.com], path: { exact: /x } }, echo: true }
- { name: wild, match: { hosts: ["*.example.com"], path: { exact: /y } }, echo: true }
- { name: any, match: { path: { exact: /z } }, echo: true }
"#,
    );
    for (path, name) in [("/x", "exact"), ("/y", "wild"), ("/z", "any"), ("/w", "none")] {
        assert_eq!(
            found(
                &plan,
                Asked {
                    host: "a.example.com",
                    path,
                    ..ASKED
                }
            ),
            name
        );
    }
}

#[test]
fn header_conditions_compare_as_they_say() {
    let plan = plan(
        r#"
- { name: exact, match: { headers: [{ name: X-A, exact: one }] }, echo: true }
- { name: prefix, match: { headers: [{ name: x-a, prefix: two }] }, echo: true }
- { name: suffix, match: { headers: [{ name: x-a, suffix: three }] }, echo: true }
- { name: contains, match: { headers: [{ name: x-a, contains: four }] }, echo: true }
- { name: regex, match: { headers: [{ name: x-a, regex: "[0-9]+" }] }, echo: true }
- { name: absent, match: { headers: [{ name: x-a, present: false }] }, echo: true }
- { name: not, match: { headers: [{ name: x-a, exact: six, invert: true }] }, echo: true }
"#,
    );
    let with = |headers| found(&plan, Asked { headers, ..ASKED });
    assert_eq!(with(&[("x-a", "one")]), "exact");
    assert_eq!(with(&[("x-a", "two!")]), "prefix");
    assert_eq!(with(&[("x-a", "!three")]), "suffix");
    assert_eq!(with(&[("x-a", "!four!")]), "contains");
    assert_eq!(with(&[("x-a", "55")]), "regex");
    assert_eq!(with(&[("x-a", "55x")]), "not");
    assert_eq!(with(&[("x-a", "six")]), "none");
    assert_eq!(with(&[]), "absent");
    assert_eq!(
        with(&[("x-a", "zero"), ("x-a", "one")]),
        "exact",
        "one of several lines is enough"
    );
}

#[test]
fn query_conditions_compare_decoded_names_and_values() {
    let plan = plan(
        r#"
- { name: tenant, match: { query: [{ name: tenant, exact: "a b" }] }, echo: true }
- { name: flag, match: { query: [{ name: "de bug", present: true }] }, echo: true }
- { name: rest, echo: true }
"#,
    );
    let with = |query| {
        found(
            &plan,
            Asked {
                query: Some(query),
                ..ASKED
            },
        )
    };
    assert_eq!(with("x=1&tenant=a%20b"), "tenant");
    assert_eq!(with("tenant=ab"), "rest");
    assert_eq!(with("de%20bug"), "flag");
    assert_eq!(with("%ff=%f&&&="), "rest");
    assert_eq!(found(&plan, ASKED), "rest");
}

#[test]
fn a_prefix_rewrite_replaces_what_was_matched() {
    let plan = plan(
        r#"
- { name: api, match: { path: { prefix: /api/ } }, upstream: u, rewrite: { prefix: /v2 } }
- { name: strip, match: { path: { prefix: /strip } }, upstream: u, rewrite: { prefix: / } }
- { name: exact, match: { path: { exact: /old } }, upstream: u, rewrite: { prefix: /new/place } }
- { name: all, upstream: u, rewrite: { prefix: /below/ } }
- { name: plain, match: { path: { prefix: /plain } }, upstream: u }
"#,
    );
    for (path, rewritten) in [
        ("/api", "/v2"),
        ("/api/", "/v2/"),
        ("/api/x/y", "/v2/x/y"),
        ("/strip", "/"),
        ("/strip/", "/"),
        ("/strip/x", "/x"),
        ("/old", "/new/place"),
        ("/", "/below/"),
        ("/x", "/below/x"),
        ("*", "*"),
        ("/plain/x", "/plain/x"),
    ] {
        asked(Asked { path, ..ASKED }, |key| {
            let matched = plan.routes.find_match(key).unwrap();
            assert_eq!(matched.rewritten_path(path), rewritten, "{path}");
        });
    }
}

#[test]
fn many_exact_hosts_are_all_found() {
    let routes: String = (0..500)
        .map(|index| format!("- {{ name: r{index}, match: {{ hosts: [H{index}.example.com] }}, echo: true }}\n"))
        .collect();
    let plan = plan(&routes);
    assert_eq!(plan.routes.len(), 500);
    for index in 0..500 {
        let host = format!("h{index}.EXAMPLE.com");
        let headers = HeaderMap::new();
        let key = RouteKey {
            listener: "web",
            method: &Method::GET,
            host: &host,
            path: "/",
            query: None,
            headers: &headers,
        };
        assert_eq!(plan.routes.find(&key).unwrap().name, format!("r{index}"));
    }
}
