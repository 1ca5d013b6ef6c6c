//! The pen of a worker, with which nothing waits or allocates; and the desk, at which threads of control share one.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use log_mask::field::{Fields, Shown, Untrusted};
use log_mask::rules::Rules;
use log_record::grade::{Class, Level};
use log_ring::{Mark, Producer};
use parking_lot::Mutex;

use crate::masked::Masked;
use crate::sheet::Sheet;
use crate::wanted::Wanted;

/// What a record is about, and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// How grave.
    pub level: Level,
    /// About what.
    pub class: Class,
    /// When.
    pub time: SystemTime,
}

impl Subject {
    /// Now.
    #[must_use]
    pub fn now(level: Level, class: Class) -> Self {
        Self {
            level,
            class,
            time: SystemTime::now(),
        }
    }
}

/// LIMIT: bytes of a record that is packed and goes nowhere.
const DRY_BYTES_MAX: usize = 64 * 1024;

/// Writes records. It belongs to one thread.
pub struct Pen {
    ring: Option<Producer>,
    mask: Fields,
    masked: Arc<Masked>,
    wanted: Wanted,
    buffer: Vec<u8>,
    bytes_max: usize,
}

impl Pen {
    /// One that writes nothing.
    #[must_use]
    pub fn dry() -> Self {
        Self {
            ring: None,
            mask: Fields::new(Arc::default()),
            masked: Arc::default(),
            wanted: Wanted::default(),
            buffer: Vec::new(),
            bytes_max: DRY_BYTES_MAX,
        }
    }

    pub(crate) fn new(
        (ring, masked): (Producer, Arc<Masked>),
        (rules, wanted): (Arc<Rules>, Wanted),
        bytes_max: usize,
    ) -> Self {
        Self {
            ring: Some(ring),
            mask: Fields::new(rules),
            masked,
            wanted,
            buffer: Vec::with_capacity(bytes_max),
            bytes_max,
        }
    }

    /// Whether a record would go anywhere.
    #[must_use]
    pub fn wants(&self, level: Level, class: Class) -> bool {
        self.ring.is_some() && self.wanted.has(level, class)
    }

    /// Writes a record that somebody wants. One that has no room is counted, and the log says so.
    pub fn write(&mut self, subject: Subject, fill: impl FnOnce(&mut Sheet<'_>)) {
        if !self.wanted.has(subject.level, subject.class) {
            return;
        }
        let Some(ring) = &mut self.ring else { return };
        let Some(mark) = mark(&subject) else { return };
        self.buffer.clear();
        let mut sheet = Sheet::new(&mut self.buffer, &mut self.mask, self.bytes_max);
        fill(&mut sheet);
        sheet.end();
        self.masked.add(&self.mask.take_counts());
        // The ring counts what it refuses, and tells of it.
        let _ = ring.write(mark, &self.buffer);
    }

    /// Packs a record without writing it: for whoever keeps it until somebody wants it.
    pub fn pack(&mut self, fill: impl FnOnce(&mut Sheet<'_>)) -> &[u8] {
        self.buffer.clear();
        let mut sheet = Sheet::new(&mut self.buffer, &mut self.mask, self.bytes_max);
        fill(&mut sheet);
        sheet.end();
        self.masked.add(&self.mask.take_counts());
        &self.buffer
    }

    /// Writes a record that was packed before.
    pub fn write_packed(&mut self, subject: Subject, packed: &[&[u8]]) {
        if !self.wanted.has(subject.level, subject.class) {
            return;
        }
        let (Some(ring), Some(mark)) = (&mut self.ring, mark(&subject)) else {
            return;
        };
        let length = packed.iter().map(|piece| piece.len()).sum();
        if let Ok(mut grant) = ring.begin(mark, length) {
            // There is room for them: it was asked for.
            let is_whole = packed.iter().all(|piece| grant.put(piece).is_ok());
            if is_whole {
                grant.commit();
            }
        }
    }

    /// Appends a value as it may be shown elsewhere than in a record.
    pub fn mask(&mut self, value: Untrusted<'_>, out: &mut Vec<u8>) -> Shown {
        self.mask.append(value, out)
    }

    /// Has the ring tell what it refused, where no record comes that would do it. For a worker that is idle, and at its end.
    pub fn rest(&mut self) {
        let now = nanoseconds(SystemTime::now());
        if let Some(ring) = &mut self.ring {
            ring.tell(now);
        }
    }

    /// Other rules and other wishes from here on.
    pub fn follow(&mut self, rules: Arc<Rules>, wanted: Wanted) {
        self.mask.follow(rules);
        self.wanted = wanted;
    }
}

fn mark(subject: &Subject) -> Option<Mark> {
    Some(Mark {
        level: log_ring::Level::new(subject.level.number())?,
        class: log_ring::Class::new(subject.class.number())?,
        stamp_ns: nanoseconds(subject.time),
    })
}

/// A clock before 1970 reads as 1970.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The pen of all threads that carry no traffic: one after the other.
pub struct Desk(Mutex<Pen>);

impl Desk {
    pub(crate) const fn new(pen: Pen) -> Self {
        Self(Mutex::new(pen))
    }

    /// Writes a record that somebody wants.
    pub fn write(&self, subject: Subject, fill: impl FnOnce(&mut Sheet<'_>)) {
        self.0.lock().write(subject, fill);
    }

    /// Has the ring tell what it refused.
    pub(crate) fn rest(&self) {
        self.0.lock().rest();
    }

    pub(crate) fn follow(&self, rules: Arc<Rules>, wanted: Wanted) {
        self.0.lock().follow(rules, wanted);
    }
}
