//! Findings while they are being collected, before lines and carets are cut out.

use std::collections::{BTreeSet, HashSet};

use super::excerpt::Lines;
use super::{FINDINGS_MAX, Finding, Findings, Severity};
use crate::place::{Place, Span};

/// LIMIT: findings that are collected before sorting; what comes later is only counted.
const COLLECTED_MAX: usize = 10_000;
/// LIMIT: characters of a message; names and values from the file are part of it.
const MESSAGE_CHARS_MAX: usize = 300;

/// A finding without its excerpt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Draft {
    span: Span,
    severity: Severity,
    message: String,
    related: Option<Box<(String, Span)>>,
    help: Option<String>,
}

/// Collects findings.
#[derive(Debug, Default)]
pub(crate) struct Report {
    drafts: HashSet<Draft>,
    error_starts: BTreeSet<Place>,
    left_out: usize,
}

impl Draft {
    pub(crate) fn error(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            severity: Severity::Error,
            message: message.into(),
            related: None,
            help: None,
        }
    }

    pub(crate) fn warning(span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    pub(crate) fn related(self, message: impl Into<String>, span: Span) -> Self {
        Self {
            related: Some(Box::new((message.into(), span))),
            ..self
        }
    }
}

impl Report {
    /// Takes a finding; one that is there already, as through a repeated alias, is kept once.
    pub(crate) fn add(&mut self, draft: Draft) {
        if self.drafts.len() >= COLLECTED_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        if draft.severity == Severity::Error {
            self.error_starts.insert(draft.span.start);
        }
        self.drafts.insert(draft);
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.error_starts.is_empty()
    }

    /// What the findings so far point at.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        let related = |draft: &Draft| draft.related.as_ref().map(|related| related.1);
        self.drafts
            .iter()
            .flat_map(move |draft| [Some(draft.span), related(draft)])
            .flatten()
    }

    /// Whether an error starts inside `span`. What is missing there may be what that error is about.
    pub(crate) fn touches(&self, span: Span) -> bool {
        self.error_starts
            .range(span.start..)
            .next()
            .is_some_and(|start| span.contains(*start))
    }

    /// The findings with their excerpts, sorted by position.
    pub(crate) fn seal(self, origin: &str, lines: &Lines<'_>) -> Findings {
        let mut drafts: Vec<Draft> = self.drafts.into_iter().collect();
        drafts.sort_by(|one, other| {
            (one.span, one.severity, &one.message).cmp(&(other.span, other.severity, &other.message))
        });
        let left_out = self.left_out.saturating_add(drafts.len().saturating_sub(FINDINGS_MAX));
        let findings = drafts
            .into_iter()
            .take(FINDINGS_MAX)
            .map(|draft| draft.seal(lines))
            .collect();
        Findings {
            origin: sanitized(origin),
            findings,
            left_out,
        }
    }
}

impl Draft {
    fn seal(self, lines: &Lines<'_>) -> Finding {
        let end = lines.end();
        let clamped = |span: Span| Span {
            start: clamp(span.start, end),
            end: span.end,
        };
        Finding {
            severity: self.severity,
            message: sanitized(&self.message),
            excerpt: lines.excerpt(clamped(self.span)),
            related: self
                .related
                .map(|related| (sanitized(&related.0), lines.excerpt(clamped(related.1)))),
            help: self.help.map(|help| sanitized(&help)),
        }
    }
}

fn clamp(place: Place, end: Place) -> Place {
    if place.line > end.line { end } else { place }
}

/// Text from the file stands in messages; it must neither steer a terminal nor flood it.
fn sanitized(text: &str) -> String {
    let clean = |char: char| if char.is_control() { '\u{FFFD}' } else { char };
    let mut short: String = text.chars().take(MESSAGE_CHARS_MAX).map(clean).collect();
    if text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}
