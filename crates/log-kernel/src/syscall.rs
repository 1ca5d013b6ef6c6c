//! The system calls that no safe crate wraps: `bpf()`, and `getsockopt` with the options of TCP.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Commands of `bpf()`, as numbered in `linux/bpf.h`.
const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP: libc::c_int = 1;
const PROGRAM_LOAD: libc::c_int = 5;
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;

/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
const RAW_TRACEPOINT: u32 = 17;

/// What kind of map is made.
#[derive(Clone, Copy)]
pub(crate) enum MapKind {
    /// `BPF_MAP_TYPE_ARRAY`: values of fixed size by their number.
    Array = 2,
    /// `BPF_MAP_TYPE_RINGBUF`: records that are read from a mapping.
    Ring = 27,
}

/// The shape of a map.
pub(crate) struct MapShape {
    pub(crate) kind: MapKind,
    pub(crate) key_bytes: u32,
    pub(crate) value_bytes: u32,
    /// Bytes, for a ring.
    pub(crate) entries: u32,
    /// Seen in `bpftool map`; cut after 15 bytes.
    pub(crate) name: &'static [u8],
}

#[repr(C)]
#[derive(Default)]
struct MapAttributes {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct LookupAttributes {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgramAttributes {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct TracepointAttributes {
    name: u64,
    program: u32,
    padding: u32,
}

/// Makes a map.
#[allow(unsafe_code)]
pub(crate) fn make_map(shape: &MapShape) -> io::Result<OwnedFd> {
    let attributes = MapAttributes {
        kind: shape.kind as u32,
        key_bytes: shape.key_bytes,
        value_bytes: shape.value_bytes,
        entries: shape.entries,
        name: short_name(shape.name),
        ..MapAttributes::default()
    };
    // SAFETY: no field of these attributes is an address.
    owned(unsafe { bpf(MAP_CREATE, &attributes) }?)
}

/// Reads the value of one entry of an array of `N` bytes; `map` must have been made with values of just that size.
#[allow(unsafe_code)]
pub(crate) fn look_up<const N: usize>(map: &ArrayMap<N>) -> io::Result<[u8; N]> {
    let key = 0_u32;
    let mut value = [0_u8; N];
    let attributes = LookupAttributes {
        map: number(map.0.as_raw_fd())?,
        key: (&raw const key) as u64,
        value: (&raw mut value) as u64,
        ..LookupAttributes::default()
    };
    // SAFETY: `key` and `value` outlive the call. The kernel reads 4 bytes of the one and writes to the other as many as the map's values
    // have: `N`, for an `ArrayMap<N>` is made in one place, with that size.
    unsafe { bpf(MAP_LOOKUP, &attributes) }?;
    Ok(value)
}

/// A map with one entry of `N` bytes.
pub(crate) struct ArrayMap<const N: usize>(OwnedFd);

impl<const N: usize> ArrayMap<N> {
    pub(crate) fn make(name: &'static [u8]) -> io::Result<Self> {
        let value_bytes = u32::try_from(N).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        make_map(&MapShape {
            kind: MapKind::Array,
            key_bytes: 4,
            value_bytes,
            entries: 1,
            name,
        })
        .map(Self)
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Loads a program for a raw tracepoint. What the verifier says goes into `log`, unless that is empty.
#[allow(unsafe_code)]
pub(crate) fn load(code: &[[u8; 8]], license: &CStr, name: &[u8], log: &mut [u8]) -> io::Result<OwnedFd> {
    let attributes = ProgramAttributes {
        kind: RAW_TRACEPOINT,
        instruction_count: length(code.len())?,
        instructions: code.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_bytes: length(log.len())?,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
        name: short_name(name),
        ..ProgramAttributes::default()
    };
    // SAFETY: `code`, `license` and `log` outlive the call. The kernel reads as many instructions of 8 bytes as there are, reads the license
    // up to its zero byte, and writes to the log at most the bytes that it has.
    owned(unsafe { bpf(PROGRAM_LOAD, &attributes) }?)
}

/// Has a tracepoint run a program until what is given back is closed.
#[allow(unsafe_code)]
pub(crate) fn attach(program: &OwnedFd, tracepoint: &CStr) -> io::Result<OwnedFd> {
    let attributes = TracepointAttributes {
        name: tracepoint.as_ptr() as u64,
        program: number(program.as_raw_fd())?,
        padding: 0,
    };
    // SAFETY: the name outlives the call, which reads it up to its zero byte.
    owned(unsafe { bpf(RAW_TRACEPOINT_OPEN, &attributes) }?)
}

/// Reads an option of TCP into `out`, and tells how many bytes the kernel wrote.
pub(crate) fn tcp_option(socket: BorrowedFd<'_>, name: libc::c_int, out: &mut [u8]) -> io::Result<usize> {
    tcp_option_of(socket.as_raw_fd(), name, out)
}

/// The same by a number, which may by now be that of another socket, or of nothing: then the answer is of that one, or an error.
#[allow(unsafe_code)]
pub(crate) fn tcp_option_of(socket: RawFd, name: libc::c_int, out: &mut [u8]) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(out.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `out` has at least `length` bytes, and the kernel writes no more than that. It changes nothing of the socket, whosever it is.
    let code = unsafe {
        libc::getsockopt(
            socket,
            libc::IPPROTO_TCP,
            name,
            out.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(length).unwrap_or(usize::MAX).min(out.len()))
}

/// Calls `bpf()`.
///
/// # Safety
/// `T` is the part of `union bpf_attr` that belongs to the command, without padding. Every address in it is valid for what the command reads
/// and writes there.
#[allow(unsafe_code)]
unsafe fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes at this address, all of them initialised; the rest is the caller's promise.
    let code = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(code)
}

#[allow(unsafe_code)]
fn owned(code: libc::c_long) -> io::Result<OwnedFd> {
    let fd = RawFd::try_from(code).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    // SAFETY: `bpf()` has just given this descriptor to us, open, and nobody else knows it. Only its commands that open one come here.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(fd: RawFd) -> io::Result<u32> {
    u32::try_from(fd).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn length(count: usize) -> io::Result<u32> {
    u32::try_from(count).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// At most 15 bytes and a zero.
fn short_name(name: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    for (to, from) in short.iter_mut().zip(name.iter().take(15)) {
        *to = *from;
    }
    short
}
