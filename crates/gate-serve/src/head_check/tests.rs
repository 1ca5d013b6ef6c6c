//! Heads in order and out of order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use super::*;

const LIMITS: Limits = Limits {
    header_bytes_max: 60 * 1024,
    header_count_max: 5,
    header_timeout: Duration::from_secs(10),
    http2_streams_max: 100,
    connections_max: 100,
};

fn verdict(version: Version, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
    let mut builder = Request::builder().version(version).method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    check_head(&builder.body(()).unwrap(), Finding::default(), &LIMITS)
}

fn one(headers: &[(&str, &str)]) -> Result<(), Refusal> {
    verdict(Version::HTTP_11, "GET", "/", headers)
}

#[test]
fn a_host_is_needed_once_and_must_be_one() {
    assert_eq!(one(&[("host", "a.example:8080")]), Ok(()));
    assert_eq!(one(&[("host", "[::1]:80")]), Ok(()));
    assert_eq!(one(&[("host", "")]), Ok(()));
    assert_eq!(one(&[]), Err(Refusal::HostMissing));
    assert_eq!(one(&[("host", "a"), ("host", "a")]), Err(Refusal::HostRepeated));
    for host in ["user@a", "a/b", "a, b", "a b", "a?b", "a#b", "a\\b"] {
        assert_eq!(one(&[("host", host)]), Err(Refusal::HostInvalid), "{host}");
    }
    assert_eq!(verdict(Version::HTTP_10, "GET", "/", &[]), Ok(()));
    assert_eq!(
        verdict(Version::HTTP_10, "GET", "/", &[("host", "a"), ("host", "b")]),
        Err(Refusal::HostRepeated)
    );
}

#[test]
fn only_one_chunked_coding_is_understood() {
    assert_eq!(one(&[("host", "a"), ("transfer-encoding", "Chunked")]), Ok(()));
    for coding in ["gzip, chunked", "chunked, chunked", "xchunked", "identity", ""] {
        assert_eq!(
            one(&[("host", "a"), ("transfer-encoding", coding)]),
            Err(Refusal::TransferEncoding),
            "{coding}"
        );
    }
    let twice = [
        ("host", "a"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "chunked"),
    ];
    assert_eq!(one(&twice), Err(Refusal::TransferEncoding));
    let both = [("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "3")];
    assert_eq!(one(&both), Err(Refusal::LengthAndEncoding));
}

#[test]
fn a_target_has_the_form_of_its_method() {
    let host = [("host", "a")];
    assert_eq!(verdict(Version::HTTP_11, "GET", "http://b/x?y", &host), Ok(()));
    assert_eq!(verdict(Version::HTTP_11, "OPTIONS", "*", &host), Ok(()));
    assert_eq!(verdict(Version::HTTP_11, "GET", "*", &host), Err(Refusal::Target));
    assert_eq!(verdict(Version::HTTP_11, "GET", "a:80", &host), Err(Refusal::Target));
    assert_eq!(
        verdict(Version::HTTP_11, "CONNECT", "a:80", &host),
        Err(Refusal::Connect)
    );
}

#[test]
fn http2_has_an_authority_and_a_host_that_agrees() {
    assert_eq!(verdict(Version::HTTP_2, "GET", "http://a.example/", &[]), Ok(()));
    assert_eq!(
        verdict(Version::HTTP_2, "GET", "http://a.example/", &[("host", "A.example")]),
        Ok(())
    );
    assert_eq!(
        verdict(Version::HTTP_2, "GET", "http://a.example/", &[("host", "b")]),
        Err(Refusal::HostMismatch)
    );
    assert_eq!(verdict(Version::HTTP_2, "GET", "/", &[("host", "b")]), Ok(()));
    assert_eq!(
        verdict(Version::HTTP_2, "GET", "/", &[("host", "b@c")]),
        Err(Refusal::HostInvalid)
    );
    assert_eq!(verdict(Version::HTTP_2, "GET", "/", &[]), Err(Refusal::HostMissing));
}

#[test]
fn header_lines_are_counted() {
    let names: Vec<String> = (0..5).map(|number| format!("x-{number}")).collect();
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
    headers.push(("host", "a"));
    assert_eq!(one(&headers), Err(Refusal::HeaderCount));
    assert_eq!(one(&headers[1..]), Ok(()));
}

#[test]
fn a_raw_finding_is_a_refusal() {
    let request = Request::builder().uri("/").header("host", "a").body(()).unwrap();
    let bare = Finding {
        bare_line_feed: true,
        content_length: false,
    };
    assert_eq!(check_head(&request, bare, &LIMITS), Err(Refusal::BareLineFeed));
}
