//! The changed module as it is written, with where each byte comes from.

use std::ops::Range;

use crate::offsets::{Added, Kind, Offsets, Stretch};
use crate::{InstrumentFault, Instrumented};

/// LIMIT: bytes of a changed module: twice those of the largest module that is loaded.
const BYTES_MAX: usize = 128 * 1024 * 1024;
/// LIMIT: stretches that are kept, 12 bytes each. A Go plugin of 9 MB has some 200,000.
const STRETCHES_MAX: usize = 4_000_000;
/// Bytes in which any size fits, so that it can be written when it is known (WebAssembly Core Specification 5.2.2 allows zeros at the end).
const SIZE_BYTES: usize = 5;

/// A size that is not known yet.
#[must_use]
pub(crate) struct Open(usize);

/// What has been written.
pub(crate) struct Output<'m> {
    original: &'m [u8],
    bytes: Vec<u8>,
    stretches: Vec<Stretch>,
}

impl<'m> Output<'m> {
    pub(crate) fn new(original: &'m [u8]) -> Self {
        Self {
            original,
            bytes: Vec::with_capacity(original.len()),
            stretches: Vec::new(),
        }
    }

    /// The original as it is.
    pub(crate) fn same(original: &'m [u8]) -> Result<Self, InstrumentFault> {
        let mut output = Self::new(original);
        output.copy(0..original.len())?;
        Ok(output)
    }

    pub(crate) fn finish(self) -> Instrumented {
        Instrumented {
            bytes: self.bytes,
            offsets: Offsets::of(self.stretches),
        }
    }

    /// Bytes of the original as they are.
    pub(crate) fn copy(&mut self, range: Range<usize>) -> Result<(), InstrumentFault> {
        let invalid = InstrumentFault::Invalid {
            what: "it ends too early",
            offset: range.start,
        };
        let bytes = self.original.get(range.clone()).ok_or(invalid)?;
        self.write(bytes, range.start, Kind::Same)
    }

    /// New bytes before a byte of the original.
    pub(crate) fn add(&mut self, bytes: &[u8], before: usize, why: Added) -> Result<(), InstrumentFault> {
        self.write(bytes, before, Kind::Added(why))
    }

    /// An instruction instead of the one at a byte of the original.
    pub(crate) fn replace(&mut self, bytes: &[u8], original: usize) -> Result<(), InstrumentFault> {
        self.write(bytes, original, Kind::Instead)
    }

    /// Leaves room for a size.
    pub(crate) fn open(&mut self, before: usize) -> Result<Open, InstrumentFault> {
        let at = self.bytes.len();
        self.add(&[0; SIZE_BYTES], before, Added::Frame)?;
        Ok(Open(at))
    }

    /// Writes the size of what came since.
    pub(crate) fn close(&mut self, open: &Open) {
        let size = self.bytes.len().saturating_sub(open.0.saturating_add(SIZE_BYTES));
        let room = self.bytes.iter_mut().skip(open.0).take(SIZE_BYTES);
        for (number, byte) in room.enumerate() {
            let group = u8::try_from((size >> (7 * number)) & 0x7f).unwrap_or_default();
            let more = if number.saturating_add(1) < SIZE_BYTES { 0x80 } else { 0 };
            *byte = group | more;
        }
    }

    fn write(&mut self, bytes: &[u8], original: usize, kind: Kind) -> Result<(), InstrumentFault> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.bytes.len().saturating_add(bytes.len()) > BYTES_MAX {
            return Err(InstrumentFault::TooLarge(BYTES_MAX));
        }
        let too_large = |_| InstrumentFault::TooLarge(BYTES_MAX);
        let stretch = Stretch {
            changed: u32::try_from(self.bytes.len()).map_err(too_large)?,
            original: u32::try_from(original).map_err(too_large)?,
            kind,
        };
        if !self.stretches.last().is_some_and(|last| last.goes_on_as(&stretch)) {
            if self.stretches.len() >= STRETCHES_MAX {
                return Err(InstrumentFault::TooManyPlaces(STRETCHES_MAX));
            }
            self.stretches.push(stretch);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}
