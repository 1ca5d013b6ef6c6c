//! The ring buffer that the kernel writes and we read, as `Documentation/bpf/ringbuf.rst` describes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Before each record: its length with two bits of state, and a word for the kernel's use.
const HEADER_BYTES: u64 = 8;
/// The record is being written.
const BUSY: u32 = 1 << 31;
/// The record was given up.
const DISCARDED: u32 = 1 << 30;

/// The reader's side of a ring. There is one for each map, and reading takes `&mut`, so nobody else moves the reader's place.
pub(crate) struct Ring {
    map: OwnedFd,
    /// The page with the reader's place, which we write.
    reader: Mapping,
    /// The page with the writer's place, and behind it the data, twice in a row, so that no record is cut at the end.
    writer: Mapping,
    page_bytes: u64,
    data_bytes: u64,
}

/// Memory that is mapped until dropped.
struct Mapping {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and nothing but its `Ring` has its address.
#[allow(unsafe_code)]
unsafe impl Send for Mapping {}

impl Mapping {
    #[allow(unsafe_code)]
    fn new(map: BorrowedFd<'_>, bytes: u64, protection: ProtFlags, offset: u64) -> io::Result<Self> {
        let bytes = usize::try_from(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: the kernel chooses where, so no memory of ours is replaced.
        let at = unsafe { mmap(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED, map, offset) }?;
        let at = NonNull::new(at.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Self { at, bytes })
    }

    /// The address of something of `T` that begins so many bytes behind the beginning and lies wholly inside.
    fn address<T>(&self, offset: u64) -> Option<*mut T> {
        let offset = usize::try_from(offset).ok()?;
        let end = offset.checked_add(size_of::<T>())?;
        let aligned = offset.is_multiple_of(align_of::<T>());
        // A mapping begins at a page, so what is aligned in it is aligned.
        (aligned && end <= self.bytes).then(|| self.at.as_ptr().wrapping_add(offset).cast())
    }
}

impl Drop for Mapping {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: this is the mapping that was made, and what read it borrowed it.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), self.bytes) };
    }
}

impl Ring {
    /// Maps a ring of so many bytes of data.
    pub(crate) fn map(map: OwnedFd, data_bytes: u32) -> io::Result<Self> {
        let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
        let data_bytes = u64::from(data_bytes);
        let reader = Mapping::new(map.as_fd(), page_bytes, ProtFlags::READ | ProtFlags::WRITE, 0)?;
        let all = page_bytes.saturating_add(data_bytes.saturating_mul(2));
        let writer = Mapping::new(map.as_fd(), all, ProtFlags::READ, page_bytes)?;
        Ok(Self {
            map,
            reader,
            writer,
            page_bytes,
            data_bytes,
        })
    }

    /// Hands over every record that is there, in the order in which room was made for them, and frees it.
    ///
    /// Ends at what was there when it began, or at a record that is still being written; the next one begins there. Of a record that is
    /// longer than `N` bytes, only those are handed over.
    #[allow(unsafe_code)]
    pub(crate) fn drain<const N: usize>(&mut self, mut take: impl FnMut(&[u8])) {
        let (Some(reader), Some(writer)) = (self.reader.address::<AtomicU64>(0), self.writer.address::<AtomicU64>(0))
        else {
            return;
        };
        // SAFETY: both lie inside of their mappings, are aligned, and live as long as `self`. The kernel, too, reads and writes them as whole
        // words, with the orders that are used here.
        let (reader, writer) = unsafe { (&*reader, &*writer) };
        let mut place = reader.load(Ordering::Relaxed);
        // LIMIT: the kernel never writes more than the ring ahead of the reader.
        let end = writer
            .load(Ordering::Acquire)
            .min(place.saturating_add(self.data_bytes));
        while place < end {
            let Some(length) = self.length(place) else { return };
            if length & BUSY != 0 {
                return;
            }
            let bytes = u64::from(length & !(BUSY | DISCARDED));
            if length & DISCARDED == 0
                && let Some((record, filled)) = self.copy::<N>(place, bytes)
            {
                take(record.get(..filled).unwrap_or_default());
            }
            let next = HEADER_BYTES.saturating_add(bytes).next_multiple_of(8);
            place = place.saturating_add(next);
            reader.store(place, Ordering::Release);
        }
    }

    /// The first word of a record's header.
    #[allow(unsafe_code)]
    fn length(&self, place: u64) -> Option<u32> {
        let header = self.writer.address::<AtomicU32>(self.inside(place)?)?;
        // SAFETY: it lies inside of the mapping and is aligned. The kernel writes it last, as a whole, with release.
        Some(unsafe { &*header }.load(Ordering::Acquire))
    }

    /// The beginning of a record that was written, and how much of `N` bytes it fills.
    #[allow(unsafe_code)]
    fn copy<const N: usize>(&self, place: u64, bytes: u64) -> Option<([u8; N], usize)> {
        let filled = usize::try_from(bytes).ok()?.min(N);
        let begin = self.inside(place)?.checked_add(HEADER_BYTES)?;
        let from: *mut [u8; N] = self.writer.address(begin)?;
        let mut record = [0; N];
        // SAFETY: `from` has `N` bytes inside of the mapping and `filled` is no more. The record is committed, and the kernel writes there
        // again only after the reader's place has moved on, which it does after this.
        unsafe { std::ptr::copy_nonoverlapping(from.cast::<u8>(), record.as_mut_ptr(), filled) };
        Some((record, filled))
    }

    /// A place of the ring as an offset of the mapping.
    fn inside(&self, place: u64) -> Option<u64> {
        place.checked_rem(self.data_bytes)?.checked_add(self.page_bytes)
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}
