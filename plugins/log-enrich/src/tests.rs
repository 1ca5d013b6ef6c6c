//! What is said of records, without a host.

#![allow(clippy::unwrap_used)]

use crate::agent::Agent;
use crate::batch;
use crate::configuration::Configuration;
use crate::enricher::Enricher;
use crate::place::Database;

fn enricher(configuration: &str, databases: Vec<Database>) -> Enricher {
    Enricher::new(Configuration::read(configuration.as_bytes()).unwrap(), databases)
}

fn patch(enricher: &Enricher, record: &str) -> String {
    let mut out = Vec::new();
    enricher.patch(record.as_bytes(), &mut out);
    String::from_utf8(out).unwrap()
}

/// The sample of `geo-headers`.
fn sample() -> Vec<u8> {
    let text = include_str!("../../geo-headers/tests/sample.base64");
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let group = |group: &[u32]| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bits.to_be_bytes()
            .into_iter()
            .skip(1)
            .take(group.len() - 1)
            .collect::<Vec<u8>>()
    };
    digits.chunks(4).flat_map(group).collect()
}

#[test]
fn agents_are_told_by_the_word_that_nobody_imitates() {
    let read = |text| {
        let Agent { name, version, system } = Agent::read(text);
        (name.unwrap_or("-"), version.unwrap_or("-"), system.unwrap_or("-"))
    };
    for (text, expected) in [
        ("curl/8.5.0", ("curl", "8.5.0", "-")),
        ("python-requests/2.31", ("python-requests", "2.31", "-")),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.1",
            ("Edge", "120.0.1", "Windows"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
            ("Safari", "17.0", "iOS"),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
            ("Firefox", "121.0", "Linux"),
        ),
        ("Mozilla/5.0", ("-", "-", "-")),
        ("", ("-", "-", "-")),
        ("a b/c", ("-", "-", "-")),
        ("ä/1", ("-", "-", "-")),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
    assert_eq!(Agent::read(&"é".repeat(1_000)), Agent::default());
}

#[test]
fn what_is_configured_is_said_of_a_record_and_nothing_else() {
    let record =
        r#"{"client.address":"203.0.113.9","user_agent.original":"curl/8","cofferdam.route":"api","url.query":"q"}"#;
    assert_eq!(patch(&enricher("{}", vec![]), record), "");
    let all = r#"{"user_agent":true,"drop":["url.query"],"tables":[{"field":"cofferdam.route","values":{"api":{"team.name":"a \"b\"\n"}}}]}"#;
    assert_eq!(
        patch(&enricher(all, vec![]), record),
        r#"{"user_agent.name":"curl","user_agent.version":"8","team.name":"a \"b\"\n","url.query":null}"#
    );
    assert_eq!(
        patch(&enricher(all, vec![]), r#"{"cofferdam.route":"other"}"#),
        r#"{"url.query":null}"#
    );
    assert_eq!(patch(&enricher(all, vec![]), "no record"), "");
}

#[test]
fn a_client_is_where_the_database_says() {
    let enricher = enricher("{}", vec![Database::read(sample()).unwrap()]);
    let known = patch(&enricher, r#"{"client.address":"203.0.113.9"}"#);
    assert!(known.starts_with(r#"{"client.geo.country.iso_code":""#), "{known}");
    // The writer of the sample gives numbers as few bytes as they need.
    assert!(known.contains(r#""client.as.number":64500,"#), "{known}");
    assert_eq!(patch(&enricher, r#"{"client.address":"not an address"}"#), "");
    assert!(Database::read(b"nothing".to_vec()).is_err());
}

#[test]
fn a_configuration_that_is_not_understood_is_refused() {
    for text in [
        "{",
        "7",
        r#"{"drops":[]}"#,
        r#"{"tables":[{"field":"url.path","values":{}}]}"#,
    ] {
        assert!(Configuration::read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Configuration::read(b"").is_ok());
}

#[test]
fn each_record_of_a_batch_has_its_answer_and_half_a_batch_has_none() {
    let enricher = enricher(r#"{"user_agent":true}"#, vec![]);
    let batch = b"\x02\0\0\0\x21\0\0\0{\"user_agent.original\":\"curl/8\" }\x02\0\0\0{}";
    let mut out = vec![1, 2, 3];
    batch::answer(&enricher, batch, &mut out).unwrap();
    let patch = br#"{"user_agent.name":"curl","user_agent.version":"8"}"#;
    let length = u32::try_from(patch.len()).unwrap().to_le_bytes();
    assert_eq!(out, [b"\x02\0\0\0", length.as_slice(), patch, b"\0\0\0\0"].concat());
    assert_eq!(
        batch::answer(&enricher, batch.get(..batch.len() - 1).unwrap(), &mut out),
        None
    );
    assert_eq!(batch::answer(&enricher, b"\xff\xff\xff\xff", &mut out), None);
}
