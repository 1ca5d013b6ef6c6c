//! A text in which somebody may have put parts of addresses or of JSON: escapes of both are read wherever they stand.

use crate::escape::{self, Escape};
use crate::percent::{self, Percent};
use crate::scan::{Form, Scan, Work};

/// Such a text as it goes by.
#[derive(Debug)]
pub(crate) struct Loose {
    scan: Scan,
    percent: Percent,
    escape: Escape,
}

impl Loose {
    pub(crate) fn new() -> Self {
        Self {
            scan: Scan::new(Form::Loose),
            percent: Percent::new(),
            escape: Escape::default(),
        }
    }

    /// Takes a whole text. Most have no escape in them.
    pub(crate) fn whole(&mut self, text: &[u8], work: &mut Work<'_>) {
        match memchr::memchr2(b'%', b'\\', text) {
            Some(_) => self.push(text, true, work),
            None => self.scan.feed(text, true, work),
        }
    }

    /// Takes a piece, the last one perhaps, and begins anew after that.
    pub(crate) fn push(&mut self, bytes: &[u8], is_whole: bool, work: &mut Work<'_>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.percent.is_open() || self.escape.is_open() {
                rest = self.go_on(rest);
                continue;
            }
            let Some(length) = memchr::memchr2(b'%', b'\\', rest) else {
                break;
            };
            let (plain, others) = rest.split_at(length);
            self.scan.push(plain);
            rest = others.split_first().map_or(others, |(sign, after)| {
                match sign {
                    b'%' => self.percent.begin(),
                    _ => self.escape.begin(),
                }
                after
            });
        }
        if is_whole {
            self.give_up();
        }
        self.scan.feed(rest, is_whole, work);
    }

    /// Takes the next byte of an escape; gives the rest.
    fn go_on<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some((byte, after)) = bytes.split_first() else {
            return bytes;
        };
        if self.percent.is_open() {
            return match self.percent.push(*byte) {
                percent::Step::Taken => after,
                percent::Step::Read(plain, raw) => {
                    self.scan.push_escape(&[plain], &raw);
                    after
                }
                percent::Step::None(plain) => {
                    self.scan.push(plain.bytes());
                    bytes
                }
            };
        }
        match self.escape.push(*byte) {
            escape::Step::Taken => after,
            escape::Step::Read(plain, raw) => {
                self.take(&plain, &raw);
                after
            }
            escape::Step::Both(first, (plain, raw)) => {
                self.take(&Escape::half(), &first);
                self.take(&plain, &raw);
                after
            }
            escape::Step::Before(plain, raw) => {
                self.take(&plain, &raw);
                bytes
            }
        }
    }

    fn give_up(&mut self) {
        let plain = self.percent.give_up();
        self.scan.push(plain.bytes());
        while let Some((plain, raw)) = self.escape.give_up() {
            self.take(&plain, &raw);
        }
    }

    fn take(&mut self, plain: &[u8], raw: &[u8]) {
        if plain == raw {
            self.scan.push(plain);
        } else {
            self.scan.push_escape(plain, raw);
        }
    }
}
