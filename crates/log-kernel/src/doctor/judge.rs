//! What follows from the facts, in words for whoever runs the host.

use std::io;

use super::{Facts, Finding, Grade, Topic};
use crate::fault::{LoadFault, Step};
use crate::watch::TYPES;

/// Bits of capabilities in `linux/capability.h`.
const SYS_ADMIN: u64 = 1 << 21;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

/// The first kernel with ring buffers, and with the two small capabilities.
const RING_SINCE: (u32, u32) = (5, 8);
/// The first kernel that does not take memory of `bpf()` from the bound of locked memory.
const UNLOCKED_SINCE: (u32, u32) = (5, 11);
/// What the ring, the counters and the program take of that bound, with room to spare.
const LOCKED_BYTES_MIN: u64 = 1 << 20;

/// Bytes of `TCP_INFO` up to retransmits, and up to what was delivered.
const TCP_INFO_RETRANSMITS_BYTES: usize = 104;
const TCP_INFO_DELIVERED_BYTES: usize = 196;

const NO_STAMPS: &str =
    "retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same";
/// The same, of a cause: what it comes to was said before.
const NO_PROGRAM: &str = "the program for retransmits is not loaded";
const GIVE_CAPABILITIES: &str = "give the gateway CAP_BPF and CAP_PERFMON: `AmbientCapabilities=CAP_BPF CAP_PERFMON` in a unit of systemd, \
     `--cap-add BPF --cap-add PERFMON` for a container, `capabilities: { add: [BPF, PERFMON] }` in a security context of Kubernetes";
const GIVE_ADMIN: &str =
    "give the gateway CAP_SYS_ADMIN, or start a kernel from Linux 5.8 on, where CAP_BPF and CAP_PERFMON are enough";
const ALLOW_CALL: &str = "allow the system call `bpf` in the seccomp profile of the container or the unit";
const ALLOW_OPTION: &str =
    "allow the system call `getsockopt` with `TCP_INFO` in the seccomp profile of the container or the unit";
const RAISE_LOCKED: &str =
    "raise the bound: `LimitMEMLOCK=infinity` in a unit of systemd, `--ulimit memlock=-1` for a container";
const LEAVE_NAMESPACE: &str =
    "run the gateway without a user namespace of its own (not rootless), or do without time stamps";
const NEWER_KERNEL: &str = "start a kernel from Linux 5.8 on";
const WITH_TYPES: &str = "start a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as those of distributions are, and let `/sys` be seen in the container";
const READ_TYPES: &str = "let the gateway's user read `/sys/kernel/btf/vmlinux`, which everybody may by default";
const UNLOCK: &str = "start the kernel without `lockdown=confidentiality`, or do without time stamps";
const SECURITY_MODULE: &str =
    "look into the kernel's log and the audit log: a security module such as SELinux or AppArmor may refuse `bpf`";
const REPORT: &str = "report this with the version of the kernel: the program does not fit it";

impl Facts {
    /// What follows from the facts.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        vec![
            self.tcp_info(),
            self.retransmits(),
            self.kernel(),
            self.capabilities(),
            self.unprivileged(),
            self.seccomp(),
            self.lockdown(),
            self.types(),
            self.locked_memory(),
        ]
    }

    fn tcp_info(&self) -> Finding {
        let topic = Topic::TcpInfo;
        match &self.tcp_info_bytes {
            Ok(bytes) if *bytes >= TCP_INFO_DELIVERED_BYTES => good(
                topic,
                format!(
                    "the kernel writes {bytes} bytes: round trip, retransmits and congestion of each connection are in records"
                ),
            ),
            Ok(bytes) if *bytes >= TCP_INFO_RETRANSMITS_BYTES => hint(
                topic,
                format!("the kernel writes {bytes} bytes only"),
                "records have round trip and retransmits, and lack some numbers of newer kernels",
            ),
            Ok(bytes) => missing(
                topic,
                format!("the kernel writes {bytes} bytes only"),
                "records have no retransmits",
                "run on Linux itself rather than on what stands in for it, such as gVisor",
            ),
            Err(fault) => missing(
                topic,
                format!("the kernel refuses it: {fault}"),
                "records say nothing of round trip, retransmits and congestion",
                ALLOW_OPTION,
            ),
        }
    }

    fn retransmits(&self) -> Finding {
        let topic = Topic::Retransmits;
        match &self.trial {
            Ok(()) => good(
                topic,
                "the program was loaded and run: retransmits have time stamps in records".into(),
            ),
            Err(fault) => missing(topic, fault.to_string(), NO_STAMPS, self.remedy(fault)),
        }
    }

    /// The step that is worth trying first.
    fn remedy(&self, fault: &LoadFault) -> &'static str {
        match fault {
            LoadFault::Unreadable { path, .. } if *path != TYPES => "let `/proc` be seen by the gateway",
            LoadFault::Unreadable { source, .. } => remedy_of_types(source),
            LoadFault::Types { .. } => REPORT,
            LoadFault::Verifier { .. } if self.is_confidential() => UNLOCK,
            LoadFault::Verifier { .. } | LoadFault::Refused { .. } if self.is_before(RING_SINCE) => NEWER_KERNEL,
            LoadFault::Verifier { .. } => REPORT,
            LoadFault::Refused { step, source } => match source.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => self.remedy_of_refusal(*step),
                Some(libc::ENOSYS) => "start a kernel that was built with CONFIG_BPF_SYSCALL=y",
                Some(libc::ENOENT) => "start a kernel that was built with CONFIG_TRACEPOINTS=y and CONFIG_BPF_EVENTS=y",
                Some(libc::ENOMEM) => "free some memory, and start the gateway again",
                _ => REPORT,
            },
        }
    }

    fn remedy_of_refusal(&self, step: Step) -> &'static str {
        let makes_map = matches!(step, Step::MakeRing | Step::MakeCounters);
        if self.may_load() == Some(false) {
            self.capabilities_to_give()
        } else if self.is_in_user_namespace == Some(true) {
            LEAVE_NAMESPACE
        } else if makes_map && self.lacks_locked_memory() {
            RAISE_LOCKED
        } else if self.seccomp == Some(2) {
            ALLOW_CALL
        } else {
            SECURITY_MODULE
        }
    }

    fn kernel(&self) -> Finding {
        let topic = Topic::Kernel;
        match self.kernel {
            None => hint(
                topic,
                "the version of the kernel is not known".into(),
                "what it can do is known by trying only",
            ),
            Some((major, minor)) if self.is_before(RING_SINCE) => missing(
                topic,
                format!("the kernel is Linux {major}.{minor}, which has no ring buffers"),
                NO_PROGRAM,
                NEWER_KERNEL,
            ),
            Some((major, minor)) => good(topic, format!("the kernel is Linux {major}.{minor}; 5.8 is enough")),
        }
    }

    fn capabilities(&self) -> Finding {
        let topic = Topic::Capabilities;
        let Some(held) = self.capabilities else {
            let found = "`/proc/thread-self/status` says nothing of capabilities".into();
            return hint(
                topic,
                found,
                "whether the gateway may load a program is known by trying only",
            );
        };
        if self.may_load() == Some(false) {
            let small: &[_] = if self.is_before(RING_SINCE) {
                &[]
            } else {
                &[(BPF, "CAP_BPF"), (PERFMON, "CAP_PERFMON")]
            };
            let lacking: Vec<&str> = small
                .iter()
                .filter(|(bit, _)| held & bit == 0)
                .map(|(_, name)| *name)
                .collect();
            let found = match lacking.join(" and ") {
                none if none.is_empty() => "the gateway lacks CAP_SYS_ADMIN, which this kernel asks for".into(),
                lacking => format!("the gateway lacks {lacking}, and has no CAP_SYS_ADMIN, which would do as well"),
            };
            return missing(topic, found, NO_PROGRAM, self.capabilities_to_give());
        }
        if self.is_in_user_namespace == Some(true) {
            return missing(
                topic,
                "the gateway has its capabilities in a user namespace of its own, where they do not count for `bpf`"
                    .into(),
                NO_PROGRAM,
                LEAVE_NAMESPACE,
            );
        }
        let by = if held & SYS_ADMIN == 0 {
            "CAP_BPF and CAP_PERFMON"
        } else {
            "CAP_SYS_ADMIN"
        };
        good(topic, format!("the gateway may load a program, by {by}"))
    }

    fn unprivileged(&self) -> Finding {
        let topic = Topic::Unprivileged;
        match self.unprivileged_bpf_disabled {
            Some(0) => good(
                topic,
                "`kernel.unprivileged_bpf_disabled` is 0; programs at tracepoints need capabilities all the same"
                    .into(),
            ),
            Some(value) => good(
                topic,
                format!(
                    "`kernel.unprivileged_bpf_disabled` is {value}: `bpf` is for those with capabilities, as it should be"
                ),
            ),
            None => hint(
                topic,
                "`kernel.unprivileged_bpf_disabled` is not readable".into(),
                "it bears on nothing if the gateway has its capabilities",
            ),
        }
    }

    fn seccomp(&self) -> Finding {
        let topic = Topic::Seccomp;
        match (self.seccomp, &self.trial) {
            (Some(0), _) => good(topic, "no filter of system calls is in force".into()),
            (Some(_), Ok(())) => good(
                topic,
                "a filter of system calls is in force, and lets `bpf` pass".into(),
            ),
            (Some(_), Err(_)) => Finding {
                next: ALLOW_CALL.into(),
                ..hint(
                    topic,
                    "a filter of system calls is in force".into(),
                    "it may be what refuses `bpf`, as those of containers do without CAP_BPF",
                )
            },
            (None, _) => hint(
                topic,
                "whether a filter of system calls is in force is not known".into(),
                "it may refuse `bpf`",
            ),
        }
    }

    fn lockdown(&self) -> Finding {
        let topic = Topic::Lockdown;
        match self.lockdown.as_deref() {
            _ if self.is_confidential() => missing(
                topic,
                "the kernel is locked down for confidentiality, and lets no program read its memory".into(),
                NO_PROGRAM,
                UNLOCK,
            ),
            Some(mode) => good(
                topic,
                format!("lockdown of the kernel is `{mode}`, which does not keep programs from reading"),
            ),
            None => good(topic, "the kernel is not locked down".into()),
        }
    }

    fn types(&self) -> Finding {
        let topic = Topic::Types;
        match &self.types {
            Ok(()) => good(
                topic,
                "the kernel describes its types at `/sys/kernel/btf/vmlinux`".into(),
            ),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => missing(
                topic,
                "the kernel does not describe its types: there is no `/sys/kernel/btf/vmlinux`".into(),
                NO_PROGRAM,
                WITH_TYPES,
            ),
            Err(fault) => missing(
                topic,
                format!("`/sys/kernel/btf/vmlinux` is not readable: {fault}"),
                NO_PROGRAM,
                remedy_of_types(fault),
            ),
        }
    }

    fn locked_memory(&self) -> Finding {
        let topic = Topic::LockedMemory;
        let bound = self
            .locked_bytes_max
            .map_or("without bound".into(), |bytes| format!("{bytes} bytes"));
        if self.lacks_locked_memory() {
            return missing(
                topic,
                format!("memory that may be locked is {bound}, and this kernel takes that of `bpf` from it"),
                NO_PROGRAM,
                RAISE_LOCKED,
            );
        }
        good(
            topic,
            format!(
                "memory that may be locked is {bound}, which is enough; kernels from Linux 5.11 on do not ask for it"
            ),
        )
    }

    /// Whether the capabilities are there.
    fn may_load(&self) -> Option<bool> {
        let held = self.capabilities?;
        let both = BPF | PERFMON;
        Some(held & SYS_ADMIN != 0 || (held & both == both && !self.is_before(RING_SINCE)))
    }

    fn capabilities_to_give(&self) -> &'static str {
        if self.is_before(RING_SINCE) {
            GIVE_ADMIN
        } else {
            GIVE_CAPABILITIES
        }
    }

    fn lacks_locked_memory(&self) -> bool {
        self.is_before(UNLOCKED_SINCE) && self.locked_bytes_max.is_some_and(|bytes| bytes < LOCKED_BYTES_MIN)
    }

    fn is_confidential(&self) -> bool {
        self.lockdown.as_deref() == Some("confidentiality")
    }

    fn is_before(&self, version: (u32, u32)) -> bool {
        self.kernel.is_some_and(|own| own < version)
    }
}

fn remedy_of_types(fault: &io::Error) -> &'static str {
    if fault.kind() == io::ErrorKind::NotFound {
        WITH_TYPES
    } else {
        READ_TYPES
    }
}

fn good(topic: Topic, found: String) -> Finding {
    Finding {
        topic,
        grade: Grade::Good,
        found,
        follows: String::new(),
        next: String::new(),
    }
}

fn hint(topic: Topic, found: String, follows: &str) -> Finding {
    Finding {
        grade: Grade::Hint,
        follows: follows.into(),
        ..good(topic, found)
    }
}

fn missing(topic: Topic, found: String, follows: &str, next: &str) -> Finding {
    Finding {
        grade: Grade::Missing,
        next: next.into(),
        ..hint(topic, found, follows)
    }
}
