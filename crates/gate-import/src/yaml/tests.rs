//! What is written reads as what was meant, whatever it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Yaml, comment};

fn written(value: &Value) -> String {
    let mut out = String::new();
    Yaml::from(value.clone()).write(&mut out);
    out
}

fn read(text: &str) -> Value {
    match gate_plan::documents::read(text, "t.yaml") {
        Ok(read) => read.roots().next().unwrap().to_json(),
        Err(findings) => panic!("{findings}\n{text}"),
    }
}

const TEXTS: &[&str] = &[
    "",
    "~",
    "null",
    "Null",
    "true",
    "NO",
    "off",
    "y",
    "5",
    "+5",
    "-5",
    "0x1F",
    "0o17",
    "1e3",
    "1.5",
    ".5",
    "-.inf",
    ".nan",
    "1_000",
    "1:30",
    "2001-01-01",
    "2001-01-01T00:00:00Z",
    "127.0.0.1:8080",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "- a",
    "---",
    "...",
    "[a]",
    "{a}",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "'a'",
    "\"a\"",
    "\\",
    " a",
    "a ",
    "a\tb",
    "a\nb",
    "\na",
    "a\n",
    "a\n\n",
    "  a\nb",
    "a\n  b\n",
    "a\r\nb",
    "a\n \nb",
    "\u{85}",
    "\u{2028}",
    "\u{FEFF}",
    "\u{1b}[2J",
    "\u{7f}",
    "\0",
    "é",
    "漢字",
    "😀",
    "=",
    "<<",
    "?",
    "? a",
    "|",
    ">",
    "https://a.example/x?y=z#w",
    "oci://r/x@sha256:ab",
    "/a/b",
    "_",
    "1s",
    "64MiB",
    "a,b",
    "a=b",
];

#[test]
fn texts_that_look_like_something_else_stay_texts() {
    for text in TEXTS.iter().copied() {
        for value in [
            json!({"key": text}),
            json!({text: 1}),
            json!([text, {text: text}]),
            json!({"a": {"b": [[text]]}}),
        ] {
            assert_eq!(read(&written(&value)), value, "{}", written(&value));
        }
    }
}

#[test]
fn plain_words_are_not_quoted_and_lines_stay_lines() {
    let value = json!({"listen": "127.0.0.1:8080", "file": "plugins/a.wasm", "wait": "50ms", "no": "no", "rules": "one\ntwo\n", "l": [1, "x"]});
    let expected =
        "listen: 127.0.0.1:8080\nfile: plugins/a.wasm\nwait: 50ms\n\"no\": \"no\"\nrules: |\n  one\n  two\nl: [1, x]\n";
    assert_eq!(written(&value), expected);
}

#[test]
fn a_comment_cannot_become_more_than_a_comment() {
    let mut out = String::new();
    comment(&["one\ntwo: 2\r\u{85}\u{2028}three".to_owned()], "", &mut out);
    assert_eq!(out.lines().count(), 1);
    assert!(out.starts_with("# one\u{FFFD}two"));
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just(" ".to_owned()),
        Just(": ".to_owned()),
        Just("# ".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("- ".to_owned()),
        Just("\\".to_owned()),
        Just("0".to_owned()),
        Just("e".to_owned()),
        Just("\t".to_owned()),
        any::<char>().prop_map(String::from),
        "[a-z0-9.:_-]{1,8}"
    ];
    prop_oneof![
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat()),
        "[ -~]{0,200}",
        Just("k".repeat(1_100))
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..6)
                .prop_map(|pairs| Value::from(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_written_reads_as_it_was(value in value().prop_filter("a document has content", |value| !value.is_null())) {
        let text = written(&value);
        let back = read(&text);
        // The order of keys is part of it: plugins get them as written.
        prop_assert_eq!(back.to_string(), value.to_string(), "{}", text);
    }
}
