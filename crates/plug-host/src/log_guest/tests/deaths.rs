//! Every way in which a log guest fails: its records go on with a marker, and the next batch finds a guest.

use super::*;

/// Leads three records through a guest that fails on each of them; gives what became of them.
fn failing(more: &str, code: &str) -> (Passed, Vec<String>) {
    let spec = LogGuestSpec {
        memory_bytes_max: 1 << 20,
        batch_time_max: Duration::from_millis(20),
        patch_bytes_max: 100,
        ..lenient()
    };
    let mut guest = started(&wat(more, code), spec);
    let mut lines = records(3);
    let passed = guest.pass(&mut lines);
    (passed, texts(&lines))
}

#[test]
fn a_guest_that_dies_leaves_markers_and_no_record_raw_or_lost() {
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let answer =
        |at: i64, length: i64| format!("(i64.or (i64.shl (i64.const {at}) (i64.const 32)) (i64.const {length}))");
    let count = |number: i32| {
        format!("(drop (call $all (local.get $at) (i32.const 0))) (i32.store (i32.const 4096) (i32.const {number}))")
    };
    for (more, code, why) in [
        ("", "unreachable".to_owned(), "trap"),
        ("", "(drop (i32.load (i32.const -8))) (i64.const 0)".to_owned(), "trap"),
        (
            "",
            "(call $all (local.get $at) (i32.div_u (i32.const 1) (i32.const 0)))".to_owned(),
            "trap",
        ),
        (
            "(func $deep (call $deep))",
            "(call $deep) (i64.const 0)".to_owned(),
            "trap",
        ),
        (
            "",
            "(loop $for_ever (br $for_ever)) (i64.const 0)".to_owned(),
            "timeout",
        ),
        (
            "",
            "(if (i32.eq (memory.grow (i32.const 100)) (i32.const -1)) (then unreachable)) (i64.const 0)".to_owned(),
            "memory",
        ),
        (exit, "(call $exit (i32.const 0)) (i64.const 0)".to_owned(), "exit"),
        ("", "(i64.const 0)".to_owned(), "answer"),
        ("", "(i64.const -1)".to_owned(), "answer"),
        ("", answer(393_200, 100), "answer"),
        ("", answer(4_096, 600_000), "answer"),
        ("", answer(65_536, 100), "answer"),
        ("", format!("{} {}", count(2), answer(4_096, 16)), "answer"),
        ("", format!("{} {}", count(-1), answer(4_096, 16)), "answer"),
        ("", format!("{} {}", count(4), answer(4_096, 20)), "answer"),
        ("", format!("{} {}", count(0), answer(4_096, 4)), "answer"),
    ] {
        let (passed, lines) = failing(more, &code);
        assert_eq!(lines, [0, 1, 2].map(|number| marked(number, why)), "{code}");
        assert_eq!((passed.marked, passed.changed, passed.unchanged), (3, 0, 0), "{code}");
        assert_eq!((passed.deaths, passed.fault.unwrap().word()), (1, why), "{code}");
    }
}

#[test]
fn a_guest_that_lies_has_its_patch_refused() {
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(100));
    for (patch, why) in [
        (r#"{"timestamp":"yesterday"}"#, "patch_trusted_field"),
        (
            r#"{"url.path":"/","http.response.status_code":200}"#,
            "patch_trusted_field",
        ),
        (r#"{"cofferdam.sandbox":"fine"}"#, "patch_trusted_field"),
        (r#"{"cofferdam.other":1}"#, "patch_name"),
        ("{\"a\":1}\n{\"b\":2}", "patch_not_json"),
        ("[1]", "patch_not_json"),
        ("{", "patch_not_json"),
        (&long, "patch_too_large"),
    ] {
        let (passed, lines) = failing(&text(patch), "(call $all (local.get $at) (i32.const 512))");
        assert_eq!(lines, [0, 1, 2].map(|number| marked(number, why)), "{patch}");
        assert_eq!((passed.marked, passed.deaths, passed.changed), (3, 0, 0));
        assert_eq!(passed.refused.unwrap().word(), why);
    }
}

/// Does `code` when the record behind the first length begins with `{"p`.
fn on_poison(code: &str) -> String {
    // The batch is looked through byte by byte, as nobody says where the poison is.
    format!(
        r#"(local $look i32) (local.set $look (local.get $at))
        (block $over (loop $more
          (br_if $over (i32.ge_u (local.get $look) (i32.add (local.get $at) (local.get $length))))
          (if (i32.eq (i32.load8_u (local.get $look)) (i32.const 126)) (then {code}))
          (local.set $look (i32.add (local.get $look) (i32.const 1)))
          (br $more)))
        {UNCHANGED}"#
    )
}

#[test]
fn the_record_that_kills_a_guest_suffers_alone() {
    let mut guest = started(&wat("", &on_poison("unreachable")), lenient());
    let mut lines = records(5);
    lines[2] = br#"{"timestamp":"t2","url.path":"~"}"#.to_vec();
    let passed = guest.pass(&mut lines);
    let mut expected = texts(&records(5));
    expected[2] = marked(2, "trap");
    assert_eq!(texts(&lines), expected);
    assert_eq!((passed.unchanged, passed.marked, passed.deaths), (4, 1, 1));
    let mut lines = records(5);
    assert_eq!(guest.pass(&mut lines).unchanged, 5);
}

#[test]
fn one_that_loops_is_stopped_once_for_the_whole_batch() {
    let spec = LogGuestSpec {
        batch_time_max: Duration::from_secs(3_600),
        ..lenient()
    };
    let mut guest = started(&wat("", &on_poison("(loop $for_ever (br $for_ever))")), spec);
    let mut lines = records(3);
    lines[1] = br#"{"timestamp":"t1","url.path":"~"}"#.to_vec();
    let passed = guest.pass(&mut lines);
    assert_eq!(texts(&lines), [0, 1, 2].map(|number| marked(number, "timeout")));
    // Whatever it may take by its operator, it is not longer than values may stay.
    assert_eq!(passed.fault, Some(LogFault::Timeout(BATCH_TIME_MAX)));
    assert_eq!(passed.deaths, 1);
}

#[test]
fn one_that_dies_again_and_again_is_set_aside_and_comes_back() {
    let policy = RestartPolicy {
        backoff: Duration::ZERO,
        quarantine_after: 3,
        quarantine: Duration::from_secs(2),
        recovered_after: Duration::from_secs(3_600),
        ..RestartPolicy::default()
    };
    let spec = LogGuestSpec {
        restart: policy,
        ..lenient()
    };
    let mut guest = started(&wat("", &on_poison("unreachable")), spec);
    let poison = br#"{"timestamp":"t0","url.path":"~"}"#.to_vec();
    let deaths: Vec<bool> = (0..3)
        .map(|_| guest.pass(&mut [poison.clone()]))
        .map(|passed| passed.is_quarantined)
        .collect();
    assert_eq!(deaths, [false, false, true]);
    let mut lines = records(2);
    let passed = guest.pass(&mut lines);
    assert_eq!((passed.marked, passed.deaths), (2, 0));
    assert_eq!(texts(&lines), [0, 1].map(|number| marked(number, "quarantined")));
    let deadline = Instant::now() + Duration::from_secs(60);
    while guest.pass(&mut records(1)).marked > 0 {
        assert!(Instant::now() < deadline, "it never comes back");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn to_wait_for_a_restart_is_not_to_live() {
    let policy = RestartPolicy {
        backoff: Duration::from_millis(40),
        backoff_max: Duration::from_millis(40),
        recovered_after: Duration::from_millis(20),
        quarantine_after: 3,
        ..RestartPolicy::default()
    };
    let spec = LogGuestSpec {
        restart: policy,
        ..lenient()
    };
    let mut guest = started(&wat("", "unreachable"), spec);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut deaths = 0;
    loop {
        let passed = guest.pass(&mut records(1));
        deaths += passed.deaths;
        if passed.is_quarantined {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "it is never set aside, after {deaths} deaths"
        );
        std::thread::park_timeout(Duration::from_millis(1));
    }
    assert_eq!(deaths, 3);
}

#[test]
fn a_guest_that_does_not_start_says_why() {
    let begin = |more: &str| {
        let module = loaded(&wat(more, UNCHANGED)).unwrap();
        let spec = LogGuestSpec {
            start_time_max: Duration::from_millis(20),
            ..lenient()
        };
        LogGuest::start(&module, spec, silent()).err().map(|fault| fault.word())
    };
    let configure =
        |code: &str| format!(r#"(func (export "cofferdam_log_configure") (param i32 i32) (result i32) {code})"#);
    assert_eq!(begin(&configure("(i32.const 0)")), None);
    assert_eq!(begin(&configure("(i32.const 7)")), Some("configuration"));
    assert_eq!(begin(&configure("unreachable")), Some("trap"));
    assert_eq!(begin(&configure("(loop $x (br $x)) (i32.const 0)")), Some("timeout"));
    assert_eq!(
        begin(r#"(func (export "_initialize") (loop $x (br $x)))"#),
        Some("timeout")
    );
    assert_eq!(begin("(func $begin (loop $x (br $x))) (start $begin)"), Some("timeout"));
    let nowhere = wat("", UNCHANGED);
    let spec = LogGuestSpec {
        batch_bytes_max: 1 << 20,
        ..lenient()
    };
    let fault = LogGuest::start(&loaded(&nowhere).unwrap(), spec, silent())
        .err()
        .unwrap();
    assert_eq!(fault.word(), "answer");
}
