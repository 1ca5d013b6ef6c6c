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
    says(&host().findings(&wanted(4)), &expect![[r#""#]]);
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
    worth(&facts, &wanted(2), false, &expect![[r#""#]]);
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
    worth(&full, &wanted(4), true, &expect![[r#""#]]);
    worth(&full, &wanted(3), false, &expect![[r#""#]]);
    let gone = Facts {
        rings: Err(io::ErrorKind::NotFound.into()),
        ..host()
    };
    worth(&gone, &wanted(4), true, &expect![[r#""#]]);
    let disk = Facts {
        rings: Ok(Space {
            free_bytes: 1 << 40,
            is_memory: false,
        }),
        ..host()
    };
    worth(&disk, &wanted(4), false, &expect![[r#""#]]);
}

#[test]
fn what_no_gateway_can_do_without_is_in_the_way() {
    let facts = Facts {
        files_max: Some(100),
        shared_address: Err("listener `doctor`: address 127.0.0.1:0 does not open: not supported".to_owned()),
        wall_s: 0,
        ..host()
    };
    worth(&facts, &wanted(4), true, &expect![[r#""#]]);
}

#[test]
fn a_quota_is_read_as_the_kernel_writes_it() {
    let read = ["max 100000\n", "150000 100000\n", "50000 100000", "", "x 0", "1 0"].map(millicores);
    assert_eq!(read, [None, Some(1500), Some(500), None, None, None]);
}
