//! What a log guest remembers: its configuration, and nothing of any batch.

use super::*;

fn holds(guest: &LogGuest, what: &str) -> bool {
    let memory = guest.running.as_ref().expect("it runs").memory();
    memory.windows(what.len()).any(|bytes| bytes == what.as_bytes())
}

/// Copies the input to 300,000 and to a page of its own.
const HOARD: &str = "(memory.copy (i32.const 300000) (local.get $at) (local.get $length))";

#[test]
fn nothing_of_a_batch_is_in_the_memory_afterwards_and_the_configuration_still_is() {
    let configure = r#"(func (export "cofferdam_log_configure") (param i32 i32) (result i32)
        (memory.copy (i32.const 2048) (local.get 0) (local.get 1)) (i32.const 0))"#;
    let spec = LogGuestSpec {
        configuration: b"CoNfIg".to_vec(),
        ..lenient()
    };
    let mut guest = started(&wat(configure, &format!("{HOARD} {UNCHANGED}")), spec);
    for _ in 0..3 {
        let mut lines = records(64);
        assert_eq!(guest.pass(&mut lines).unchanged, 64);
        assert!(!holds(&guest, SECRET));
        assert!(holds(&guest, "CoNfIg"));
    }
}

#[test]
fn a_guest_that_keeps_a_value_anywhere_does_not_find_it_again() {
    let patch = r#"{"kept":true}"#;
    for (keeper, state, change) in [
        (
            "",
            "(i32.load (i32.const 256))",
            "(i32.store (i32.const 256) (i32.const 1))",
        ),
        (
            "",
            "(i32.load (i32.const 393212))",
            "(i32.store (i32.const 393212) (i32.const 1))",
        ),
        (
            "(global $kept (mut i32) (i32.const 0))",
            "(global.get $kept)",
            "(global.set $kept (i32.const 1))",
        ),
        (
            "(global $kept (mut f64) (f64.const 0))",
            "(f64.ne (global.get $kept) (f64.const 0))",
            "(global.set $kept (f64.const 5))",
        ),
        (
            "",
            "(i32.ne (memory.size) (i32.const 6))",
            "(drop (memory.grow (i32.const 1)))",
        ),
    ] {
        let code =
            format!("(if {state} (then (return (call $all (local.get $at) (i32.const 512))))) {change} {UNCHANGED}");
        let mut guest = started(&wat(&format!("{keeper} {}", text(patch)), &code), lenient());
        for _ in 0..4 {
            let mut lines = records(2);
            let passed = guest.pass(&mut lines);
            assert_eq!((passed.unchanged, passed.changed), (2, 0), "{change}");
        }
    }
}

#[test]
fn pages_that_are_copied_and_pages_that_are_dropped_are_both_what_they_were() {
    // It fills all of its memory behind its answer and its input with the first byte of what it is given, which tells nothing of a rehearsal.
    let seen = "(i32.load8_u (i32.add (local.get $at) (i32.load (local.get $at))))";
    let code = format!(
        "(memory.fill (i32.const 20000) (i32.add {seen} (i32.const 1)) (i32.const 45000))
         (if (i32.eq (i32.load (local.get $at)) (i32.const 3))
           (then (memory.fill (i32.const 340000) (i32.const 7) (i32.const 53000))))
         {UNCHANGED}"
    );
    let configure = r#"(func (export "cofferdam_log_configure") (param i32 i32) (result i32)
        (memory.fill (i32.const 30000) (i32.const 99) (i32.const 30)) (memory.fill (i32.const 350000) (i32.const 98) (i32.const 30))
        (i32.const 0))"#;
    let mut guest = started(&wat(configure, &code), lenient());
    let was = guest.running.as_ref().unwrap().memory().to_vec();
    assert_eq!((was[30_000], was[350_000], was[20_000]), (99, 98, 0));
    for count in [3, 64, 1, 3] {
        assert_eq!(guest.pass(&mut records(count)).marked, 0);
        assert!(guest.running.as_ref().unwrap().memory() == was, "{count}");
    }
}

#[test]
fn what_a_guest_became_by_its_configuration_survives_batches_and_deaths() {
    let configure = r#"(global $made (mut i32) (i32.const 0))
      (func (export "cofferdam_log_configure") (param i32 i32) (result i32)
        (global.set $made (memory.grow (i32.const 3)))
        (i32.store (i32.const 589820) (i32.const 77)) (i32.const 0))"#;
    // Whoever it is given one record traps, and a batch of two is answered.
    let code = format!(
        "(if (i32.or (i32.ne (global.get $made) (i32.const 6)) (i32.ne (i32.load (i32.const 589820)) (i32.const 77)))
           (then (return (i64.const 0))))
         (i32.store (i32.const 589820) (i32.const 1)) (global.set $made (i32.const 1))
         (if (i32.eq (i32.load (local.get $at)) (i32.const 1)) (then unreachable)) {UNCHANGED}"
    );
    let mut guest = started(&wat(configure, &code), lenient());
    for _ in 0..3 {
        assert_eq!(guest.pass(&mut records(2)).unchanged, 2);
        let passed = guest.pass(&mut records(1));
        assert_eq!(passed.fault.unwrap().word(), "trap");
    }
}

#[test]
fn a_guest_that_dies_takes_what_it_knew_with_it() {
    let code = format!("{HOARD} (if (i32.eq (i32.load (local.get $at)) (i32.const 1)) (then unreachable)) {UNCHANGED}");
    let mut guest = started(&wat("", &code), lenient());
    assert_eq!(guest.pass(&mut records(1)).deaths, 1);
    assert!(guest.running.is_none());
    assert_eq!(guest.pass(&mut records(2)).unchanged, 2);
    assert!(!holds(&guest, SECRET));
}
