//! Has the kernel tell of retransmits, from the description of its types to the events.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::btf::{self, Btf};
use crate::event::{EVENT_BYTES, Retransmit};
use crate::fault::{LoadFault, Step};
use crate::layout::Layout;
use crate::moment::Moment;
use crate::program::{COUNTERS_BYTES, LICENSE, Wiring, write};
use crate::ring::Ring;
use crate::syscall::{self, ArrayMap, MapKind, MapShape};
use crate::table::Table;

/// Where the kernel describes its types.
pub(crate) const TYPES: &str = "/sys/kernel/btf/vmlinux";
/// Our network namespace, whose number is that of the file.
const NAMESPACE: &str = "/proc/thread-self/ns/net";
/// The same as `layout::TRACEPOINT`, for the kernel.
const TRACEPOINT: &CStr = c"tcp_retransmit_skb";
/// Seen in `bpftool`.
const NAME: &[u8] = b"cofferdam_retx";
/// LIMIT: tries to load the program while signals interrupt the verifier.
const LOADS_MAX: usize = 5;
/// LIMIT: what the verifier may write. About 100 instructions give 20 KiB.
const LOG_BYTES: usize = 256 * 1024;
/// LIMIT: lines of it that are kept; the last ones say why.
const LOG_LINES_MAX: usize = 4;
/// Not in the C library: what the kernel says of a helper that this program may not call.
const ENOTSUPP: i32 = 524;
/// LIMIT: the largest ring.
const RING_BYTES_MAX: u32 = 64 << 20;

/// How retransmits are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of the ring; an event takes 80. Made a power of two, at least a page and at most 64 MiB.
    pub ring_bytes: u32,
}

impl Default for Settings {
    /// Room for 3,276 retransmits between two looks.
    fn default() -> Self {
        Self { ring_bytes: 256 * 1024 }
    }
}

impl Settings {
    fn ring_bytes(&self) -> u32 {
        let page = u32::try_from(rustix::param::page_size()).unwrap_or(RING_BYTES_MAX);
        self.ring_bytes.clamp(page, RING_BYTES_MAX).next_power_of_two()
    }
}

/// Retransmits of this network namespace, as the kernel tells of them. Dropping it ends that: what it holds are descriptors.
pub struct Retransmits {
    ring: Ring,
    counters: ArrayMap<COUNTERS_BYTES>,
    lost: u64,
    _program: OwnedFd,
    _attached: OwnedFd,
}

/// What the program counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events of this network namespace.
    pub seen: u64,
    /// Those for which the ring had no room, and of which nothing else is known.
    pub lost: u64,
}

impl Retransmits {
    /// Fits the program to this kernel, loads it and has it run. Takes some ten milliseconds, once.
    ///
    /// # Errors
    /// The first step that the kernel refused; [`crate::doctor`] says what to do about it.
    pub fn watch(settings: &Settings) -> Result<Self, LoadFault> {
        Self::watch_in(namespace()?, settings)
    }

    /// The same for a network namespace by its number.
    pub(crate) fn watch_in(namespace: u32, settings: &Settings) -> Result<Self, LoadFault> {
        let types = read_types()?;
        let layout = Btf::parse(&types)
            .and_then(|types| Layout::find(&types))
            .map_err(|source| LoadFault::Types { path: TYPES, source })?;
        drop(types);
        let bytes = settings.ring_bytes();
        let shape = MapShape {
            kind: MapKind::Ring,
            key_bytes: 0,
            value_bytes: 0,
            entries: bytes,
            name: NAME,
        };
        let ring = syscall::make_map(&shape).map_err(LoadFault::refused(Step::MakeRing))?;
        let counters = ArrayMap::make(NAME).map_err(LoadFault::refused(Step::MakeCounters))?;
        let program = load(&write(&Wiring {
            layout: &layout,
            namespace,
            ring: ring.as_raw_fd(),
            counters: counters.raw(),
        }))?;
        let ring = Ring::map(ring, bytes).map_err(LoadFault::refused(Step::MapRing))?;
        let attached = syscall::attach(&program, TRACEPOINT).map_err(LoadFault::refused(Step::Attach))?;
        Ok(Self {
            ring,
            counters,
            lost: 0,
            _program: program,
            _attached: attached,
        })
    }

    /// Waits until there is an event, at most so long. Its descriptor can be waited for elsewhere, too: it becomes readable.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec::try_from(limit).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut ring = [PollFd::new(&self.ring, PollFlags::IN)];
        match poll(&mut ring, Some(&limit)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Hands over every event that is there, in the order of the ring: of one connection in the order in which they happened, of several
    /// within the microsecond that lies between a stamp and its place. Never waits.
    pub fn drain(&mut self, mut take: impl FnMut(Retransmit)) {
        const BYTES: usize = EVENT_BYTES.cast_unsigned() as usize;
        self.ring.drain::<BYTES>(|event| {
            if let Some(retransmit) = Retransmit::read(event) {
                take(retransmit);
            }
        });
    }

    /// Brings a table up to the present, and tells it when events were lost.
    ///
    /// # Errors
    /// The counters could not be read; the events are in the table.
    pub fn drain_into(&mut self, table: &mut Table) -> io::Result<Counts> {
        self.drain(|retransmit| table.note(&retransmit));
        let counts = self.counts()?;
        if counts.lost != self.lost {
            self.lost = counts.lost;
            table.note_loss(Moment::now());
        }
        Ok(counts)
    }

    /// What was seen and lost since it is watched.
    ///
    /// # Errors
    /// The system's.
    pub fn counts(&self) -> io::Result<Counts> {
        let value = syscall::look_up(&self.counters)?;
        let number = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes));
        Ok(Counts {
            seen: number(value.first_chunk()),
            lost: number(value.last_chunk()),
        })
    }
}

impl AsFd for Retransmits {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

fn read_types() -> Result<Vec<u8>, LoadFault> {
    let unreadable = |source| LoadFault::Unreadable { path: TYPES, source };
    let file = File::open(TYPES).map_err(unreadable)?;
    let bytes_max = u64::try_from(btf::BYTES_MAX).unwrap_or(u64::MAX);
    let mut types = Vec::new();
    // One byte more than is allowed, so that a file that is too long is seen to be.
    file.take(bytes_max.saturating_add(1))
        .read_to_end(&mut types)
        .map_err(unreadable)?;
    Ok(types)
}

/// Number of the network namespace that this thread is in.
pub(crate) fn namespace() -> Result<u32, LoadFault> {
    let unreadable = |source| LoadFault::Unreadable {
        path: NAMESPACE,
        source,
    };
    let number = std::fs::metadata(NAMESPACE).map_err(unreadable)?.ino();
    u32::try_from(number).map_err(|_| unreadable(io::ErrorKind::InvalidData.into()))
}

/// Loads the program; when the verifier refuses it, once more to hear why.
pub(crate) fn load(code: &[[u8; 8]]) -> Result<OwnedFd, LoadFault> {
    let source = match load_with(code, &mut []) {
        Ok(program) => return Ok(program),
        Err(source) => source,
    };
    let of_verifier = matches!(
        source.raw_os_error(),
        Some(libc::EACCES | libc::EINVAL | libc::E2BIG | ENOTSUPP)
    );
    if !of_verifier {
        return Err(LoadFault::refused(Step::LoadProgram)(source));
    }
    let mut log = vec![0; LOG_BYTES];
    match load_with(code, &mut log) {
        Ok(program) => Ok(program),
        Err(source) => match last_lines(&log) {
            log if log.is_empty() => Err(LoadFault::refused(Step::LoadProgram)(source)),
            log => Err(LoadFault::Verifier { source, log }),
        },
    }
}

fn load_with(code: &[[u8; 8]], log: &mut [u8]) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        tries += 1;
        match syscall::load(code, LICENSE, NAME, log) {
            Err(fault) if fault.raw_os_error() == Some(libc::EAGAIN) && tries < LOADS_MAX => {}
            outcome => return outcome,
        }
    }
}

/// The last lines of a verifier's log, without its statistics.
fn last_lines(log: &[u8]) -> String {
    let written = log.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(written);
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("processed "));
    let mut last: Vec<&str> = lines.rev().take(LOG_LINES_MAX).collect();
    last.reverse();
    last.join(" / ")
}
