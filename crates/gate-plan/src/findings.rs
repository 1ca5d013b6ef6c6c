//! What is wrong with a configuration: messages with a position, a caret and what would have been right.

mod excerpt;
mod report;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Value, json};

use self::excerpt::Excerpt;
pub(crate) use self::excerpt::{Lines, lines};
pub(crate) use self::report::{Draft, Report};

/// LIMIT: findings kept of one check; a file with more has one cause that repeats itself.
const FINDINGS_MAX: usize = 200;

/// Everything that was found in one file, sorted by position.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    origin: String,
    findings: Vec<Finding>,
    left_out: usize,
}

/// One thing that is wrong, or probably not meant.
#[derive(Debug, Clone)]
pub struct Finding {
    severity: Severity,
    message: String,
    excerpt: Excerpt,
    related: Option<(String, Excerpt)>,
    help: Option<String>,
}

/// Whether a finding keeps a configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is used.
    Warning,
}

impl Findings {
    /// The findings, sorted by position.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The findings for programs: `origin`, `findings` with `severity`, `message`, `line`, `column`, `help` and `related`, and
    /// `left_out`, the number of findings beyond the limit. Lines and columns count from 1, columns in characters. The text of
    /// the file is left out: it may hold secrets.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "origin": self.origin,
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "left_out": self.left_out,
        })
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

impl Finding {
    /// Whether it is an error or a warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would have been right.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.excerpt.place.line
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.excerpt.place.column
    }

    /// The finding for programs, as in [`Findings::to_json`].
    #[must_use]
    pub fn to_json(&self) -> Value {
        let related = self.related.as_ref().map(
            |(message, excerpt)| json!({"message": message, "line": excerpt.place.line, "column": excerpt.place.column}),
        );
        json!({
            "severity": self.severity.to_string(),
            "message": self.message,
            "line": self.line(),
            "column": self.column(),
            "help": self.help,
            "related": related,
        })
    }

    fn write(&self, out: &mut fmt::Formatter<'_>, origin: &str) -> fmt::Result {
        let related = self.related.as_ref().map_or(0, |(_, excerpt)| excerpt.place.line);
        let gutter = self.line().max(related).to_string().len();
        writeln!(out, "{}: {}", self.severity, self.message)?;
        self.excerpt.write(out, origin, gutter)?;
        if let Some((message, excerpt)) = &self.related {
            writeln!(out, "note: {message}")?;
            excerpt.write(out, origin, gutter)?;
        }
        self.help
            .as_ref()
            .map_or(Ok(()), |help| writeln!(out, "{:gutter$} = help: {help}", ""))
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            finding.write(out, &self.origin)?;
            writeln!(out)?;
        }
        if self.left_out > 0 {
            writeln!(out, "and {} more", self.left_out)?;
        }
        let errors = self.count(Severity::Error);
        let warnings = self.count(Severity::Warning);
        let parts = [(errors, "error"), (warnings, "warning")];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        write!(
            out,
            "{}: {}",
            self.origin,
            if parts.is_empty() {
                "nothing found".to_owned()
            } else {
                parts.join(", ")
            }
        )
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl std::error::Error for Findings {}
