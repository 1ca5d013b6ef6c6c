//! What operators read on hosts of different kinds.

use std::io;

use expect_test::{Expect, expect};

use super::{Facts, Grade, is_whole, mode_in_force, version};
use crate::fault::{LoadFault, Step, TypesFault};
use crate::watch::TYPES;

/// A host on which all goes well.
fn host() -> Facts {
    Facts {
        kernel: Some((6, 18)),
        capabilities: Some(1 << 38 | 1 << 39),
        is_in_user_namespace: Some(false),
        unprivileged_bpf_disabled: Some(2),
        seccomp: Some(0),
        lockdown: None,
        types: Ok(()),
        locked_bytes_max: Some(8 << 20),
        tcp_info_bytes: Ok(280),
        trial: Ok(()),
    }
}

fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

fn refused(step: Step, number: i32) -> Result<(), LoadFault> {
    Err(LoadFault::Refused {
        step,
        source: error(number),
    })
}

/// What is not as it should be.
fn says(facts: &Facts, expected: &Expect) {
    let worth = facts
        .findings()
        .into_iter()
        .filter(|finding| finding.grade != Grade::Good);
    let lines: String = worth.map(|finding| format!("{finding}\n")).collect();
    expected.assert_eq(&lines);
}

#[test]
fn where_all_goes_well_every_topic_is_good() {
    let lines: String = host().findings().iter().map(|finding| format!("{finding}\n")).collect();
    expect![[r#"
        tcp_info (good): the kernel writes 280 bytes: round trip, retransmits and congestion of each connection are in records
        retransmits (good): the program was loaded and run: retransmits have time stamps in records
        kernel (good): the kernel is Linux 6.18; 5.8 is enough
        capabilities (good): the gateway may load a program, by CAP_BPF and CAP_PERFMON
        unprivileged_bpf (good): `kernel.unprivileged_bpf_disabled` is 2: `bpf` is for those with capabilities, as it should be
        seccomp (good): no filter of system calls is in force
        lockdown (good): the kernel is not locked down
        btf (good): the kernel describes its types at `/sys/kernel/btf/vmlinux`
        locked_memory (good): memory that may be locked is 8388608 bytes, which is enough; kernels from Linux 5.11 on do not ask for it
    "#]].assert_eq(&lines);
}

#[test]
fn a_container_without_capabilities_is_told_how_to_give_them() {
    let facts = Facts {
        capabilities: Some(0x0000_0000_a804_25fb),
        seccomp: Some(2),
        trial: refused(Step::MakeRing, libc::EPERM),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            retransmits (missing): making the ring buffer failed: Operation not permitted (os error 1); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: give the gateway CAP_BPF and CAP_PERFMON: `AmbientCapabilities=CAP_BPF CAP_PERFMON` in a unit of systemd, `--cap-add BPF --cap-add PERFMON` for a container, `capabilities: { add: [BPF, PERFMON] }` in a security context of Kubernetes
            capabilities (missing): the gateway lacks CAP_BPF and CAP_PERFMON, and has no CAP_SYS_ADMIN, which would do as well; the program for retransmits is not loaded
            hint: give the gateway CAP_BPF and CAP_PERFMON: `AmbientCapabilities=CAP_BPF CAP_PERFMON` in a unit of systemd, `--cap-add BPF --cap-add PERFMON` for a container, `capabilities: { add: [BPF, PERFMON] }` in a security context of Kubernetes
            seccomp (hint): a filter of system calls is in force; it may be what refuses `bpf`, as those of containers do without CAP_BPF
            hint: allow the system call `bpf` in the seccomp profile of the container or the unit
        "#]],
    );
}

#[test]
fn an_old_kernel_wants_the_large_capability_and_locked_memory() {
    let facts = Facts {
        kernel: Some((5, 4)),
        capabilities: Some(1 << 38 | 1 << 39),
        locked_bytes_max: Some(64 << 10),
        trial: refused(Step::MakeRing, libc::EINVAL),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            retransmits (missing): making the ring buffer failed: Invalid argument (os error 22); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: start a kernel from Linux 5.8 on
            kernel (missing): the kernel is Linux 5.4, which has no ring buffers; the program for retransmits is not loaded
            hint: start a kernel from Linux 5.8 on
            capabilities (missing): the gateway lacks CAP_SYS_ADMIN, which this kernel asks for; the program for retransmits is not loaded
            hint: give the gateway CAP_SYS_ADMIN, or start a kernel from Linux 5.8 on, where CAP_BPF and CAP_PERFMON are enough
            locked_memory (missing): memory that may be locked is 65536 bytes, and this kernel takes that of `bpf` from it; the program for retransmits is not loaded
            hint: raise the bound: `LimitMEMLOCK=infinity` in a unit of systemd, `--ulimit memlock=-1` for a container
        "#]],
    );
}

#[test]
fn locked_memory_is_named_where_the_kernel_counts_it() {
    let facts = Facts {
        kernel: Some((5, 10)),
        locked_bytes_max: Some(64 << 10),
        trial: refused(Step::MakeRing, libc::EPERM),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            retransmits (missing): making the ring buffer failed: Operation not permitted (os error 1); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: raise the bound: `LimitMEMLOCK=infinity` in a unit of systemd, `--ulimit memlock=-1` for a container
            locked_memory (missing): memory that may be locked is 65536 bytes, and this kernel takes that of `bpf` from it; the program for retransmits is not loaded
            hint: raise the bound: `LimitMEMLOCK=infinity` in a unit of systemd, `--ulimit memlock=-1` for a container
        "#]],
    );
}

#[test]
fn a_filter_of_calls_is_named_where_nothing_else_is_missing() {
    let facts = Facts {
        seccomp: Some(2),
        trial: refused(Step::MakeRing, libc::EPERM),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
        retransmits (missing): making the ring buffer failed: Operation not permitted (os error 1); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
        hint: allow the system call `bpf` in the seccomp profile of the container or the unit
        seccomp (hint): a filter of system calls is in force; it may be what refuses `bpf`, as those of containers do without CAP_BPF
        hint: allow the system call `bpf` in the seccomp profile of the container or the unit
    "#]],
    );
}

#[test]
fn a_user_namespace_is_named_although_capabilities_are_there() {
    let facts = Facts {
        is_in_user_namespace: Some(true),
        trial: refused(Step::MakeRing, libc::EPERM),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            retransmits (missing): making the ring buffer failed: Operation not permitted (os error 1); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: run the gateway without a user namespace of its own (not rootless), or do without time stamps
            capabilities (missing): the gateway has its capabilities in a user namespace of its own, where they do not count for `bpf`; the program for retransmits is not loaded
            hint: run the gateway without a user namespace of its own (not rootless), or do without time stamps
        "#]],
    );
}

#[test]
fn a_kernel_without_types_and_one_that_is_locked_down_are_told_apart() {
    let facts = Facts {
        types: Err(error(libc::ENOENT)),
        trial: Err(LoadFault::Unreadable {
            path: TYPES,
            source: error(libc::ENOENT),
        }),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            retransmits (missing): `/sys/kernel/btf/vmlinux` is not readable: No such file or directory (os error 2); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: start a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as those of distributions are, and let `/sys` be seen in the container
            btf (missing): the kernel does not describe its types: there is no `/sys/kernel/btf/vmlinux`; the program for retransmits is not loaded
            hint: start a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as those of distributions are, and let `/sys` be seen in the container
        "#]],
    );
    let facts = Facts {
        lockdown: Some("confidentiality".into()),
        trial: Err(LoadFault::Verifier {
            source: error(libc::EINVAL),
            log: "unknown func bpf_probe_read_kernel#113".into(),
        }),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            retransmits (missing): the kernel's verifier refused the program: Invalid argument (os error 22); its last lines: unknown func bpf_probe_read_kernel#113; retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: start the kernel without `lockdown=confidentiality`, or do without time stamps
            lockdown (missing): the kernel is locked down for confidentiality, and lets no program read its memory; the program for retransmits is not loaded
            hint: start the kernel without `lockdown=confidentiality`, or do without time stamps
        "#]],
    );
}

#[test]
fn what_stands_in_for_linux_has_less_of_everything() {
    let facts = Facts {
        kernel: Some((4, 4)),
        unprivileged_bpf_disabled: None,
        types: Err(error(libc::ENOENT)),
        tcp_info_bytes: Ok(100),
        trial: Err(LoadFault::Unreadable {
            path: TYPES,
            source: error(libc::ENOENT),
        }),
        ..host()
    };
    says(
        &facts,
        &expect![[r#"
            tcp_info (missing): the kernel writes 100 bytes only; records have no retransmits
            hint: run on Linux itself rather than on what stands in for it, such as gVisor
            retransmits (missing): `/sys/kernel/btf/vmlinux` is not readable: No such file or directory (os error 2); retransmits have no time stamps in records; their number for each connection comes from `TCP_INFO` all the same
            hint: start a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as those of distributions are, and let `/sys` be seen in the container
            kernel (missing): the kernel is Linux 4.4, which has no ring buffers; the program for retransmits is not loaded
            hint: start a kernel from Linux 5.8 on
            capabilities (missing): the gateway lacks CAP_SYS_ADMIN, which this kernel asks for; the program for retransmits is not loaded
            hint: give the gateway CAP_SYS_ADMIN, or start a kernel from Linux 5.8 on, where CAP_BPF and CAP_PERFMON are enough
            unprivileged_bpf (hint): `kernel.unprivileged_bpf_disabled` is not readable; it bears on nothing if the gateway has its capabilities
            btf (missing): the kernel does not describe its types: there is no `/sys/kernel/btf/vmlinux`; the program for retransmits is not loaded
            hint: start a kernel that was built with CONFIG_DEBUG_INFO_BTF=y, as those of distributions are, and let `/sys` be seen in the container
        "#]],
    );
}

#[test]
fn every_fault_has_a_next_step() {
    let errors = [
        libc::EPERM,
        libc::EACCES,
        libc::ENOSYS,
        libc::ENOENT,
        libc::ENOMEM,
        libc::EINVAL,
        libc::EBUSY,
    ];
    let steps = [
        Step::MakeRing,
        Step::MakeCounters,
        Step::MapRing,
        Step::LoadProgram,
        Step::Attach,
    ];
    let mut trials: Vec<LoadFault> = Vec::new();
    for number in errors {
        trials.extend(steps.map(|step| LoadFault::Refused {
            step,
            source: error(number),
        }));
        trials.push(LoadFault::Unreadable {
            path: TYPES,
            source: error(number),
        });
        trials.push(LoadFault::Verifier {
            source: error(number),
            log: "no".into(),
        });
    }
    trials.push(LoadFault::Types {
        path: TYPES,
        source: TypesFault::Header,
    });
    for trial in trials {
        let text = trial.to_string();
        let findings = Facts {
            trial: Err(trial),
            ..host()
        }
        .findings();
        let own = findings.iter().find(|finding| finding.found == text).unwrap();
        assert_eq!(own.grade, Grade::Missing);
        assert!(!own.next.is_empty() && !own.follows.is_empty(), "{own}");
    }
}

#[test]
fn small_files_of_the_kernel_are_read() {
    assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
    assert_eq!(version("5.4"), Some((5, 4)));
    assert_eq!(version("something"), None);
    assert_eq!(
        mode_in_force("none integrity [confidentiality]\n").as_deref(),
        Some("confidentiality")
    );
    assert_eq!(mode_in_force("none"), None);
    assert!(is_whole("         0          0 4294967295\n"));
    assert!(!is_whole("         0       1000          1\n"));
}
