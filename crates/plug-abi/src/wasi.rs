//! The WASI functions that guests may import, with their true types.

use crate::{HOST_CALLS, ValueType};

const I32: ValueType = ValueType::I32;
const I64: ValueType = ValueType::I64;

/// A name under which guests import WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WasiModule {
    /// `wasi_snapshot_preview1`.
    Preview1,
    /// `wasi_unstable`, the version before it, still imported by very old TinyGo and C++ guests. The functions have the same
    /// types; `fd_seek` numbers its `whence` otherwise, and a filestat (56 for 64 bytes) and a subscription of `poll_oneoff` (56 for
    /// 48) are laid out otherwise.
    Unstable,
}

/// From where `fd_seek` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whence {
    /// From the start of the file.
    Start,
    /// From the present position.
    Current,
    /// From the end of the file.
    End,
}

impl WasiModule {
    /// The name of the module in an import.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preview1 => "wasi_snapshot_preview1",
            Self::Unstable => "wasi_unstable",
        }
    }

    /// The module with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Preview1, Self::Unstable]
            .into_iter()
            .find(|module| module.name() == name)
    }

    /// What a `whence` of `fd_seek` means in this version: the numbering was changed between the two.
    pub const fn whence(self, raw: u32) -> Option<Whence> {
        match (self, raw) {
            (Self::Preview1, 0) | (Self::Unstable, 2) => Some(Whence::Start),
            (Self::Preview1, 1) | (Self::Unstable, 0) => Some(Whence::Current),
            (Self::Preview1, 2) | (Self::Unstable, 1) => Some(Whence::End),
            _ => None,
        }
    }
}

/// One function of WASI.
#[derive(Clone, Copy, Debug)]
pub struct WasiCall {
    /// The name of the import.
    pub name: &'static str,
    /// The types of the parameters.
    pub params: &'static [ValueType],
    /// The types of the results: an error number, or nothing.
    pub results: &'static [ValueType],
    /// What it does.
    pub summary: &'static str,
}

/// How many calls there are that a guest can make: host calls first, then functions of WASI.
pub const CALLS: usize = HOST_CALLS.len() + WASI_CALLS.len();

/// The number of a call among [`CALLS`]; [`CALLS`] itself when there is none of that name.
#[allow(clippy::indexing_slicing, reason = "within the tables' bounds")]
pub const fn call_number(name: &str) -> usize {
    let mut at = 0;
    while at < CALLS {
        let known = if at < HOST_CALLS.len() {
            HOST_CALLS[at].name
        } else {
            WASI_CALLS[at - HOST_CALLS.len()].name
        };
        if is_same(known.as_bytes(), name.as_bytes()) {
            break;
        }
        at += 1;
    }
    at
}

/// The name of the call with this number.
pub fn call_name(number: usize) -> Option<&'static str> {
    let of_wasi = |at: usize| WASI_CALLS.get(at).map(|call| call.name);
    match number.checked_sub(HOST_CALLS.len()) {
        Some(at) => of_wasi(at),
        None => HOST_CALLS.get(number).map(|call| call.name),
    }
}

#[allow(clippy::indexing_slicing, reason = "both have the same length")]
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    one.len() == other.len() && at == one.len()
}

/// Finds a WASI function by name.
pub fn wasi_call(name: &str) -> Option<&'static WasiCall> {
    WASI_CALLS.iter().find(|call| call.name == name)
}

/// A row that returns an error number.
const fn row(name: &'static str, params: &'static [ValueType], summary: &'static str) -> WasiCall {
    WasiCall {
        name,
        params,
        results: &[I32],
        summary,
    }
}

/// Every function of preview 1, by name. proxy-wasm-cpp-host gives `path_link` six parameters and `path_symlink` four, so that
/// modules which import them do not link there; these are the types of the specification.
pub static WASI_CALLS: &[WasiCall] = &[
    row("args_get", &[I32; 2], "command-line arguments"),
    row("args_sizes_get", &[I32; 2], "how many arguments, and their size"),
    row("clock_res_get", &[I32; 2], "resolution of a clock"),
    row("clock_time_get", &[I32, I64, I32], "time of a clock"),
    row("environ_get", &[I32; 2], "environment variables"),
    row("environ_sizes_get", &[I32; 2], "how many variables, and their size"),
    row("fd_advise", &[I32, I64, I64, I32], "announces how a file will be used"),
    row("fd_allocate", &[I32, I64, I64], "reserves space in a file"),
    row("fd_close", &[I32], "closes a descriptor"),
    row("fd_datasync", &[I32], "writes a file's data out"),
    row("fd_fdstat_get", &[I32; 2], "kind and rights of a descriptor"),
    row("fd_fdstat_set_flags", &[I32; 2], "sets a descriptor's flags"),
    row(
        "fd_fdstat_set_rights",
        &[I32, I64, I64],
        "gives up rights of a descriptor",
    ),
    row("fd_filestat_get", &[I32; 2], "attributes of an open file"),
    row("fd_filestat_set_size", &[I32, I64], "sets the size of an open file"),
    row(
        "fd_filestat_set_times",
        &[I32, I64, I64, I32],
        "sets the times of an open file",
    ),
    row("fd_pread", &[I32, I32, I32, I64, I32], "reads at an offset"),
    row(
        "fd_prestat_dir_name",
        &[I32; 3],
        "name of a directory given at the start",
    ),
    row("fd_prestat_get", &[I32; 2], "kind of a directory given at the start"),
    row("fd_pwrite", &[I32, I32, I32, I64, I32], "writes at an offset"),
    row("fd_read", &[I32; 4], "reads from a descriptor"),
    row("fd_readdir", &[I32, I32, I32, I64, I32], "lists a directory"),
    row("fd_renumber", &[I32; 2], "moves a descriptor"),
    row("fd_seek", &[I32, I64, I32, I32], "moves a descriptor's position"),
    row("fd_sync", &[I32], "writes a file out"),
    row("fd_tell", &[I32; 2], "a descriptor's position"),
    row("fd_write", &[I32; 4], "writes to a descriptor; 1 and 2 are the log"),
    row("path_create_directory", &[I32; 3], "creates a directory"),
    row("path_filestat_get", &[I32; 5], "attributes of a file by name"),
    row(
        "path_filestat_set_times",
        &[I32, I32, I32, I32, I64, I64, I32],
        "sets the times of a file by name",
    ),
    row("path_link", &[I32; 7], "creates a hard link"),
    row(
        "path_open",
        &[I32, I32, I32, I32, I32, I64, I64, I32, I32],
        "opens a file",
    ),
    row("path_readlink", &[I32; 6], "reads a symbolic link"),
    row("path_remove_directory", &[I32; 3], "removes a directory"),
    row("path_rename", &[I32; 6], "renames a file"),
    row("path_symlink", &[I32; 5], "creates a symbolic link"),
    row("path_unlink_file", &[I32; 3], "removes a file"),
    row("poll_oneoff", &[I32; 4], "waits for events"),
    WasiCall {
        name: "proc_exit",
        params: &[I32],
        results: &[],
        summary: "ends the guest",
    },
    row("proc_raise", &[I32], "raises a signal"),
    row("random_get", &[I32; 2], "random bytes"),
    row("sched_yield", &[], "lets others run"),
    // Came late to preview 1, so that lists of 45 functions lack it.
    row("sock_accept", &[I32; 3], "accepts a connection"),
    row("sock_recv", &[I32; 6], "receives from a socket"),
    row("sock_send", &[I32; 5], "sends to a socket"),
    row("sock_shutdown", &[I32; 2], "shuts a socket down"),
];

#[cfg(test)]
mod tests;
