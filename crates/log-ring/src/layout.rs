//! Where everything stands in the file of a ring, as bytes.
//!
//! A header of three pages, then the bytes of the ring. Numbers are little-endian. The first 64 bytes are written once, before the file has its
//! lock and so before anybody reads them; everything behind them is words of 8 bytes that change.
//!
//! A record is its head of 32 bytes and its payload, padded to 8. Its check is CRC32C over everything behind the check, mixed with the position, so
//! that bytes of an earlier lap are no record. Where a record does not fit before the end of the ring, the 8 bytes of a wrap stand there.

use crate::mark::CELLS;

/// What a file of this kind begins with.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"cofring\n");
/// Of this layout.
pub(crate) const VERSION: u32 = 1;
/// Bytes before the ring: three pages.
pub(crate) const HEADER_BYTES: u64 = 12_288;
/// Of these the ones that are written once.
pub(crate) const FIXED_BYTES: usize = 64;

// Words, counted from the beginning of the file. The two positions have cache lines of their own, and so has the next line behind each,
// for processors that fetch two.
/// Up to where records are committed: written by the producer alone.
pub(crate) const TAIL: usize = 128 / 8;
/// Up to where they are released: written by the consumer alone.
pub(crate) const HEAD: usize = 256 / 8;
/// [`CELLS`] counts of records that were not taken.
pub(crate) const DROPPED: usize = 512 / 8;
/// Twice what gap records have told of them, each with the position at which the telling record ends.
pub(crate) const TOLD: [usize; 2] = [DROPPED + CELLS, DROPPED + 2 * CELLS + 1];

const _: () = assert!((DROPPED + 3 * CELLS + 2) * 8 <= 12_288, "the header holds all counts");

/// Bytes of a record before its payload.
pub(crate) const HEAD_BYTES: usize = 32;
/// All records begin and end at a multiple of this.
pub(crate) const ALIGN: u64 = 8;
/// The length that means: go on at the beginning of the ring.
pub(crate) const WRAP: u32 = u32::MAX;
/// Bytes of that.
pub(crate) const WRAP_BYTES: usize = 8;

/// What a whole record takes.
pub(crate) const fn taken(payload_bytes: usize) -> u64 {
    // A payload is below 2^32, so nothing here overflows.
    (HEAD_BYTES as u64 + payload_bytes as u64).next_multiple_of(ALIGN)
}

/// The part of the header that never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// Bytes of the ring: a power of two.
    pub(crate) capacity: u64,
    pub(crate) payload_bytes_max: u32,
    pub(crate) process: u32,
    /// When it started, in the ticks that `/proc` has; 0 where that is not known.
    pub(crate) process_started: u64,
}

impl Fixed {
    pub(crate) fn write(&self) -> [u8; FIXED_BYTES] {
        let mut bytes = [0; FIXED_BYTES];
        let (words, _) = bytes.as_chunks_mut::<8>();
        let values = [
            MAGIC,
            u64::from(VERSION) | HEADER_BYTES << 32,
            self.capacity,
            u64::from(self.payload_bytes_max) | u64::from(self.process) << 32,
            self.process_started,
        ];
        for (word, value) in words.iter_mut().zip(values) {
            *word = value.to_le_bytes();
        }
        let (said, check) = bytes.split_at_mut(FIXED_BYTES - 8);
        check.copy_from_slice(&u64::from(crc(said)).to_le_bytes());
        bytes
    }

    /// Reads what `write` wrote; says what is wrong with it otherwise.
    pub(crate) fn read(bytes: &[u8; FIXED_BYTES]) -> Result<Self, &'static str> {
        let (words, _) = bytes.as_chunks::<8>();
        let [magic, version, capacity, sizes, process_started, _, _, check] = words else {
            return Err("its header is cut");
        };
        if u64::from_le_bytes(*magic) != MAGIC {
            return Err("it does not begin as rings do");
        }
        if u64::from_le_bytes(*version) != u64::from(VERSION) | HEADER_BYTES << 32 {
            return Err("another version of the gateway wrote it");
        }
        let said = bytes.split_last_chunk::<8>().map_or(&[][..], |(said, _)| said);
        if u64::from_le_bytes(*check) != u64::from(crc(said)) {
            return Err("its header is torn");
        }
        let [a, b, c, d, e, f, g, h] = *sizes;
        Ok(Self {
            capacity: u64::from_le_bytes(*capacity),
            payload_bytes_max: u32::from_le_bytes([a, b, c, d]),
            process: u32::from_le_bytes([e, f, g, h]),
            process_started: u64::from_le_bytes(*process_started),
        })
    }
}

/// What stands before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) check: u32,
    pub(crate) length: u32,
    pub(crate) sequence: u64,
    pub(crate) stamp_ns: u64,
    pub(crate) level: u8,
    pub(crate) class: u8,
    /// 0 is a record, 1 a gap.
    pub(crate) kind: u8,
}

impl Head {
    pub(crate) fn write(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let (words, _) = bytes.as_chunks_mut::<8>();
        let values = [
            u64::from(self.check) | u64::from(self.length) << 32,
            self.sequence,
            self.stamp_ns,
            u64::from_le_bytes([self.level, self.class, self.kind, 0, 0, 0, 0, 0]),
        ];
        for (word, value) in words.iter_mut().zip(values) {
            *word = value.to_le_bytes();
        }
        bytes
    }

    pub(crate) fn read(bytes: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<8>();
        let [first, sequence, stamp_ns, [level, class, kind, 0, 0, 0, 0, 0]] = words else {
            return None;
        };
        let (check, length) = check_and_length(first);
        Some(Self {
            check,
            length,
            sequence: u64::from_le_bytes(*sequence),
            stamp_ns: u64::from_le_bytes(*stamp_ns),
            level: *level,
            class: *class,
            kind: *kind,
        })
    }
}

/// The first 8 bytes of a record or a wrap.
pub(crate) fn check_and_length(bytes: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// The 8 bytes of a wrap at a position.
pub(crate) fn wrap(position: u64) -> [u8; WRAP_BYTES] {
    let length = WRAP.to_le_bytes();
    let [a, b, c, d] = check(&length, position).to_le_bytes();
    let [e, f, g, h] = length;
    [a, b, c, d, e, f, g, h]
}

/// The check over what stands behind the check of a record at a position.
pub(crate) fn check(behind: &[u8], position: u64) -> u32 {
    // Positions are multiples of 8 that never come again; both halves count.
    let [a, b, c, d, e, f, g, h] = position.to_le_bytes();
    crc(behind) ^ u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h]).rotate_left(13)
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}
