//! The memory of a guest as it was when it was configured, and how a guest's memory becomes that again: the pages that it wrote are dropped.
//!
//! The copy lies in a file without a name that can no longer be changed. It is laid over the guest's memory as a private mapping, so that a page
//! that is written becomes the guest's own; to drop those pages shows the file again, whatever was written, for the price of one call.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap};
use wasmtime::{Memory, Store};

/// A page of any machine that we run on is as large at most, and memory of WebAssembly grows by it.
const PAGE_BYTES: usize = 64 * 1024;

/// The copy.
pub(super) struct Image {
    file: OwnedFd,
    bytes: usize,
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
        })
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
        // SAFETY: as in `lay`, the place is this memory's alone and nobody borrows it. Pages of a private mapping that are dropped are read from
        // its file again: contents change, nothing else.
        unsafe {
            madvise(begin, self.bytes, Advice::LinuxDontNeed)?;
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
