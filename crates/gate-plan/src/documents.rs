//! A door for rooms that read what others wrote in YAML or JSON: its documents, each value with its place, and findings about them.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde_json::Number;

use crate::findings::{Draft, Findings, Lines, Report};
use crate::place::{Place, Span};
use crate::tree::{self, Value};

/// LIMIT: documents of one file.
const DOCUMENTS_MAX: usize = 1_000;

/// The documents of one text.
#[derive(Debug)]
pub struct Documents<'t> {
    text: &'t str,
    origin: String,
    roots: Vec<tree::Node>,
}

/// A value of a document. Equal to itself only: a value that an alias repeats is another one.
#[derive(Debug, Clone, Copy)]
pub struct Node<'d>(&'d tree::Node);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind<'d> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(&'d Number),
    /// A text.
    Text(&'d str),
    /// A list; [`Node::items`] has what is in it.
    List,
    /// A map; [`Node::entries`] has what is in it.
    Map,
}

/// A place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot(Span);

/// What a reader of documents found wrong with a value.
#[derive(Debug, Clone)]
pub struct Flaw {
    /// Where.
    pub spot: Spot,
    /// What is wrong, in one line.
    pub message: String,
    /// What would have been right.
    pub help: String,
}

/// Reads a stream of YAML documents, which a JSON text is too, within the bounds of a configuration. Empty documents are left out.
///
/// # Errors
/// Everything that keeps the text from being read. Excerpts end with what is wrong: what follows may be a secret.
pub fn read<'t>(text: &'t str, origin: &str) -> Result<Documents<'t>, Findings> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut report = Report::default();
    let mut roots = tree::stream(text, DOCUMENTS_MAX, &mut report).unwrap_or_default();
    roots.retain(|root| root.value != Value::Null);
    if roots.is_empty() && !report.has_errors() {
        report.add(Draft::error(Span::of_width(Place::START, 1), "the file has no content"));
    }
    let read = Documents {
        text,
        origin: origin.to_owned(),
        roots,
    };
    if report.has_errors() {
        // What follows on the line may be a secret that is in no tree.
        let veils = report.spans().map(rest_of_line).collect();
        return Err(report.seal(origin, &Lines::new(text, veils)));
    }
    Ok(read)
}

/// From the end of what is pointed at.
fn rest_of_line(span: Span) -> Span {
    let line = span.start.line;
    let end = span
        .width()
        .map_or(span.start.right(1), |width| span.start.right(width));
    Span {
        start: end,
        end: Place {
            line,
            column: usize::MAX,
        },
    }
}

impl Documents<'_> {
    /// What messages call the text.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The documents in order.
    pub fn roots(&self) -> impl Iterator<Item = Node<'_>> {
        self.roots.iter().map(Node)
    }

    /// Flaws as findings with excerpts. Those show no value but the one that a flaw is about: others may be secrets.
    #[must_use]
    pub fn findings(&self, flaws: Vec<Flaw>) -> Findings {
        let mut report = Report::default();
        let shown: Vec<Span> = flaws.iter().map(|flaw| flaw.spot.0).collect();
        for flaw in flaws {
            report.add(Draft::error(flaw.spot.0, flaw.message).help(flaw.help));
        }
        let mut veils = Vec::new();
        for root in &self.roots {
            root.leaves(&mut |leaf| {
                let veiled = leaf.value != Value::Null && !shown.contains(&leaf.span);
                veils.extend(veiled.then_some(leaf.span));
            });
        }
        report.seal(&self.origin, &Lines::new(self.text, veils))
    }
}

impl<'d> Node<'d> {
    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind<'d> {
        match &self.0.value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number),
            Value::Text(text) => Kind::Text(text),
            Value::List(_) => Kind::List,
            Value::Map(_) => Kind::Map,
        }
    }

    /// Where it begins.
    #[must_use]
    pub fn spot(self) -> Spot {
        Spot(self.0.span)
    }

    /// The items of a list; none of anything else.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        self.0.items().iter().map(Node)
    }

    /// The keys of a map, each with its place and value, in the order written; none of anything else.
    pub fn entries(self) -> impl Iterator<Item = (&'d str, Spot, Node<'d>)> {
        let entries = self.0.entries().iter();
        entries.map(|entry| (entry.key.as_str(), Spot(entry.key_span), Node(&entry.value)))
    }

    /// The value as JSON, keys in the order in which they were written.
    #[must_use]
    pub fn to_json(self) -> serde_json::Value {
        self.0.to_json()
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Node<'_> {}

impl Hash for Node<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).hash(state);
    }
}

impl Spot {
    /// The first character of a text.
    pub const START: Self = Self(Span {
        start: Place::START,
        end: Place { line: 1, column: 2 },
    });

    /// Line, from 1.
    #[must_use]
    pub fn line(self) -> usize {
        self.0.start.line
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(self) -> usize {
        self.0.start.column
    }
}

impl fmt::Display for Kind<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Null => "nothing",
            Self::Bool(true) => "`true`",
            Self::Bool(false) => "`false`",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_stream_has_documents_with_places() {
        let text = "---\na: 1\n---\n---\n- x\n- {b: [true]}\n";
        let read = read(text, "t.yaml").unwrap();
        let roots: Vec<Node<'_>> = read.roots().collect();
        assert_eq!(roots.len(), 2, "the empty one is left out");
        let (key, spot, value) = roots[0].entries().next().unwrap();
        assert_eq!((key, spot.line(), spot.column(), value.spot().column()), ("a", 2, 1, 4));
        assert_eq!(roots[1].to_json(), serde_json::json!(["x", {"b": [true]}]));
        assert_eq!(roots[1].items().next().unwrap().kind(), Kind::Text("x"));
    }

    #[test]
    fn a_value_that_an_alias_repeats_is_another() {
        let read = read("a: &x {k: 1}\nb: *x\n", "t.yaml").unwrap();
        let values: Vec<Node<'_>> = read.roots().next().unwrap().entries().map(|entry| entry.2).collect();
        assert_ne!(values[0], values[1]);
        assert_eq!(values[0].to_json(), values[1].to_json());
    }

    #[test]
    fn one_bad_document_spoils_the_text_and_no_value_is_shown() {
        let said = read("a: s3cret\n---\nb: s3cret\nb: s3cret\n", "t.yaml")
            .unwrap_err()
            .to_string();
        assert!(said.contains("t.yaml:4:1") && said.contains("given twice"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        assert!(
            read("# nothing\n", "t.yaml")
                .unwrap_err()
                .to_string()
                .contains("no content")
        );
        let many = "--- a\n".repeat(DOCUMENTS_MAX + 1);
        assert!(
            read(&many, "t.yaml")
                .unwrap_err()
                .to_string()
                .contains("more than 1000 documents")
        );
    }

    #[test]
    fn an_excerpt_shows_the_value_that_is_wrong_and_no_other() {
        let read = read("{phase: SOON, token: s3cret}", "t.yaml").unwrap();
        let (_, _, phase) = read.roots().next().unwrap().entries().next().unwrap();
        let flaw = Flaw {
            spot: phase.spot(),
            message: "no".to_owned(),
            help: "yes".to_owned(),
        };
        let said = read.findings(vec![flaw]).to_string();
        assert!(said.contains("phase: SOON, token: ******}"), "{said}");
    }
}
