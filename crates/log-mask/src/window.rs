//! What a matcher sees: the bytes from a place on as far as they have come, and a little of what stands before.

use crate::class::Class;

/// LIMIT: bytes that are held until it is certain what they are. A token that is longer is masked as a whole all the same.
pub(crate) const HELD_BYTES_MAX: usize = 4_096;

/// The answer depends on bytes that have not come yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct More;

/// What a matcher found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) class: Class,
    /// Bytes before it that stay.
    pub(crate) skip: usize,
    pub(crate) length: usize,
    /// What belongs to it beyond that, however long it is.
    pub(crate) tail: Option<Tail>,
}

/// What goes on beyond what was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tail {
    /// Letters, digits, `-`, `_` and `.`.
    Token,
    /// What a token of RFC 6750 is made of.
    Credential,
    /// Up to the end of a PEM block: dashes in a row now, and how many rows of five there were.
    Pem { dashes: u8, rows: u8 },
}

impl Found {
    pub(crate) const fn new(class: Class, length: usize) -> Self {
        Self {
            class,
            skip: 0,
            length,
            tail: None,
        }
    }
}

/// What a matcher says; no answer before all of it has come that the answer depends on, so that it is the same however a text is cut.
pub(crate) type Answer = Result<Option<Found>, More>;

/// LIMIT: bytes of a word that are looked at before a place. A hash or an id is no longer.
const WORD_BYTES_MAX: u8 = 64;

/// What stands before a place.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Before {
    /// The byte before, 0 at the beginning.
    pub(crate) one: u8,
    /// The byte before that.
    pub(crate) two: u8,
    /// Letters and digits directly before, and hexadecimal ones, counted up to [`WORD_BYTES_MAX`].
    pub(crate) word: u8,
    pub(crate) hex: u8,
    /// Hexadecimal digits directly before a dash that stands directly before.
    pub(crate) id: u8,
}

/// Digits of a trace's id, behind which the id of a span stands (W3C Trace Context section 3.2.2.3).
const TRACE_ID_BYTES: u8 = 32;

impl Before {
    /// What stands before a place among bytes that themselves stand behind something. It depends on the last bytes alone, however a text is cut.
    pub(crate) fn at(bytes: &[u8], place: usize, first: Self) -> Self {
        let passed = bytes.get(..place).unwrap_or_default();
        let mut last = passed.iter().rev().copied();
        let Some(one) = last.next() else {
            return first;
        };
        let is_hex = |byte: u8| byte.is_ascii_hexdigit();
        let id = match passed.split_last() {
            Some((b'-', earlier)) => counted(earlier, first.hex, is_hex),
            _ => 0,
        };
        Self {
            one,
            id,
            two: last.next().unwrap_or(first.one),
            word: counted(passed, first.word, |byte| byte.is_ascii_alphanumeric()),
            hex: counted(passed, first.hex, is_hex),
        }
    }

    /// Whether a number may begin here: not within another one, nor within a hash, an id or a fraction, nor as the id
    /// of a span behind that of its trace.
    pub(crate) const fn lets_number_begin(self) -> bool {
        let is_hex = self.word > 0 && self.hex == self.word;
        !(self.id == TRACE_ID_BYTES
            || self.one.is_ascii_digit()
            || self.one.is_ascii_alphabetic() && is_hex
            || self.one == b'.' && self.two.is_ascii_digit())
    }

    pub(crate) const fn is_in_word(self) -> bool {
        self.one.is_ascii_alphanumeric() || self.one == b'_'
    }
}

/// How many such bytes stand last, with those that stood before all of them.
fn counted(passed: &[u8], first: u8, is: impl Fn(u8) -> bool) -> u8 {
    let mut count = 0;
    for byte in passed.iter().rev() {
        if count == WORD_BYTES_MAX || !is(*byte) {
            return count;
        }
        count += 1;
    }
    first.saturating_add(count).min(WORD_BYTES_MAX)
}

/// The bytes from a place on.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    pub(crate) before: Before,
    pub(crate) bytes: &'a [u8],
    /// Nothing comes after them.
    pub(crate) is_whole: bool,
}

impl Window<'_> {
    /// The byte there; none beyond the end.
    pub(crate) fn at(&self, place: usize) -> Result<Option<u8>, More> {
        match self.bytes.get(place) {
            Some(byte) => Ok(Some(*byte)),
            None if self.is_whole => Ok(None),
            None => Err(More),
        }
    }

    /// Whether the byte there is such a one.
    pub(crate) fn is(&self, place: usize, is: impl Fn(u8) -> bool) -> Result<bool, More> {
        Ok(self.at(place)?.is_some_and(is))
    }

    /// Whether these bytes stand there.
    pub(crate) fn has(&self, place: usize, text: &[u8]) -> Result<bool, More> {
        for (offset, byte) in text.iter().enumerate() {
            if !self.is(place + offset, |other| other == *byte)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many such bytes follow one another there, counted up to `most`.
    pub(crate) fn run(&self, place: usize, most: usize, is: impl Fn(u8) -> bool) -> Result<usize, More> {
        let rest = self.bytes.get(place..).unwrap_or_default();
        let count = rest.iter().take(most).take_while(|byte| is(**byte)).count();
        let is_open = count < most && count == rest.len() && !self.is_whole;
        if is_open { Err(More) } else { Ok(count) }
    }

    /// Bytes that have come.
    pub(crate) fn part(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// Whether a number may end there.
    pub(crate) fn lets_number_end(&self, place: usize) -> Result<bool, More> {
        Ok(match self.at(place)? {
            Some(byte) if byte.is_ascii_hexdigit() => false,
            Some(b'.') => !self.is(place + 1, |byte| byte.is_ascii_digit())?,
            _ => true,
        })
    }

    /// Whether a word may end there.
    pub(crate) fn lets_word_end(&self, place: usize) -> Result<bool, More> {
        Ok(!self.is(place, |byte| byte.is_ascii_alphanumeric() || byte == b'_')?)
    }
}
