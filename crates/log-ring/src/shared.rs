//! The memory of a ring and its two ends: the one file with unsafe code, so that what it rests on can be read here alone.
//!
//! It rests on this: positions only grow, the producer touches bytes from its tail up to a whole ring beyond the head that it saw, and the consumer
//! touches bytes from its head up to the tail that it saw. As the tail that is seen is never beyond the tail, and the head that is seen never beyond the
//! head, the two never touch the same byte. [`Front`] and [`Back`] hold to that whatever they are asked for, [`split`] makes one of each and no
//! more, and borrows of them end before their positions move. Whoever else writes the file is this user, who may write this process as well.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync, munmap};

use crate::layout::{HEAD, HEADER_BYTES, TAIL};

/// What a ring lies in.
///
/// # Safety
/// `data` points to `capacity` bytes that may be read and written for as long as this lives, and that nobody touches but the ends of one ring;
/// `capacity` is a power of two and always the same, and loads and stores are those of an atomic of 8 bytes for each word.
pub unsafe trait Memory {
    /// Bytes of the ring.
    fn capacity(&self) -> u64;
    /// Its first byte.
    fn data(&self) -> NonNull<u8>;
    /// A word of the header; 0 where there is none.
    fn load(&self, word: usize, order: Ordering) -> u64;
    /// Changes a word of the header, where there is one.
    fn store(&self, word: usize, value: u64, order: Ordering);
    /// Is told before bytes are read, for who checks orders.
    fn reading(&self, _offset: usize, _length: usize) {}
    /// Is told before bytes are written.
    fn writing(&self, _offset: usize, _length: usize) {}
}

/// A file, mapped.
pub struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
    capacity: u64,
    /// Holds the lock that says that this process lives.
    file: File,
}

// SAFETY: the mapping belongs to the process and not to a thread; the trait `Memory` says who touches which bytes, and words are atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above; through a shared reference there are only atomics and the pointer.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a file whose header and ring are all there, with storage behind every byte.
    pub(crate) fn new(file: File, capacity: u64) -> std::io::Result<Self> {
        let wrong = || std::io::Error::from(std::io::ErrorKind::InvalidInput);
        let bytes = usize::try_from(HEADER_BYTES + capacity).map_err(|_| wrong())?;
        if !capacity.is_power_of_two() || file.metadata()?.len() != HEADER_BYTES + capacity {
            return Err(wrong());
        }
        // Pages are there before the first record is: a fault of one would cost more than the record.
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: the kernel chooses the place, so no memory of anybody is replaced. The length is that of the file, which nobody cuts: it is
        // of mode 0600, and this process holds its lock and never does.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
                &file,
                0,
            )
        }?;
        let base = NonNull::new(base.cast()).ok_or_else(wrong)?;
        Ok(Self {
            base,
            bytes,
            capacity,
            file,
        })
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Waits until all of it is where the file is.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        // SAFETY: these are the place and the length that `mmap` gave; writing pages back changes no byte.
        unsafe { msync(self.base.as_ptr().cast(), self.bytes, MsyncFlags::SYNC) }.map_err(Into::into)
    }

    fn word(&self, word: usize) -> Option<&AtomicU64> {
        let at = word.checked_mul(8).filter(|at| (*at as u64) < HEADER_BYTES)?;
        // SAFETY: `at` is a multiple of 8 below the length of the header, which is a multiple of 8 and mapped; the base is that of a page. The
        // words are changed by atomics alone, here and in no other process, as the file's lock says.
        Some(unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) })
    }
}

// SAFETY: the ring lies behind the header in a mapping of both that lives until `drop`; `capacity` was found to be a power of two; words are atomics.
unsafe impl Memory for Mapping {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn data(&self) -> NonNull<u8> {
        // SAFETY: the mapping is `HEADER_BYTES` and the capacity long, so that this stays within it.
        unsafe { self.base.add(HEADER_BYTES as usize) }
    }

    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.word(word).map_or(0, |word| word.load(order))
    }

    fn store(&self, word: usize, value: u64, order: Ordering) {
        if let Some(word) = self.word(word) {
            word.store(value, order);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: these are the place and the length that `mmap` gave. No borrow is left: all of them borrow an end, and ends hold this.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.bytes) };
    }
}

/// The two ends of a fresh ring, and the memory for who counts.
pub(crate) fn split<M: Memory>(memory: M) -> (Front<M>, Back<M>, Arc<M>) {
    let memory = Arc::new(memory);
    let front = Front {
        mask: memory.capacity() - 1,
        tail: 0,
        head: 0,
        memory: Arc::clone(&memory),
    };
    let back = Back {
        head: 0,
        tail: 0,
        memory: Arc::clone(&memory),
    };
    (front, back, memory)
}

/// Where the ring's bytes from a position on begin, if so many lie there without a wrap.
fn offset(position: u64, length: usize, capacity: u64) -> Option<usize> {
    let offset = position & (capacity - 1);
    let end = offset.checked_add(u64::try_from(length).ok()?)?;
    (end <= capacity)
        .then_some(offset)
        .and_then(|offset| usize::try_from(offset).ok())
}

/// The producer's end: bytes that nobody has committed.
pub(crate) struct Front<M> {
    memory: Arc<M>,
    mask: u64,
    tail: u64,
    /// As it was seen last.
    head: u64,
}

impl<M: Memory> Front<M> {
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    pub(crate) const fn capacity(&self) -> u64 {
        self.mask + 1
    }

    /// Up to where it is committed.
    pub(crate) const fn tail(&self) -> u64 {
        self.tail
    }

    /// Bytes from the tail to the end of the ring, where a wrap is.
    pub(crate) const fn to_end(&self) -> u64 {
        self.capacity() - (self.tail & self.mask)
    }

    /// Bytes that are not known to be released.
    pub(crate) const fn used(&self) -> u64 {
        self.tail - self.head
    }

    /// Looks at what was released since.
    pub(crate) fn look(&mut self) {
        // Pairs with the release store in `Back::release`: what the consumer read there it has read before we write there.
        let head = self.memory.load(HEAD, Ordering::Acquire);
        if (self.head..=self.tail).contains(&head) {
            self.head = head;
        }
    }

    /// Bytes to write at a position; none where a wrap, or somebody else's byte, is among them.
    pub(crate) fn bytes(&mut self, position: u64, length: usize) -> Option<&mut [u8]> {
        let end = position.checked_add(length as u64)?;
        if position < self.tail || end > self.head + self.capacity() {
            return None;
        }
        let offset = offset(position, length, self.capacity())?;
        self.memory.writing(offset, length);
        // SAFETY: within the ring, as `offset` checks. Positions from the tail up to a whole ring beyond the head seen are the producer's: the
        // consumer goes no further than a tail that was stored, and is done with everything below a head that it stored. This borrows the one
        // producer's end mutably, so there is no other borrow of it.
        Some(unsafe { std::slice::from_raw_parts_mut(self.memory.data().add(offset).as_ptr(), length) })
    }

    /// Hands everything up to a position over. What lies behind what may be written is not handed over.
    pub(crate) fn commit(&mut self, to: u64) {
        if to >= self.tail && to <= self.head + self.capacity() {
            self.tail = to;
            // Pairs with the acquire load in `Back::look`, and is what makes a record be there for who reads after our death.
            self.memory.store(TAIL, to, Ordering::Release);
        }
    }
}

/// The consumer's end: bytes that are committed and not released.
pub(crate) struct Back<M> {
    memory: Arc<M>,
    head: u64,
    /// As it was seen last.
    tail: u64,
}

impl<M: Memory> Back<M> {
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// Up to where it is released.
    pub(crate) const fn head(&self) -> u64 {
        self.head
    }

    /// Up to where it is known to be committed.
    pub(crate) const fn tail(&self) -> u64 {
        self.tail
    }

    /// Looks at what was committed since.
    pub(crate) fn look(&mut self) {
        // Pairs with the release store in `Front::commit`: the bytes of a record are there before it is seen.
        let tail = self.memory.load(TAIL, Ordering::Acquire);
        if (self.tail..=self.head + self.memory.capacity()).contains(&tail) {
            self.tail = tail;
        }
    }

    /// Committed bytes at a position; none where a wrap, or somebody else's byte, is among them.
    pub(crate) fn bytes(&self, position: u64, length: usize) -> Option<&[u8]> {
        let end = position.checked_add(length as u64)?;
        if position < self.head || end > self.tail {
            return None;
        }
        let offset = offset(position, length, self.memory.capacity())?;
        self.memory.reading(offset, length);
        // SAFETY: within the ring, as `offset` checks. Positions from the head up to a tail that was seen are the consumer's: the producer
        // writes them again only after a head beyond them was stored, which `release` does, and it cannot while this borrow of the end lives.
        Some(unsafe { std::slice::from_raw_parts(self.memory.data().add(offset).as_ptr(), length) })
    }

    /// Gives everything below a position back to the producer.
    pub(crate) fn release(&mut self, to: u64) {
        if to > self.head && to <= self.tail {
            self.head = to;
            // Pairs with the acquire load in `Front::look`.
            self.memory.store(HEAD, to, Ordering::Release);
        }
    }
}
