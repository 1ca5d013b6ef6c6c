//! Where two generations made something else of the same exchange.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::seen::{Body, Message, Seen};

/// LIMIT: differences that are told of one exchange; a plugin may add headers without end.
const DIFFERENCES_MAX: usize = 32;
/// LIMIT: bytes of a name or value that are shown.
const SHOWN_BYTES_MAX: usize = 64;

/// In what they differ. The order is that in which differences are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The candidate ended by a fault.
    Fault,
    /// One let the exchange go on, the other did not.
    Verdict,
    /// The candidate made a callout that the control did not make.
    Callout,
    /// Method, path or another part of a head that is no field, or a field, of the request.
    RequestHeader,
    /// The request's body.
    RequestBody,
    /// The request's trailers.
    RequestTrailer,
    /// The status of the response.
    Status,
    /// A field of the response's head.
    ResponseHeader,
    /// The response's body.
    ResponseBody,
    /// The response's trailers.
    ResponseTrailer,
    /// A property that was set.
    Property,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Fault,
        Self::Verdict,
        Self::Callout,
        Self::RequestHeader,
        Self::RequestBody,
        Self::RequestTrailer,
        Self::Status,
        Self::ResponseHeader,
        Self::ResponseBody,
        Self::ResponseTrailer,
        Self::Property,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Verdict => "verdict",
            Self::Callout => "callout",
            Self::RequestHeader => "request_header",
            Self::RequestBody => "request_body",
            Self::RequestTrailer => "request_trailer",
            Self::Status => "status",
            Self::ResponseHeader => "response_header",
            Self::ResponseBody => "response_body",
            Self::ResponseTrailer => "response_trailer",
            Self::Property => "property",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In what.
    pub kind: Kind,
    /// Which field, property, upstream or fault, and how it differs; without any value.
    pub name: String,
    /// Both values, where they may be shown; lengths and places always.
    pub detail: String,
}

impl Difference {
    /// The difference for people.
    #[must_use]
    pub fn text(&self) -> String {
        let what = self.kind.word().replace('_', " ");
        let parts = [what.as_str(), self.name.as_str(), self.detail.as_str()];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

/// What is compared, and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Header fields and trailers that are not compared.
    pub ignored: Vec<HeaderName>,
    /// Whether values of fields and properties are shown. Names always are.
    pub shows_values: bool,
}

/// Where both differ; nothing when they do not.
#[must_use]
pub fn compare(control: &Seen, candidate: &Seen, rules: &Rules) -> Vec<Difference> {
    let mut finder = Finder {
        rules,
        found: Vec::new(),
    };
    let callouts: BTreeSet<&String> = candidate.strange_callouts.iter().collect();
    if let Some(code) = candidate.fault {
        finder.add(Kind::Fault, format!("`{code}`"), String::new());
        // All else follows from it.
        return finder.found;
    }
    if control.verdict != candidate.verdict {
        let (before, now) = (control.verdict.words(), candidate.verdict.words());
        finder.add(Kind::Verdict, format!("`{now}` instead of `{before}`"), String::new());
    }
    for upstream in callouts {
        finder.add(
            Kind::Callout,
            format!("to `{}`", shown(upstream.as_bytes())),
            String::new(),
        );
    }
    let request = (Kind::RequestHeader, Kind::RequestBody, Kind::RequestTrailer);
    finder.messages(control.request.as_ref(), candidate.request.as_ref(), request);
    let response = (Kind::ResponseHeader, Kind::ResponseBody, Kind::ResponseTrailer);
    finder.messages(control.response.as_ref(), candidate.response.as_ref(), response);
    finder.properties(control, candidate);
    finder.found
}

struct Finder<'a> {
    rules: &'a Rules,
    found: Vec<Difference>,
}

impl Finder<'_> {
    fn add(&mut self, kind: Kind, name: String, detail: String) {
        if self.found.len() < DIFFERENCES_MAX {
            self.found.push(Difference { kind, name, detail });
        }
    }

    /// Compares what both have; that one has none follows from the verdict.
    fn messages(
        &mut self,
        control: Option<&Message>,
        candidate: Option<&Message>,
        (head, body, trailer): (Kind, Kind, Kind),
    ) {
        let Some((control, candidate)) = control.zip(candidate) else {
            return;
        };
        for (name, value) in &control.pseudo {
            let found = candidate.pseudo.iter().find(|(other, _)| other == name);
            let now = found.map(|(_, value)| value);
            if now != Some(value) {
                let kind = if *name == ":status" { Kind::Status } else { head };
                self.value(kind, name.as_bytes(), (Some(value), now));
            }
        }
        for (name, value) in &candidate.pseudo {
            if !control.pseudo.iter().any(|(other, _)| other == name) {
                self.value(head, name.as_bytes(), (None, Some(value)));
            }
        }
        self.fields(&control.headers, &candidate.headers, head);
        if control.is_whole && candidate.is_whole {
            self.bodies(&control.body, &candidate.body, body);
            self.fields(&control.trailers, &candidate.trailers, trailer);
        }
    }

    fn fields(&mut self, control: &HeaderMap, candidate: &HeaderMap, kind: Kind) {
        let added = candidate.keys().filter(|name| !control.contains_key(*name));
        for name in control.keys().chain(added) {
            if self.rules.ignored.contains(name) {
                continue;
            }
            let (before, now) = (values(control, name), values(candidate, name));
            if before != now {
                self.value(kind, name.as_str().as_bytes(), (before.as_ref(), now.as_ref()));
            }
        }
    }

    fn properties(&mut self, control: &Seen, candidate: &Seen) {
        let (before, now) = (&control.properties, &candidate.properties);
        let added = now.keys().filter(|name| !before.contains_key(*name));
        for name in before.keys().chain(added) {
            let both = (before.get(name), now.get(name));
            if both.0 != both.1 {
                self.value(Kind::Property, name, both);
            }
        }
    }

    fn value(&mut self, kind: Kind, name: &[u8], (before, now): (Option<&Bytes>, Option<&Bytes>)) {
        let how = match (before, now) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let text = |value: Option<&Bytes>| value.map_or(String::from("nothing"), |value| format!("{:?}", shown(value)));
        let detail = match self.rules.shows_values {
            true => format!("({} instead of {})", text(now), text(before)),
            false => String::new(),
        };
        self.add(kind, format!("`{}` {how}", shown(name)), detail);
    }

    fn bodies(&mut self, control: &Body, candidate: &Body, kind: Kind) {
        if control == candidate {
            return;
        }
        let pairs = control.kept.iter().zip(&candidate.kept);
        let same = pairs.take_while(|(before, now)| before == now).count();
        let detail = format!(
            "(differs from byte {same} on, {} bytes instead of {})",
            candidate.bytes, control.bytes
        );
        self.add(kind, String::new(), detail);
    }
}

/// All values of a field, one on each line.
fn values(headers: &HeaderMap, name: &HeaderName) -> Option<Bytes> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    let rest: Vec<&HeaderValue> = all.collect();
    if rest.is_empty() {
        return Some(Bytes::copy_from_slice(first.as_bytes()));
    }
    // A newline is in no value.
    let lines = [first].into_iter().chain(rest).map(HeaderValue::as_bytes);
    Some(lines.collect::<Vec<_>>().join(&b'\n').into())
}

/// The beginning, without what would break a line.
fn shown(bytes: &[u8]) -> String {
    let beginning = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let text = String::from_utf8_lossy(beginning).replace(char::is_control, ".");
    match beginning.len() < bytes.len() {
        true => format!("{text}..."),
        false => text,
    }
}
