//! Order, bounds and cleanness of findings. Their texts are in the golden files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use crate::findings::{Draft, Lines, Report};
use crate::place::{Place, Span};

fn span(line: usize, column: usize, width: usize) -> Span {
    Span::of_width(Place { line, column }, width)
}

fn shown(text: &str, drafts: Vec<Draft>) -> String {
    let mut report = Report::default();
    drafts.into_iter().for_each(|draft| report.add(draft));
    report.seal("f", &Lines::new(text, Vec::new())).to_string()
}

#[test]
fn findings_are_sorted_by_position_and_said_once() {
    let text = shown(
        "one\ntwo\n",
        vec![
            Draft::error(span(2, 1, 3), "second"),
            Draft::warning(span(1, 1, 3), "first"),
            Draft::error(span(2, 1, 3), "second"),
        ],
    );
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with(['e', 'w'])).collect();
    assert_eq!(heads, ["warning: first", "error: second"]);
    assert!(text.ends_with("f: 1 error, 1 warning"));
}

#[test]
fn more_findings_than_the_bound_are_only_counted() {
    let drafts = (1..=300).map(|line| Draft::error(span(line, 1, 1), "wrong")).collect();
    let text = shown(&"x\n".repeat(300), drafts);
    assert_eq!(text.matches("error: wrong").count(), 200);
    assert!(text.contains("and 100 more"), "{text}");
}

#[test]
fn a_place_beyond_the_text_is_shown_at_its_end() {
    let text = shown("one\ntwo", vec![Draft::error(span(99, 1, 1), "wrong")]);
    assert!(text.contains("--> f:2:4"), "{text}");
}

#[test]
fn carets_stand_under_wide_characters_and_tabs() {
    let text = shown("网关\tx: 5", vec![Draft::error(span(1, 4, 1), "wrong")]);
    assert!(text.contains("1 | 网关 x: 5\n  |      ^\n"), "{text}");
}

#[test]
fn what_is_said_neither_steers_a_terminal_nor_floods_it() {
    let text = shown(
        "a\u{1b}[31m\u{202e}b",
        vec![Draft::error(span(1, 1, 1), format!("\u{7}{}", "x".repeat(1000)))],
    );
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']));
    assert!(text.lines().all(|line| line.chars().count() < 400));
}
