//! A segment of the spool: a header with the place up to which it was read, and frames with checksums.
//!
//! `cofspool` · version 1 · place read to, u64 · CRC32C of that place, u32, in all 24 bytes; then frames: length u32 · CRC32C u32 ·
//! number u64 · time u64 · level u8 · class u8 · line, little endian, where the length and the sum are of what follows them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::kinds::Kinds;
use crate::record::{Class, Level, Record};

const MAGIC: &[u8; 12] = b"cofspool\x01\0\0\0";
const PLACE_AT: u64 = 12;
pub(super) const HEADER_BYTES: u64 = 24;
const FRAME_BYTES: u64 = 8;
const FIXED_BYTES: usize = 18;
/// LIMIT: bytes of one frame; a length beyond it was never written by us.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that a record takes.
pub(super) fn frame_bytes(record: &Record) -> u64 {
    let body = FIXED_BYTES.saturating_add(record.line.len());
    FRAME_BYTES + u64::try_from(body).unwrap_or(u64::MAX / 2)
}

/// One segment. What is behind `bytes` in the file is no part of it.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    file: File,
    /// Good bytes, the header included.
    pub(super) bytes: u64,
    /// Records behind the place read to.
    pub(super) records: u64,
    /// The same by level and class.
    pub(super) kinds: Kinds,
    read_to: u64,
    pub(super) unsynced: bool,
    pub(super) lent: bool,
    /// Bytes behind the good ones that cannot be read, and stay.
    pub(super) behind: u64,
    /// Something in it cannot be read: the file is set aside when its records are gone.
    pub(super) is_damaged: bool,
}

/// What a file of a spool is.
pub(super) enum Opened {
    /// There are records in it; and whether a torn end was cut.
    Records(Box<Segment>, bool),
    /// There is nothing in it; and whether there was a torn end.
    Nothing(bool),
    /// Nothing in it can be read, and it is not for us to remove it.
    Foreign,
}

/// LIMIT: bytes of an end that are looked through for a whole frame, and bytes that are summed for that.
const SOUGHT_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Segment {
    pub(super) fn create(path: PathBuf) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&place(HEADER_BYTES));
        if let Err(why) = file.write_all(&header) {
            let _ = std::fs::remove_file(&path);
            return Err(why);
        }
        Ok(Self {
            path,
            file,
            bytes: HEADER_BYTES,
            records: 0,
            kinds: Kinds::default(),
            read_to: HEADER_BYTES,
            unsynced: true,
            lent: false,
            behind: 0,
            is_damaged: false,
        })
    }

    /// Reads what an earlier process left, and cuts an end that a kill has torn, which only the last segment of a rank can have.
    pub(super) fn open(path: &Path, is_last: bool) -> io::Result<Opened> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let mut header = [0; 24];
        let begun = usize::try_from(length.min(HEADER_BYTES)).unwrap_or(0);
        file.read_exact_at(header.get_mut(..begun).unwrap_or_default(), 0)?;
        let magic = begun.min(MAGIC.len());
        if header.get(..magic) != MAGIC.get(..magic) {
            return Ok(Opened::Foreign);
        }
        if length < HEADER_BYTES {
            return Ok(Opened::Nothing(length > 0));
        }
        let mut segment = Self {
            path: path.to_owned(),
            file,
            bytes: length,
            records: 0,
            kinds: Kinds::default(),
            read_to: HEADER_BYTES,
            unsynced: false,
            lent: false,
            behind: 0,
            is_damaged: false,
        };
        let read_to = place_of(&header).filter(|place| (HEADER_BYTES..=length).contains(place));
        let good = segment.measure(read_to.unwrap_or(HEADER_BYTES))?;
        // A place that is not the beginning of a frame cannot be trusted, and what was sent is sent again.
        segment.read_to = match read_to {
            Some(place) if good.1 => place,
            _ => HEADER_BYTES,
        };
        if segment.read_to == HEADER_BYTES && read_to != Some(HEADER_BYTES) {
            segment.measure(HEADER_BYTES)?;
        }
        segment.bytes = good.0;
        let torn = good.0 < length && is_last && segment.is_torn(length)?;
        if torn {
            segment.file.set_len(good.0)?;
        } else {
            segment.behind = length - good.0;
            segment.is_damaged = segment.behind > 0;
        }
        Ok(match (segment.records, segment.is_damaged) {
            (0, true) => Opened::Foreign,
            (0, false) => Opened::Nothing(torn),
            _ => Opened::Records(Box::new(segment), torn),
        })
    }

    /// Whether what is behind the good bytes is the beginning of a write that did not come to its end. When in doubt it is not.
    fn is_torn(&self, length: u64) -> io::Result<bool> {
        let left = length - self.bytes;
        if left > SOUGHT_BYTES_MAX {
            return Ok(false);
        }
        let mut rest = vec![0; usize::try_from(left).unwrap_or(0)];
        self.file.read_exact_at(&mut rest, self.bytes)?;
        let size = |at: usize| {
            let four = rest.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*four)).ok()
        };
        let is_unfinished = match size(0).filter(|_| rest.len() >= 8) {
            Some(size) => (FIXED_BYTES..=BODY_BYTES_MAX).contains(&size) && size > rest.len() - 8,
            None => true,
        };
        // A machine that loses its power leaves zeros where nothing was written yet.
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        let mut summed = 0;
        for at in 1..rest.len().saturating_sub(8 + FIXED_BYTES) {
            let Some(size) = size(at).filter(|size| (FIXED_BYTES..=rest.len() - at).contains(size)) else {
                continue;
            };
            summed += u64::try_from(size).unwrap_or(u64::MAX);
            let mut frame = rest.get(at..).unwrap_or_default();
            let left = u64::try_from(frame.len()).unwrap_or(0);
            // A frame behind it was written after it: what is between was once whole.
            if summed > SOUGHT_BYTES_MAX || read_frame(&mut frame, left)?.is_some() {
                return Ok(false);
            }
        }
        Ok(is_unfinished)
    }

    /// Counts the records behind a place; gives where the good bytes end, and whether the place is the beginning of a frame.
    fn measure(&mut self, from: u64) -> io::Result<(u64, bool)> {
        self.records = 0;
        self.kinds = Kinds::default();
        let mut reader = io::BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(HEADER_BYTES))?;
        let (mut at, mut met) = (HEADER_BYTES, from == HEADER_BYTES);
        let mut counted = Vec::new();
        while at < self.bytes
            && let Some((record, taken)) = read_frame(&mut reader, self.bytes - at)?
        {
            if at >= from {
                counted.push((record.level, record.class));
            }
            at += taken;
            met |= at == from;
        }
        for (level, class) in counted {
            self.count(level, class);
        }
        Ok((at, met))
    }

    fn count(&mut self, level: Level, class: Class) {
        self.records += 1;
        self.kinds.add(level, class, 1);
    }

    /// Appends records, all or none.
    pub(super) fn append(&mut self, records: &[Arc<Record>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            write_frame(record, &mut bytes);
        }
        if let Err(why) = self.file.write_all_at(&bytes, self.bytes) {
            // What is behind the good bytes would be cut as torn at the next start anyway.
            let _ = self.file.set_len(self.bytes);
            return Err(why);
        }
        self.unsynced = true;
        self.bytes += u64::try_from(bytes.len()).unwrap_or(0);
        for record in records {
            self.count(record.level, record.class);
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced {
            self.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Reads from the place read to; gives records, and the place behind them.
    pub(super) fn read(&self, records_max: usize, bytes_max: usize) -> io::Result<(Vec<Arc<Record>>, u64)> {
        let mut reader = io::BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(self.read_to))?;
        let (mut at, mut records, mut bytes) = (self.read_to, Vec::new(), 0);
        while records.len() < records_max.max(1) && bytes < bytes_max && at < self.bytes {
            let Some((record, taken)) = read_frame(&mut reader, self.bytes - at)? else {
                break;
            };
            at += taken;
            bytes += record.cost();
            records.push(Arc::new(record));
        }
        Ok((records, at))
    }

    /// These were read and settled.
    pub(super) fn advance(&mut self, records: &Kinds, to: u64) {
        self.records = self.records.saturating_sub(records.sum());
        self.kinds.take_all(records);
        self.read_to = to;
        // If the place is lost, what was sent is sent again.
        let _ = self.file.write_all_at(&place(to), PLACE_AT);
    }
}

fn place(at: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (number, sum) = bytes.split_at_mut(8);
    number.copy_from_slice(&at.to_le_bytes());
    sum.copy_from_slice(&crc_fast::crc32_iscsi(&at.to_le_bytes()).to_le_bytes());
    bytes
}

fn place_of(header: &[u8; 24]) -> Option<u64> {
    let (_, tail) = header.split_last_chunk::<12>()?;
    let (number, sum) = tail.split_first_chunk::<8>()?;
    let sum = u32::from_le_bytes(*sum.first_chunk::<4>()?);
    (crc_fast::crc32_iscsi(number) == sum).then(|| u64::from_le_bytes(*number))
}

pub(crate) fn write_frame(record: &Record, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(FIXED_BYTES + record.line.len());
    body.extend_from_slice(&record.sequence.to_le_bytes());
    body.extend_from_slice(&record.time_ns.to_le_bytes());
    body.push(record.level.number());
    body.push(record.class.number());
    body.extend_from_slice(&record.line);
    // LIMIT: a record that large was refused before.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc_fast::crc32_iscsi(&body).to_le_bytes());
    out.extend_from_slice(&body);
}

/// One frame; none when what is there is not whole.
pub(crate) fn read_frame(reader: &mut impl Read, left: u64) -> io::Result<Option<(Record, u64)>> {
    let mut head = [0; 8];
    if left < FRAME_BYTES || !read_whole(reader, &mut head)? {
        return Ok(None);
    }
    let (length, sum) = head.split_at(4);
    let number = |bytes: &[u8]| bytes.first_chunk::<4>().map_or(0, |four| u32::from_le_bytes(*four));
    let (length, sum) = (number(length), number(sum));
    let taken = FRAME_BYTES + u64::from(length);
    let Ok(size) = usize::try_from(length) else {
        return Ok(None);
    };
    if taken > left || !(FIXED_BYTES..=BODY_BYTES_MAX).contains(&size) {
        return Ok(None);
    }
    let mut body = vec![0; size];
    if !read_whole(reader, &mut body)? || crc_fast::crc32_iscsi(&body) != sum {
        return Ok(None);
    }
    Ok(parse(&body).map(|record| (record, taken)))
}

fn parse(body: &[u8]) -> Option<Record> {
    let (sequence, rest) = body.split_first_chunk::<8>()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let ([level, class], line) = rest.split_first_chunk::<2>()?;
    Some(Record {
        sequence: u64::from_le_bytes(*sequence),
        time_ns: u64::from_le_bytes(*time),
        level: Level::from_number(*level)?,
        class: Class::from_number(*class)?,
        line: line.into(),
    })
}

fn read_whole(reader: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(into) {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(why) => Err(why),
    }
}
