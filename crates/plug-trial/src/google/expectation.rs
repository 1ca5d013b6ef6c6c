//! What Google's suites expect of a phase.

use regex::Regex;

use super::message::{Message, Said};
use super::text::Place;
use crate::piece::ReadFile;

#[derive(Debug, Default)]
pub(crate) struct Expectation {
    pub(crate) has_header: Vec<(String, Vec<u8>)>,
    pub(crate) no_header: Vec<String>,
    pub(crate) headers: Vec<StringMatcher>,
    pub(crate) body: Vec<StringMatcher>,
    pub(crate) immediate: Option<Immediate>,
    pub(crate) log: Vec<StringMatcher>,
}

#[derive(Debug, Default)]
pub(crate) struct Immediate {
    pub(crate) http_status: Option<u64>,
    pub(crate) grpc_status: Option<u64>,
    pub(crate) details: Option<String>,
}

#[derive(Debug)]
pub(crate) struct StringMatcher {
    pub(crate) invert: bool,
    pub(crate) wanted: Wanted,
}

#[derive(Debug)]
pub(crate) enum Wanted {
    Exact(Vec<u8>),
    /// Of the whole text, and as it was written.
    Regex(Regex, String),
}

impl Expectation {
    /// Whether it looks at nothing but what was logged.
    pub(crate) fn is_only_log(&self) -> bool {
        self.has_header.is_empty()
            && self.no_header.is_empty()
            && self.headers.is_empty()
            && self.body.is_empty()
            && self.immediate.is_none()
    }
}

/// What a file beside the suite holds.
pub(crate) fn contents(file: &str, place: Place, (said, read): (&mut Said, &ReadFile<'_>)) -> Option<Vec<u8>> {
    let contents = read(file);
    contents
        .map_err(|why| said.wrong(place, format!("`{file}` cannot be read: {why}")))
        .ok()
}

/// Headers, their names in lower case.
pub(crate) fn headers(message: &mut Message, name: &'static str, said: &mut Said) -> Vec<(String, Vec<u8>)> {
    let mut headers = Vec::new();
    for mut header in message.messages((name, "Header"), said) {
        let key = header.text("key", said).map(|(_, key)| key).unwrap_or_default();
        let value = header.bytes("value", said).map(|(_, value)| value);
        if key.is_empty() {
            said.wrong(header.place, "this header has no `key`");
        }
        headers.push((key.to_ascii_lowercase(), value.unwrap_or_default()));
        header.finish(said);
    }
    headers
}

/// What is expected of a phase.
pub(crate) fn expectation(mut message: Message, said: &mut Said, read: &ReadFile<'_>) -> Expectation {
    let has_header = headers(&mut message, "has_header", said);
    let no_header = headers(&mut message, "no_header", said);
    let expectation = Expectation {
        has_header,
        no_header: no_header.into_iter().map(|(key, _)| key).collect(),
        headers: matchers(&mut message, "headers", said, read),
        body: matchers(&mut message, "body", said, read),
        immediate: message.message(("immediate", "Immediate"), said).map(|mut immediate| {
            let read = Immediate {
                http_status: immediate.number("http_status", said).map(|(_, status)| status),
                grpc_status: immediate.number("grpc_status", said).map(|(_, status)| status),
                details: immediate.text("details", said).map(|(_, details)| details),
            };
            immediate.finish(said);
            read
        }),
        log: matchers(&mut message, "log", said, read),
    };
    message.finish(said);
    expectation
}

fn matchers(message: &mut Message, name: &'static str, said: &mut Said, read: &ReadFile<'_>) -> Vec<StringMatcher> {
    let mut all = Vec::new();
    for mut matcher in message.messages((name, "StringMatcher"), said) {
        let invert = matcher.truth("invert", said);
        let exact = matcher.bytes("exact", said);
        let regex = matcher.text("regex", said);
        let file = matcher.text("file", said);
        let wanted = match (exact, regex, file) {
            (Some((_, exact)), None, None) => Some(Wanted::Exact(exact)),
            (None, Some((place, pattern)), None) => whole(&pattern)
                .map_err(|why| said.wrong(place, format!("this is no pattern: {why}")))
                .ok()
                .map(|regex| Wanted::Regex(regex, pattern)),
            (None, None, Some((place, file))) => contents(&file, place, (said, read)).map(Wanted::Exact),
            _ => {
                let message = format!("a matcher of `{name}` has one of `exact`, `regex` and `file`");
                said.wrong(matcher.place, message);
                None
            }
        };
        all.extend(wanted.map(|wanted| StringMatcher { invert, wanted }));
        matcher.finish(said);
    }
    all
}

/// A pattern of RE2 that is to match the whole text.
fn whole(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|why| why.to_string())
}
