//! How YAML becomes a tree, and where its parts are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::json;

use super::{Node, read};
use crate::findings::Report;

fn tree(text: &str) -> Node {
    let mut report = Report::default();
    let tree = read(text, "listeners", &mut report);
    assert!(!report.has_errors(), "{report:?}");
    tree.unwrap()
}

#[test]
fn plain_words_follow_the_core_schema_of_yaml_1_2() {
    let text = "a: [yes, no, on, off, true, False, null, ~, '', 'true', \"5\", 0x1F, 0o17, +5, -0, 1_000, 1.5, .5, 1e3, 08, 1:30, 2001-01-01, =, 0x, e5, ., -, +]";
    let expected = json!({"a": [
        "yes", "no", "on", "off", true, false, null, null, "", "true", "5", 31, 15, 5, 0, "1_000", 1.5, 0.5, 1000.0, 8, "1:30",
        "2001-01-01", "=", "0x", "e5", ".", "-", "+"
    ]});
    assert_eq!(tree(&text.replace("., -, +]", "., \"-\", +]")).to_json(), expected);
}

#[test]
fn tags_of_the_core_schema_are_read() {
    let tree = tree("a: [!!str 5, !!int 7, !!float 1.5, !!bool true, !!null ~, !!str true]\nb: !!map { c: !!seq [] }");
    assert_eq!(
        tree.to_json(),
        json!({"a": ["5", 7, 1.5, true, null, "true"], "b": {"c": []}})
    );
}

#[test]
fn every_part_knows_its_place() {
    let tree = tree("# comment\nlist:\n  - 'a b'   # comment\n  - { k: \"v\" , n: }\nempty:\nlast: word # comment\n");
    let place = |node: &Node| (node.span.start.line, node.span.start.column, node.span.width());
    let list = tree.get("list").unwrap();
    assert_eq!(place(&list.items()[0]), (3, 5, Some(5)));
    assert_eq!(place(&list.items()[1]), (4, 5, Some(15)));
    assert_eq!(place(list.items()[1].get("k").unwrap()), (4, 10, Some(3)));
    assert_eq!(place(list.items()[1].get("n").unwrap()), (4, 16, Some(1)), "of its key");
    assert_eq!(place(tree.get("empty").unwrap()), (5, 1, Some(5)), "of its key");
    assert_eq!(place(tree.get("last").unwrap()), (6, 7, Some(4)));
    assert_eq!(tree.key_span("last").start.column, 1);
}

#[test]
fn a_part_of_a_text_has_a_place_when_it_is_written_as_it_is() {
    let tree = tree("plain: abcdef\nquoted: \"abcdef\"\nescaped: \"\\x61bcdef\"\nblock: |\n  abcdef\n");
    let column = |key: &str| tree.get(key).unwrap().part(2, 4).start.column;
    assert_eq!((column("plain"), column("quoted")), (10, 12));
    assert_eq!(column("escaped"), 10, "the whole value's");
    assert_eq!(tree.get("block").unwrap().part(2, 4), tree.get("block").unwrap().span);
}

#[test]
fn a_byte_order_mark_and_an_explicit_document_are_fine() {
    for text in [
        "\u{FEFF}listeners: [{ name: a, listen: 127.0.0.1:1 }]",
        "---\nlisteners: [{ name: a, listen: 127.0.0.1:1 }]\n...\n",
    ] {
        assert!(crate::check(text, "t.yaml").is_ok());
    }
}

#[test]
fn a_file_beyond_its_bound_is_not_read() {
    let text = format!("# {}\n", "x".repeat(8 * 1024 * 1024));
    let findings = crate::check(&text, "t.yaml").unwrap_err();
    assert!(
        findings
            .to_string()
            .starts_with("error: the file has 8388611 bytes; at most 8388608 are read")
    );
}

#[test]
fn chains_of_anchors_stay_within_the_bound_of_depth() {
    let nest = |inner: &str| format!("{}{inner}{}", "[".repeat(40), "]".repeat(40));
    let text = format!("a: &a {}\nb: &b {}\nc: {}\n", nest("x"), nest("*a"), nest("*b"));
    let findings = crate::check(&text, "t.yaml").unwrap_err();
    assert!(findings.to_string().contains("nested more than 64 deep"), "{findings}");
}
