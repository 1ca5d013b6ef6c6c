//! Addresses and queries that go by (RFC 3986, and forms of HTML): their parts are looked at as what they mean, and stay written as they are.

use crate::class::Class;
use crate::percent::{Percent, Step};
use crate::rules::Rules;
use crate::scan::{Form, Scan, Work};
use crate::window::HELD_BYTES_MAX;

/// LIMIT: bytes of a key that is known.
const NAME_BYTES_MAX: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Path,
    Name,
    Value,
    /// A value that is masked whole
    Secret,
}

impl Part {
    /// What stands for itself: neither an escape nor the end of the part.
    fn is_plain(self, byte: u8) -> bool {
        match (self, byte) {
            (_, b'%' | b'#') => false,
            (Self::Path, _) => byte != b'?',
            (Self::Name, b'=') => false,
            _ => byte != b'&' && byte != b'+',
        }
    }
}

/// An address or a query that goes by.
#[derive(Debug)]
pub(crate) struct Query {
    part: Part,
    percent: Percent,
    scan: Scan,
    name: Vec<u8>,
    value: Vec<u8>,
    /// How many bytes the value takes as it is written.
    value_bytes: usize,
}

impl Query {
    /// One that begins with a query, or else with a path.
    pub(crate) const fn new(is_query: bool) -> Self {
        Self {
            part: if is_query { Part::Name } else { Part::Path },
            percent: Percent::new(),
            scan: Scan::new(Form::Url),
            name: Vec::new(),
            value: Vec::new(),
            value_bytes: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8], work: &mut Work<'_>) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if self.percent.is_open() {
                rest = match self.percent.push(*byte) {
                    Step::Taken => after,
                    Step::Read(plain, raw) => {
                        self.take_escape(&[plain], &raw);
                        after
                    }
                    Step::None(plain) => {
                        self.take(plain.bytes(), None, work);
                        rest
                    }
                };
                continue;
            }
            let length = rest.iter().take_while(|byte| self.part.is_plain(**byte)).count();
            let (plain, others) = rest.split_at(length);
            self.take(plain, others.first().copied(), work);
            rest = others.split_first().map_or(others, |(byte, after)| {
                self.sign(*byte, work);
                after
            });
        }
        if self.part != Part::Secret {
            self.scan.settle(false, work);
        }
    }

    /// Takes a whole address, or a path with or without a query. Most are of one part.
    pub(crate) fn target(&mut self, text: &[u8], work: &mut Work<'_>) {
        if memchr::memchr3(b'%', b'?', b'#', text).is_none() {
            self.scan.feed(text, true, work);
            return;
        }
        self.push(text, work);
        self.finish(false, work);
    }

    /// Takes a whole query.
    pub(crate) fn query(&mut self, text: &[u8], work: &mut Work<'_>) {
        if self.is_clean(text, work.rules) {
            work.out.extend_from_slice(text);
            return;
        }
        // What is left of the one before is a path that is empty.
        self.finish(true, work);
        self.push(text, work);
        self.finish(false, work);
    }

    /// Whether nothing is found in a whole query, if that shows at a glance: what means something else than it is, and all that is read in
    /// parts with care, does not show.
    fn is_clean(&self, query: &[u8], rules: &Rules) -> bool {
        if memchr::memchr3(b'%', b'+', b'#', query).is_some() || !query.is_ascii() {
            return false;
        }
        // Parts end at signs that are in the middle of nothing which is looked for, and that end words and numbers as the end of a text does:
        // what is not found in the whole is in no part.
        if !self.scan.is_clean(query, rules) {
            return false;
        }
        let mut names = query.split(|byte| *byte == b'&').filter_map(|part| {
            let length = memchr::memchr(b'=', part)?;
            part.get(..length)
        });
        !names.any(|name| rules.is_secret_query(name))
    }

    /// Ends what is there, and begins anew with a query or a path.
    pub(crate) fn finish(&mut self, is_query: bool, work: &mut Work<'_>) {
        self.end_part(work);
        self.part = if is_query { Part::Name } else { Part::Path };
        self.name.clear();
    }

    /// Takes bytes that mean what they are, with the sign that follows when it is known.
    fn take(&mut self, plain: &[u8], next: Option<u8>, work: &mut Work<'_>) {
        if self.part == Part::Name {
            self.know(plain);
        }
        if self.part == Part::Secret {
            self.keep(plain, plain);
            return;
        }
        match next {
            Some(b'%' | b'+') => self.scan.push(plain),
            next => self.scan.feed(plain, next.is_some(), work),
        }
    }

    fn take_escape(&mut self, plain: &[u8], raw: &[u8]) {
        if self.part == Part::Name {
            self.know(plain);
        }
        if self.part == Part::Secret {
            self.keep(plain, raw);
        } else {
            self.scan.push_escape(plain, raw);
        }
    }

    /// A sign that does not stand for itself.
    fn sign(&mut self, byte: u8, work: &mut Work<'_>) {
        match byte {
            b'%' => return self.percent.begin(),
            b'+' => return self.take_escape(b" ", b"+"),
            _ => self.end_part(work),
        }
        work.out.push(byte);
        let is_secret = byte == b'=' && work.rules.is_secret_query(&self.name);
        self.part = match byte {
            b'=' if is_secret => Part::Secret,
            b'=' => Part::Value,
            _ => Part::Name,
        };
        self.name.clear();
    }

    /// A key that is too long to be known is none that anybody asks for.
    fn know(&mut self, plain: &[u8]) {
        if self.name.len() + plain.len() <= NAME_BYTES_MAX {
            self.name.extend_from_slice(plain);
        } else {
            self.name.resize(NAME_BYTES_MAX + 1, 0);
        }
    }

    fn keep(&mut self, plain: &[u8], raw: &[u8]) {
        self.value_bytes = self.value_bytes.saturating_add(raw.len());
        let room = HELD_BYTES_MAX.saturating_sub(self.value.len());
        let kept = plain.get(..room.min(plain.len())).unwrap_or_default();
        self.value.extend_from_slice(kept);
    }

    fn end_part(&mut self, work: &mut Work<'_>) {
        if self.percent.is_open() {
            let plain = self.percent.give_up();
            self.take(plain.bytes(), None, work);
        }
        if self.part != Part::Secret {
            self.scan.settle(true, work);
        } else if self.value_bytes > 0 {
            let is_cut = self.value.len() >= HELD_BYTES_MAX;
            work.replace(Form::Url, Class::Key, (&self.value, self.value_bytes), is_cut);
        }
        self.value.clear();
        self.value_bytes = 0;
    }
}
