//! Records as they are read, out of a living ring or of a dead one's bytes.

use crate::fault::Damage;
use crate::gap::Gap;
use crate::layout::{ALIGN, HEAD_BYTES, Head, WRAP, WRAP_BYTES, check, check_and_length, taken};
use crate::mark::{Class, Level, Mark};
use crate::producer::{GAP, RECORD};

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number in its ring; gap records count as well, refused ones do not.
    pub sequence: u64,
    /// Level, class and time. A gap has the gravest level of what it tells, and class 0.
    pub mark: Mark,
    /// What it says.
    pub body: Body<'a>,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// What its writer put.
    Payload(&'a [u8]),
    /// What was refused before it; the ring says so by itself.
    Gap(Gap<'a>),
}

/// A place between two records of one ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub(crate) at: u64,
    /// What the record there has; any, where that is not known.
    pub(crate) sequence: Option<u64>,
}

/// Where records are read from.
pub(crate) trait Source {
    fn capacity(&self) -> u64;
    /// Up to where it is committed.
    fn tail(&self) -> u64;
    /// Committed bytes at a position; none where a wrap, or what is not committed, is among them.
    fn bytes(&self, position: u64, length: usize) -> Option<&[u8]>;
}

/// Reads one record after the other, and says what is wrong where it ends.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    source: &'a dyn Source,
    position: Position,
}

impl<'a> Walk<'a> {
    pub(crate) const fn new(source: &'a dyn Source, position: Position) -> Self {
        Self { source, position }
    }

    /// Up to where it has read.
    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// The next record; none at the tail.
    pub(crate) fn step(&mut self) -> Result<Option<Record<'a>>, Damage> {
        let start = self.after_wrap()?;
        if start == self.source.tail() {
            return Ok(None);
        }
        let first = self.head_of(start).ok_or(Damage::Length)?;
        let (said, length) = check_and_length(first);
        let whole = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(HEAD_BYTES));
        let whole = whole.ok_or(Damage::Length)?;
        let bytes = self.source.bytes(start, whole).ok_or(Damage::Length)?;
        let end = start + taken(whole - HEAD_BYTES);
        if end > self.source.tail() {
            return Err(Damage::Length);
        }
        if check(bytes.get(4..).unwrap_or_default(), start) != said {
            return Err(Damage::Check);
        }
        let (head, payload) = bytes.split_first_chunk().ok_or(Damage::Length)?;
        let record = read(head, payload).ok_or(Damage::Content)?;
        if self
            .position
            .sequence
            .is_some_and(|sequence| sequence != record.sequence)
        {
            return Err(Damage::Sequence);
        }
        self.position = Position {
            at: end,
            sequence: Some(record.sequence.wrapping_add(1)),
        };
        Ok(Some(record))
    }

    fn head_of(&self, start: u64) -> Option<&'a [u8; WRAP_BYTES]> {
        self.source.bytes(start, WRAP_BYTES)?.first_chunk()
    }

    /// Where the next record begins, which is the beginning of the ring if there is a wrap here.
    fn after_wrap(&self) -> Result<u64, Damage> {
        let at = self.position.at;
        if at == self.source.tail() {
            return Ok(at);
        }
        let bytes = self.head_of(at).ok_or(Damage::Length)?;
        let (said, length) = check_and_length(bytes);
        if length != WRAP {
            return Ok(at);
        }
        if check(&length.to_le_bytes(), at) != said {
            return Err(Damage::Check);
        }
        let start = (at & !(self.source.capacity() - 1)).checked_add(self.source.capacity());
        // A record follows every wrap, as both are committed at once.
        start.filter(|start| *start < self.source.tail()).ok_or(Damage::Length)
    }
}

fn read<'a>(head: &[u8; HEAD_BYTES], payload: &'a [u8]) -> Option<Record<'a>> {
    let head = Head::read(head)?;
    Some(Record {
        sequence: head.sequence,
        mark: Mark {
            level: Level::new(head.level)?,
            class: Class::new(head.class)?,
            stamp_ns: head.stamp_ns,
        },
        body: match head.kind {
            RECORD => Body::Payload(payload),
            GAP => Body::Gap(Gap::read(payload)?),
            _ => return None,
        },
    })
}

/// Whether records may begin and end at these places.
pub(crate) const fn are_ends(head: u64, tail: u64, capacity: u64) -> bool {
    head <= tail && tail - head <= capacity && head.is_multiple_of(ALIGN) && tail.is_multiple_of(ALIGN)
}

/// Records that were found to be whole.
#[derive(Clone)]
pub struct Records<'a> {
    walk: Walk<'a>,
    left: usize,
}

impl<'a> Records<'a> {
    pub(crate) const fn new(walk: Walk<'a>, left: usize) -> Self {
        Self { walk, left }
    }

    /// Before the next record.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.walk.position()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.walk.step().ok().flatten()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}
