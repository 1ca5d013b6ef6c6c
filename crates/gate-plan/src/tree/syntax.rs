//! The YAML reader's complaints in the operator's words, with what would have been right.

use saphyr_parser::ScanError;

use crate::findings::Draft;
use crate::place::{Place, Span};

/// How the reader begins its complaint, what the operator reads, and the way out.
const COMPLAINTS: &[(&str, &str, &str)] = &[
    (
        "while scanning an anchor or alias",
        "an unquoted `*` or `&` is not text",
        "put it in quotes, as in `hosts: [\"*\"]`",
    ),
    (
        "while parsing node, found unknown anchor",
        "the alias refers to an anchor that is not there",
        "if text is meant, put it in quotes: `\"*.example.com\"`; an anchor is written `&name` before its value",
    ),
    ("tab", "a tab stands where YAML wants spaces", "indent with spaces"),
    (
        "unexpected character: `@'",
        "an unquoted value begins with `@`",
        "put it in quotes",
    ),
    (
        "unexpected character: ``'",
        "an unquoted value begins with a backtick",
        "put it in quotes",
    ),
    (
        "unexpected character: `%'",
        "an unquoted value begins with `%`",
        "put it in quotes",
    ),
    (
        "mapping values are not allowed",
        "a `:` stands where no key can be",
        "a text with a colon and a space needs quotes; else look whether the indentation is right",
    ),
    (
        "mapping keys are not allowed",
        "a key stands where none can be",
        "look whether the indentation is right",
    ),
    (
        "simple key expect",
        "a key without `:` stands before this",
        "write `key: value`",
    ),
    (
        "while parsing a block mapping",
        "this does not belong to the map before it",
        "look whether the indentation is right",
    ),
    (
        "while parsing a block collection",
        "this does not belong to the list before it",
        "look whether the indentation is right; each item of the list begins with `- ` in the same column",
    ),
    (
        "block sequence entries are not allowed",
        "a list item stands where none can be",
        "begin the list on a line of its own",
    ),
    (
        "while parsing a flow mapping",
        "a `{` is not closed, or a `,` is missing",
        "write `{ key: value, key: value }`",
    ),
    (
        "while parsing a flow sequence",
        "a `[` is not closed, or a `,` is missing",
        "write `[ one, two ]`",
    ),
    (
        "while scanning a quoted scalar",
        "a quoted text does not end",
        "close it with the quote with which it begins",
    ),
    (
        "while parsing a quoted scalar",
        "a `\\` in double quotes begins an unknown escape",
        "write `\\\\` for the character itself, or use single quotes",
    ),
    (
        "invalid trailing content after double-quoted",
        "something follows the closing quote",
        "quote the whole value, or none of it",
    ),
    (
        "invalid indentation",
        "the indentation is wrong",
        "keys of one map begin in the same column",
    ),
    (
        "wrongly indented line in block scalar",
        "a line of this block is indented less than its first",
        "indent all its lines alike",
    ),
    (
        "misplaced bracket",
        "a bracket is closed that was not opened",
        "remove it, or quote the text",
    ),
    (
        "recursion limit exceeded",
        "brackets are nested too deeply",
        "flatten the value",
    ),
    (
        "found unprintable character",
        "a NUL character stands in the text",
        "remove it",
    ),
    (
        "a byte order mark",
        "a byte order mark stands inside the text",
        "remove it",
    ),
    (
        "\"-\" is only valid inside a block",
        "a list item with `-` stands inside `{ }` or `[ ]`",
        "close the `{` or `[` before it",
    ),
    (
        "illegal placement of ':'",
        "a `:` stands where none can be",
        "close the `{` or `[` before it, or add the `,` that is missing",
    ),
    (
        "comment intercepting the multiline text",
        "a comment cuts a text of several lines in two",
        "quote the text, or move the comment",
    ),
];

/// What the reader stumbled over.
pub(super) fn complaint(error: &ScanError) -> Draft {
    let mark = error.marker();
    let span = Span::of_width(
        Place {
            line: mark.line().max(1),
            column: mark.col().saturating_add(1),
        },
        1,
    );
    let info = error.info();
    let known = COMPLAINTS.iter().find(|(begins, ..)| info.starts_with(begins));
    let known = known.or_else(|| {
        COMPLAINTS
            .iter()
            .find(|(word, ..)| *word == "tab" && info.contains("tab"))
    });
    match known {
        Some((_, message, help)) => Draft::error(span, *message).help(*help),
        None => Draft::error(span, format!("this is not YAML: {info}")).help("YAML 1.2.2 describes the notation"),
    }
}
