//! Words that are good, and what they mean. What is said of bad ones is in the golden files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::{Authority, Digest, FORMATS, HostName, PathText, Size, Word, span_text};
use crate::plan::EndpointSpec;
use crate::route::{HostPattern, Pattern};

#[test]
fn time_spans_have_a_unit() {
    let rows = [
        ("0s", 0),
        ("7us", 7),
        ("50ms", 50_000),
        ("1s", 1_000_000),
        ("2m", 120_000_000),
        ("1h", 3_600_000_000),
    ];
    for (text, micros) in rows {
        assert_eq!(Duration::read(text).unwrap(), Duration::from_micros(micros), "{text}");
    }
}

#[test]
fn sizes_are_decimal_or_binary() {
    let rows = [
        ("0", 0),
        ("17", 17),
        ("17B", 17),
        ("1kB", 1000),
        ("1MB", 1_000_000),
        ("1GB", 1_000_000_000),
    ];
    for (text, bytes) in rows
        .into_iter()
        .chain([("1KiB", 1 << 10), ("64MiB", 64 << 20), ("4GiB", 4 << 30)])
    {
        assert_eq!(Size::read(text).unwrap().0, bytes, "{text}");
    }
}

#[test]
fn hosts_are_names_addresses_and_patterns() {
    for text in [
        "a",
        "a.b",
        "xn--bcher-kva.example",
        "a_b.c",
        "10.0.0.1",
        "[::1]",
        "2001:db8::1",
    ] {
        HostName::read(text).unwrap();
    }
    for text in ["a", "a:80", "10.0.0.1:80", "[::1]", "[::1]:80"] {
        Authority::read(text).unwrap();
    }
    for text in ["*", "*.a.b", "a.*", "*-x.a", "10.0.*", "A.b", "[::1]", "10.0.0.1"] {
        assert_eq!(HostPattern::read(text).unwrap().to_string(), text.to_lowercase());
    }
    assert!(EndpointSpec::read("[fe80::1]:1").is_ok() && SocketAddr::read("[::]:0").is_ok());
    assert!(PathText::read("/a%20b;c=1/@:x").is_ok());
}

#[test]
fn a_digest_is_read_in_either_case() {
    let digest = Digest::read(&format!("{}{}", "0F", "a0".repeat(31))).unwrap();
    assert_eq!((digest.0[0], digest.0[31]), (0x0F, 0xA0));
}

#[test]
fn a_regex_matches_whole_texts_whatever_it_holds() {
    let rows = [
        ("a|ab", "ab", true),
        ("a|ab", "abc", false),
        ("(?x) a # comment", "a", true),
        ("(?x) a # comment", "ab", false),
    ];
    for (pattern, text, matches) in rows.into_iter().chain([
        ("^a$", "a", true),
        ("a$|b", "b", true),
        ("(?i)a", "A", true),
        ("", "", true),
    ]) {
        assert_eq!(
            Pattern::read(pattern).unwrap().matches(text),
            matches,
            "{pattern} {text}"
        );
    }
}

#[test]
fn every_word_has_a_name_of_its_own() {
    let names: HashSet<&str> = FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(names.len(), FORMATS.len());
}

proptest! {
    #[test]
    fn a_time_span_is_written_as_it_would_be_read(nanos in 0..100_000_000_u32, unit in prop::sample::select(vec![1_u64, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000])) {
        let span = Duration::from_nanos(u64::from(nanos) * unit);
        prop_assert_eq!(Duration::read(&span_text(span)).unwrap(), span);
    }

    #[test]
    fn no_text_brings_a_word_down(text in "\\PC{0,40}") {
        for format in FORMATS {
            let _ = (format.check)(&text);
        }
    }

    #[test]
    fn a_flaw_points_into_its_text(text in "[ -~é]{0,20}") {
        for flaw in FORMATS.iter().filter_map(|format| (format.check)(&text).err()) {
            if let Some((from, to)) = flaw.part {
                prop_assert!(from <= to && to <= text.chars().count().max(1), "{:?}", flaw);
            }
        }
    }
}
