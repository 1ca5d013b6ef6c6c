//! The door of records: values that somebody sent are appended as they may be shown, one whole value after the other.
//!
//! What the gateway made itself, as times, ids, codes and sizes, is appended by whoever writes the record and never comes here.

use std::sync::Arc;

use crate::class::{Class, Counts};
use crate::json::Json;
use crate::loose::Loose;
use crate::masker::{Masker, Syntax};
use crate::query::Query;
use crate::replacement::{Action, Scratch};
use crate::report::Trail;
use crate::rules::Rules;
use crate::scan::{Form, Work};

/// A value that somebody sent.
#[derive(Clone, Copy, Debug)]
pub enum Untrusted<'a> {
    /// A text, as a line of a plugin; escapes of addresses and of JSON within it are read
    Text(&'a [u8]),
    /// A header or trailer; of those that are addresses the queries are looked at by their keys
    Header {
        /// Its name, in any case
        name: &'a [u8],
        /// Its value
        value: &'a [u8],
    },
    /// A path with or without a query, or a whole address
    Target(&'a [u8]),
    /// A query without its question mark, or the body of a form
    Query(&'a [u8]),
    /// JSON, or as much of its beginning as was kept
    Json(&'a [u8]),
    /// A value with a name, as a property or a custom field; the name may say that it is secret
    Named {
        /// Its name
        name: &'a [u8],
        /// Its value
        value: &'a [u8],
    },
}

impl<'a> Untrusted<'a> {
    /// Whether its name says that it is secret.
    fn is_secret(self, rules: &Rules) -> bool {
        match self {
            Self::Header { name, .. } => rules.is_secret_header(name),
            Self::Named { name, .. } => rules.is_secret(name),
            Self::Text(_) | Self::Target(_) | Self::Query(_) | Self::Json(_) => false,
        }
    }

    /// How it is written, and its bytes.
    fn read(self) -> (Syntax, &'a [u8]) {
        match self {
            Self::Target(value) => (Syntax::Target, value),
            Self::Header { name, value } if ADDRESSES.iter().any(|known| known.eq_ignore_ascii_case(name)) => {
                (Syntax::Target, value)
            }
            Self::Query(value) => (Syntax::Query, value),
            Self::Json(value) => (Syntax::Json, value),
            Self::Text(value) | Self::Header { value, .. } | Self::Named { value, .. } => (Syntax::Loose, value),
        }
    }
}

/// What became of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// It was appended as it came
    AsItIs,
    /// It was appended with something else in place of what was found
    Masked,
    /// Its name says that it is secret, and secrets are dropped: nothing was appended, and the field is best left out
    Dropped,
}

/// Headers whose values are addresses.
const ADDRESSES: &[&[u8]] = &[
    b":path",
    b"referer",
    b"location",
    b"content-location",
    b"x-original-url",
    b"x-original-uri",
    b"x-rewrite-url",
    b"x-forwarded-uri",
    b"x-envoy-original-path",
];

/// One worker's masker of values. It keeps its buffers: a value without a find costs no allocation.
pub struct Fields {
    rules: Arc<Rules>,
    loose: Loose,
    query: Query,
    json: Json,
    counts: Counts,
    trail: Trail,
    scratch: Scratch,
}

impl Fields {
    /// With those rules.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            loose: Loose::new(),
            query: Query::new(false),
            json: Json::new(),
            counts: Counts::default(),
            trail: Trail::default(),
            scratch: Scratch::default(),
        }
    }

    /// Other rules from here on.
    pub fn follow(&mut self, rules: Arc<Rules>) {
        self.rules = rules;
    }

    /// Whether anything of the class is masked; what can be nothing else need not be looked at where it is not.
    #[must_use]
    pub fn masks(&self, class: Class) -> bool {
        self.rules.wants(class)
    }

    /// Whether a name says that what is called so is secret.
    #[must_use]
    pub fn hides(&self, name: &[u8]) -> bool {
        self.rules.is_secret(name)
    }

    /// Appends a value as it may be shown.
    pub fn append(&mut self, value: Untrusted<'_>, out: &mut Vec<u8>) -> Shown {
        let before = self.counts.total();
        let mut work = Work {
            rules: &self.rules,
            counts: &mut self.counts,
            trail: &mut self.trail,
            scratch: &mut self.scratch,
            out,
        };
        if value.is_secret(work.rules) {
            return hide(value.read().1, &mut work);
        }
        match value.read() {
            (Syntax::Target, value) => self.query.target(value, &mut work),
            (Syntax::Query, value) => self.query.query(value, &mut work),
            (Syntax::Json, value) => {
                self.json.push(value, &mut work);
                self.json.finish(&mut work);
            }
            (_, value) => self.loose.whole(value, &mut work),
        }
        if self.counts.total() == before {
            Shown::AsItIs
        } else {
            Shown::Masked
        }
    }

    /// Appends the beginning of a value that goes on: what at its end only the rest of it could decide is left out.
    pub fn append_beginning(&mut self, value: Untrusted<'_>, out: &mut Vec<u8>) -> Shown {
        if value.is_secret(&self.rules) {
            return self.append(value, out);
        }
        let (syntax, value) = value.read();
        let mut masker = Masker::new(Arc::clone(&self.rules), syntax);
        masker.push(value, out);
        self.counts.merge(masker.counts());
        match masker.counts().total() {
            0 => Shown::AsItIs,
            _ => Shown::Masked,
        }
    }

    /// What was masked since this was asked for last.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }
}

/// Appends what stands for a value that is secret whatever it is.
fn hide(value: &[u8], work: &mut Work<'_>) -> Shown {
    if value.is_empty() {
        return Shown::AsItIs;
    }
    if work.rules.action(Class::Key) == Some(&Action::Drop) {
        work.counts.add(Class::Key);
        return Shown::Dropped;
    }
    work.replace(Form::Plain, Class::Key, (value, value.len()), false);
    Shown::Masked
}
