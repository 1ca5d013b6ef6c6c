//! Log guests in WebAssembly text: what they do, every way in which they fail, and what they remember.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod deaths;
mod enrich;
mod memory;
mod powers;

use parking_lot::Mutex;

use super::*;
use crate::CodeCache;

/// Where the text of an answer may be: the page before the input.
const PARTS: &str = r#"
  (memory (export "memory") 6)
  (func (export "cofferdam_log_abi_0_1_0"))
  (func (export "cofferdam_log_alloc") (param i32) (result i32) (i32.const 65536))
  (func $length (param $text i32) (result i32) (local $end i32)
    (local.set $end (local.get $text))
    (block $over (loop $more
      (br_if $over (i32.eqz (i32.load8_u (local.get $end))))
      (local.set $end (i32.add (local.get $end) (i32.const 1)))
      (br $more)))
    (i32.sub (local.get $end) (local.get $text)))
  ;; The same patch for each record: a text that ends with a zero.
  (func $all (param $at i32) (param $text i32) (result i64) (local $left i32) (local $out i32) (local $length i32)
    (local.set $left (i32.load (local.get $at)))
    (i32.store (i32.const 4096) (local.get $left))
    (local.set $out (i32.const 4100))
    (local.set $length (call $length (local.get $text)))
    (block $over (loop $more
      (br_if $over (i32.eqz (local.get $left)))
      (i32.store (local.get $out) (local.get $length))
      (memory.copy (i32.add (local.get $out) (i32.const 4)) (local.get $text) (local.get $length))
      (local.set $out (i32.add (i32.add (local.get $out) (i32.const 4)) (local.get $length)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $more)))
    (i64.or (i64.shl (i64.const 4096) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $out) (i32.const 4096)))))"#;

/// A guest whose batch runs `code` with `$at` and `$length`; `more` stands before.
fn wat(more: &str, code: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {more} {PARTS}
  (func (export "cofferdam_log_batch") (param $at i32) (param $length i32) (result i64) {code}))"#
    );
    ::wat::parse_str(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// A text at 512.
fn text(text: &str) -> String {
    let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!(r#"(data (i32.const 512) "{escaped}")"#)
}

fn loaded(bytes: &[u8]) -> Result<Arc<LogModule>, crate::LoadFault> {
    LogModule::load(None, &LogEngine::new().unwrap(), bytes, None)
}

fn silent() -> LogSays {
    Arc::new(|_, _| {})
}

fn started(bytes: &[u8], spec: LogGuestSpec) -> LogGuest {
    let module = loaded(bytes).unwrap_or_else(|why| panic!("{why}"));
    LogGuest::start(&module, spec, silent()).unwrap_or_else(|why| panic!("{why}"))
}

/// Comes back at once, however often it dies.
fn lenient() -> LogGuestSpec {
    LogGuestSpec {
        name: "test".to_owned(),
        restart: RestartPolicy {
            backoff: Duration::ZERO,
            quarantine_after: 0,
            ..RestartPolicy::default()
        },
        ..LogGuestSpec::default()
    }
}

const UNCHANGED: &str = "(call $all (local.get $at) (i32.const 0))";
const SECRET: &str = "SeCrEt";

fn record(number: usize) -> Vec<u8> {
    format!(r#"{{"timestamp":"t{number}","url.path":"/{SECRET}"}}"#).into_bytes()
}

fn records(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(record).collect()
}

fn marked(number: usize, why: &str) -> String {
    format!(r#"{{"timestamp":"t{number}","url.path":"[unprocessed]","cofferdam.sandbox":"{why}"}}"#)
}

fn texts(lines: &[Vec<u8>]) -> Vec<String> {
    lines
        .iter()
        .map(|line| String::from_utf8(line.clone()).unwrap())
        .collect()
}

#[test]
fn records_that_a_guest_leaves_alone_go_on_as_they_are() {
    let mut guest = started(&wat("", UNCHANGED), lenient());
    let mut lines = records(64);
    let passed = guest.pass(&mut lines);
    assert_eq!(lines, records(64));
    assert_eq!(
        (passed.unchanged, passed.changed, passed.marked, passed.deaths),
        (64, 0, 0, 0)
    );
    assert_eq!(guest.pass::<Vec<u8>>(&mut []), Passed::default());
}

#[test]
fn what_a_guest_says_of_a_record_is_in_it() {
    let patch = r#"{"client.geo.country.iso_code":"DE","url.path":"/"}"#;
    let mut guest = started(
        &wat(&text(patch), "(call $all (local.get $at) (i32.const 512))"),
        lenient(),
    );
    let mut lines = records(3);
    lines[1].push(b'\n');
    let passed = guest.pass(&mut lines);
    assert_eq!((passed.changed, passed.marked), (3, 0));
    let expected =
        |number: usize| format!(r#"{{"timestamp":"t{number}","url.path":"/","client.geo.country.iso_code":"DE"}}"#);
    assert_eq!(texts(&lines), [expected(0), expected(1) + "\n", expected(2)]);
}

#[test]
fn a_batch_that_is_too_long_is_cut_and_a_record_that_is_too_long_is_not_shown() {
    let spec = LogGuestSpec {
        batch_bytes_max: 200,
        ..lenient()
    };
    // It traps when it sees more than 200 bytes, or none.
    let code = format!(
        "(if (i32.gt_u (i32.sub (local.get $length) (i32.const 1)) (i32.const 199)) (then unreachable)) {UNCHANGED}"
    );
    let mut guest = started(&wat("", &code), spec);
    let mut lines = records(9);
    lines[4] = format!(r#"{{"timestamp":"t4","url.path":"{}"}}"#, SECRET.repeat(40)).into_bytes();
    let passed = guest.pass(&mut lines);
    assert_eq!((passed.unchanged, passed.marked, passed.deaths), (8, 1, 0));
    let mut expected = texts(&records(9));
    expected[4] = marked(4, "too_large");
    assert_eq!(texts(&lines), expected);
}

#[test]
fn modules_that_are_no_log_guests_are_refused_with_the_reason() {
    let whole = r#"(func (export "cofferdam_log_batch") (param i32 i32) (result i64) (i64.const 0))"#;
    for (parts, why) in [
        (r#"(func (export "x"))"#.to_owned(), "it exports no `memory`"),
        (
            r#"(memory (export "memory") 1)"#.to_owned(),
            "it does not export `cofferdam_log_abi_0_1_0`",
        ),
        (
            format!(r#"{PARTS} (func (export "cofferdam_log_batch") (param i32) (result i64) (i64.const 0))"#),
            "its `cofferdam_log_batch` is of another type",
        ),
        (
            format!(r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32))) {PARTS} {whole}"#),
            "it imports `env.proxy_log`, and a log guest has WASI alone",
        ),
        (
            format!(r#"{PARTS} {whole} (table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))"#),
            "it changes a table",
        ),
    ] {
        let module = ::wat::parse_str(format!("(module {parts})")).unwrap();
        let refused = loaded(&module).err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert!(loaded(b"\0asm").is_err());
}

#[test]
fn a_guest_that_was_started_elsewhere_serves_on_the_thread_that_drains() {
    let mut guest = started(&wat("", UNCHANGED), lenient());
    let passed = std::thread::spawn(move || guest.pass(&mut records(3))).join().unwrap();
    assert_eq!(passed.unchanged, 3);
}

#[test]
fn an_old_compilation_serves_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path()).unwrap();
    let engine = LogEngine::new().unwrap();
    for _ in 0..2 {
        let module = LogModule::load(None, &engine, &wat("", UNCHANGED), Some(&cache)).unwrap();
        let mut lines = records(1);
        let passed = LogGuest::start(&module, lenient(), silent()).unwrap().pass(&mut lines);
        assert_eq!(passed.unchanged, 1);
    }
    let kept = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(
        kept.filter(|entry| entry.as_ref().unwrap().path().extension().is_some())
            .count(),
        1
    );
}
