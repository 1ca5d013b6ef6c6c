//! Says what of this a host allows, what follows where it does not, and what to do.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, getrlimit};

use crate::fault::LoadFault;
use crate::syscall;
use crate::watch::{Retransmits, Settings, TYPES};

mod judge;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `TCP_INFO` of sockets.
    TcpInfo,
    /// Time stamps of retransmits: whether the program loads and is run. Tried.
    Retransmits,
    /// Version of the kernel.
    Kernel,
    /// What this process may do.
    Capabilities,
    /// Who may use `bpf()` without them.
    Unprivileged,
    /// A filter of system calls, as containers have.
    Seccomp,
    /// The lockdown of kernels that were started with Secure Boot.
    Lockdown,
    /// The kernel's description of its types.
    Types,
    /// Memory that may be locked, of which old kernels take that of `bpf()`.
    LockedMemory,
}

impl Topic {
    /// Its name for programs and people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TcpInfo => "tcp_info",
            Self::Retransmits => "retransmits",
            Self::Kernel => "kernel",
            Self::Capabilities => "capabilities",
            Self::Unprivileged => "unprivileged_bpf",
            Self::Seccomp => "seccomp",
            Self::Lockdown => "lockdown",
            Self::Types => "btf",
            Self::LockedMemory => "locked_memory",
        }
    }
}

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// It bears on what is missing, or may.
    Hint,
    /// Something is missing.
    Missing,
}

impl Grade {
    /// Its name for programs and people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Hint => "hint",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// How it is meant.
    pub grade: Grade,
    /// What is so.
    pub found: String,
    /// What follows; empty when nothing does.
    pub follows: String,
    /// What to do; empty when nothing is to be done.
    pub next: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}): {}", self.topic.word(), self.grade.word(), self.found)?;
        if !self.follows.is_empty() {
            write!(out, "; {}", self.follows)?;
        }
        if !self.next.is_empty() {
            write!(out, "\nhint: {}", self.next)?;
        }
        Ok(())
    }
}

/// What was seen of this host, from which the findings follow. What could not be seen is absent.
#[derive(Debug)]
pub struct Facts {
    /// Version of the kernel.
    pub kernel: Option<(u32, u32)>,
    /// Effective capabilities of this thread, a bit for each.
    pub capabilities: Option<u64>,
    /// Whether the process is in a user namespace of its own, where capabilities are not those of the machine.
    pub is_in_user_namespace: Option<bool>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<u32>,
    /// Mode of seccomp: 0 none, 1 strict, 2 a filter.
    pub seccomp: Option<u32>,
    /// The mode in force, such as `none`, `integrity` or `confidentiality`; absent without lockdown.
    pub lockdown: Option<String>,
    /// Whether the kernel's types are there and may be read.
    pub types: io::Result<()>,
    /// Bytes that may be locked; absent for without bound.
    pub locked_bytes_max: Option<u64>,
    /// Bytes of `TCP_INFO` that the kernel writes.
    pub tcp_info_bytes: io::Result<usize>,
    /// Whether retransmits could be watched just now.
    pub trial: Result<(), LoadFault>,
}

/// Looks at this host, and says what is there, what is missing, what follows, and what to do. The two that count come first.
///
/// Loads and runs the program for a moment; call it from a thread that may wait.
#[must_use]
pub fn doctor() -> Vec<Finding> {
    Facts::gather().findings()
}

impl Facts {
    /// Looks at this host, for the thread that asks.
    #[must_use]
    pub fn gather() -> Self {
        let status = text("/proc/thread-self/status").unwrap_or_default();
        let line = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::trim)
        };
        Self {
            kernel: version(&rustix::system::uname().release().to_string_lossy()),
            capabilities: line("CapEff:").and_then(|mask| u64::from_str_radix(mask, 16).ok()),
            is_in_user_namespace: text("/proc/thread-self/uid_map").map(|map| !is_whole(&map)),
            unprivileged_bpf_disabled: text("/proc/sys/kernel/unprivileged_bpf_disabled")
                .and_then(|value| value.trim().parse().ok()),
            seccomp: line("Seccomp:").and_then(|mode| mode.parse().ok()),
            lockdown: text("/sys/kernel/security/lockdown").and_then(|modes| mode_in_force(&modes)),
            types: fs::File::open(TYPES).map(|_| ()),
            locked_bytes_max: getrlimit(Resource::Memlock).current,
            tcp_info_bytes: tcp_info_bytes(),
            trial: Retransmits::watch(&Settings { ring_bytes: 0 }).map(|_| ()),
        }
    }
}

/// A file of the kernel's, which are small here.
fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `6.18.44-fc` is 6.18.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Whether user ids are those of the machine: all of them, each as itself.
fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Of `none [integrity] confidentiality`, what is in brackets.
fn mode_in_force(modes: &str) -> Option<String> {
    let (_, rest) = modes.split_once('[')?;
    rest.split_once(']').map(|(mode, _)| mode.to_owned())
}

/// What the kernel writes for a new socket. It is connected to nothing, which bears on the numbers and not on how many there are.
fn tcp_info_bytes() -> io::Result<usize> {
    let socket = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let mut bytes = [0; 512];
    syscall::tcp_option(socket.as_fd(), libc::TCP_INFO, &mut bytes)
}

#[cfg(test)]
mod tests;
