//! A record as it lies in a ring: fields by their numbers with values as they are, of which text is made where nobody waits.
//!
//! ```text
//! field: u8 · kind: u8 · value
//!   text      length: u32, bytes        integer, milliseconds, number   8 bytes (milliseconds as nanoseconds, number as IEEE 754)
//!   flag      nothing                   address, socket   16 bytes of IPv6, or IPv4 mapped into it; and the port, u16
//!   verdicts, members   length: u32, then for each: length: u16, bytes, length: u32, bytes
//! ```
//! All numbers are little-endian. The writer is the gateway; the reader may have found the bytes in a file, and believes none of them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::field::{self, Field};

mod line;
pub use line::{Heading, add_times, write_line};
mod gap;
pub use gap::{Lost, write_gap};

const TEXT: u8 = 0;
const INTEGER: u8 = 1;
const MILLISECONDS: u8 = 2;
const NUMBER: u8 = 3;
const FLAG: u8 = 4;
const ADDRESS: u8 = 5;
const SOCKET: u8 = 6;
const VERDICTS: u8 = 7;
const MEMBERS: u8 = 8;

/// Appends fields to a record. What is empty or absent leaves nothing behind.
pub struct Packer<'out> {
    out: &'out mut Vec<u8>,
}

impl<'out> Packer<'out> {
    /// Appends to `out`.
    pub const fn new(out: &'out mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Bytes so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// A text; it need not be UTF-8.
    pub fn text(&mut self, field: &Field, bytes: &[u8]) {
        self.text_with(field, |out| out.extend_from_slice(bytes));
    }

    /// A text that somebody appends.
    pub fn text_with(&mut self, field: &Field, append: impl FnOnce(&mut Vec<u8>)) {
        let before = self.out.len();
        self.head(field, TEXT);
        if self.counted(append) == 0 {
            self.out.truncate(before);
        }
    }

    /// A whole number.
    pub fn integer(&mut self, field: &Field, number: u64) {
        self.head(field, INTEGER);
        self.out.extend_from_slice(&number.to_le_bytes());
    }

    /// A duration, shown as milliseconds.
    pub fn milliseconds(&mut self, field: &Field, duration: Duration) {
        self.head(field, MILLISECONDS);
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.out.extend_from_slice(&nanoseconds.to_le_bytes());
    }

    /// A number with a fraction; what is not finite is left out.
    pub fn number(&mut self, field: &Field, number: f64) {
        if number.is_finite() {
            self.head(field, NUMBER);
            self.out.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// That something is so.
    pub fn flag(&mut self, field: &Field) {
        self.head(field, FLAG);
    }

    /// An address.
    pub fn address(&mut self, field: &Field, address: IpAddr) {
        self.head(field, ADDRESS);
        self.out.extend_from_slice(&six(address).octets());
    }

    /// An address with its port.
    pub fn socket(&mut self, field: &Field, socket: SocketAddr) {
        self.head(field, SOCKET);
        self.out.extend_from_slice(&six(socket.ip()).octets());
        self.out.extend_from_slice(&socket.port().to_le_bytes());
    }

    /// A list of plugins with what each did.
    pub fn verdicts(&mut self, field: &Field, fill: impl FnOnce(&mut Pairing<'_>)) {
        self.pairs(field, VERDICTS, fill);
    }

    /// An object of texts.
    pub fn members(&mut self, field: &Field, fill: impl FnOnce(&mut Pairing<'_>)) {
        self.pairs(field, MEMBERS, fill);
    }

    fn pairs(&mut self, field: &Field, kind: u8, fill: impl FnOnce(&mut Pairing<'_>)) {
        let before = self.out.len();
        self.head(field, kind);
        if self.counted(|out| fill(&mut Pairing { out })) == 0 {
            self.out.truncate(before);
        }
    }

    fn head(&mut self, field: &Field, kind: u8) {
        self.out.extend_from_slice(&[field.number, kind]);
    }

    fn counted(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> usize {
        counted::<4>(self.out, append)
    }
}

/// Appends names with their values.
pub struct Pairing<'out> {
    out: &'out mut Vec<u8>,
}

impl Pairing<'_> {
    /// A name with a value that somebody appends, unless that is told to be left out.
    pub fn add_with(&mut self, name: &[u8], append: impl FnOnce(&mut Vec<u8>) -> Told) {
        let before = self.out.len();
        // LIMIT: bytes of a name.
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        counted::<2>(self.out, |out| out.extend_from_slice(name));
        let mut told = Told::Whole;
        counted::<4>(self.out, |out| told = append(out));
        if told == Told::LeftOut {
            self.out.truncate(before);
        }
    }

    /// A name with its value.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        self.add_with(name, |out| {
            out.extend_from_slice(value);
            Told::Whole
        });
    }
}

/// Whether a pair is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is.
    Whole,
    /// It shall not be.
    LeftOut,
}

/// LIMIT: bytes of a member's name.
const NAME_BYTES_MAX: usize = 256;

/// Appends something behind its length, which is written when it is known. A record is far shorter than its length can say.
fn counted<const BYTES: usize>(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>)) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0; BYTES]);
    let from = out.len();
    append(out);
    let length = out.len().saturating_sub(from);
    let written = u64::try_from(length).unwrap_or(0).to_le_bytes();
    if let (Some(place), Some(written)) = (out.get_mut(at..from), written.get(..BYTES)) {
        place.copy_from_slice(written);
    }
    length
}

const fn six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    }
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A text, which need not be UTF-8.
    Text(&'a [u8]),
    /// A whole number.
    Integer(u64),
    /// A duration, shown as milliseconds.
    Milliseconds(Duration),
    /// A number with a fraction.
    Number(f64),
    /// That something is so.
    Flag,
    /// An address.
    Address(IpAddr),
    /// An address with its port.
    Socket(SocketAddr),
    /// Plugins with what each did.
    Verdicts(Pairs<'a>),
    /// An object of texts.
    Members(Pairs<'a>),
}

/// The fields of a packed record, in their order. It ends where the bytes are none.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads them.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether all bytes were fields.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn read(&self) -> Option<(&'static Field, Value<'a>, &'a [u8])> {
        let (head, rest) = self.rest.split_first_chunk::<2>()?;
        let [number, kind] = *head;
        let field = field::ALL.get(usize::from(number)).copied()?;
        let (value, rest) = match kind {
            TEXT => length::<4>(rest).map(|(text, rest)| (Value::Text(text), rest)),
            VERDICTS => length::<4>(rest).map(|(pairs, rest)| (Value::Verdicts(Pairs { rest: pairs }), rest)),
            MEMBERS => length::<4>(rest).map(|(pairs, rest)| (Value::Members(Pairs { rest: pairs }), rest)),
            FLAG => Some((Value::Flag, rest)),
            ADDRESS => address(rest).map(|(address, rest)| (Value::Address(address), rest)),
            SOCKET => address(rest).and_then(|(address, rest)| {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                Some((Value::Socket((address, u16::from_le_bytes(*port)).into()), rest))
            }),
            INTEGER | MILLISECONDS | NUMBER => rest.split_first_chunk::<8>().map(|(bytes, rest)| {
                let value = match kind {
                    INTEGER => Value::Integer(u64::from_le_bytes(*bytes)),
                    MILLISECONDS => Value::Milliseconds(Duration::from_nanos(u64::from_le_bytes(*bytes))),
                    _ => Value::Number(f64::from_le_bytes(*bytes)),
                };
                (value, rest)
            }),
            _ => None,
        }?;
        Some((field, value, rest))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'static Field, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (field, value, rest) = self.read()?;
        self.rest = rest;
        Some((field, value))
    }
}

/// Names with their values, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = length::<2>(self.rest)?;
        let (value, rest) = length::<4>(rest)?;
        self.rest = rest;
        Some((name, value))
    }
}

/// What stands behind its length.
fn length<const BYTES: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<BYTES>()?;
    let mut wide = [0; 8];
    wide.get_mut(..BYTES)?.copy_from_slice(length);
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(wide)).ok()?)
}

fn address(bytes: &[u8]) -> Option<(IpAddr, &[u8])> {
    let (octets, rest) = bytes.split_first_chunk::<16>()?;
    Some((Ipv6Addr::from(*octets).to_canonical(), rest))
}

#[cfg(test)]
mod tests;
