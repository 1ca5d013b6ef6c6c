//! What follows from what was seen, in words for whoever runs the host.

use log_kernel::Grade;

use super::{Facts, Finding, Wanted};

/// Files that a worker has open beside its connections: sockets of listeners, its poll, its ring.
const FILES_OF_WORKER: u64 = 16;
/// Files that a process has open whatever it serves.
const FILES_OF_PROCESS: u64 = 64;
/// What our listeners ask for.
const BACKLOG: u64 = 1024;
/// 2024-01-01: a clock before it was never set.
const WALL_MIN_S: u64 = 1_704_067_200;
/// Clocks that are read without asking the kernel.
const QUICK_CLOCKS: [&str; 4] = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"];

const RAISE_FILES: &str =
    "`LimitNOFILE=` in a unit of systemd, `--ulimit nofile=` for a container, `ulimit -n` in a shell";

impl Facts {
    /// What follows for a gateway that wants so much.
    pub(crate) fn findings(&self, wanted: &Wanted) -> Vec<Finding> {
        vec![
            self.cores(wanted),
            self.quota(wanted),
            self.files(wanted),
            self.rings(wanted),
            self.shared_address(),
            self.backlog(),
            self.clock(),
            self.wall(),
        ]
    }

    fn cores(&self, wanted: &Wanted) -> Finding {
        let workers = wanted.workers.get();
        match self.cores.map(std::num::NonZeroUsize::get) {
            None => good(
                "cores",
                format!("workers: {workers}; how many cores there are is not known"),
            ),
            Some(cores) if workers > cores => hint(
                "cores",
                format!("workers: {workers}, cores: {cores}"),
                "workers wait for each other: exchanges take longer, and no more of them are served",
                format!("say `workers: {cores}`, or nothing"),
            ),
            Some(cores) if wanted.are_workers_said && workers < cores => hint(
                "cores",
                format!("workers: {workers}, cores: {cores}"),
                "cores that no worker has are left to others",
                String::new(),
            ),
            Some(cores) => good("cores", format!("workers: {workers}, cores: {cores}")),
        }
    }

    fn quota(&self, wanted: &Wanted) -> Finding {
        let workers_millicores = u64::try_from(wanted.workers.get())
            .unwrap_or(u64::MAX)
            .saturating_mul(1000);
        match self.quota_millicores {
            None => good("cpu_quota", String::from("the cgroup bounds no time of processors")),
            Some(quota) if quota < workers_millicores => hint(
                "cpu_quota",
                format!("the cgroup allows {} cores", decimal(quota)),
                "a gateway that is busy stands still for a part of each period, and every exchange with it",
                format!(
                    "raise the quota to {} cores: `CPUQuota=` in a unit of systemd, `--cpus` for a container, `limits.cpu` in Kubernetes",
                    decimal(workers_millicores)
                ),
            ),
            Some(quota) => good("cpu_quota", format!("the cgroup allows {} cores", decimal(quota))),
        }
    }

    /// Each exchange may have a connection to the client and one to an upstream.
    fn files(&self, wanted: &Wanted) -> Finding {
        let workers = u64::try_from(wanted.workers.get()).unwrap_or(u64::MAX);
        let least = FILES_OF_PROCESS.saturating_add(workers.saturating_mul(FILES_OF_WORKER));
        let connections = workers.saturating_mul(wanted.connections_max);
        let most = least.saturating_add(connections.saturating_mul(2));
        let raise = |to: u64| match self.files_hard_max {
            Some(hard) if hard < to => {
                format!("raise the bound to {to}, and the hard one, which is {hard}: {RAISE_FILES}")
            }
            _ => format!("raise the bound to {to}: {RAISE_FILES}"),
        };
        match self.files_max {
            None => good("open_files", String::from("files that may be open are not bounded")),
            Some(files) if files < least => Finding {
                is_needed: true,
                ..missing(
                    "open_files",
                    format!("{files} files may be open"),
                    "the gateway does not start, or serves nobody",
                    raise(most),
                )
            },
            Some(files) if files < most => hint(
                "open_files",
                format!("{files} files may be open, and {connections} clients, each with an upstream, need {most}"),
                &format!(
                    "with more than some {} clients, connections are not accepted",
                    (files - least) / 2
                ),
                raise(most),
            ),
            Some(files) => good("open_files", format!("{files} files may be open; {most} are enough")),
        }
    }

    fn rings(&self, wanted: &Wanted) -> Finding {
        let folder = wanted.rings_folder.display();
        let workers = u64::try_from(wanted.workers.get()).unwrap_or(u64::MAX);
        let bytes = workers.saturating_mul(wanted.ring_bytes);
        let need = format!("rings of records take {} in `{folder}`", mebibytes(bytes));
        match &self.rings {
            Err(why) => Finding {
                is_needed: true,
                ..missing(
                    "shared_memory",
                    format!("`{folder}` cannot be looked at: {why}"),
                    "there is no place for the rings of records",
                    String::from("mount a `tmpfs` there"),
                )
            },
            Ok(space) if space.free_bytes < bytes => Finding {
                is_needed: true,
                ..missing(
                    "shared_memory",
                    format!("{need}, where {} are free", mebibytes(space.free_bytes)),
                    "there is no room for the rings of records",
                    format!(
                        "give it at least {}: `--shm-size` for a container, an `emptyDir` with `medium: Memory` in Kubernetes; or have fewer workers",
                        mebibytes(bytes)
                    ),
                )
            },
            Ok(space) if !space.is_memory => hint(
                "shared_memory",
                format!("{need}, which is a disk and no memory"),
                "the kernel writes what is in the rings to the disk now and then",
                String::from("have the rings in a `tmpfs` such as `/dev/shm`"),
            ),
            Ok(space) => good(
                "shared_memory",
                format!("{need}, where {} are free", mebibytes(space.free_bytes)),
            ),
        }
    }

    fn shared_address(&self) -> Finding {
        match &self.shared_address {
            Ok(()) => good(
                "shared_addresses",
                String::from("each worker may listen by a socket of its own (`SO_REUSEPORT`)"),
            ),
            Err(why) => Finding {
                is_needed: true,
                ..missing(
                    "shared_addresses",
                    format!("two sockets cannot listen at one address of this machine: {why}"),
                    "no listener opens",
                    String::from("run on Linux itself, and allow `setsockopt` in the seccomp profile"),
                )
            },
        }
    }

    fn backlog(&self) -> Finding {
        match self.backlog_max {
            Some(most) if most < BACKLOG => hint(
                "backlog",
                format!("`net.core.somaxconn` is {most}"),
                "when many clients connect at once, some have to try again a second later",
                format!("`sysctl net.core.somaxconn={BACKLOG}` or more"),
            ),
            Some(most) => good(
                "backlog",
                format!("`net.core.somaxconn` is {most}; {BACKLOG} is enough"),
            ),
            None => good("backlog", String::from("`net.core.somaxconn` is not known")),
        }
    }

    fn clock(&self) -> Finding {
        match self.clock_source.as_deref() {
            Some(source) if QUICK_CLOCKS.contains(&source) => good(
                "clock_source",
                format!("time is taken from `{source}`, without asking the kernel"),
            ),
            Some(source) => hint(
                "clock_source",
                format!("time is taken from `{source}`"),
                "each look at the clock may ask the kernel, and an exchange has several",
                String::from("see `/sys/devices/system/clocksource/clocksource0/available_clocksource` for `tsc`"),
            ),
            None => good("clock_source", String::from("it is not known what time is taken from")),
        }
    }

    fn wall(&self) -> Finding {
        if self.wall_s >= WALL_MIN_S {
            return good("clock", String::from("the clock has been set"));
        }
        Finding {
            is_needed: true,
            ..missing(
                "clock",
                String::from("the clock shows a time before 2024"),
                "certificates are not valid yet, and records bear a wrong time",
                String::from("set the clock, and keep it by NTP"),
            )
        }
    }
}

fn good(topic: &'static str, found: String) -> Finding {
    finding(topic, (Grade::Good, found), "", String::new())
}

fn hint(topic: &'static str, found: String, follows: &str, next: String) -> Finding {
    finding(topic, (Grade::Hint, found), follows, next)
}

fn missing(topic: &'static str, found: String, follows: &str, next: String) -> Finding {
    finding(topic, (Grade::Missing, found), follows, next)
}

fn finding(topic: &'static str, (grade, found): (Grade, String), follows: &str, next: String) -> Finding {
    Finding {
        topic,
        grade,
        is_needed: false,
        found,
        follows: follows.to_owned(),
        next,
    }
}

/// Thousandths as a number with at most two places.
fn decimal(thousandths: u64) -> String {
    let (whole, rest) = (thousandths / 1000, thousandths % 1000 / 10);
    match rest {
        0 => whole.to_string(),
        rest => format!("{whole}.{rest:02}").trim_end_matches('0').to_owned(),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}
