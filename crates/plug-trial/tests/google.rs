//! Suites of Google's format: what is read, what is refused and what is noted, and that no text makes the reader panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use plug_trial::google::read;

fn read_file(file: &str) -> Result<Vec<u8>, String> {
    match file {
        "body.bin" => Ok(vec![0, 255]),
        _ => Err("no such file".to_owned()),
    }
}

/// A suite that has every field of the schema.
const EVERY_FIELD: &str = include_str!("every_field.textpb");

#[test]
fn every_field_is_carried_over_or_noted() {
    let suite = read(EVERY_FIELD, "t.textpb", &read_file).unwrap();
    let notes = suite.notes.join("\n");
    for name in [
        "test_path",
        "log_path",
        "num_additional_streams",
        "additional_stream_advance_rate",
    ] {
        assert!(notes.contains(&format!("`{name}` is not carried over")), "{notes}");
    }
    assert_eq!(suite.module.as_deref(), Some("plugin.wasm"));
    let carried = format!("{suite:?}");
    for part in [
        "config: Some([0, 255])",
        "log_level: Warn",
        "began: 123s",
        "name: \"first\"",
        "is_benchmark: true",
        "properties: [(\"a.b\", [1])]",
        "plugin_init: Some(Expectation {",
        "stream_init: Some(Expectation {",
        "stream_destroy: Some(Expectation {",
        "path: /a?b",
        "has_header: [(\":path\", [47, 97, 63, 98])]",
        "no_header: [\"x-gone\"]",
        "headers: [StringMatcher { invert: false, wanted: Exact([58,",
        "immediate: Some(Immediate { http_status: Some(403), grpc_status: Some(7), details: Some(\"no\") })",
        "body: [StringMatcher { invert: false, wanted: Exact([0, 255]) }]",
        "log: [StringMatcher { invert: true, wanted: Regex(",
        // In two pieces, the last longer; in pieces of one byte.
        "bodies: [([[97, 98], [99, 100, 101]], ",
        "bodies: [([[0], [255]], ",
        "status: 201",
        "\"x-a\": \"\\xff\"",
    ] {
        assert!(carried.contains(part), "{part} in {carried}");
    }
}

#[test]
fn what_no_field_is_called_or_may_be_is_refused_with_its_place() {
    for (text, place, why) in [
        ("tset {}", "1:1", "no field `tset`"),
        ("test { name: 'a' nmae: 'b' }", "1:18", "no field `nmae`"),
        ("test { name: 'a' name: 'b' }", "1:18", "twice"),
        ("test { name: 5 }", "1:8", "quotes"),
        ("test {}", "1:1", "no `name`"),
        ("env {}", "1:1", "no `test`"),
        ("test { name: 'a' }\ntest { name: 'a' }", "2:1", "another test"),
        ("env { log_level: LOUD } test { name: 'a' }", "1:7", "LOUD"),
        ("env { time_secs: -1 } test { name: 'a' }", "1:7", "whole number"),
        ("env { config_path: 'gone' } test { name: 'a' }", "1:7", "gone"),
        ("test { name: 'a' benchmark: perhaps }", "1:18", "`true`"),
        ("test { name: 'a' num_chunks: 0 }", "1:18", "by 0"),
        ("test { name: 'a' num_chunks: 2 chunk_size: 2 }", "1:18", "both"),
        (
            "test { name: 'a' num_chunks: 3 request_body { input { content: 'ab' } } }",
            "1:32",
            "3 pieces",
        ),
        (
            "test { name: 'a' request_headers { input { header { key: ':path' value: 'x y' } } } }",
            "1:18",
            "no path",
        ),
        (
            "test { name: 'a' request_headers { input { content: 'GET' } } }",
            "1:18",
            "first line",
        ),
        (
            "test { name: 'a' request_headers { input { header {} } } }",
            "1:44",
            "no `key`",
        ),
        (
            "test { name: 'a' request_headers { result { log {} } } }",
            "1:45",
            "one of `exact`",
        ),
        (
            "test { name: 'a' request_headers { result { log { regex: '(' } } } }",
            "1:51",
            "no pattern",
        ),
        ("test: 5", "1:1", "not a message"),
    ] {
        let wrong = read(text, "t.textpb", &read_file).unwrap_err();
        assert!(wrong.contains(&format!("t.textpb:{place}\n")), "{text}: {wrong}");
        assert!(wrong.contains(why), "{text}: {wrong}");
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let bytes = EVERY_FIELD.as_bytes();
    // A generator with a seed: the same texts at each run.
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    let alphabet = b"{}<>[]:;,#'\"\\ \n-0x19aeu.\xc3\xa4";
    for _ in 0..20_000 {
        let mut text = bytes.to_vec();
        for _ in 0..=next(4) {
            let (from, length) = (next(text.len()), next(40));
            let to = from.saturating_add(length).min(text.len());
            match next(3) {
                0 => drop(text.drain(from..to)),
                1 => text.insert(from, alphabet[next(alphabet.len())]),
                _ => {
                    let part = text[from..to].to_vec();
                    let at = next(text.len());
                    text.splice(at..at, part);
                }
            }
        }
        let text = String::from_utf8_lossy(&text);
        if let Err(wrong) = read(&text, "t", &read_file) {
            assert!(wrong.starts_with("error: "));
        }
    }
}
