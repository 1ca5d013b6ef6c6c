//! What the gateway answers by itself.

use gate_plan::Redirect;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use plug_host::RequestHead;

use super::{redirect, text};

fn request(content_type: &'static str) -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    RequestHead {
        method: Method::POST,
        scheme: HeaderValue::from_static("http"),
        authority: Some(HeaderValue::from_static("shop.example:8080")),
        path: PathAndQuery::from_static("/a/b?c=d"),
        headers,
    }
}

#[test]
fn a_text_has_its_length_and_type() {
    let whole = text(&request("text/html"), StatusCode::NOT_FOUND, "no such page");
    assert_eq!(whole.head.status, StatusCode::NOT_FOUND);
    assert_eq!(whole.head.headers["content-length"], "12");
    assert_eq!(whole.head.headers["content-type"], "text/plain");
}

#[test]
fn a_grpc_client_gets_a_grpc_status() {
    let whole = text(&request("application/grpc+proto"), StatusCode::FORBIDDEN, "100% no\n");
    assert_eq!(whole.head.status, StatusCode::OK);
    assert_eq!(whole.head.headers["grpc-status"], "7");
    assert_eq!(whole.head.headers["grpc-message"], "100%25 no%0A");
    assert!(whole.body.is_empty());
}

fn location(change: Redirect) -> String {
    let whole = redirect(&request("text/html"), &change);
    whole.head.headers["location"].to_str().unwrap().to_owned()
}

#[test]
fn a_redirect_keeps_what_it_does_not_name() {
    let same = Redirect {
        status: StatusCode::FOUND,
        scheme: None,
        host: None,
        port: None,
        path: None,
        strip_query: false,
    };
    assert_eq!(location(same.clone()), "http://shop.example:8080/a/b?c=d");
    assert_eq!(
        location(Redirect {
            scheme: Some("https".into()),
            ..same.clone()
        }),
        "https://shop.example/a/b?c=d"
    );
    assert_eq!(
        location(Redirect {
            port: Some(9000),
            strip_query: true,
            ..same.clone()
        }),
        "http://shop.example:9000/a/b"
    );
    assert_eq!(
        location(Redirect {
            host: Some("x.example".into()),
            path: Some("/new".into()),
            ..same
        }),
        "http://x.example/new?c=d"
    );
}
