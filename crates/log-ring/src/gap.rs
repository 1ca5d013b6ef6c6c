//! The record that a ring writes by itself: what was not taken since the last such record.

use crate::mark::{Class, Level, Refusal};

/// Bytes before the counts: when the first and the last were refused.
pub(crate) const SPAN_BYTES: usize = 16;
/// Bytes of one count.
pub(crate) const COUNT_BYTES: usize = 12;

/// Records of one level and class that were not taken for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// Why.
    pub why: Refusal,
    /// How grave they were.
    pub level: Level,
    /// What they were about.
    pub class: Class,
    /// How many.
    pub count: u64,
}

impl Dropped {
    pub(crate) fn write(&self) -> [u8; COUNT_BYTES] {
        let [a, b, c, d, e, f, g, h] = self.count.to_le_bytes();
        let (why, level, class) = (self.why.number(), self.level.number(), self.class.number());
        [why, level, class, 0, a, b, c, d, e, f, g, h]
    }

    fn read(bytes: &[u8; COUNT_BYTES]) -> Option<Self> {
        let [why, level, class, zero, a, b, c, d, e, f, g, h] = *bytes;
        let why = Refusal::ALL.into_iter().find(|refusal| refusal.number() == why)?;
        let count = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let dropped = Self {
            why,
            level: Level::new(level)?,
            class: Class::new(class)?,
            count,
        };
        (zero == 0 && count > 0).then_some(dropped)
    }
}

/// What was not taken since the last gap record of this ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap<'a> {
    /// Stamp of the first record that was not taken.
    pub since_ns: u64,
    /// Stamp of the last.
    pub until_ns: u64,
    counts: &'a [[u8; COUNT_BYTES]],
}

impl<'a> Gap<'a> {
    /// None if no ring writes this.
    pub(crate) fn read(payload: &'a [u8]) -> Option<Self> {
        let (span, counts) = payload.split_first_chunk::<SPAN_BYTES>()?;
        let [since, until] = *span.as_chunks::<8>().0 else {
            return None;
        };
        let (counts, rest) = counts.as_chunks::<COUNT_BYTES>();
        let is_sound = rest.is_empty() && counts.iter().all(|count| Dropped::read(count).is_some());
        is_sound.then_some(Self {
            since_ns: u64::from_le_bytes(since),
            until_ns: u64::from_le_bytes(until),
            counts,
        })
    }

    /// The counts, none of them 0.
    pub fn dropped(&self) -> impl Iterator<Item = Dropped> + use<'a> {
        self.counts.iter().filter_map(Dropped::read)
    }
}

/// The 16 bytes before the counts.
pub(crate) fn span(since_ns: u64, until_ns: u64) -> [u8; SPAN_BYTES] {
    (u128::from(since_ns) | u128::from(until_ns) << 64).to_le_bytes()
}
