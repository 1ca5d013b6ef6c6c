//! The memory of a guest as it was when it was configured, and how a guest's memory becomes that again: the pages that it wrote are dropped.
//!
//! The copy lies in a file without a name that can no longer be changed. It is laid over the guest's memory as a private mapping, so that a page
//! that is written becomes the guest's own; to drop those pages shows the file again, whatever was written. Pages that most batches write are copied
//! back instead: a batch of one record would cost twice as much without that.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap};
use wasmtime::{Memory, Store};

/// A page of any machine that we run on is as large at most, and memory of WebAssembly grows by it.
const PAGE_BYTES: usize = 64 * 1024;

/// The part of memory in which it is seen what a batch wrote.
const PART_BYTES: usize = 4_096;
/// LIMIT: parts that are copied and not dropped.
const HOT_MAX: usize = 64;
/// Parts that lie between two that are copied, and are cheaper to copy than to leave out.
const GAP_MAX: usize = 2;

/// The copy.
pub(super) struct Image {
    file: OwnedFd,
    bytes: usize,
    /// What most batches write, in order: to copy a page takes a tenth of the time that it takes to drop it and to find it again.
    hot: Vec<Hot>,
}

/// Pages that are copied.
struct Hot {
    at: usize,
    bytes: Vec<u8>,
}

impl Image {
    pub(super) fn of(memory: &[u8]) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("log-guest", flags)?;
        rustix::fs::ftruncate(&file, u64::try_from(memory.len()).unwrap_or(u64::MAX))?;
        // What is zero stays a hole: most of a stack never costs a page.
        for (number, piece) in (0_u64..).zip(memory.chunks(4_096)) {
            if piece.iter().any(|byte| *byte != 0) {
                write_all_at(&file, piece, number.saturating_mul(4_096))?;
            }
        }
        rustix::fs::fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )?;
        Ok(Self {
            file,
            bytes: memory.len(),
            hot: Vec::new(),
        })
    }

    /// Remembers which pages differ from the copy, after a batch like any other. That decides about time alone: those are copied from now on, and
    /// all others dropped.
    pub(super) fn learn(&mut self, memory: &[u8]) -> io::Result<()> {
        let mut was = vec![0; PART_BYTES];
        let mut found = 0;
        for (number, is) in memory.chunks(PART_BYTES).enumerate() {
            let at = number.saturating_mul(PART_BYTES);
            read_all_at(&self.file, &mut was, at)?;
            if *is == *was || found >= HOT_MAX {
                continue;
            }
            found = found.saturating_add(1);
            match self.hot.last_mut() {
                Some(hot) if at <= hot.end().saturating_add(GAP_MAX * PART_BYTES) => {
                    hot.bytes.resize(at.saturating_sub(hot.at), 0);
                    hot.bytes.extend_from_slice(&was);
                }
                _ => self.hot.push(Hot { at, bytes: was.clone() }),
            }
        }
        // What lies between two of them.
        for hot in &mut self.hot {
            read_all_at(&self.file, &mut hot.bytes, hot.at)?;
        }
        Ok(())
    }

    /// Bytes of the copy.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lays the copy over a memory, which from then on can be [put back](Image::put_back); false when it has another size.
    pub(super) fn lay<T>(&self, store: &mut Store<T>, memory: Memory) -> io::Result<bool> {
        let Some(begin) = self.begin_of(store, memory)? else {
            return Ok(false);
        };
        // SAFETY: `begin` is page-aligned and the `bytes` behind it are the accessible part of `memory`, by `begin_of`: pages that the engine
        // mapped for this memory alone, and that stay mapped while the store lives, which is borrowed for all of this. No Rust reference into
        // them exists, for `Memory::data` borrows the store. The new mapping has the same place, length and protection as what it replaces, so
        // the engine's later calls on its region (to grow it, to unmap it) find what they expect; only contents change, as they do by any
        // write of a host through `Memory::data_mut`. The file cannot shrink, by its seals, so that no access faults. The engine is one
        // without a pool (`LogEngine`), so no later memory is made in this place from what it believes to be there.
        unsafe {
            mmap(
                begin,
                self.bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::FIXED,
                &self.file,
                0,
            )?;
        }
        Ok(true)
    }

    /// Makes a memory that the copy was laid over what it was; false when it has grown meanwhile.
    pub(super) fn put_back<T>(&self, store: &mut Store<T>, memory: Memory) -> io::Result<bool> {
        let Some(begin) = self.begin_of(store, memory)? else {
            return Ok(false);
        };
        let mut from = 0;
        for (at, end) in self
            .hot
            .iter()
            .map(|hot| (hot.at, hot.end()))
            .chain([(self.bytes, self.bytes)])
        {
            if at > from && at <= self.bytes {
                // SAFETY: as in `lay`, the place is this memory's alone and nobody borrows it; `from..at` lies in its `bytes`. Pages of a private
                // mapping that are dropped are read from its file again: contents change, nothing else.
                unsafe {
                    madvise(begin.byte_add(from), at.saturating_sub(from), Advice::LinuxDontNeed)?;
                }
            }
            from = end;
        }
        let memory = memory.data_mut(store);
        for hot in &self.hot {
            match memory.get_mut(hot.at..hot.end()) {
                Some(room) => room.copy_from_slice(&hot.bytes),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Where the memory begins, if it has the size of the copy and lies so that pages can be laid over it.
    fn begin_of<T>(&self, store: &mut Store<T>, memory: Memory) -> io::Result<Option<*mut c_void>> {
        if memory.data_size(&*store) != self.bytes {
            return Ok(None);
        }
        let begin = memory.data_ptr(&*store);
        if !begin.addr().is_multiple_of(4_096) || !self.bytes.is_multiple_of(PAGE_BYTES) || self.bytes == 0 {
            return Err(io::Error::other("the guest's memory has no pages of its own"));
        }
        Ok(Some(begin.cast()))
    }
}

impl Hot {
    fn end(&self) -> usize {
        self.at.saturating_add(self.bytes.len())
    }
}

fn read_all_at(file: &OwnedFd, mut room: &mut [u8], mut at: usize) -> io::Result<()> {
    while !room.is_empty() {
        let read = rustix::io::pread(file, &mut *room, u64::try_from(at).unwrap_or(u64::MAX))?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        room = room.get_mut(read..).unwrap_or_default();
        at = at.saturating_add(read);
    }
    Ok(())
}

fn write_all_at(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::pwrite(file, bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(written..).unwrap_or_default();
        at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
    }
    Ok(())
}
