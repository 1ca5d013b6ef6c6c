//! Routes: which exchange is answered by what, and what is changed on the way.

use anyhow::Result;
use serde_json::{Value, json};
use testkit::client::{Request, send};

use crate::setting::{VERSIONS, ask, backend, echoed, gateway, get, upstream};

fn named(name: &str, matches: Value) -> Value {
    json!({"name": name, "match": matches, "respond": {"body": name}})
}

fn many() -> Value {
    json!({"routes": [
        named("anything", json!({})),
        named("host-exact", json!({"hosts": ["a.example.com"]})),
        named("host-suffix", json!({"hosts": ["*.example.com"]})),
        named("host-longer-suffix", json!({"hosts": ["*.b.example.com"]})),
        named("host-prefix", json!({"hosts": ["shop.*"]})),
        named("host-exact-path", json!({"hosts": ["a.example.com"], "path": {"prefix": "/p"}})),
        named("prefix", json!({"path": {"prefix": "/api"}})),
        named("longer-prefix", json!({"path": {"prefix": "/api/v2"}})),
        named("regex", json!({"path": {"regex": "/api/[0-9]+/x"}})),
        named("exact", json!({"path": {"exact": "/api/7/x"}})),
        named("method", json!({"path": {"prefix": "/m"}, "methods": ["POST", "PUT"]})),
        named("no-method", json!({"path": {"prefix": "/m"}})),
        named("header-exact", json!({"path": {"prefix": "/h"}, "headers": [{"name": "X-A", "exact": "1"}]})),
        named("header-two", json!({"path": {"prefix": "/h"},
            "headers": [{"name": "x-a", "exact": "1"}, {"name": "x-b", "present": true}]})),
        named("header-prefix", json!({"path": {"prefix": "/h"}, "headers": [{"name": "x-p", "prefix": "ab"}]})),
        named("header-suffix", json!({"path": {"prefix": "/h"}, "headers": [{"name": "x-s", "suffix": "yz"}]})),
        named("header-contains", json!({"path": {"prefix": "/h"}, "headers": [{"name": "x-c", "contains": "mid"}]})),
        named("header-regex", json!({"path": {"prefix": "/h"}, "headers": [{"name": "x-r", "regex": "[0-9]+"}]})),
        named("header-inverted", json!({"path": {"prefix": "/i"},
            "headers": [{"name": "x-a", "exact": "1", "invert": true}]})),
        named("header-absent", json!({"path": {"prefix": "/n"}, "headers": [{"name": "x-a", "present": false}]})),
        named("query-exact", json!({"path": {"prefix": "/q"}, "query": [{"name": "k", "exact": "a b"}]})),
        named("query-present", json!({"path": {"prefix": "/q"}, "query": [{"name": "p", "present": true}]})),
    ]})
}

/// Request and the route that takes it.
fn table() -> Vec<(Request, &'static str)> {
    let host = |host: &str, path: &str| Request::get(path).authority(host);
    let plain = Request::get;
    vec![
        (host("other.org", "/"), "anything"),
        (host("a.example.com", "/"), "host-exact"),
        (host("A.EXAMPLE.com:8080", "/"), "host-exact"),
        (host("c.example.com", "/"), "host-suffix"),
        (host("x.b.example.com", "/"), "host-longer-suffix"),
        (host("shop.org", "/"), "host-prefix"),
        (host("a.example.com", "/p/q"), "host-exact-path"),
        // Host comes before path: a host that matches more exactly wins over any path.
        (host("a.example.com", "/api/7/x"), "host-exact"),
        (plain("/api"), "prefix"),
        (plain("/api/"), "prefix"),
        (plain("/api?x=1"), "prefix"),
        (plain("/apix"), "anything"),
        (plain("/API"), "anything"),
        (plain("/api/v2/z"), "longer-prefix"),
        (plain("/api/8/x"), "regex"),
        (plain("/api/8/x/y"), "prefix"),
        (plain("/api/7/x"), "exact"),
        (plain("/api/7/x?q"), "exact"),
        (Request::post("/m", "b"), "method"),
        (plain("/m"), "no-method"),
        (plain("/h").field("x-a", "1"), "header-exact"),
        (plain("/h").field("x-a", "1").field("x-b", ""), "header-two"),
        (plain("/h").field("x-p", "abc"), "header-prefix"),
        (plain("/h").field("x-s", "xyz"), "header-suffix"),
        (plain("/h").field("x-c", "amidst"), "header-contains"),
        (plain("/h").field("x-r", "123"), "header-regex"),
        (plain("/h").field("x-r", "123a"), "anything"),
        (plain("/h").field("x-r", "a").field("x-r", "5"), "header-regex"),
        (plain("/i"), "header-inverted"),
        (plain("/i").field("x-a", "1"), "anything"),
        (plain("/n"), "header-absent"),
        (plain("/n").field("x-a", ""), "anything"),
        (plain("/q?k=a%20b"), "query-exact"),
        (plain("/q?z=1&p"), "query-present"),
        (plain("/q"), "anything"),
    ]
}

#[tokio::test]
async fn the_most_specific_route_wins_whatever_the_order() -> Result<()> {
    let gateway = gateway(many()).await?;
    let mut wrong = Vec::new();
    for version in VERSIONS {
        for (request, route) in table() {
            // A connection each: one whose request still comes in when it has been answered is closed.
            let found = send(gateway.listener("web")?, version, &request).await?.text();
            if found != route {
                wrong.push(format!(
                    "{version:?} {} {}: {found}, not {route}",
                    request.authority, request.target
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn no_route_is_a_404() -> Result<()> {
    let gateway = gateway(json!({"routes": [named("a", json!({"path": {"exact": "/a"}}))]})).await?;
    for version in VERSIONS {
        let answer = send(gateway.listener("web")?, version, &Request::get("/b")).await?;
        assert_eq!(answer.status, 404);
    }
    Ok(())
}

#[tokio::test]
async fn a_route_serves_only_the_listeners_that_it_names() -> Result<()> {
    let gateway = gateway(json!({
        "listeners": [{"name": "one", "listen": "127.0.0.1:0"}, {"name": "two", "listen": "127.0.0.1:0"}],
        "routes": [
            {"name": "only-two", "listeners": ["two"], "respond": {"body": "two"}},
            {"name": "all", "respond": {"body": "all"}},
        ],
    }))
    .await?;
    for (listener, text) in [("one", "all"), ("two", "two")] {
        let answer = send(gateway.listener(listener)?, VERSIONS[0], &Request::get("/")).await?;
        assert_eq!(answer.text(), text);
    }
    Ok(())
}

#[tokio::test]
async fn a_rewrite_and_header_edits_reach_the_upstream_and_the_client() -> Result<()> {
    let backend = backend()?;
    backend.reply(
        "/v1/cart",
        testkit::backend::Reply::new(200)
            .field("server", "up")
            .field("x-many", "one")
            .body("ok"),
    );
    let gateway = gateway(json!({
        "upstreams": [upstream("up", &backend)],
        "routes": [{
            "name": "r", "match": {"path": {"prefix": "/api"}}, "upstream": "up",
            "rewrite": {"prefix": "/v1", "host": "inner.example.org"},
            "request_headers": {"remove": ["x-gone"], "set": {"x-set": "new"}, "add": {"x-add": "two"}},
            "response_headers": {"remove": ["server"], "set": {"x-made": "yes"}, "add": {"x-many": "two"}},
        }],
    }))
    .await?;
    let request = Request::get("/api/cart?q=1&r=%2F")
        .field("x-gone", "1")
        .field("x-set", "old")
        .field("x-add", "one");
    let answer = ask(&gateway, &request).await?;
    let record = backend.records().remove(0);
    assert_eq!(record.target, "/v1/cart?q=1&r=%2F");
    assert_eq!(record.field("host"), Some("inner.example.org"));
    assert_eq!(record.field("x-gone"), None);
    assert_eq!(testkit::fields::values(&record.fields, "x-set"), ["new"]);
    assert_eq!(testkit::fields::values(&record.fields, "x-add"), ["one", "two"]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!((answer.field("server"), answer.field("x-made")), (None, Some("yes")));
    assert_eq!(testkit::fields::values(&answer.fields, "x-many"), ["one", "two"]);
    Ok(())
}

#[tokio::test]
async fn a_prefix_rewrite_joins_at_segments() -> Result<()> {
    let backend = backend()?;
    let route = |name: &str, from: Value, to: &str| json!({"name": name, "match": {"path": from}, "upstream": "up", "rewrite": {"prefix": to}});
    let gateway = gateway(json!({
        "upstreams": [upstream("up", &backend)],
        "routes": [
            route("to-root", json!({"prefix": "/a"}), "/"),
            route("from-root", json!({"prefix": "/"}), "/base"),
            route("exact", json!({"exact": "/e"}), "/f/g"),
        ],
    }))
    .await?;
    let table = [
        ("/a", "/"),
        ("/a/b?c", "/b?c"),
        ("/a?c", "/?c"),
        ("/x/y", "/base/x/y"),
        ("/e?q", "/f/g?q"),
    ];
    for (sent, seen) in table {
        backend.clear();
        get(&gateway, sent).await?;
        assert_eq!(backend.records()[0].target, seen, "for {sent}");
    }
    Ok(())
}

#[tokio::test]
async fn a_header_names_the_upstream() -> Result<()> {
    let backend = backend()?;
    let gateway = gateway(json!({
        "upstreams": [upstream("up", &backend)],
        "routes": [{"name": "r", "upstream_header": "x-to"}],
    }))
    .await?;
    let found = ask(&gateway, &Request::get("/").field("x-to", "up")).await?;
    assert_eq!((found.status, found.text().as_str()), (200, "hello from up"));
    let unknown = ask(&gateway, &Request::get("/").field("x-to", "elsewhere")).await?;
    let absent = get(&gateway, "/").await?;
    assert!(unknown.status >= 500 && absent.status >= 400, "{unknown:?} {absent:?}");
    Ok(())
}

#[tokio::test]
async fn redirects_say_where() -> Result<()> {
    let to = |path: &str, redirect: Value| json!({"name": path[1..], "match": {"path": {"exact": path}}, "redirect": redirect});
    let gateway = gateway(json!({"routes": [
        to("/scheme", json!({"scheme": "https"})),
        to("/host", json!({"host": "b.org", "status": 308})),
        to("/port", json!({"port": 8443, "scheme": "https", "status": 302})),
        to("/path", json!({"path": "/new", "status": 307})),
        to("/strip", json!({"path": "/new", "strip_query": true, "status": 303})),
    ]}))
    .await?;
    let table = [
        ("/scheme?q=1", 301, "https://a.org/scheme?q=1"),
        ("/host", 308, "http://b.org/host"),
        ("/port", 302, "https://a.org:8443/port"),
        ("/path?q=1", 307, "http://a.org/new?q=1"),
        ("/strip?q=1", 303, "http://a.org/new"),
    ];
    for (target, status, location) in table {
        let answer = ask(&gateway, &Request::get(target).authority("a.org")).await?;
        assert_eq!(
            (answer.status, answer.field("location")),
            (status, Some(location)),
            "for {target}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_fixed_response_is_as_written() -> Result<()> {
    let gateway = gateway(json!({"routes": [
        {"name": "r", "respond": {"status": 418, "body": "short", "headers": {"content-type": "text/x-tea", "x-a": "b"}}},
    ]}))
    .await?;
    for version in VERSIONS {
        let answer = send(gateway.listener("web")?, version, &Request::post("/", "not read")).await?;
        assert_eq!((answer.status, answer.text().as_str()), (418, "short"));
        let found = (
            answer.field("content-type"),
            answer.field("x-a"),
            answer.field("content-length"),
        );
        assert_eq!(found, (Some("text/x-tea"), Some("b"), Some("5")));
    }
    Ok(())
}

#[tokio::test]
async fn the_echo_describes_the_request() -> Result<()> {
    let gateway = gateway(json!({"routes": [{"name": "e", "echo": true}]})).await?;
    for version in VERSIONS {
        let request = Request::new("PUT", "/p/q?r=s")
            .field("x-two", "1")
            .field("x-two", "2")
            .piece("ab")
            .piece("cd")
            .trailer("x-t", "u");
        let echo = echoed(&send(gateway.listener("web")?, version, &request).await?)?;
        assert_eq!((&echo["method"], &echo["path"]), (&json!("PUT"), &json!("/p/q?r=s")));
        assert_eq!(
            (&echo["authority"], &echo["scheme"]),
            (&json!("example.com"), &json!("http"))
        );
        assert_eq!((&echo["body"], &echo["body_bytes"]), (&json!("abcd"), &json!(4)));
        assert_eq!(
            (&echo["headers"]["x-two"], &echo["trailers"]),
            (&json!(["1", "2"]), &json!({"x-t": "u"}))
        );
    }
    Ok(())
}
