//! What a host gives a gateway beside the kernel's knowledge of connections: cores, files, shared memory, sockets and clocks.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gate_plan::logs::Rings;
use gate_plan::{Limits, Listener, Plan, Protocol};
use log_kernel::Grade;
use rustix::process::{Resource, getrlimit};

mod judge;

/// `TMPFS_MAGIC` of `linux/magic.h`.
const TMPFS: u64 = 0x0102_1994;

/// What a gateway wants of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) workers: NonZeroUsize,
    /// The configuration says how many; without, there is one for each core.
    pub(crate) are_workers_said: bool,
    /// Clients at a time on one worker.
    pub(crate) connections_max: u64,
    pub(crate) rings_folder: PathBuf,
    /// Of each worker.
    pub(crate) ring_bytes: u64,
}

/// What was seen of this host. What could not be seen is absent.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Cores that this process may use, by its affinity and whole cores of its quota.
    pub(crate) cores: Option<NonZeroUsize>,
    /// The quota of its cgroup in thousandths of a core; absent without one.
    pub(crate) quota_millicores: Option<u64>,
    /// Files that may be open: now, and how far this may be raised. Absent for without bound.
    pub(crate) files_max: Option<u64>,
    pub(crate) files_hard_max: Option<u64>,
    /// The folder of the rings.
    pub(crate) rings: io::Result<Space>,
    /// Connections that the kernel lets wait for one socket.
    pub(crate) backlog_max: Option<u64>,
    /// Whether two sockets could listen at one address.
    pub(crate) shared_address: Result<(), String>,
    /// What the kernel takes the time from.
    pub(crate) clock_source: Option<String>,
    /// What the clock on the wall shows, in seconds since 1970.
    pub(crate) wall_s: u64,
}

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free_bytes: u64,
    pub(crate) is_memory: bool,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) topic: &'static str,
    pub(crate) grade: Grade,
    /// A gateway cannot do without it.
    pub(crate) is_needed: bool,
    pub(crate) found: String,
    pub(crate) follows: String,
    pub(crate) next: String,
}

impl Finding {
    /// Whether a gateway cannot serve because of it.
    pub(crate) fn is_in_the_way(&self) -> bool {
        self.is_needed && self.grade == Grade::Missing
    }
}

impl From<log_kernel::Finding> for Finding {
    /// Nothing that the kernel tells of connections is needed.
    fn from(finding: log_kernel::Finding) -> Self {
        Self {
            topic: finding.topic.word(),
            grade: finding.grade,
            is_needed: false,
            found: finding.found,
            follows: finding.follows,
            next: finding.next,
        }
    }
}

impl Wanted {
    /// What a configuration wants; without one, what is wanted by default.
    pub(crate) fn by(plan: Option<&Plan>) -> Self {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let connections_max = plan.map_or(CONNECTIONS_MAX, |plan| plan.limits.connections_max);
        Self {
            workers: plan.map_or_else(cores, crate::load::workers),
            are_workers_said: plan.is_some_and(|plan| plan.workers.is_some()),
            connections_max: u64::try_from(connections_max).unwrap_or(u64::MAX),
            rings_folder: crate::logs::ring_room(plan),
            ring_bytes: plan.map_or(Rings::BYTES, |plan| plan.logs.rings.bytes),
        }
    }
}

/// Of a configuration that does not say.
const CONNECTIONS_MAX: usize = 16_384;

impl Facts {
    /// Looks at this host. Opens two sockets of this machine for a moment.
    pub(crate) fn gather(wanted: &Wanted) -> Self {
        let files = getrlimit(Resource::Nofile);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            cores: std::thread::available_parallelism().ok(),
            quota_millicores: quota(),
            files_max: files.current,
            files_hard_max: files.maximum,
            rings: space(&wanted.rings_folder),
            backlog_max: text("/proc/sys/net/core/somaxconn").and_then(|number| number.trim().parse().ok()),
            shared_address: share_address(),
            clock_source: text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|name| name.trim().to_owned()),
            wall_s: wall.map_or(0, |wall| wall.as_secs()),
        }
    }
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The quota of our cgroup of version 2, in which processes of containers see themselves at the root.
fn quota() -> Option<u64> {
    let groups = text("/proc/self/cgroup")?;
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    millicores(&text(Path::new("/sys/fs/cgroup").join(ours).join("cpu.max"))?)
}

/// Of `cpu.max`: `max 100000`, or microseconds that may be used in each so many.
fn millicores(written: &str) -> Option<u64> {
    let (used, period) = written.trim().split_once(' ')?;
    let used: u64 = used.parse().ok()?;
    used.checked_mul(1000)?.checked_div(period.parse().ok()?)
}

/// The file system of a folder, which is made when it is needed.
fn space(folder: &Path) -> io::Result<Space> {
    let folder = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    let seen = rustix::fs::statvfs(folder)?;
    let kind = rustix::fs::statfs(folder)?.f_type;
    Ok(Space {
        free_bytes: seen.f_bavail.saturating_mul(seen.f_frsize),
        is_memory: u64::try_from(kind).is_ok_and(|kind| kind == TMPFS),
    })
}

/// Does what every listener of a gateway does: one socket for each worker, at one address.
fn share_address() -> Result<(), String> {
    let listener = Listener {
        name: String::from("doctor"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        protocol: Protocol::Http,
        tls: None,
    };
    let limits = Limits {
        header_bytes_max: 0,
        header_count_max: 0,
        header_timeout: std::time::Duration::ZERO,
        http2_streams_max: 0,
        connections_max: 0,
    };
    let two = NonZeroUsize::MIN.saturating_add(1);
    let bound = gate_serve::bind::bind(&[Arc::new(listener)], limits, two);
    bound.map(drop).map_err(|why| why.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
