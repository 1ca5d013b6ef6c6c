//! What operators read on hosts of different kinds; none of it depends on the host of the test.

use expect_test::{Expect, expect};

use super::*;

fn host() -> Facts {
    Facts {
        cores: NonZeroUsize::new(4),
        quota_millicores: None,
        files_max: Some(1_048_576),
        files_hard_max: Some(1_048_576),
        rings: Ok(Space {
            free_bytes: 64 << 20,
            is_memory: true,
        }),
        backlog_max: Some(4096),
        shared_address: Ok(()),
        clock_source: Some("tsc".to_owned()),
        wall_s: 1_793_257_689,
    }
}

fn wanted(workers: usize) -> Wanted {
    Wanted {
        workers: NonZeroUsize::new(workers).unwrap(),
        are_workers_said: true,
        connections_max: 16_384,
        rings_folder: "/dev/shm".into(),
        ring_bytes: 8 << 20,
    }
}

fn says(findings: &[Finding], expected: &Expect) {
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    expected.assert_eq(&lines);
}

/// What is not as it should be, and whether a gateway can serve.
fn worth(facts: &Facts, wanted: &Wanted, is_in_the_way: bool, expected: &Expect) {
    let mut findings = facts.findings(wanted);
    findings.retain(|finding| finding.grade != Grade::Good);
    assert_eq!(findings.iter().any(Finding::is_in_the_way), is_in_the_way);
    says(&findings, expected);
}

#[test]
fn where_all_goes_well_every_topic_is_good() {
    says(
        &host().findings(&wanted(4)),
        &expect![[r#"
        cores (good): workers: 4, cores: 4
        cpu_quota (good): the cgroup bounds no time of processors
        open_files (good): 1048576 files may be open; 131200 are enough
        shared_memory (good): rings of records take 32 MiB in `/dev/shm`, where 64 MiB are free
        shared_addresses (good): each worker may listen by a socket of its own (`SO_REUSEPORT`)
        backlog (good): `net.core.somaxconn` is 4096; 1024 is enough
        clock_source (good): time is taken from `tsc`, without asking the kernel
        clock (good): the clock has been set
    "#]],
    );
}

#[test]
fn a_small_container_is_told_what_it_lacks() {
    let facts = Facts {
        cores: NonZeroUsize::new(1),
        quota_millicores: Some(1500),
        files_max: Some(1024),
        files_hard_max: Some(4096),
        backlog_max: Some(128),
        clock_source: Some("hpet".to_owned()),
        ..host()
    };
    worth(
        &facts,
        &wanted(2),
        false,
        &expect![[r#"
        cores (hint): workers: 2, cores: 1; workers wait for each other: exchanges take longer, and no more of them are served
        hint: say `workers: 1`, or nothing
        cpu_quota (hint): the cgroup allows 1.5 cores; a gateway that is busy stands still for a part of each period, and every exchange with it
        hint: raise the quota to 2 cores: `CPUQuota=` in a unit of systemd, `--cpus` for a container, `limits.cpu` in Kubernetes
        open_files (hint): 1024 files may be open, and 32768 clients, each with an upstream, need 65632; with more than some 464 clients, connections are not accepted
        hint: raise the bound to 65632, and the hard one, which is 4096: `LimitNOFILE=` in a unit of systemd, `--ulimit nofile=` for a container, `ulimit -n` in a shell
        backlog (hint): `net.core.somaxconn` is 128; when many clients connect at once, some have to try again a second later
        hint: `sysctl net.core.somaxconn=1024` or more
        clock_source (hint): time is taken from `hpet`; each look at the clock may ask the kernel, and an exchange has several
        hint: see `/sys/devices/system/clocksource/clocksource0/available_clocksource` for `tsc`
    "#]],
    );
}

#[test]
fn rings_without_room_are_in_the_way() {
    let full = Facts {
        rings: Ok(Space {
            free_bytes: 31 << 20,
            is_memory: true,
        }),
        ..host()
    };
    worth(
        &full,
        &wanted(4),
        true,
        &expect![[r#"
        shared_memory (missing): rings of records take 32 MiB in `/dev/shm`, where 31 MiB are free; there is no room for the rings of records
        hint: give it at least 32 MiB: `--shm-size` for a container, an `emptyDir` with `medium: Memory` in Kubernetes; or have fewer workers
    "#]],
    );
    worth(
        &full,
        &wanted(3),
        false,
        &expect![[r#"
        cores (hint): workers: 3, cores: 4; cores that no worker has are left to others
    "#]],
    );
    let gone = Facts {
        rings: Err(io::ErrorKind::NotFound.into()),
        ..host()
    };
    worth(
        &gone,
        &wanted(4),
        true,
        &expect![[r#"
        shared_memory (missing): `/dev/shm` cannot be looked at: entity not found; there is no place for the rings of records
        hint: mount a `tmpfs` there
    "#]],
    );
    let disk = Facts {
        rings: Ok(Space {
            free_bytes: 1 << 40,
            is_memory: false,
        }),
        ..host()
    };
    worth(
        &disk,
        &wanted(4),
        false,
        &expect![[r#"
        shared_memory (hint): rings of records take 32 MiB in `/dev/shm`, which is a disk and no memory; the kernel writes what is in the rings to the disk now and then
        hint: have the rings in a `tmpfs` such as `/dev/shm`
    "#]],
    );
}

#[test]
fn what_no_gateway_can_do_without_is_in_the_way() {
    let facts = Facts {
        files_max: Some(100),
        shared_address: Err("listener `doctor`: address 127.0.0.1:0 does not open: not supported".to_owned()),
        wall_s: 0,
        ..host()
    };
    worth(
        &facts,
        &wanted(4),
        true,
        &expect![[r#"
        open_files (missing): 100 files may be open; the gateway does not start, or serves nobody
        hint: raise the bound to 131200: `LimitNOFILE=` in a unit of systemd, `--ulimit nofile=` for a container, `ulimit -n` in a shell
        shared_addresses (missing): two sockets cannot listen at one address of this machine: listener `doctor`: address 127.0.0.1:0 does not open: not supported; no listener opens
        hint: run on Linux itself, and allow `setsockopt` in the seccomp profile
        clock (missing): the clock shows a time before 2024; certificates are not valid yet, and records bear a wrong time
        hint: set the clock, and keep it by NTP
    "#]],
    );
}

#[test]
fn a_quota_is_read_as_the_kernel_writes_it() {
    let read = ["max 100000\n", "150000 100000\n", "50000 100000", "", "x 0", "1 0"].map(millicores);
    assert_eq!(read, [None, Some(1500), Some(500), None, None, None]);
}
