//! A line as an operator lays it out: text, with places for members.

use serde_json::{Map, Value};

use super::{breaks, escape};

/// LIMIT: characters of a template.
const CHARS_MAX: usize = 16 * 1024;
/// LIMIT: places of a template, each of which may hold as much as the whole line.
const PLACES_MAX: usize = 100;
/// What stands in place of a member that is not there.
const ABSENT: &str = "-";

/// Why a text is no template. Places are characters of it, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// `{` without its `}`.
    #[error("character {at}: `{{` is never closed; hint: a brace as such is `{{{{`")]
    Open {
        /// Where.
        at: usize,
    },
    /// `}` without its `{`.
    #[error("character {at}: `}}` closes nothing; hint: a brace as such is `}}}}`")]
    Closed {
        /// Where.
        at: usize,
    },
    /// `{` within a place.
    #[error("character {at}: `{{` within a place")]
    Within {
        /// Where.
        at: usize,
    },
    /// `{}` or `{|text}`.
    #[error("character {at}: a place without the name of a member")]
    Nameless {
        /// Where the place begins.
        at: usize,
    },
    /// The end of a line, or another control character than a tab.
    #[error("character {at}: a control character, where a record is one line")]
    Control {
        /// Where.
        at: usize,
    },
    /// Nothing at all.
    #[error("a template without a character")]
    Empty,
    /// More than 16,384 characters.
    #[error("a template of more than {CHARS_MAX} characters")]
    Long,
    /// More than 100 places.
    #[error("character {at}: more than {PLACES_MAX} places")]
    Places {
        /// Where the first that is too many begins.
        at: usize,
    },
}

/// A text with places: `{name}`, or `{name|text}` with what stands there when the member is absent or null; `{{` and `}}` are braces.
///
/// A name is that of a member, or several with dots between them, each in the object of the one before. In what is put in, control
/// characters, quotes and backslashes are escaped as in JSON, so that quotes around a place hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { name: String, absent: String },
}

type Chars<'t> = std::iter::Peekable<std::iter::Zip<std::str::Chars<'t>, std::ops::RangeFrom<usize>>>;

impl Template {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, TemplateFault> {
        match text.chars().take(CHARS_MAX + 1).count() {
            0 => return Err(TemplateFault::Empty),
            count if count > CHARS_MAX => return Err(TemplateFault::Long),
            _ => {}
        }
        let (mut parts, mut plain, mut places) = (Vec::new(), String::new(), 0);
        let mut chars = text.chars().zip(1..).peekable();
        while let Some((one, at)) = chars.next() {
            let doubled = |chars: &mut Chars<'_>| chars.next_if(|(next, _)| *next == one).is_some();
            match one {
                '{' | '}' if doubled(&mut chars) => plain.push(one),
                '{' if places == PLACES_MAX => return Err(TemplateFault::Places { at }),
                '{' => {
                    places += 1;
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(place(&mut chars, at)?);
                }
                '}' => return Err(TemplateFault::Closed { at }),
                '\t' => plain.push(one),
                _ if breaks(one) => return Err(TemplateFault::Control { at }),
                _ => plain.push(one),
            }
        }
        parts.push(Part::Text(plain));
        Ok(Self { parts })
    }

    /// Appends the text with these members in its places.
    pub(super) fn write(&self, members: &Map<String, Value>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Place { name, absent } => match found(members, name) {
                    None | Some(Value::Null) => out.extend_from_slice(absent.as_bytes()),
                    Some(Value::String(text)) => escape(text, out),
                    Some(other) => escape(&other.to_string(), out),
                },
            }
        }
    }
}

/// Reads a place behind its `{`.
fn place(chars: &mut Chars<'_>, begin: usize) -> Result<Part, TemplateFault> {
    let mut inside = String::new();
    loop {
        match chars.next() {
            Some(('}', _)) => break,
            Some(('{', at)) => return Err(TemplateFault::Within { at }),
            Some((one, at)) if breaks(one) => return Err(TemplateFault::Control { at }),
            Some((one, _)) => inside.push(one),
            None => return Err(TemplateFault::Open { at: begin }),
        }
    }
    let (name, absent) = inside.split_once('|').unwrap_or((&inside, ABSENT));
    if name.is_empty() {
        return Err(TemplateFault::Nameless { at: begin });
    }
    Ok(Part::Place {
        name: name.to_owned(),
        absent: absent.to_owned(),
    })
}

/// The member of that name, or of its beginning with one of the rest within. Each value of a line is come by once at most.
fn found<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    members.get(name).or_else(|| {
        name.match_indices('.').find_map(|(at, _)| {
            let inner = members.get(name.get(..at)?)?.as_object()?;
            found(inner, name.get(at + 1..)?)
        })
    })
}
