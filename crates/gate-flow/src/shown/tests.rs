//! Which bodies can be looked into.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use log_mask::field::Untrusted;

use super::{GRPC_ENCODING, read};

fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
    pairs.collect()
}

#[test]
fn what_cannot_be_looked_into_is_withheld() {
    for (pairs, bytes, why) in [
        (
            headers(&[(CONTENT_ENCODING, "gzip")]),
            &b"13812345678"[..],
            "compressed",
        ),
        (
            headers(&[(CONTENT_ENCODING, "br"), (CONTENT_TYPE, "application/json")]),
            b"{}",
            "compressed",
        ),
        (headers(&[(GRPC_ENCODING, "gzip")]), b"\0\0\0\0\x01a", "compressed"),
        (
            headers(&[(CONTENT_TYPE, "Multipart/form-data; boundary=a")]),
            b"--a",
            "multipart",
        ),
        (headers(&[]), b"\x1f\x8b\x08", "no text"),
        (
            headers(&[(CONTENT_TYPE, "application/json")]),
            b"{\"a\":\"\xff\"}",
            "no text",
        ),
    ] {
        assert_eq!(read(bytes, &pairs).unwrap_err(), why, "{pairs:?}");
    }
}

#[test]
fn a_text_is_read_as_what_it_says_that_it_is() {
    let of = |kind: &'static str| headers(&[(CONTENT_TYPE, kind), (CONTENT_ENCODING, "identity")]);
    let json = read(b"{}", &of("application/problem+JSON; charset=utf-8"));
    assert!(matches!(json, Ok(Untrusted::Json(b"{}"))));
    let form = read(b"a=b", &of("Application/X-WWW-form-urlencoded"));
    assert!(matches!(form, Ok(Untrusted::Query(b"a=b"))));
    // The last sign is cut in two.
    let text = read(b"\xe7\x8c", &of("text/plain"));
    assert!(matches!(text, Ok(Untrusted::Text(_))));
}
