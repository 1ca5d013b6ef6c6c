//! A text in pieces goes through, and what is found in it does not.

use crate::class::{Class, Counts};
use crate::fold;
use crate::replacement::Scratch;
use crate::report::Trail;
use crate::rules::Rules;
use crate::sieve::{Cursor, LOOK_BACK};
use crate::window::{Answer, Before, Found, Tail, Window};

/// What a reader works with: rules, counts, and where its bytes go.
pub(crate) struct Work<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) counts: &'a mut Counts,
    pub(crate) trail: &'a mut Trail,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) out: &'a mut Vec<u8>,
}

impl Work<'_> {
    /// Writes something in place of what was found, which took that many bytes.
    pub(crate) fn replace(&mut self, form: Form, class: Class, (text, read): (&[u8], usize), is_part: bool) {
        self.rules.replace(class, (text, is_part), self.scratch);
        let at = self.out.len();
        form.write(&self.scratch.text, self.out);
        self.counts.add(class);
        self.trail.replaced(class, at, (read, self.out.len() - at));
    }

    /// Writes a quote that nobody wrote: stars are no number.
    pub(crate) fn quote(&mut self) {
        self.out.push(b'"');
        self.trail.added(1);
    }
}

/// How text is written where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Plain,
    /// Within a string of JSON
    Json,
    /// Within an address (RFC 3986)
    Url,
    /// As it is, with escapes of JSON or of addresses wherever somebody put them
    Loose,
}

/// What stands for something that is hidden, where nobody says otherwise.
pub(crate) const HIDDEN: &str = "[REDACTED]";

impl Form {
    fn write(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Plain | Self::Loose => out.extend_from_slice(text.as_bytes()),
            Self::Json => text.bytes().for_each(|byte| write_json(byte, out)),
            // The shape that OpenTelemetry's conventions for `url.query` have; brackets would be escapes.
            Self::Url if text == HIDDEN => out.extend_from_slice(b"REDACTED"),
            Self::Url => text.bytes().for_each(|byte| write_url(byte, out)),
        }
    }

    /// The form of something that is written with such escapes.
    fn of_escapes(self, escapes: &[Escape]) -> Self {
        match escapes.iter().find_map(|escape| escape.raw.bytes().first()) {
            Some(b'%') if self == Self::Loose => Self::Url,
            Some(b'\\') if self == Self::Loose => Self::Json,
            _ => self,
        }
    }
}

const fn digit(value: u8, ten: u8) -> u8 {
    if value > 9 { ten + value - 10 } else { b'0' + value }
}

fn write_json(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0..=0x1f => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4, b'a'), digit(byte & 15, b'a')]),
        _ => out.push(byte),
    }
}

/// What a path and a query may both hold as it is; a plus sign would be a space.
fn write_url(byte: u8, out: &mut Vec<u8>) {
    if byte.is_ascii_alphanumeric() || b"-._~*@:!,()".contains(&byte) {
        out.push(byte);
    } else {
        out.extend_from_slice(&[b'%', digit(byte >> 4, b'A'), digit(byte & 15, b'A')]);
    }
}

/// LIMIT: bytes of the longest escape: three bytes in percent signs, or two halves of a character in JSON.
const RAW_BYTES_MAX: usize = 12;

/// How something is written, without an allocation for each.
#[derive(Clone, Copy, Debug)]
struct Raw {
    bytes: [u8; RAW_BYTES_MAX],
    length: usize,
}

impl Raw {
    fn new(parts: &[&[u8]]) -> Self {
        let mut raw = Self {
            bytes: [0; RAW_BYTES_MAX],
            length: 0,
        };
        for byte in parts.iter().copied().flatten() {
            if let Some(place) = raw.bytes.get_mut(raw.length) {
                *place = *byte;
                raw.length += 1;
            }
        }
        raw
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Characters that are written as something else: where they are among the held bytes, how many, and as what.
#[derive(Clone, Copy, Debug)]
struct Escape {
    at: usize,
    plain_bytes: usize,
    raw: Raw,
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
    pub(crate) const fn new(form: Form) -> Self {
        Self {
            form,
            held: Vec::new(),
            escapes: Vec::new(),
            before: Before {
                one: 0,
                two: 0,
                word: 0,
                hex: 0,
                id: 0,
            },
            tail: None,
        }
    }

    /// Forgets everything but the room that it has, for a text of that form.
    pub(crate) fn begin(&mut self, form: Form) {
        self.held.clear();
        self.escapes.clear();
        (self.form, self.before, self.tail) = (form, Before::default(), None);
    }

    /// Takes bytes that mean what they are, and lets go what is certain. What is not held is not copied.
    pub(crate) fn feed(&mut self, bytes: &[u8], is_whole: bool, work: &mut Work<'_>) {
        if !self.held.is_empty() || fold::is_in(bytes) {
            self.push(bytes);
            self.settle(is_whole, work);
            return;
        }
        let done = self.run(bytes, is_whole, work);
        self.held.extend_from_slice(bytes.get(done..).unwrap_or_default());
        if is_whole {
            self.end();
        }
    }

    /// Takes bytes that mean what they are.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // Together with what is held they may begin with a sign that is folded.
        let mut rest = bytes;
        while let Some((byte, others)) = rest.split_first().filter(|_| fold::open(&self.held) > 0) {
            self.held.push(*byte);
            self.fold_last();
            rest = others;
        }
        if !rest.is_ascii() {
            while let Some((at, length)) = fold::first(rest) {
                let (sign, others) = rest.split_at(at + length);
                self.held.extend_from_slice(sign);
                self.fold_last();
                rest = others;
            }
        }
        self.held.extend_from_slice(rest);
    }

    /// Takes a character that is written as something else.
    pub(crate) fn push_escape(&mut self, plain: &[u8], raw: &[u8]) {
        self.escapes.push(Escape {
            at: self.held.len(),
            plain_bytes: plain.len(),
            raw: Raw::new(&[raw]),
        });
        self.held.extend_from_slice(plain);
        self.fold_last();
    }

    /// Lets go what is certain; at the end of a text, everything.
    pub(crate) fn settle(&mut self, is_whole: bool, work: &mut Work<'_>) {
        let held = std::mem::take(&mut self.held);
        let done = self.run(&held, is_whole, work);
        self.held = held;
        self.forget(done);
        if is_whole {
            self.end();
        }
    }

    fn end(&mut self) {
        self.before = Before::default();
        self.tail = None;
    }

    /// Makes one escape of a sign that stands last, when it is one that stands for another.
    fn fold_last(&mut self) {
        for length in [3, 2] {
            let Some(from) = self.held.len().checked_sub(length) else {
                continue;
            };
            let Some(byte) = self.held.get(from..).and_then(fold::plain) else {
                continue;
            };
            let mut raw = Vec::with_capacity(RAW_BYTES_MAX);
            self.emit(&self.held, (from, self.held.len()), &mut raw);
            while self.escapes.last().is_some_and(|escape| escape.at >= from) {
                self.escapes.pop();
            }
            self.held.truncate(from);
            self.escapes.push(Escape {
                at: from,
                plain_bytes: 1,
                raw: Raw::new(&[&raw]),
            });
            self.held.push(byte);
            return;
        }
    }

    /// Goes through the bytes; gives how many of them are settled.
    fn run(&mut self, bytes: &[u8], is_whole: bool, work: &mut Work<'_>) -> usize {
        let open = if is_whole { 0 } else { fold::open(bytes) };
        let bytes = bytes.get(..bytes.len() - open).unwrap_or_default();
        let mut floor = self.swallow(0, bytes, work);
        let mut kept = floor;
        let mut cursor = Cursor::new(work.rules, bytes, is_whole, self.before);
        cursor.go(floor);
        let done = loop {
            let Some(place) = cursor.next(floor) else {
                break bytes.len();
            };
            let answer = self.look(&cursor, place.begin, place.among, work.rules);
            if answer == Ok(None) {
                continue;
            }
            let (place, answer) = self
                .earlier(&mut cursor, (floor, place.begin), work.rules)
                .unwrap_or((place.begin, answer));
            let Ok(Some(found)) = answer else {
                break place;
            };
            self.emit(bytes, (kept, place + found.skip), work.out);
            let end = self.replace(bytes, place, found, work);
            floor = self.swallow(end, bytes, work);
            kept = floor;
            cursor.go(floor);
        };
        self.emit(bytes, (kept, done), work.out);
        if !is_whole {
            self.before = Before::at(bytes, done, self.before);
        }
        done
    }

    /// Whether nothing is found in a whole text, of which no sign is to be folded.
    pub(crate) fn is_clean(&self, bytes: &[u8], rules: &Rules) -> bool {
        let mut cursor = Cursor::new(rules, bytes, true, self.before);
        while let Some(place) = cursor.next(0) {
            if self.look(&cursor, place.begin, place.among, rules) != Ok(None) {
                return false;
            }
        }
        true
    }

    fn look(&self, cursor: &Cursor<'_>, place: usize, among: u32, rules: &Rules) -> Answer {
        let rest = cursor.bytes.get(place..).unwrap_or_default();
        let Some(byte) = rest.first() else {
            return Ok(None);
        };
        let window = Window {
            before: Before::at(cursor.bytes, place, self.before),
            bytes: rest,
            is_whole: cursor.is_whole,
        };
        rules.find(&window, among & rules.may_begin(window.before.one, *byte))
    }

    /// What begins before a place and was not seen yet, as what tells it stands behind that place.
    fn earlier(
        &self,
        cursor: &mut Cursor<'_>,
        (floor, place): (usize, usize),
        rules: &Rules,
    ) -> Option<(usize, Answer)> {
        if !cursor.begins_before(place, floor) {
            return None;
        }
        (floor.max(place.saturating_sub(LOOK_BACK))..place)
            .map(|place| (place, self.look(cursor, place, u32::MAX, rules)))
            .find(|(_, answer)| *answer != Ok(None))
    }

    /// Goes over what belongs to a secret that was masked before.
    fn swallow(&mut self, from: usize, bytes: &[u8], work: &mut Work<'_>) -> usize {
        let mut at = from;
        while let (Some(tail), Some(byte)) = (self.tail, bytes.get(at).copied()) {
            self.tail = tail.take(byte);
            if self.tail.is_some() {
                at += 1;
            }
        }
        if at > from {
            work.trail.swallowed(self.raw_bytes(from, at));
        }
        at
    }

    fn replace(&mut self, bytes: &[u8], at: usize, found: Found, work: &mut Work<'_>) -> usize {
        let (from, to) = (at + found.skip, at + found.skip + found.length);
        let text = bytes.get(from..to).unwrap_or_default();
        let form = self.form.of_escapes(self.escapes_in(from, to));
        // What is shown of a secret that has a tail would be shown without it.
        work.replace(
            form,
            found.class,
            (text, self.raw_bytes(from, to)),
            found.tail.is_some(),
        );
        self.tail = found.tail;
        to
    }

    fn escapes_in(&self, from: usize, to: usize) -> &[Escape] {
        let first = self.escapes.partition_point(|escape| escape.at < from);
        let last = self.escapes.partition_point(|escape| escape.at < to);
        self.escapes.get(first..last).unwrap_or_default()
    }

    /// How many bytes those take where they came from.
    fn raw_bytes(&self, from: usize, to: usize) -> usize {
        let escapes = self.escapes_in(from, to);
        let (raw, plain) = escapes.iter().fold((0, 0), |(raw, plain), escape| {
            (raw + escape.raw.length, plain + escape.plain_bytes)
        });
        (to - from + raw).saturating_sub(plain)
    }

    /// Writes bytes as they came.
    fn emit(&self, bytes: &[u8], (from, to): (usize, usize), out: &mut Vec<u8>) {
        if self.escapes.is_empty() {
            out.extend_from_slice(bytes.get(from..to).unwrap_or_default());
            return;
        }
        let mut at = from;
        for escape in self.escapes_in(from, to) {
            out.extend_from_slice(bytes.get(at..escape.at).unwrap_or_default());
            out.extend_from_slice(escape.raw.bytes());
            at = escape.at + escape.plain_bytes;
        }
        out.extend_from_slice(bytes.get(at..to).unwrap_or_default());
    }

    fn forget(&mut self, count: usize) {
        self.held.drain(..count.min(self.held.len()));
        let gone = self.escapes.partition_point(|escape| escape.at < count);
        self.escapes.drain(..gone);
        for escape in &mut self.escapes {
            escape.at -= count;
        }
    }
}
