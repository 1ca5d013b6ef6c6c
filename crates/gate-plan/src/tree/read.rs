//! From YAML text to the tree, within bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::scalar::{Misread, resolve};
use super::syntax::complaint;
use super::{Entry, Node, Value};
use crate::findings::{Draft, Report, lines};
use crate::place::{Place, Span};

/// LIMIT: bytes of one configuration file.
const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// LIMIT: maps and lists inside each other.
const DEPTH_MAX: usize = 64;
/// LIMIT: keys and values of one file, before aliases are filled in.
const NODES_MAX: usize = 1_000_000;
/// LIMIT: bytes that aliases may add, against texts that unfold without end.
const ALIAS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads the one document of `text`; none when it is not readable as YAML, and then the report says why. `least` is what a file must have.
pub(crate) fn read<'r>(text: &'r str, least: &str, report: &'r mut Report) -> Option<Node> {
    let root = stream(text, 1, report)?.pop().filter(|root| root.value != Value::Null);
    if root.is_none() {
        let draft = Draft::error(Span::of_width(Place::START, 1), "the file has no content");
        report.add(draft.help(format!("it has at least `{least}`")));
    }
    root
}

/// Reads up to `documents_max` documents, empty ones too.
pub(crate) fn stream<'r>(text: &'r str, documents_max: usize, report: &'r mut Report) -> Option<Vec<Node>> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", text.len());
        report
            .add(Draft::error(Span::of_width(Place::START, 1), message).help("split it, or leave out generated parts"));
        return None;
    }
    let lines = lines(text);
    let mut builder = Builder {
        lines,
        report,
        frames: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        alias_bytes: 0,
        documents_max,
        roots: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let read = match event {
            Ok((event, span)) => builder.take(event, span_of(span)),
            Err(error) => Err(complaint(&error)),
        };
        if let Err(draft) = read {
            builder.report.add(draft);
            return None;
        }
    }
    Some(builder.roots)
}

/// Documents being built; a failure of its methods is one after which nothing further can be read.
struct Builder<'r> {
    lines: Vec<&'r str>,
    report: &'r mut Report,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    alias_bytes: usize,
    documents_max: usize,
    roots: Vec<Node>,
}

/// An open list or map.
struct Frame {
    start: Place,
    anchor: usize,
    body: Body,
}

enum Body {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        places: HashMap<String, Span>,
        key: Option<(String, Span)>,
    },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Draft> {
        match event {
            Event::DocumentStart(_) if self.roots.len() >= self.documents_max => Err(self.one_too_many(span)),
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, (anchor, tag.as_deref()), span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::SequenceStart(anchor, tag) => self.open(Body::List(Vec::new()), (anchor, tag.as_deref()), span),
            Event::MappingStart(anchor, tag) => {
                let body = Body::Map {
                    entries: Vec::new(),
                    places: HashMap::new(),
                    key: None,
                };
                self.open(body, (anchor, tag.as_deref()), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn one_too_many(&self, span: Span) -> Draft {
        if self.documents_max == 1 {
            let draft = Draft::error(span, "a second document begins here");
            return draft.help("a configuration is one document: remove the `---`");
        }
        let message = format!("the file has more than {} documents", self.documents_max);
        Draft::error(span, message).help("split it")
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame {
                body: Body::Map { key: None, .. },
                ..
            })
        )
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        marks: (usize, Option<&Tag>),
        span: Span,
    ) -> Result<(), Draft> {
        self.count(span)?;
        let span = self.up_to_its_quote(span, style);
        if self.wants_key() {
            return self.key(text, style, span);
        }
        let value = resolve(text, style, marks.1).unwrap_or_else(|misread| {
            self.report.add(misread.draft(span));
            Value::Text(text.to_owned())
        });
        // A value that is not written has no place of its own.
        let span = if text.is_empty() && style == ScalarStyle::Plain {
            self.open_key().unwrap_or(span)
        } else {
            span
        };
        let node = Node { span, value };
        self.keep(marks.0, &node)?;
        self.put(node);
        Ok(())
    }

    /// The reader's span of a quoted text includes the spaces and the comment after it.
    fn up_to_its_quote(&self, span: Span, style: ScalarStyle) -> Span {
        // LIMIT: columns up to which a line is read again for this; beyond it the caret is a little too wide.
        const COLUMN_MAX: usize = 4096;
        let quote = match style {
            ScalarStyle::SingleQuoted => '\'',
            ScalarStyle::DoubleQuoted => '"',
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => return span,
        };
        let line = span.start.line.checked_sub(1).and_then(|index| self.lines.get(index));
        let (Some(line), Some(width)) = (line, span.width()) else {
            return span;
        };
        if span.end.column > COLUMN_MAX {
            return span;
        }
        let written = line.chars().skip(span.start.column.saturating_sub(1)).take(width);
        Span::of_width(span.start, quoted_width(written, quote).unwrap_or(width))
    }

    fn key(&mut self, text: &str, style: ScalarStyle, span: Span) -> Result<(), Draft> {
        let plain = style == ScalarStyle::Plain;
        if plain && matches!(text, "" | "~") {
            return Err(Draft::error(span, "a key is missing before the `:`").help("write `key: value`"));
        }
        if plain && text == "<<" {
            let draft = Draft::error(span, "merge keys (`<<`) belong to YAML 1.1 and are not read");
            self.report
                .add(draft.help("write the keys out, or give the whole map an anchor and use it with `*name`"));
        }
        if let Some(Frame {
            body: Body::Map { key, .. },
            ..
        }) = self.frames.last_mut()
        {
            *key = Some((text.to_owned(), span));
        }
        Ok(())
    }

    fn open_key(&self) -> Option<Span> {
        match self.frames.last() {
            Some(Frame {
                body: Body::Map {
                    key: Some((_, span)), ..
                },
                ..
            }) => Some(*span),
            _ => None,
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Draft> {
        self.refuse_as_key(span)?;
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            let draft = Draft::error(span, "the alias stands inside the value that it repeats");
            return Err(draft.help("end the value before using its anchor"));
        };
        self.pay(&node, span)?;
        if self.frames.len().saturating_add(depth(&node)) > DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.put(node);
        Ok(())
    }

    fn open(&mut self, body: Body, (anchor, tag): (usize, Option<&Tag>), span: Span) -> Result<(), Draft> {
        self.count(span)?;
        self.refuse_as_key(span)?;
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.report.add(Misread::Tag.draft(span));
        }
        if self.frames.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.frames.push(Frame {
            start: span.start,
            anchor,
            body,
        });
        Ok(())
    }

    fn refuse_as_key(&self, span: Span) -> Result<(), Draft> {
        if !self.wants_key() {
            return Ok(());
        }
        let draft = Draft::error(span, "a key must be a word, not a list, a map or an alias");
        Err(draft.help("a text that begins with `[`, `{` or `*` needs quotes"))
    }

    fn close(&mut self, end: Span) -> Result<(), Draft> {
        let Some(Frame { start, anchor, body }) = self.frames.pop() else {
            return Ok(());
        };
        let value = match body {
            Body::List(items) => Value::List(items),
            Body::Map { entries, .. } => Value::Map(entries),
        };
        // A closing bracket has a width, the end of an indented block has none. After the bracket come spaces and a comment.
        let brackets = end.width() != Some(0);
        let end = if brackets { end.start.right(1) } else { end.end };
        let span = Span {
            start,
            end: end.max(start),
        };
        let node = Node { span, value };
        self.keep(anchor, &node)?;
        self.put(node);
        Ok(())
    }

    fn keep(&mut self, anchor: usize, node: &Node) -> Result<(), Draft> {
        if anchor > 0 {
            self.pay(node, node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(())
    }

    fn put(&mut self, node: Node) {
        let report = &mut *self.report;
        match self.frames.last_mut().map(|frame| &mut frame.body) {
            None => self.roots.push(node),
            Some(Body::List(items)) => items.push(node),
            Some(Body::Map { entries, places, key }) => {
                let Some((key, key_span)) = key.take() else { return };
                if let Some(first) = places.get(&key) {
                    let draft = Draft::error(key_span, format!("the key `{key}` is given twice"));
                    report.add(draft.related("given here first", *first).help("remove one of the two"));
                } else {
                    places.insert(key.clone(), key_span);
                    entries.push(Entry {
                        key,
                        key_span,
                        value: node,
                    });
                }
            }
        }
    }

    fn count(&mut self, span: Span) -> Result<(), Draft> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        Err(
            Draft::error(span, format!("the file has more than {NODES_MAX} keys and values"))
                .help("leave out generated parts"),
        )
    }

    fn pay(&mut self, node: &Node, span: Span) -> Result<(), Draft> {
        self.alias_bytes = self.alias_bytes.saturating_add(bytes(node));
        if self.alias_bytes <= ALIAS_BYTES_MAX {
            return Ok(());
        }
        Err(Draft::error(span, "aliases repeat too much").help("write the values out; they may add 16 MiB in all"))
    }
}

impl Misread {
    fn draft(self, span: Span) -> Draft {
        match self {
            Self::Number => {
                Draft::error(span, "this number cannot be kept exactly").help("put it in quotes to pass it on as text")
            }
            Self::Tag => Draft::error(span, "this tag is not read").help("remove the `!`; quotes make a value text"),
        }
    }
}

/// Characters up to the closing quote, the quote included.
fn quoted_width(written: impl Iterator<Item = char>, quote: char) -> Option<usize> {
    let mut written = written
        .enumerate()
        .skip_while(|(_, char)| *char != quote)
        .skip(1)
        .peekable();
    while let Some((index, char)) = written.next() {
        let doubled = char == quote && quote == '\'' && written.peek().is_some_and(|(_, next)| *next == quote);
        if doubled || (char == '\\' && quote == '"') {
            written.next();
        } else if char == quote {
            return Some(index.saturating_add(1));
        }
    }
    None
}

fn too_deep(span: Span) -> Draft {
    Draft::error(span, format!("maps and lists are nested more than {DEPTH_MAX} deep")).help("flatten the value")
}

/// Maps and lists inside each other.
fn depth(node: &Node) -> usize {
    let below = match &node.value {
        Value::List(items) => items.iter().map(depth).max(),
        Value::Map(entries) => entries.iter().map(|entry| depth(&entry.value)).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => return 0,
    };
    below.unwrap_or(0).saturating_add(1)
}

/// Rough memory of a tree: what its texts take and a lump for each value.
fn bytes(node: &Node) -> usize {
    const NODE_BYTES: usize = 64;
    let children = match &node.value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.iter().map(bytes).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| bytes(&entry.value).saturating_add(entry.key.len()))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    children.saturating_add(NODE_BYTES)
}

fn span_of(span: saphyr_parser::Span) -> Span {
    let place = |mark: saphyr_parser::Marker| Place {
        line: mark.line().max(1),
        column: mark.col().saturating_add(1),
    };
    let (start, end) = (place(span.start), place(span.end));
    Span {
        start,
        end: end.max(start),
    }
}
