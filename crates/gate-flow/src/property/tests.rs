//! Flags, gRPC statuses and headers as properties.

use http::StatusCode;

use super::*;

fn head(status: u16) -> ResponseHead {
    ResponseHead {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
    }
}

fn pair(name: &'static str, value: &'static str) -> (Bytes, Bytes) {
    (Bytes::from(name), Bytes::from(value))
}

#[test]
fn flags_have_the_bits_that_envoy_was_seen_to_use() {
    assert_eq!(flag_bits("UF"), 32);
    assert_eq!(flag_bits("DC"), 16_384);
    assert_eq!(flag_bits("UPE"), 8_388_608);
    assert_eq!(flag_bits("UF,URX"), 32 | (1 << 15));
    assert_eq!(flag_bits(""), 0);
}

#[test]
fn a_grpc_status_comes_from_trailers_then_headers_then_the_status() {
    let mut said = HeaderMap::new();
    said.insert("grpc-status", HeaderValue::from_static("5"));
    let mut with_header = head(200);
    with_header.headers.insert("grpc-status", HeaderValue::from_static("3"));
    assert_eq!(grpc_status(&with_header, Some(&said)), 5);
    assert_eq!(grpc_status(&with_header, Some(&HeaderMap::new())), 3);
    let mapped = [200, 203, 400, 401, 403, 404, 429, 503].map(|status| grpc_status(&head(status), None));
    assert_eq!(mapped, [2, 2, 13, 16, 7, 12, 14, 14]);
}

#[test]
fn what_is_no_grpc_status_is_minus_one() {
    for text in ["", "x", "17", "-1"] {
        let mut odd = head(200);
        odd.headers.insert("grpc-status", HeaderValue::from_static(text));
        assert_eq!(grpc_status(&odd, None), -1, "{text}");
    }
}

#[test]
fn a_header_is_found_whatever_the_case_of_its_letters_and_with_all_its_values() {
    let mut response = head(203);
    response.headers.append("x-r", HeaderValue::from_static("1"));
    response.headers.append("x-r", HeaderValue::from_static("2"));
    assert_eq!(value_of(&response, b"X-R"), Some(PropertyValue::fixed("1,2")));
    assert_eq!(value_of(&response, b":status"), Some(PropertyValue::fixed("203")));
    assert_eq!(value_of(&response, b"x-none"), None);
    assert_eq!(value_of(&response, b"no name"), None);
}

#[test]
fn a_map_begins_with_what_is_no_header() {
    let mut response = head(203);
    response.headers.append("x-r", HeaderValue::from_static("1"));
    response.headers.append("x-r", HeaderValue::from_static("2"));
    assert_eq!(joined(&response), [pair(":status", "203"), pair("x-r", "1,2")]);
    assert_eq!(joined(&response.headers), [pair("x-r", "1,2")]);
}
