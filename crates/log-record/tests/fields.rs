//! The page of the fields of records is the table of them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;

use expect_test::expect_file;
use log_record::field::{self, Field, Kind};

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Integer => "integer",
        Kind::Milliseconds => "milliseconds",
        Kind::Number => "number",
        Kind::Flag => "flag",
        Kind::Nested => "array or object",
        Kind::Hidden => panic!("it stands in no line"),
    }
}

fn rows(page: &mut String, fields: &[&Field]) {
    page.push_str("| field | type | records | outside | meaning |\n|---|---|---|---|---|\n");
    for field in fields {
        let classes: Vec<String> = field
            .classes
            .iter()
            .map(|class| format!("`{}`", class.word()))
            .collect();
        let classes = if classes.is_empty() {
            "all".to_owned()
        } else {
            classes.join(" ")
        };
        let outside = if field::is_untrusted(field.name) { "yes" } else { "" };
        let (name, kind, meaning) = (field.name, word(field.kind), field.meaning);
        let _ = writeln!(page, "| `{name}` | {kind} | {classes} | {outside} | {meaning} |");
    }
}

/// The page of every field: first those that any record may have, then the others in the order of the table.
fn reference() -> String {
    let mut page = String::from(include_str!("fields/head.md"));
    let shown = field::ALL.iter().copied().filter(|field| field.kind != Kind::Hidden);
    let (of_all, of_some): (Vec<_>, Vec<_>) = shown.partition(|field| field.classes.is_empty());
    page.push_str("## Of every record\n\n");
    rows(&mut page, &of_all);
    page.push_str("\n## Of some records\n\n");
    rows(&mut page, &of_some);
    page
}

/// Written anew with `UPDATE_EXPECT=1 cargo test -p log-record`.
#[test]
fn the_reference_is_the_table() {
    let path = format!("{}/../../docs/log-fields.md", env!("CARGO_MANIFEST_DIR"));
    expect_file![path].assert_eq(&reference());
}

#[test]
fn a_field_says_what_it_is_in_one_row() {
    for field in field::ALL {
        assert!(field.meaning.ends_with('.'), "{}: {}", field.name, field.meaning);
        assert!(
            !field.meaning.contains(['|', '\n']),
            "{}: {}",
            field.name,
            field.meaning
        );
        let mut sorted = field.classes.to_vec();
        sorted.sort_by_key(|class| class.index());
        sorted.dedup();
        assert_eq!(sorted, field.classes, "{}", field.name);
    }
}
