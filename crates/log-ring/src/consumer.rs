//! The drain's end of a ring: records are read where they lie, and released when somebody says that they are safe.

use std::sync::atomic::Ordering;

use crate::count;
use crate::fault::Damage;
use crate::gap::Dropped;
use crate::record::{Position, Records, Source, Walk};
use crate::shared::{Back, Mapping, Memory};

/// The one that reads a ring while its writer lives.
pub struct Consumer<M: Memory = Mapping> {
    back: Back<M>,
    /// Up to where batches were given out.
    given: Position,
    /// Up to where they were released.
    released: Position,
}

impl<M: Memory> Consumer<M> {
    pub(crate) const fn new(back: Back<M>) -> Self {
        let start = Position {
            at: 0,
            sequence: Some(0),
        };
        Self {
            back,
            given: start,
            released: start,
        }
    }

    /// The records behind the last batch: so many, and of so many bytes with what stands before each; but one, if there is one.
    /// Nothing is released, and the writer goes on meanwhile.
    pub fn batch(&mut self, records_max: usize, bytes_max: u64) -> Batch<'_> {
        self.back.look();
        let from = self.given;
        let mut walk = Walk::new(&self.back, from);
        let mut count = 0;
        let mut damage = None;
        while count < records_max {
            let before = walk;
            match walk.step() {
                Ok(Some(_)) if count > 0 && walk.position().at - from.at > bytes_max => {
                    walk = before;
                    break;
                }
                Ok(Some(_)) => count += 1,
                Ok(None) => break,
                Err(found) => {
                    damage = Some(found);
                    break;
                }
            }
        }
        self.given = walk.position();
        Batch {
            records: Records::new(Walk::new(&self.back, from), count),
            count,
            end: self.given,
            damage,
        }
    }

    /// Everything up to the end of a batch of this ring is safe elsewhere: its room is the writer's again, and nobody reads it after our death.
    /// What was released before stays so.
    pub fn release(&mut self, to: Position) {
        if to.at > self.released.at && to.at <= self.given.at {
            self.back.release(to.at);
            self.released = to;
        }
    }

    /// The next batch begins again with what is not released.
    pub const fn rewind(&mut self) {
        self.given = self.released;
    }

    /// Releases everything that is committed without reading it: the way on when a batch has damage. Says how many bytes these were.
    pub fn skip(&mut self) -> u64 {
        self.back.look();
        let lost = self.back.tail() - self.given.at;
        self.given = Position {
            at: self.back.tail(),
            sequence: None,
        };
        self.release(self.given);
        lost
    }

    /// Bytes that are committed and not released.
    pub fn waiting_bytes(&mut self) -> u64 {
        self.back.look();
        self.back.tail() - self.back.head()
    }

    /// What the producer refused so far, by reason, level and class; in the order of these, none of them 0.
    pub fn dropped(&self) -> Vec<Dropped> {
        count::dropped(|word| self.back.memory().load(word, Ordering::Relaxed))
    }

    /// Those of them that no gap record tells of; exact once the producer writes no more.
    pub fn untold(&self) -> Vec<Dropped> {
        // As who reads after the producer's death does: a note of what was told is taken behind the tail that it is compared with.
        count::untold(|word| self.back.memory().load(word, Ordering::Acquire))
    }
}

impl<M: Memory> Source for Back<M> {
    fn capacity(&self) -> u64 {
        self.memory().capacity()
    }

    fn tail(&self) -> u64 {
        self.tail()
    }

    fn bytes(&self, position: u64, length: usize) -> Option<&[u8]> {
        self.bytes(position, length)
    }
}

/// Records that lie in the ring, in order.
#[derive(Clone)]
pub struct Batch<'a> {
    records: Records<'a>,
    count: usize,
    end: Position,
    damage: Option<Damage>,
}

impl<'a> Batch<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records, whose bytes stay where they are as long as this borrows them.
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        self.records.clone()
    }

    /// What [`Consumer::release`] is told when they are safe.
    #[must_use]
    pub const fn end(&self) -> Position {
        self.end
    }

    /// What is wrong behind these records. Somebody else wrote into the ring; nothing more of it can be read before [`Consumer::skip`].
    #[must_use]
    pub const fn damage(&self) -> Option<Damage> {
        self.damage
    }
}
