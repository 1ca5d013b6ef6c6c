//! The spool of one sink: what the other side does not take now stands in a folder, also over a restart.
//!
//! Each rank has segments of its own, so that the lowest can be given up by removing files.

mod aside;
mod segment;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::aside::{ASIDE, set_aside};
use self::segment::{BODY_BYTES_MAX, HEADER_BYTES, Opened, Segment, frame_bytes};
pub(crate) use self::segment::{read_frame, write_frame};
use crate::batch::{Batch, Fate};
use crate::fault::ShipFault;
use crate::kinds::Kinds;
use crate::record::{RANKS, Record};
use crate::tally::Reason;

/// How files of a spool end.
const ENDING: &str = ".spool";
/// The file whose lock says that a folder is taken.
const LOCK: &str = "lock";
/// How long it is waited for whoever has a folder, and between two looks.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(1);
const LOCK_WAIT: Duration = Duration::from_millis(5);

/// When what is written is forced onto the disk. What was written outlives the process in any case; this is for the machine's own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// When the system thinks so.
    Never,
    /// When this long has passed since the last time.
    Every(Duration),
    /// Before anything counts as kept.
    Always,
}

/// Where a spool is, and how much it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// A folder of its own; made when it is not there.
    pub folder: PathBuf,
    /// Bytes of all segments.
    pub bytes_max: u64,
    /// Bytes of one segment.
    pub segment_bytes_max: u64,
    /// When it is forced onto the disk.
    pub sync: Sync,
}

/// What stood in a spool at its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) records: u64,
    /// Segments of which an end was cut.
    pub(crate) torn: u64,
    /// Files in which something cannot be read; they are set aside, at once or when the rest of them is sent.
    pub(crate) aside: u64,
}

/// What became of a batch that was to be stored; those whose fate is open could not be.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) records: u64,
    /// What was given up for it.
    pub(crate) removed: Kinds,
    pub(crate) fault: Option<io::Error>,
}

/// Records that were read and not yet settled.
#[derive(Debug)]
pub(crate) struct Lent {
    rank: usize,
    to: u64,
    kinds: Kinds,
}

/// What reading gives.
#[derive(Debug)]
pub(crate) enum Loan {
    Records(Batch, Lent),
    /// What stood there can no longer be read, and was set aside.
    Damaged(Kinds),
    Nothing,
}

/// The spool.
pub(crate) struct Spool {
    settings: SpoolSettings,
    ranks: [VecDeque<Segment>; RANKS],
    number: u64,
    bytes: u64,
    synced: Instant,
    /// Which rank is read next when several have something, so that none waits for ever behind another.
    turn: usize,
    _lock: fs::File,
}

impl Spool {
    pub(crate) fn open(settings: SpoolSettings) -> Result<(Self, Found), ShipFault> {
        let fault = |path: &std::path::Path, source| ShipFault::Spool {
            path: path.to_owned(),
            source,
        };
        make_folder(&settings.folder).map_err(|why| fault(&settings.folder, why))?;
        let mut spool = Self {
            ranks: Default::default(),
            number: 0,
            bytes: 0,
            synced: Instant::now(),
            turn: 0,
            _lock: lock_folder(&settings.folder).map_err(|why| fault(&settings.folder, why))?,
            settings,
        };
        let mut found = Found::default();
        let mut names = Vec::new();
        for entry in fs::read_dir(&spool.settings.folder).map_err(|why| fault(&spool.settings.folder, why))? {
            let entry = entry.map_err(|why| fault(&spool.settings.folder, why))?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            // A number that was set aside is not given again.
            let taken = name.strip_suffix(ASIDE).and_then(read_name);
            spool.number = spool.number.max(taken.map_or(0, |(_, number)| number));
            names.extend(read_name(name).map(|(rank, number)| (number, rank, entry.path())));
        }
        names.sort();
        let mut last = [0; RANKS];
        for (number, rank, _) in &names {
            last.get_mut(*rank).into_iter().for_each(|last| *last = *number);
        }
        for (number, rank, path) in names {
            spool.number = spool.number.max(number);
            let is_last = last.get(rank) == Some(&number);
            spool
                .take(rank, &path, is_last, &mut found)
                .map_err(|why| fault(&path, why))?;
        }
        Ok((spool, found))
    }

    fn take(&mut self, rank: usize, path: &std::path::Path, is_last: bool, found: &mut Found) -> io::Result<()> {
        match (Segment::open(path, is_last)?, self.ranks.get_mut(rank)) {
            (Opened::Records(segment, torn), Some(segments)) => {
                found.torn += u64::from(torn);
                found.aside += u64::from(segment.is_damaged);
                found.records += segment.records;
                self.bytes += segment.bytes + segment.behind;
                segments.push_back(*segment);
            }
            (Opened::Nothing(torn), _) => {
                found.torn += u64::from(torn);
                fs::remove_file(path)?;
            }
            _ => {
                found.aside += 1;
                set_aside(path, self.settings.bytes_max / 4)?;
            }
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Stores what is open in a batch, the gravest first. What is stored counts as delivered to the spool.
    pub(crate) fn store(&mut self, batch: &mut Batch) -> Stored {
        let mut stored = Stored::default();
        for rank in (0..RANKS).rev() {
            let records: Vec<Arc<Record>> = batch.open().filter(|one| one.rank() == rank).cloned().collect();
            for part in parts(&records, self.settings.segment_bytes_max) {
                if stored.fault.is_none() {
                    self.store_part(rank, part, batch, &mut stored);
                }
            }
        }
        if let Err(why) = self.sync() {
            stored.fault.get_or_insert(why);
        }
        stored
    }

    fn store_part(&mut self, rank: usize, part: &[Arc<Record>], batch: &mut Batch, stored: &mut Stored) {
        let bytes: u64 = part.iter().map(|record| frame_bytes(record)).sum();
        let (first, last) = match part {
            [one] => (one.sequence, one.sequence),
            [first, .., last] => (first.sequence, last.sequence),
            [] => return,
        };
        let meant = |one: &Record| one.rank() == rank && (first..=last).contains(&one.sequence);
        let too_large = part.iter().any(|record| record.line.len() > BODY_BYTES_MAX / 2);
        if too_large || bytes + HEADER_BYTES > self.settings.bytes_max {
            batch.decide_where(Fate::Dropped(Reason::TooLarge), meant);
        } else if !self.make_room(rank, bytes + HEADER_BYTES, &mut stored.removed) {
            batch.decide_where(Fate::Dropped(Reason::SpoolFull), meant);
        } else {
            match self.append(rank, part, bytes) {
                Ok(()) => {
                    stored.records += u64::try_from(part.len()).unwrap_or(0);
                    batch.decide_where(Fate::Delivered, meant);
                }
                Err(why) => stored.fault = Some(why),
            }
        }
    }

    fn append(&mut self, rank: usize, part: &[Arc<Record>], bytes: u64) -> io::Result<()> {
        let Some(segments) = self.ranks.get_mut(rank) else {
            return Ok(());
        };
        let fits = |segment: &Segment| !segment.is_damaged && segment.bytes + bytes <= self.settings.segment_bytes_max;
        if !segments.back().is_some_and(fits) {
            if let Some(full) = segments.back_mut()
                && self.settings.sync != Sync::Never
            {
                full.sync()?;
            }
            self.number += 1;
            let name = format!("{rank}-{:020}{ENDING}", self.number);
            segments.push_back(Segment::create(self.settings.folder.join(name))?);
            self.bytes += HEADER_BYTES;
        }
        if let Some(segment) = segments.back_mut() {
            segment.append(part)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Removes the oldest segments of the lowest ranks until there is room. Nothing is given up for what is lower.
    fn make_room(&mut self, rank: usize, bytes: u64, removed: &mut Kinds) -> bool {
        while self.bytes.saturating_add(bytes) > self.settings.bytes_max {
            let found = self
                .ranks
                .iter()
                .take(rank + 1)
                .enumerate()
                .find_map(|(lowest, segments)| Some((lowest, segments.iter().position(|segment| !segment.lent)?)));
            let Some((lowest, index)) = found else { return false };
            let segment = self.ranks.get_mut(lowest).and_then(|segments| segments.remove(index));
            let Some(segment) = segment else { return false };
            removed.add_all(&segment.kinds);
            self.forget(&segment);
        }
        true
    }

    fn forget(&mut self, segment: &Segment) {
        self.bytes = self.bytes.saturating_sub(segment.bytes + segment.behind);
        // A file that stays is read again at the next start: twice is better than never.
        let _ = if segment.is_damaged {
            set_aside(&segment.path, self.settings.bytes_max / 4)
        } else {
            fs::remove_file(&segment.path)
        };
    }

    fn sync(&mut self) -> io::Result<()> {
        let due = match self.settings.sync {
            Sync::Never => false,
            Sync::Every(every) => self.synced.elapsed() >= every,
            Sync::Always => true,
        };
        if due {
            for segment in self.ranks.iter_mut().filter_map(VecDeque::back_mut) {
                segment.sync()?;
            }
            self.synced = Instant::now();
        }
        Ok(())
    }

    /// Reads the oldest records of one rank, the ranks in turn.
    pub(crate) fn lend(&mut self, records_max: usize, bytes_max: usize) -> Loan {
        let turn = self.turn;
        self.turn = (turn + 1) % RANKS;
        let order = (0..RANKS).map(|rank| (rank + turn) % RANKS);
        let has = |rank: &usize| self.ranks.get(*rank).is_some_and(|segments| !segments.is_empty());
        let Some(rank) = order.into_iter().find(has) else {
            return Loan::Nothing;
        };
        let Some(segment) = self.ranks.get_mut(rank).and_then(VecDeque::front_mut) else {
            return Loan::Nothing;
        };
        match segment.read(records_max, bytes_max) {
            Ok((records, to)) if !records.is_empty() => {
                segment.lent = true;
                let mut kinds = Kinds::default();
                for record in &records {
                    kinds.add(record.level, record.class, 1);
                }
                let lent = Lent { rank, to, kinds };
                Loan::Records(Batch::new(records), lent)
            }
            _ => self.give_up_front(rank),
        }
    }

    fn give_up_front(&mut self, rank: usize) -> Loan {
        let Some(mut segment) = self.ranks.get_mut(rank).and_then(VecDeque::pop_front) else {
            return Loan::Nothing;
        };
        segment.is_damaged = true;
        self.forget(&segment);
        Loan::Damaged(segment.kinds)
    }

    /// What was lent has been settled.
    pub(crate) fn settled(&mut self, lent: &Lent) {
        let Some(segment) = self.ranks.get_mut(lent.rank).and_then(VecDeque::front_mut) else {
            return;
        };
        segment.lent = false;
        segment.advance(&lent.kinds, lent.to);
        if segment.records == 0
            && let Some(segment) = self.ranks.get_mut(lent.rank).and_then(VecDeque::pop_front)
        {
            self.forget(&segment);
        }
    }
}

/// Parts that fit into a segment, as far as one record does.
fn parts(records: &[Arc<Record>], bytes_max: u64) -> Vec<&[Arc<Record>]> {
    let (mut parts, mut rest) = (Vec::new(), records);
    while !rest.is_empty() {
        let mut bytes = HEADER_BYTES;
        let fits = rest.iter().take_while(|record| {
            bytes += frame_bytes(record);
            bytes <= bytes_max
        });
        let (part, behind) = rest.split_at(fits.count().clamp(1, rest.len()));
        parts.push(part);
        rest = behind;
    }
    parts
}

fn read_name(name: &str) -> Option<(usize, u64)> {
    let (rank, number) = name.strip_suffix(ENDING)?.split_once('-')?;
    Some((rank.parse().ok()?, number.parse().ok()?))
}

/// Takes a folder for one sink alone; it is free again when what is given is dropped, or the process ends.
pub(crate) fn lock_folder(folder: &std::path::Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))?;
    // A program that is being started has our open files until it runs: so long it holds what a sink has just let go.
    let end = Instant::now() + LOCK_WAIT_MAX;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::Error(why)) => return Err(why),
            Err(fs::TryLockError::WouldBlock) if Instant::now() >= end => {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another sink has it"));
            }
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
        }
    }
}

/// Makes a folder for its owner alone.
pub(crate) fn make_folder(folder: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests;
