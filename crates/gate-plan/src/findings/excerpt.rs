//! One line of the file with a caret under it, cut to a readable width and with secrets blanked out.

use std::fmt;

use unicode_width::UnicodeWidthChar;

use crate::place::{Place, Span};

/// LIMIT: characters of a source line that are shown.
const SHOWN_CHARS_MAX: usize = 120;
/// Characters shown to the left of the caret when a line is cut.
const LEAD_CHARS: usize = 40;

/// The lines of a configuration, as YAML counts them.
pub(crate) struct Lines<'t> {
    lines: Vec<&'t str>,
    /// Values that may hold secrets, sorted.
    veils: Vec<Span>,
}

/// One line with a marked part.
#[derive(Debug, Clone)]
pub(super) struct Excerpt {
    pub(super) place: Place,
    line: String,
    blank: String,
    carets: usize,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str, mut veils: Vec<Span>) -> Self {
        veils.sort_unstable();
        Self {
            lines: lines(text),
            veils,
        }
    }

    /// The end of the text.
    pub(crate) fn end(&self) -> Place {
        let columns = self.lines.last().map_or(0, |line| line.chars().count());
        Place {
            line: self.lines.len().max(1),
            column: columns.saturating_add(1),
        }
    }

    pub(super) fn excerpt(&self, span: Span) -> Excerpt {
        let line = span
            .start
            .line
            .checked_sub(1)
            .and_then(|index| self.lines.get(index))
            .copied()
            .unwrap_or("");
        let start = span.start.column.saturating_sub(1);
        let end = self.marked_end(line, span, start);
        let skip = if end > SHOWN_CHARS_MAX {
            start.saturating_sub(LEAD_CHARS)
        } else {
            0
        };
        let shown = (skip..).zip(line.chars().skip(skip)).take(SHOWN_CHARS_MAX);
        let shown: Vec<(usize, char)> = shown
            .map(|(at, char)| (at, self.veiled(span.start.line, at, printable(char))))
            .collect();
        let cells = |from: usize, to: usize| -> usize {
            shown
                .iter()
                .filter(|(at, _)| (from..to).contains(at))
                .map(|(_, char)| char.width().unwrap_or(1))
                .sum()
        };
        let (before, after) = (
            skip > 0,
            line.chars().nth(skip.saturating_add(SHOWN_CHARS_MAX)).is_some(),
        );
        let text: String = shown.iter().map(|(_, char)| *char).collect();
        Excerpt {
            place: span.start,
            line: format!(
                "{}{text}{}",
                if before { "…" } else { "" },
                if after { "…" } else { "" }
            )
            .trim_end()
            .to_owned(),
            blank: " ".repeat(cells(0, start).saturating_add(usize::from(before))),
            carets: cells(start, end).max(1),
        }
    }

    /// A span over several lines is marked up to the end of its first.
    fn marked_end(&self, line: &str, span: Span, start: usize) -> usize {
        span.width()
            .map_or_else(|| line.trim_end().chars().count(), |width| start.saturating_add(width))
    }

    fn veiled(&self, line: usize, at: usize, char: char) -> char {
        let place = Place {
            line,
            column: at.saturating_add(1),
        };
        let veil = self.veils.partition_point(|veil| veil.start <= place).checked_sub(1);
        let hidden = veil
            .and_then(|index| self.veils.get(index))
            .is_some_and(|veil| veil.contains(place));
        if hidden && !char.is_whitespace() { '*' } else { char }
    }
}

impl Excerpt {
    pub(super) fn write(&self, out: &mut fmt::Formatter<'_>, origin: &str, gutter: usize) -> fmt::Result {
        let Place { line, column } = self.place;
        writeln!(out, "{:gutter$}--> {origin}:{line}:{column}", "")?;
        writeln!(out, "{:gutter$} |", "")?;
        writeln!(out, "{line:gutter$} | {}", self.line)?;
        writeln!(out, "{:gutter$} | {}{}", "", self.blank, "^".repeat(self.carets))
    }
}

/// YAML breaks lines at `\n`, `\r` and `\r\n` (YAML 1.2.2 section 5.4); `str::lines` does not know the lone `\r`.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once(['\n', '\r']) {
        let broken_by_return = rest.as_bytes().get(line.len()) == Some(&b'\r');
        rest = if broken_by_return {
            after.strip_prefix('\n').unwrap_or(after)
        } else {
            after
        };
        lines.push(line);
    }
    lines.push(rest);
    lines
}

/// Control characters would let a file write to the operator's terminal, and marks of writing direction would turn the line round.
fn printable(char: char) -> char {
    match char {
        '\t' => ' ',
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200B}'..='\u{200F}' | '\u{2028}' | '\u{2029}' => {
            '\u{FFFD}'
        }
        char if char.is_control() => '\u{FFFD}',
        char => char,
    }
}
