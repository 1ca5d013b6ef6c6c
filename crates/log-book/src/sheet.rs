//! A record while it is written: what is ours goes in as it is, what somebody sent goes through the mask.

use std::io::Write as _;
use std::net::IpAddr;

use base64::Engine as _;
use log_mask::class::Class;
use log_mask::field::{Fields, Shown, Untrusted};
use log_record::field::{self, Field};
use log_record::packed::{Packer, Pairing, Told};

/// LIMIT: bytes of one value that somebody sent.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// What is read behind the bytes that are shown, so that a secret at the end is not cut before it is known.
const BEHIND_BYTES: usize = 1024;
/// LIMIT: bytes of an address as text; the longest IPv6 one has 45.
const ADDRESS_BYTES_MAX: usize = 48;
/// Room that is kept for what is ours.
const OWN_BYTES: usize = 4 * 1024;

/// A record while it is written.
pub struct Sheet<'pen> {
    packer: Packer<'pen>,
    mask: &'pen mut Fields,
    bytes_max: usize,
    cut: u64,
}

impl<'pen> Sheet<'pen> {
    pub(crate) fn new(out: &'pen mut Vec<u8>, mask: &'pen mut Fields, bytes_max: usize) -> Self {
        Self {
            packer: Packer::new(out),
            mask,
            bytes_max,
            cut: 0,
        }
    }

    /// For what the gateway made itself: ids, codes, sizes, times, names out of its configuration.
    pub const fn own(&mut self) -> &mut Packer<'pen> {
        &mut self.packer
    }

    /// A value that somebody sent.
    pub fn sent(&mut self, field: &Field, value: Untrusted<'_>) {
        let room = self.room();
        let (mask, cut) = (&mut *self.mask, &mut self.cut);
        self.packer.text_with(field, |out| {
            append(mask, (value, false), (out, room), cut);
        });
    }

    /// The address of somebody.
    pub fn sent_address(&mut self, field: &Field, address: IpAddr) {
        let class = if address.is_ipv4() { Class::Ipv4 } else { Class::Ipv6 };
        if !self.mask.masks(class) {
            self.packer.address(field, address);
            return;
        }
        let mut text = [0; ADDRESS_BYTES_MAX];
        let mut rest = &mut text[..];
        // It always has room.
        let _ = write!(rest, "{address}");
        let length = ADDRESS_BYTES_MAX.saturating_sub(rest.len());
        self.sent(field, Untrusted::Text(text.get(..length).unwrap_or_default()));
    }

    /// A value that somebody sent, or its beginning, masked and then written as base64.
    pub fn sent_base64(&mut self, field: &Field, (value, is_beginning): (Untrusted<'_>, bool)) {
        let room = self.room() / 4 * 3;
        let (mask, cut) = (&mut *self.mask, &mut self.cut);
        let mut masked = Vec::new();
        append(mask, (value, is_beginning), (&mut masked, room), cut);
        let text = base64::engine::general_purpose::STANDARD.encode(masked);
        self.packer.text(field, text.as_bytes());
    }

    /// Headers that somebody sent.
    pub fn sent_headers<'a>(&mut self, field: &Field, headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        self.members(field, |members| {
            headers.for_each(|(name, value)| members.add(name, Untrusted::Header { name, value }));
        });
    }

    /// An object of values that somebody sent.
    pub fn members(&mut self, field: &Field, fill: impl FnOnce(&mut Members<'_, '_>)) {
        let room = self.room();
        let (mask, cut) = (&mut *self.mask, &mut self.cut);
        self.packer
            .members(field, |pairs| fill(&mut Members { pairs, mask, room, cut }));
    }

    pub(crate) fn end(mut self) {
        if self.cut > 0 {
            self.packer.integer(&field::CUT, self.cut);
        }
    }

    /// Bytes that a value may still have.
    fn room(&self) -> usize {
        let left = self.bytes_max.saturating_sub(self.packer.len() + OWN_BYTES);
        left.min(VALUE_BYTES_MAX)
    }
}

/// Members of an object while they are written.
pub struct Members<'a, 'p> {
    pairs: &'a mut Pairing<'p>,
    mask: &'a mut Fields,
    room: usize,
    cut: &'a mut u64,
}

impl Members<'_, '_> {
    /// Whether a name says that what is called so is secret.
    #[must_use]
    pub fn hides(&self, name: &[u8]) -> bool {
        self.mask.hides(name)
    }

    /// A name with a value that somebody sent.
    pub fn add(&mut self, name: &[u8], value: Untrusted<'_>) {
        let Some(room) = self.room.checked_sub(name.len()) else {
            *self.cut = self.cut.saturating_add(shortened(value, 0).1 as u64);
            return;
        };
        let (mask, cut) = (&mut *self.mask, &mut *self.cut);
        let mut left = room;
        self.pairs.add_with(name, |out| {
            let before = out.len();
            let shown = append(mask, (value, false), (out, room), cut);
            left = room.saturating_sub(out.len().saturating_sub(before));
            match shown {
                Shown::Dropped => Told::LeftOut,
                Shown::AsItIs | Shown::Masked => Told::Whole,
            }
        });
        self.room = left;
    }
}

/// Appends a value as it may be shown, and no more of it than there is room for; what is cut was masked before.
fn append(
    mask: &mut Fields,
    (value, is_beginning): (Untrusted<'_>, bool),
    (out, room): (&mut Vec<u8>, usize),
    cut: &mut u64,
) -> Shown {
    let (shortened, unread) = shortened(value, room.saturating_add(BEHIND_BYTES));
    let end = out.len().saturating_add(room);
    let shown = match is_beginning || unread > 0 {
        true => mask.append_beginning(shortened, out),
        false => mask.append(shortened, out),
    };
    let behind = out.len().saturating_sub(end);
    out.truncate(end);
    *cut = cut.saturating_add((behind + unread) as u64);
    shown
}

/// The beginning of a value, and how many bytes were left out.
fn shortened(value: Untrusted<'_>, bytes_max: usize) -> (Untrusted<'_>, usize) {
    let head = |bytes: &'_ [u8]| bytes.len().min(bytes_max);
    match value {
        Untrusted::Text(bytes) => {
            let kept = head(bytes);
            (
                Untrusted::Text(bytes.get(..kept).unwrap_or_default()),
                bytes.len() - kept,
            )
        }
        Untrusted::Header { name, value } => {
            let kept = head(value);
            let shown = value.get(..kept).unwrap_or_default();
            (Untrusted::Header { name, value: shown }, value.len() - kept)
        }
        Untrusted::Target(bytes) => {
            let kept = head(bytes);
            (
                Untrusted::Target(bytes.get(..kept).unwrap_or_default()),
                bytes.len() - kept,
            )
        }
        Untrusted::Query(bytes) => {
            let kept = head(bytes);
            (
                Untrusted::Query(bytes.get(..kept).unwrap_or_default()),
                bytes.len() - kept,
            )
        }
        Untrusted::Json(bytes) => {
            let kept = head(bytes);
            (
                Untrusted::Json(bytes.get(..kept).unwrap_or_default()),
                bytes.len() - kept,
            )
        }
        Untrusted::Named { name, value } => {
            let kept = head(value);
            let shown = value.get(..kept).unwrap_or_default();
            (Untrusted::Named { name, value: shown }, value.len() - kept)
        }
    }
}
