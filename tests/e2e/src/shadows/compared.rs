//! What is compared of both generations, and that what is the same is no difference.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::backend::Reply;
use testkit::client::{Connection, Request};

use super::{House, after, all, compared, differences, header, skipped};
use crate::setting::{VERSIONS, ask, page};

#[tokio::test]
async fn values_are_shown_where_the_configuration_says_so_and_ignored_headers_never_differ() -> Result<()> {
    let mut shadow = all();
    shadow["show_values"] = json!(true);
    shadow["ignore_headers"] = json!(["x-date"]);
    let house = House::new(&shadow)?;
    let steps = |value: &str| json!({"response_headers": [header("x-date", value), header("x-arm", value)]});
    let gateway = house.started(&steps("old"), &steps("new")).await?;
    ask(&gateway, &Request::get("/")).await?;
    let shadow = after(&gateway, 1).await?;
    let told = &shadow["examples"][0]["differences"];
    assert_eq!(
        *told,
        json!(["response header `x-arm` changed (\"new\" instead of \"old\")"])
    );
    Ok(())
}

/// What a plugin may do to an exchange, as one script with cases.
fn doing() -> Value {
    let whole = |buffer: &str, value: &str| json!([{"op": "return", "action": "buffer", "when": "not_end"}, {"op": buffer, "value": value}]);
    let call = json!({"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
        "then": [{"op": "get_call_body", "save": "told"}, {"op": "set_effective_context", "context": "${origin}"}, {"op": "add_request_header", "key": "x-told", "value": "${told}"},
            {"op": "continue_request"}]});
    json!({
        "response_headers": [header("x-arm", "same")],
        "cases": {
            "bodies": {
                "request_headers": [{"op": "remove_request_header", "key": "content-length"}, {"op": "set_property", "path": ["a"], "value": "1"}],
                "request_body": whole("set_request_body", "a request in place of the other"),
                "response_headers": [{"op": "remove_response_header", "key": "content-length"}, {"op": "set_property", "path": ["b"], "value": "2"}],
                "response_body": whole("set_response_body", "a response in place of the other"),
            },
            "pieces": {
                "request_body": [{"op": "get_request_body"}],
                "response_body": [{"op": "get_response_body"}],
                "response_trailers": [{"op": "add_header_map_value", "map": "response_trailers", "key": "x-more", "value": "1"}],
            },
            "answer": {"request_headers": [{"op": "send_local_response", "status": 403, "body": "no", "headers": [["x-local", "1"]]}]},
            "late": {"request_body": [{"op": "send_local_response", "status": 413, "body": "too much"}]},
            "instead": {"response_headers": [{"op": "send_local_response", "status": 502, "body": "broken"}]},
            "call": {"request_headers": [call, {"op": "return", "action": "pause"}]},
            "share": {"request_headers": [{"op": "get_shared_data", "key": "k", "into_header": "x-shared"}]},
        },
    })
}

#[tokio::test]
async fn a_generation_that_does_the_same_differs_in_nothing_whatever_it_does() -> Result<()> {
    let house = House::new(&all())?;
    let pieces = Reply::new(200)
        .piece("one")
        .piece("two")
        .piece("three")
        .trailer("x-end", "1");
    house.backend.reply("/pieces", pieces);
    house.aux.reply("/ask", Reply::new(200).body("told"));
    let (old, mut new) = (doing(), doing());
    new["tick"] = json!([]);
    let gateway = house.started(&old, &new).await?;
    let mut exchanges = 0;
    for version in VERSIONS {
        let mut connection = Connection::open(gateway.listener("web")?, version).await?;
        for (case, status) in [
            ("none", 200),
            ("bodies", 200),
            ("pieces", 200),
            ("answer", 403),
            ("late", 413),
            ("instead", 502),
            ("call", 200),
            ("share", 200),
        ] {
            let target = format!("/{case}");
            let request = Request::new("POST", &target).field("x-case", case);
            let request = request.piece("some").piece("thing").trailer("x-last", "1");
            let get = Request::get(&target).field("x-case", case);
            for request in [request, get] {
                let is_get = request.method == "GET";
                if is_get && case == "late" {
                    continue;
                }
                let answer = connection.send(&request).await.with_context(|| case.to_owned())?;
                assert_eq!(answer.status, status, "{case} {is_get}");
                exchanges += 1;
                let shadow = after(&gateway, exchanges).await?;
                assert_eq!(
                    (differences(&shadow), &shadow["faults"]),
                    (vec![], &json!({})),
                    "{case} {is_get}: {shadow:#}"
                );
                if answer.field("connection") == Some("close") {
                    connection = Connection::open(gateway.listener("web")?, version).await?;
                }
            }
        }
    }
    let shadow = after(&gateway, exchanges).await?;
    assert_eq!((compared(&shadow), skipped(&shadow)), (exchanges, 0), "{shadow:#}");
    let asked = house.aux.records().len();
    assert_eq!(asked, 4, "a callout is made by the control and not made again");
    Ok(())
}

#[tokio::test]
async fn what_differs_in_bodies_verdicts_properties_and_callouts_is_told() -> Result<()> {
    let house = House::new(&all())?;
    house.aux.reply("/ask", Reply::new(200).body("told"));
    house.aux.reply("/other", Reply::new(200).body("other"));
    let old = doing();
    let mut new: Value = serde_json::from_str(
        &doing()
            .to_string()
            .replace("a response in", "a respONSE in")
            .replace("a request in place", "a request with more words in place")
            .replace("\"status\":403", "\"status\":401")
            .replace("/ask", "/other"),
    )?;
    new["cases"]["none"] = json!({"request_headers": [{"op": "send_local_response", "status": 503}]});
    new["cases"]["late"] = json!({});
    new["cases"]["pieces"] = json!({"request_headers": [{"op": "return", "action": "pause"}]});
    new["cases"]["bodies"]["request_headers"][1] = json!({"op": "set_property", "path": ["c"], "value": "1"});
    let gateway = house.started(&old, &new).await?;
    for (exchanges, (case, expected)) in (1..).zip([
        (
            "bodies",
            &[
                "property `a` removed",
                "property `c` added",
                "request_body",
                "response_body",
            ][..],
        ),
        (
            "answer",
            &[
                "verdict `answers 401` instead of `answers 403`",
                "status `:status` changed",
            ],
        ),
        ("none", &["verdict `answers 503` instead of `goes on`"]),
        ("late", &["verdict `goes on` instead of `answers 413`"]),
        ("pieces", &["verdict `holds it` instead of `goes on`"]),
        ("call", &["callout to `aux`", "request_header `x-told` changed"]),
    ]) {
        let before = page(&gateway, "/plugins/p/rollout").await?["shadow"].clone();
        let request = Request::post("/", "body").field("x-case", case);
        ask(&gateway, &request).await.with_context(|| case.to_owned())?;
        let shadow = after(&gateway, exchanges).await?;
        let had: Vec<_> = differences(&before).into_iter().map(|(name, _)| name).collect();
        let new: Vec<_> = differences(&shadow).into_iter().map(|(name, _)| name).collect();
        let new: Vec<&str> = new
            .iter()
            .filter(|name| !had.contains(name))
            .map(|name| name.trim())
            .collect();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let mut sorted = new.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{case}: {shadow:#}");
    }
    let asked: Vec<String> = house.aux.records().iter().map(|record| record.target.clone()).collect();
    assert_eq!(asked, ["/ask"], "no callout of the candidate leaves the gateway");
    Ok(())
}

#[tokio::test]
async fn a_callout_that_is_forgotten_is_no_difference() -> Result<()> {
    let house = House::new(&all())?;
    // More than is remembered of one.
    house.aux.reply("/ask", Reply::new(200).body(&"x".repeat(300 << 10)));
    let script = json!({"request_headers": [
        {"op": "http_call", "upstream": "aux", "headers": [[":method", "GET"], [":path", "/ask"], [":authority", "a"]],
            "then": [{"op": "set_effective_context", "context": "${origin}"}, {"op": "continue_request"}]},
        {"op": "return", "action": "pause"},
    ]});
    let mut other = script.clone();
    other["response_headers"] = json!([header("x-arm", "new")]);
    let gateway = house.started(&script, &other).await?;
    assert_eq!(ask(&gateway, &Request::get("/")).await?.status, 200);
    let shadow = after(&gateway, 1).await?;
    assert_eq!(
        (&shadow["not_compared"], differences(&shadow)),
        (&json!({"callout": 1}), Vec::new())
    );
    Ok(())
}

#[tokio::test]
async fn what_a_candidate_writes_aside_is_read_by_nobody() -> Result<()> {
    let house = House::new(&all())?;
    let read = json!({"op": "get_shared_data", "key": "k", "into_header": "x-shared"});
    let write = |value: &str| json!({"op": "set_shared_data", "key": "k", "value": value});
    let old = json!({"request_headers": [read], "response_headers": [header("x-arm", "old")],
        "cases": {"write": {"request_headers": [write("by-control")]}}});
    let new = json!({"request_headers": [read, write("by-candidate")], "response_headers": [header("x-arm", "old")],
        "cases": {"write": {"request_headers": [write("by-control")]}}});
    let gateway = house.started(&old, &new).await?;
    let shared = |house: &House| {
        let records = house.backend.records();
        records
            .last()
            .and_then(|record| record.field("x-shared").map(str::to_owned))
    };
    for round in 0..10 {
        ask(&gateway, &Request::get("/")).await?;
        assert_eq!(shared(&house).as_deref(), Some("status 1"), "{round}");
    }
    let shadow = after(&gateway, 10).await?;
    assert_eq!(
        differences(&shadow),
        [],
        "it reads what is shared, never what it wrote before: {shadow:#}"
    );
    ask(&gateway, &Request::get("/").field("x-case", "write")).await?;
    after(&gateway, 11).await?;
    for _ in 0..10 {
        ask(&gateway, &Request::get("/")).await?;
        assert_eq!(shared(&house).as_deref(), Some("by-control"));
    }
    let shadow = after(&gateway, 21).await?;
    assert_eq!(differences(&shadow), [], "{shadow:#}");
    Ok(())
}
