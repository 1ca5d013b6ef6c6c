//! Patches that are taken, those that are not, and what a marked line still says.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::field;
use crate::grade::{Class, Level};
use crate::packed::{Heading, Packer, write_line};

const LINE: &str = r#"{"timestamp":"2026-01-01T00:00:00.000000Z","request_id":"r-1","http.request.method":"GET","url.path":"/a?b","http.response.status_code":200,"user_agent.original":"curl/8","cofferdam.fields":{"team":"blue"}}"#;

fn patched(patch: &str) -> Result<String, Refused> {
    let mut line = LINE.as_bytes().to_vec();
    Patcher::default().apply(&mut line, patch.as_bytes(), 1_000)?;
    Ok(String::from_utf8(line).unwrap())
}

fn marked(line: &str) -> String {
    let mut line = line.as_bytes().to_vec();
    Patcher::default().mark(&mut line, "timeout");
    String::from_utf8(line).unwrap()
}

#[test]
fn a_patch_puts_in_replaces_and_takes_out() {
    assert_eq!(
        patched(r#"{"client.geo.country.iso_code":"DE","user_agent.original":"curl","url.path":null}"#).unwrap(),
        r#"{"timestamp":"2026-01-01T00:00:00.000000Z","request_id":"r-1","http.request.method":"GET","http.response.status_code":200,"user_agent.original":"curl","cofferdam.fields":{"team":"blue"},"client.geo.country.iso_code":"DE"}"#
    );
    assert_eq!(patched("{}").unwrap(), LINE);
}

#[test]
fn a_patch_that_lies_or_is_none_changes_nothing() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1_000));
    let many: Vec<String> = (0..65).map(|number| format!(r#""{number}":1"#)).collect();
    let many = format!("{{{}}}", many.join(","));
    for (patch, why) in [
        (r#"{"http.response.status_code":204}"#, Refused::Trusted),
        (r#"{"timestamp":null}"#, Refused::Trusted),
        (r#"{"a":1,"cofferdam.sandbox":"fine"}"#, Refused::Trusted),
        (r#"{"cofferdam.new":1}"#, Refused::Name),
        (r#"{"\u0074imestamp":1}"#, Refused::Name),
        (r#"{"":1}"#, Refused::Name),
        (r#"{"a":1,"a":2}"#, Refused::Name),
        ("[]", Refused::NotJson),
        ("{\"a\":\n1}", Refused::NotJson),
        (r#"{"a":1}{"b":2}"#, Refused::NotJson),
        (&long, Refused::TooLarge),
        (&many, Refused::TooLarge),
    ] {
        assert_eq!(patched(patch), Err(why), "{patch}");
    }
    let mut line = LINE.as_bytes().to_vec();
    let refused = Patcher::default().apply(&mut line, b"{\"a\":\"\xff\"}", 100);
    assert_eq!((refused, line.as_slice()), (Err(Refused::NotJson), LINE.as_bytes()));
}

#[test]
fn a_marked_line_says_what_the_gateway_says_and_nothing_that_others_wrote() {
    assert_eq!(
        marked(LINE),
        r#"{"timestamp":"2026-01-01T00:00:00.000000Z","request_id":"[unprocessed]","http.request.method":"GET","url.path":"[unprocessed]","http.response.status_code":200,"user_agent.original":"[unprocessed]","cofferdam.fields":{"marker":"[unprocessed]"},"cofferdam.sandbox":"timeout"}"#
    );
    assert_eq!(marked(&marked(LINE)), marked(LINE));
    assert!(marked(r#"{"http.request.method":"SECRET"}"#).contains(MARKER));
    assert!(marked(r#"{"\u0074imestamp":"secret"}"#).contains(MARKER));
}

#[test]
fn a_line_that_is_no_object_is_not_passed_on_as_it_is() {
    for line in [
        "",
        "secret",
        r#"{"url.path":"secret""#,
        r#"{"timestamp":"x","a":secret}"#,
    ] {
        assert_eq!(marked(line), r#"{"cofferdam.sandbox":"timeout"}"#);
    }
    assert_eq!(marked("secret\n"), "{\"cofferdam.sandbox\":\"timeout\"}\n");
}

proptest! {
    #[test]
    fn whatever_others_wrote_is_in_no_marked_line(path in "[^\\u{0}]{1,20}", agent in proptest::collection::vec(any::<u8>(), 0..30), name in ".{1,9}") {
        let secret = b"QzQz";
        let with = |text: &[u8]| [text, secret.as_slice()].concat();
        let mut packed = Vec::new();
        let mut packer = Packer::new(&mut packed);
        packer.text(&field::PATH, &with(path.as_bytes()));
        for field in [field::AUTHORITY, field::USER_AGENT, field::REQUEST_ID, field::METHOD, field::DETAILS, field::MESSAGE] {
            packer.text(&field, &with(&agent));
        }
        packer.members(&field::CUSTOM, |members| members.add(&with(name.as_bytes()), &with(&agent)));
        let heading = Heading {
            time_ns: 0,
            level: Level::Info,
            class: Class::Access,
            is_recovered: false,
        };
        let mut line = Vec::new();
        write_line(&heading, &packed, &mut line);
        let mut patched = line.clone();
        Patcher::default().apply(&mut patched, br#"{"new":true}"#, 100).unwrap();
        let mut before: Value = serde_json::from_slice(&line).unwrap();
        before.as_object_mut().unwrap().insert("new".to_owned(), true.into());
        prop_assert_eq!(before, serde_json::from_slice::<Value>(&patched).unwrap());
        Patcher::default().mark(&mut line, "trap");
        let text = String::from_utf8(line).unwrap();
        prop_assert!(!text.contains("QzQz"), "{}", text);
        prop_assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
    }
}
