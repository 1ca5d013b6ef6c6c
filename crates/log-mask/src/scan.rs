//! A text in pieces goes through, and what is found in it does not.

use crate::class::{Class, Counts};
use crate::rules::Rules;
use crate::window::{Before, Found, Tail, Window};

/// What a reader works with: rules, counts, and where its bytes go.
pub(crate) struct Work<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) counts: &'a mut Counts,
    pub(crate) out: &'a mut Vec<u8>,
}

impl Work<'_> {
    /// Writes something in place of what was found.
    pub(crate) fn replace(&mut self, form: Form, class: Class, text: &[u8], is_part: bool) {
        let with = self.rules.replacement(class, text, is_part);
        form.write(with.as_bytes(), self.out);
        self.counts.add(class);
    }
}

/// How text is written where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Plain,
    /// Within a string of JSON
    Json,
}

impl Form {
    fn write(self, text: &[u8], out: &mut Vec<u8>) {
        for byte in text {
            match (self, byte) {
                (Self::Json, b'"' | b'\\') => out.extend([b'\\', *byte]),
                (Self::Json, 0..=0x1f) => {
                    let digit = |value: u8| if value > 9 { b'a' + value - 10 } else { b'0' + value };
                    out.extend([b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
                }
                _ => out.push(*byte),
            }
        }
    }
}

/// Characters that are written as something else: where they are among the held bytes, how many, and as what.
#[derive(Clone, Debug)]
struct Escape {
    at: usize,
    plain_bytes: usize,
    raw: Vec<u8>,
}

/// A text that goes by. What may still become something is held; [`HELD_BYTES_MAX`](crate::window::HELD_BYTES_MAX) bytes at most, between pieces.
#[derive(Debug)]
pub(crate) struct Scan {
    form: Form,
    held: Vec<u8>,
    escapes: Vec<Escape>,
    before: Before,
    tail: Option<Tail>,
}

impl Scan {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            form,
            held: Vec::new(),
            escapes: Vec::new(),
            before: Before::default(),
            tail: None,
        }
    }

    /// Takes bytes that mean what they are.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// Takes a character that is written as something else.
    pub(crate) fn push_escape(&mut self, plain: &[u8], raw: &[u8]) {
        self.escapes.push(Escape {
            at: self.held.len(),
            plain_bytes: plain.len(),
            raw: raw.to_vec(),
        });
        self.held.extend_from_slice(plain);
    }

    /// Lets go what is certain; at the end of a text, everything.
    pub(crate) fn settle(&mut self, is_whole: bool, work: &mut Work<'_>) {
        let (mut at, mut kept) = (self.swallow(0), 0);
        kept = kept.max(at);
        let mut known = at;
        loop {
            let place = self.next(at, work.rules);
            self.before.pass(self.held.get(known..place).unwrap_or_default());
            (at, known) = (place, place);
            let Some(byte) = self.held.get(at).copied() else {
                break;
            };
            let window = Window {
                before: self.before,
                bytes: self.held.get(at..).unwrap_or_default(),
                is_whole,
            };
            match work.rules.find(&window, work.rules.may_begin(self.before.one, byte)) {
                Err(_) => break,
                Ok(None) => at += 1,
                Ok(Some(found)) => {
                    self.emit(kept, at + found.skip, work.out);
                    let end = self.replace(at, found, work);
                    at = self.swallow(end);
                    (known, kept) = (at, at);
                }
            }
        }
        self.emit(kept, at, work.out);
        self.forget(at);
        if is_whole {
            self.before = Before::default();
            self.tail = None;
        }
    }

    /// The next place at which something may begin.
    fn next(&self, from: usize, rules: &Rules) -> usize {
        let mut before = match from.checked_sub(1).and_then(|place| self.held.get(place)) {
            Some(byte) => *byte,
            None => self.before.one,
        };
        let rest = self.held.get(from..).unwrap_or_default();
        let begins = |byte: &u8| {
            let may = rules.may_begin(before, *byte) != 0;
            before = *byte;
            may
        };
        rest.iter()
            .position(begins)
            .map_or(self.held.len(), |offset| from + offset)
    }

    /// Goes over what belongs to a secret that was masked before.
    fn swallow(&mut self, from: usize) -> usize {
        let mut at = from;
        while let (Some(tail), Some(byte)) = (self.tail, self.held.get(at).copied()) {
            self.tail = tail.take(byte);
            if self.tail.is_some() {
                self.before.step(byte);
                at += 1;
            }
        }
        at
    }

    fn replace(&mut self, at: usize, found: Found, work: &mut Work<'_>) -> usize {
        let (from, to) = (at + found.skip, at + found.skip + found.length);
        let text = self.held.get(from..to).unwrap_or_default();
        // What is shown of a secret that has a tail would be shown without it.
        work.replace(self.form, found.class, text, found.tail.is_some());
        self.before.pass(self.held.get(at..to).unwrap_or_default());
        self.tail = found.tail;
        to
    }

    /// Writes held bytes as they came.
    fn emit(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        let mut at = from;
        let first = self.escapes.partition_point(|escape| escape.at < from);
        for escape in self.escapes.iter().skip(first).take_while(|escape| escape.at < to) {
            out.extend_from_slice(self.held.get(at..escape.at).unwrap_or_default());
            out.extend_from_slice(&escape.raw);
            at = escape.at + escape.plain_bytes;
        }
        out.extend_from_slice(self.held.get(at..to).unwrap_or_default());
    }

    fn forget(&mut self, count: usize) {
        self.held.drain(..count.min(self.held.len()));
        self.escapes.retain_mut(|escape| {
            escape.at = escape.at.wrapping_sub(count);
            escape.at < self.held.len()
        });
    }
}
