//! Writes a chain: goes on where the last process ended, and hides nothing that it finds missing there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::heads::{self, Note};
use super::line;
use super::{ChainSettings, Head};
use crate::batch::{Batch, Fate};
use crate::carrier::{Carrier, Step};
use crate::fault::ShipFault;
use crate::sink::Frame;
use crate::spool::{Sync, lock_folder, make_folder};
use crate::talk::{Kind, Talk};
use crate::tally::Reason;

/// The head of no line.
const NONE: Head = Head {
    sequence: 0,
    hash: [0; 32],
};
/// Clocks that have gone apart by more than this were not both left alone.
const JUMP: Duration = Duration::from_secs(60);
/// LIMIT: bytes of a last line.
const LAST_BYTES_MAX: u64 = 64 * 1024 * 1024;

struct Open {
    file: File,
    bytes: u64,
    begun: Duration,
}

pub(super) struct Writer {
    settings: ChainSettings,
    note: Note,
    number: u64,
    open: Option<Open>,
    /// Both clocks at the last rotation.
    clocks: (Duration, SystemTime),
    synced: Duration,
    talk: Talk,
    _lock: File,
}

impl Writer {
    pub(super) fn open(frame: &Frame, settings: ChainSettings) -> Result<Self, ShipFault> {
        let fault = |source| ShipFault::File {
            path: settings.folder.clone(),
            source,
        };
        make_folder(&settings.folder).map_err(fault)?;
        let lock = lock_folder(&settings.folder).map_err(fault)?;
        let (number, last) = last(&settings).map_err(fault)?;
        let noted = heads::read(&settings.folder);
        let mut note = noted.unwrap_or(Note { head: NONE, retired: 0 });
        // When lines that were noted are missing, the chain goes on behind them, so that the gap stays to be seen.
        if last.sequence >= note.head.sequence {
            note.head = last;
        }
        Ok(Self {
            note,
            number: number.max(note.retired),
            open: None,
            clocks: (settings.clock.steady(), settings.clock.wall()),
            synced: settings.clock.steady(),
            talk: Talk::new(&frame.name, Arc::clone(&frame.listener)),
            _lock: lock,
            settings,
        })
    }

    fn write(&mut self, batch: &mut Batch, refused: &mut dyn FnMut(&str)) -> io::Result<()> {
        let count = batch.open().count();
        if count == 0 {
            return Ok(());
        }
        self.begin_segment()?;
        let (names, digest) = (&self.settings.names, &self.settings.digest);
        let (mut bytes, mut head, mut unchained) = (Vec::new(), self.note.head, Vec::new());
        for (place, record) in batch.open().enumerate() {
            match line::write(names, digest, &record.line, head, &mut bytes) {
                Some(next) => head = next,
                None => unchained.push(place),
            }
        }
        let sync = self.settings.sync == Sync::Always;
        self.append(&bytes, sync)?;
        self.note.head = head;
        if !unchained.is_empty() {
            refused("a record that is no JSON object on one line cannot be chained");
            batch.decide_at(&unchained, Fate::Dropped(Reason::Refused));
        }
        batch.decide(count, Fate::Delivered);
        if let Err(why) = heads::write(&self.settings.folder, &self.note, sync) {
            // The lines are there; what is noted is behind them, which says nothing wrong.
            self.talk
                .say(Kind::Upkeep, &format!("the head of the chain cannot be written: {why}"));
        }
        Ok(())
    }

    /// Appends all of it, or leaves the segment as it was.
    fn append(&mut self, bytes: &[u8], sync: bool) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut written = open.file.write_all(bytes);
        if sync && written.is_ok() {
            written = open.file.sync_data();
        }
        if let Err(why) = written {
            // A segment whose end cannot be cut is left, and the next one begins behind the last whole batch.
            if open.file.set_len(open.bytes).is_err() {
                self.open = None;
            }
            return Err(why);
        }
        open.bytes += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let now = self.settings.clock.steady();
        let goes_on = self.open.as_ref().is_some_and(|open| {
            open.bytes < self.settings.segment_bytes_max && now.saturating_sub(open.begun) < self.settings.segment_every
        });
        if goes_on {
            return Ok(());
        }
        if let Some(open) = self.open.take() {
            open.file.sync_data()?;
        }
        let number = self.number + 1;
        let path = heads::segment(&self.settings.folder, number);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        self.open = Some(Open {
            file,
            bytes: 0,
            begun: now,
        });
        let opening = line::opening(&self.settings.names, &self.settings.digest, number);
        let mut bytes = Vec::new();
        let (names, digest) = (&self.settings.names, &self.settings.digest);
        let head = line::write(names, digest, &opening, self.note.head, &mut bytes);
        if let Err(why) = self.append(&bytes, false) {
            self.open = None;
            // The next try begins the same one; a file that stays has its number.
            if fs::remove_file(&path).is_err() {
                self.number = number;
            }
            return Err(why);
        }
        self.number = number;
        self.note.head = head.unwrap_or(self.note.head);
        self.retire();
        Ok(())
    }

    /// Removes segments whose time is over, unless the wall's clock was set meanwhile.
    fn retire(&mut self) {
        let (steady, wall) = (self.settings.clock.steady(), self.settings.clock.wall());
        let expected = self.clocks.1 + steady.saturating_sub(self.clocks.0);
        let off = wall.duration_since(expected).unwrap_or_else(|why| why.duration());
        self.clocks = (steady, wall);
        let Some(age_max) = self.settings.age_max.filter(|_| off <= JUMP) else {
            return;
        };
        let Ok(segments) = heads::segments(&self.settings.folder) else {
            return;
        };
        for (number, path) in segments.into_iter().filter(|(number, _)| *number < self.number) {
            let modified = fs::metadata(&path).and_then(|about| about.modified());
            let age = modified.ok().and_then(|modified| wall.duration_since(modified).ok());
            if age.is_none_or(|age| age <= age_max) {
                return;
            }
            // Noted first: a segment that is noted and still there is removed the next time.
            self.note.retired = self.note.retired.max(number);
            let noted = heads::write(&self.settings.folder, &self.note, true);
            if let Err(why) = noted.and_then(|()| fs::remove_file(&path)) {
                self.talk
                    .say(Kind::Upkeep, &format!("`{}` cannot be removed: {why}", path.display()));
                return;
            }
        }
    }

    fn tick(&mut self) {
        let now = self.settings.clock.steady();
        if let (Sync::Every(every), Some(open)) = (self.settings.sync, &self.open)
            && now.saturating_sub(self.synced) >= every
        {
            self.synced = now;
            // A disk that refuses this refuses the next write too, which is said.
            let _ = open.file.sync_data();
        }
    }
}

impl Carrier for Writer {
    fn deliver(&mut self, batch: &mut Batch, refused: &mut dyn FnMut(&str)) -> Step {
        let written = self.write(batch, refused);
        self.tick();
        match written {
            Ok(()) => Step::Done,
            Err(why) => Step::Again {
                why: format!(
                    "the chain in `{}` cannot be written: {why}",
                    self.settings.folder.display()
                ),
                after: None,
            },
        }
    }

    fn idle(&mut self) {
        self.tick();
    }
}

/// The number of the last segment, and the last line there is. Half a line at its end, which a kill left, is cut.
fn last(settings: &ChainSettings) -> io::Result<(u64, Head)> {
    let segments = heads::segments(&settings.folder)?;
    let number = segments.last().map_or(0, |(number, _)| *number);
    for (_, path) in segments.iter().rev() {
        let Some(line) = last_line(path)? else { continue };
        let link = line::read(&settings.names, &settings.digest, &line);
        let head = link.map_or(NONE, |link| Head {
            sequence: link.sequence,
            hash: link.hash,
        });
        return Ok((number, head));
    }
    Ok((number, NONE))
}

fn last_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LAST_BYTES_MAX);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        file.set_len(from + u64::try_from(whole).unwrap_or(0))?;
    }
    let whole = bytes.get(..whole.saturating_sub(1)).unwrap_or_default();
    let begin = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(whole.get(begin..).filter(|line| !line.is_empty()).map(<[u8]>::to_vec))
}
