//! What a guest behind the mask may change in a record's line, and the marker that stands where it failed.

use std::ops::Range;

use crate::field;
use crate::members::{Member, Members};

/// What stands in place of what others wrote, where a guest did not do its work on it.
pub const MARKER: &str = "[unprocessed]";
/// What names of ours that are no semantic convention begin with; nobody else makes one.
const OURS: &[u8] = b"cofferdam.";

/// LIMIT: members of one patch.
const MEMBERS_MAX: usize = 64;
/// LIMIT: bytes of a member's name.
const NAME_BYTES_MAX: usize = 128;
/// Methods that are told as they are: they say nothing of who sent them.
const METHODS: &[&[u8]] = &[
    b"\"GET\"",
    b"\"HEAD\"",
    b"\"POST\"",
    b"\"PUT\"",
    b"\"DELETE\"",
    b"\"CONNECT\"",
    b"\"OPTIONS\"",
    b"\"TRACE\"",
    b"\"PATCH\"",
];

/// Why a patch was not taken. Nothing of it is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has too many bytes or members.
    #[error("a patch is too large")]
    TooLarge,
    /// It is no JSON object on one line.
    #[error("a patch is no JSON object on one line")]
    NotJson,
    /// It changes what the gateway itself says.
    #[error("a patch changes a field that is the gateway's own")]
    Trusted,
    /// A name is empty, too long, given twice, has escapes, or begins as ours do.
    #[error("a patch has a name that is not allowed")]
    Name,
    /// The line is no JSON object.
    #[error("the record is no JSON object")]
    Line,
}

impl Refused {
    /// Its word in records and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "patch_too_large",
            Self::NotJson => "patch_not_json",
            Self::Trusted => "patch_trusted_field",
            Self::Name => "patch_name",
            Self::Line => "record_not_json",
        }
    }
}

/// Changes lines, with room that it keeps so that no line costs an allocation.
#[derive(Debug, Default)]
pub struct Patcher {
    edits: Vec<Edit>,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Edit {
    member: Member,
    is_done: bool,
}

impl Patcher {
    /// Applies a patch of at most `bytes_max` bytes: an object whose members are put into the line, in place of those of the same name, or
    /// taken out of it where their value is `null`. What the gateway itself wrote cannot be named.
    ///
    /// # Errors
    /// Why it is not applied; the line is as it was.
    pub fn apply(&mut self, line: &mut Vec<u8>, patch: &[u8], bytes_max: usize) -> Result<(), Refused> {
        self.read(patch, bytes_max)?;
        let (text, end) = split_end(line);
        self.line.clear();
        let mut out = Writing::new(&mut self.line);
        for member in Members::of(text) {
            let member = member.map_err(|_| Refused::Line)?;
            let name = part(text, &member.name);
            let edit = self
                .edits
                .iter_mut()
                .find(|edit| part(patch, &edit.member.name) == name);
            match edit {
                Some(edit) => {
                    edit.is_done = true;
                    put(&mut out, patch, edit);
                }
                None => out.member(part(text, &member.whole())),
            }
        }
        for edit in self.edits.iter().filter(|edit| !edit.is_done) {
            put(&mut out, patch, edit);
        }
        out.end(end);
        std::mem::swap(line, &mut self.line);
        Ok(())
    }

    fn read(&mut self, patch: &[u8], bytes_max: usize) -> Result<(), Refused> {
        self.edits.clear();
        if patch.len() > bytes_max {
            return Err(Refused::TooLarge);
        }
        if std::str::from_utf8(patch).is_err() {
            return Err(Refused::NotJson);
        }
        for member in Members::of(patch) {
            let member = member.map_err(|_| Refused::NotJson)?;
            let name = part(patch, &member.name);
            allowed(name)?;
            if self.edits.len() >= MEMBERS_MAX {
                return Err(Refused::TooLarge);
            }
            if self.edits.iter().any(|edit| part(patch, &edit.member.name) == name) {
                return Err(Refused::Name);
            }
            self.edits.push(Edit { member, is_done: false });
        }
        Ok(())
    }

    /// Replaces in a line what others wrote by the marker, and says `why` in a field of its own. A line that is no object is replaced whole.
    pub fn mark(&mut self, line: &mut Vec<u8>, why: &str) {
        let (text, end) = split_end(line);
        self.line.clear();
        let mut out = Writing::new(&mut self.line);
        for member in Members::of(text) {
            let Ok(member) = member else {
                out.restart();
                break;
            };
            let (name, value) = (part(text, &member.name), part(text, &member.value));
            if name == field::SANDBOX.name.as_bytes() {
                continue;
            }
            match tells_of_others(name, value) {
                true => out.marked(name, value),
                false => out.member(part(text, &member.whole())),
            }
        }
        out.named(field::SANDBOX.name.as_bytes(), |line| crate::json::text(why, line));
        out.end(end);
        std::mem::swap(line, &mut self.line);
    }
}

/// The object, and what comes behind it: the end of the line, when it is there.
fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    match line.strip_suffix(b"\n") {
        Some(text) => (text, b"\n"),
        None => (line, b""),
    }
}

fn part<'t>(text: &'t [u8], range: &Range<usize>) -> &'t [u8] {
    text.get(range.clone()).unwrap_or_default()
}

fn allowed(name: &[u8]) -> Result<(), Refused> {
    let text = std::str::from_utf8(name).map_err(|_| Refused::NotJson)?;
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(&b'\\') {
        return Err(Refused::Name);
    }
    match field::find(text) {
        Some(_) if field::is_untrusted(text) => Ok(()),
        Some(_) => Err(Refused::Trusted),
        None if name.starts_with(OURS) => Err(Refused::Name),
        None => Ok(()),
    }
}

fn tells_of_others(name: &[u8], value: &[u8]) -> bool {
    // A name with bytes that are no text, or with escapes, is in no table of ours.
    let is_untrusted = std::str::from_utf8(name).map_or(true, field::is_untrusted);
    is_untrusted && !(name == field::METHOD.name.as_bytes() && METHODS.contains(&value))
}

fn put(out: &mut Writing<'_>, patch: &[u8], edit: &Edit) {
    if part(patch, &edit.member.value) != b"null" {
        out.member(part(patch, &edit.member.whole()));
    }
}

/// An object on its way into a buffer.
struct Writing<'b> {
    line: &'b mut Vec<u8>,
}

impl<'b> Writing<'b> {
    fn new(line: &'b mut Vec<u8>) -> Self {
        line.push(b'{');
        Self { line }
    }

    fn restart(&mut self) {
        self.line.truncate(1);
    }

    fn next(&mut self) {
        if self.line.len() > 1 {
            self.line.push(b',');
        }
    }

    /// A member as it stood elsewhere.
    fn member(&mut self, whole: &[u8]) {
        self.next();
        self.line.extend_from_slice(whole);
    }

    /// A member by a name that stood in a line.
    fn named(&mut self, name: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        self.next();
        self.line.push(b'"');
        self.line.extend_from_slice(name);
        self.line.extend_from_slice(b"\":");
        value(self.line);
    }

    /// The marker in the form of what it replaces: sinks that have learnt a form refuse records with another.
    fn marked(&mut self, name: &[u8], value: &[u8]) {
        self.named(name, |line| match value.first() {
            Some(b'{') => {
                line.extend_from_slice(b"{\"marker\":");
                crate::json::text(MARKER, line);
                line.push(b'}');
            }
            Some(b'[') => {
                line.push(b'[');
                crate::json::text(MARKER, line);
                line.push(b']');
            }
            _ => crate::json::text(MARKER, line),
        });
    }

    fn end(self, end: &[u8]) {
        self.line.push(b'}');
        self.line.extend_from_slice(end);
    }
}

#[cfg(test)]
mod tests;
