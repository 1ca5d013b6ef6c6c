//! The worker's end of a ring: records are written into it, or refused and counted; nothing here waits or allocates.

use std::sync::atomic::Ordering;

use crate::gap::{COUNT_BYTES, Dropped, SPAN_BYTES, span};
use crate::layout::{ALIGN, DROPPED, HEAD_BYTES, Head, TOLD, WRAP_BYTES, check, taken, wrap};
use crate::mark::{CELLS, Class, Level, Mark, Refusal, cell, cells};
use crate::policy::Limits;
use crate::shared::{Front, Mapping, Memory};

/// What a record is, as its head says.
pub(crate) const RECORD: u8 = 0;
/// A record that the ring wrote by itself.
pub(crate) const GAP: u8 = 1;

/// More was put into a record than was asked room for. What was put before is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record has no room for {0} bytes more")]
pub struct Overrun(pub usize);

/// The one that writes a ring.
pub struct Producer<M: Memory = Mapping> {
    front: Front<M>,
    limits: Limits,
    payload_bytes_max: usize,
    gap_every_ns: u64,
    sequence: u64,
    untold: Untold,
}

/// What no gap record has told of yet.
struct Untold {
    /// How many in all.
    count: u64,
    since_ns: u64,
    until_ns: u64,
    /// When the last gap record was written, and what was released then.
    told: Option<(u64, u64)>,
    /// Which of the two tables holds what was told.
    table: bool,
}

impl<M: Memory> Producer<M> {
    pub(crate) const fn new(front: Front<M>, limits: Limits, payload_bytes_max: usize, gap_every_ns: u64) -> Self {
        Self {
            front,
            limits,
            payload_bytes_max,
            gap_every_ns,
            sequence: 0,
            untold: Untold {
                count: 0,
                since_ns: 0,
                until_ns: 0,
                told: None,
                table: false,
            },
        }
    }

    /// Asks room for a record whose payload has `length_max` bytes at most. What is granted and not committed leaves nothing behind.
    ///
    /// # Errors
    /// Why the record is refused; it is counted.
    pub fn begin(&mut self, mark: Mark, length_max: usize) -> Result<Grant<'_, M>, Refusal> {
        self.tell_when_due(mark.stamp_ns);
        match self.place(mark, length_max) {
            Ok(start) => Ok(Grant {
                end: start + HEAD_BYTES as u64,
                room: length_max,
                producer: self,
                mark,
                start,
            }),
            Err(why) => {
                self.refuse(why, mark);
                Err(why)
            }
        }
    }

    /// Writes a record.
    ///
    /// # Errors
    /// Why it is refused; it is counted.
    pub fn write(&mut self, mark: Mark, payload: &[u8]) -> Result<(), Refusal> {
        let mut grant = self.begin(mark, payload.len())?;
        // There is room for it: it was asked for.
        let _ = grant.put(payload);
        grant.commit();
        Ok(())
    }

    /// Writes down now what was not taken since the last gap record, if anything was. Says whether all is told.
    ///
    /// The ring does so by itself with the next record that is begun; this is for a worker that has none, and for its end. A gap record waits for the
    /// drain to have released something since the one before, so that a drain that stands still does not make them fill the ring.
    pub fn tell(&mut self, stamp_ns: u64) -> bool {
        if self.untold.count > 0 {
            self.tell_gap(stamp_ns);
        }
        self.untold.count == 0
    }

    /// Bytes that are committed and not released.
    pub fn used_bytes(&mut self) -> u64 {
        self.front.look();
        self.front.used()
    }

    /// Bytes of the ring.
    #[must_use]
    pub const fn capacity_bytes(&self) -> u64 {
        self.front.capacity()
    }

    /// The number that the next record has in this ring, and so how many there were.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where a record of this length may begin.
    fn place(&mut self, mark: Mark, length_max: usize) -> Result<u64, Refusal> {
        if length_max > self.payload_bytes_max {
            return Err(Refusal::TooLong);
        }
        self.find(length_max, self.limits.bytes(mark))
    }

    fn find(&mut self, length: usize, limit: u64) -> Result<u64, Refusal> {
        let size = taken(length);
        let skipped = if size > self.front.to_end() {
            self.front.to_end()
        } else {
            0
        };
        if self.front.used() + skipped + size > limit {
            self.front.look();
        }
        let full = self.front.used() + skipped + size;
        if full > self.front.capacity() {
            Err(Refusal::Full)
        } else if full > limit {
            Err(Refusal::Policy)
        } else {
            Ok(self.front.tail() + skipped)
        }
    }

    #[cold]
    fn refuse(&mut self, why: Refusal, mark: Mark) {
        let word = DROPPED + cell(why, mark.level, mark.class);
        let memory = self.front.memory();
        // Nobody else writes it; a reader needs no order with anything else.
        memory.store(
            word,
            memory.load(word, Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
        if self.untold.count == 0 {
            self.untold.since_ns = mark.stamp_ns;
        }
        self.untold.until_ns = mark.stamp_ns;
        self.untold.count += 1;
    }

    /// Commits a record whose payload is in its place.
    fn seal(&mut self, start: u64, length: usize, (mark, kind): (Mark, u8)) {
        let mut head = Head {
            check: 0,
            // A payload is not longer than settings let it be, which is far below.
            length: u32::try_from(length).unwrap_or(0),
            sequence: self.sequence,
            stamp_ns: mark.stamp_ns,
            level: mark.level.number(),
            class: mark.class.number(),
            kind,
        };
        let tail = self.front.tail();
        let Some(record) = self.front.bytes(start, HEAD_BYTES + length) else {
            return;
        };
        if let Some(place) = record.first_chunk_mut() {
            *place = head.write();
        }
        head.check = check(record.get(4..).unwrap_or_default(), start);
        if let Some(place) = record.first_chunk_mut() {
            *place = head.check.to_le_bytes();
        }
        if start != tail
            && let Some(place) = self.front.bytes(tail, WRAP_BYTES)
        {
            place.copy_from_slice(&wrap(tail));
        }
        self.sequence += 1;
        self.front
            .commit((start + HEAD_BYTES as u64 + length as u64).next_multiple_of(ALIGN));
    }

    fn tell_when_due(&mut self, stamp_ns: u64) {
        if self.untold.count == 0 {
            return;
        }
        // A clock that goes back makes it due as well.
        let is_early = self
            .untold
            .told
            .is_some_and(|(told_ns, _)| (told_ns..told_ns.saturating_add(self.gap_every_ns)).contains(&stamp_ns));
        if !is_early {
            self.tell_gap(stamp_ns);
        }
    }

    /// Writes a gap record, if there is room again: any room, for what is told must not be refused by a policy.
    #[cold]
    fn tell_gap(&mut self, stamp_ns: u64) {
        self.front.look();
        let released = self.front.tail() - self.front.used();
        if self.untold.told.is_some_and(|(_, before)| before == released) {
            return;
        }
        let news = (0..CELLS).filter(|at| self.news(*at) > 0).count();
        let length = SPAN_BYTES + news * COUNT_BYTES;
        let Ok(start) = self.find(length, self.front.capacity()) else {
            return;
        };
        let mut end = start + HEAD_BYTES as u64;
        end += self.lay(end, &span(self.untold.since_ns, self.untold.until_ns));
        let mut level_most = Level::LEAST;
        for (at, why, level, class) in cells() {
            let count = self.news(at);
            if count > 0 {
                let dropped = Dropped {
                    why,
                    level,
                    class,
                    count,
                };
                end += self.lay(end, &dropped.write());
                level_most = level_most.max(level);
            }
        }
        self.note_told(end.next_multiple_of(ALIGN));
        let mark = Mark {
            level: level_most,
            class: Class::FIRST,
            stamp_ns,
        };
        self.seal(start, length, (mark, GAP));
        self.untold.count = 0;
        self.untold.told = Some((stamp_ns, released));
    }

    /// Writes bytes of a payload; says how many.
    fn lay(&mut self, position: u64, bytes: &[u8]) -> u64 {
        match self.front.bytes(position, bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                bytes.len() as u64
            }
            None => 0,
        }
    }

    /// What this cell counted since the last gap record.
    fn news(&self, at: usize) -> u64 {
        let memory = self.front.memory();
        let all = memory.load(DROPPED + at, Ordering::Relaxed);
        all.wrapping_sub(memory.load(told(self.untold.table) + 1 + at, Ordering::Relaxed))
    }

    /// Notes that all is told by a record that ends there. Who reads after our death takes the note that was made last and whose record is
    /// committed, so that a death at any moment leaves what was told and what was not exact: hence two tables, and stores in this order.
    fn note_told(&mut self, end: u64) {
        let table = !self.untold.table;
        let base = told(table);
        let memory = self.front.memory();
        memory.store(base, u64::MAX, Ordering::Release);
        for at in 0..CELLS {
            memory.store(
                base + 1 + at,
                memory.load(DROPPED + at, Ordering::Relaxed),
                Ordering::Release,
            );
        }
        memory.store(base, end, Ordering::Release);
        self.untold.table = table;
    }
}

/// Where one of the two tables begins.
const fn told(table: bool) -> usize {
    let [one, other] = TOLD;
    if table { other } else { one }
}

/// Room for one record.
#[must_use = "what is granted and not committed leaves nothing behind"]
pub struct Grant<'a, M: Memory = Mapping> {
    producer: &'a mut Producer<M>,
    mark: Mark,
    start: u64,
    /// Where the next byte goes.
    end: u64,
    room: usize,
}

impl<M: Memory> Grant<'_, M> {
    /// Appends bytes to the payload.
    ///
    /// # Errors
    /// When there is no room for all of them; then nothing is appended.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Overrun> {
        let Some(room) = self.room.checked_sub(bytes.len()) else {
            return Err(Overrun(bytes.len() - self.room));
        };
        self.end += self.producer.lay(self.end, bytes);
        self.room = room;
        Ok(())
    }

    /// Bytes that may still be put.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.room
    }

    /// Makes the record be there, with what was put; what was granted beyond it is free again.
    pub fn commit(self) {
        let length = usize::try_from(self.end - self.start)
            .unwrap_or(0)
            .saturating_sub(HEAD_BYTES);
        self.producer.seal(self.start, length, (self.mark, RECORD));
    }
}

/// For encoders that write into a writer: what does not fit is refused, never cut.
impl<M: Memory> std::io::Write for Grant<'_, M> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.put(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(std::io::ErrorKind::WriteZero.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
