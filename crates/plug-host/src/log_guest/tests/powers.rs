//! What a log guest may do: its name, a clock and lines; more only where it is granted, and files only while it is configured.

use plug_grant::{Folder, Grant};

use super::*;

const WASI: &str = "wasi_snapshot_preview1";

fn import(name: &str, params: &str) -> String {
    format!(r#"(import "{WASI}" "{name}" (func ${name} (param {params}) (result i32)))"#)
}

/// What a function answers that is called with these arguments when the guest is configured.
fn answer(name: &str, params: &str, arguments: &str, grant: LogGrant) -> i32 {
    let more = format!(
        r#"{} (func (export "cofferdam_log_configure") (param i32 i32) (result i32) (call ${name} {arguments}))"#,
        import(name, params)
    );
    let spec = LogGuestSpec { grant, ..lenient() };
    match LogGuest::start(&loaded(&wat(&more, UNCHANGED)).unwrap(), spec, silent()) {
        Ok(_) => 0,
        Err(LogFault::Configuration(code, _)) => code,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_is_not_granted_is_refused_by_a_code() {
    let all = LogGrant {
        random: true,
        ..LogGrant::default()
    };
    let random = |grant| answer("random_get", "i32 i32", "(i32.const 8) (i32.const 8)", grant);
    assert_eq!((random(LogGrant::default()), random(all.clone())), (52, 0));
    let clock = answer(
        "clock_time_get",
        "i32 i64 i32",
        "(i32.const 0) (i64.const 0) (i32.const 8)",
        all.clone(),
    );
    assert_eq!(clock, 0);
    for (name, params, arguments, code) in [
        ("fd_prestat_get", "i32 i32", "(i32.const 3) (i32.const 8)", 8),
        (
            "sock_accept",
            "i32 i32 i32",
            "(i32.const 3) (i32.const 0) (i32.const 8)",
            58,
        ),
        (
            "fd_write",
            "i32 i32 i32 i32",
            "(i32.const 5) (i32.const 8) (i32.const 0) (i32.const 8)",
            8,
        ),
        ("random_get", "i32 i32", "(i32.const -4) (i32.const 8)", 21),
        (
            "fd_write",
            "i32 i32 i32 i32",
            "(i32.const 1) (i32.const -8) (i32.const 9) (i32.const 8)",
            21,
        ),
        ("args_get", "i32 i32", "(i32.const -2) (i32.const 0)", 21),
    ] {
        assert_eq!(answer(name, params, arguments, all.clone()), code, "{name} {arguments}");
    }
}

#[test]
fn lines_reach_the_operator_and_no_more_than_a_few() {
    let more = format!(
        r#"{} (data (i32.const 512) "\08\02\00\00\06\00\00\00hello\n")"#,
        import("fd_write", "i32 i32 i32 i32")
    );
    let say = "(drop (call $fd_write (i32.const 2) (i32.const 512) (i32.const 1) (i32.const 600)))";
    let module = loaded(&wat(&more, &format!("{} {UNCHANGED}", say.repeat(50)))).unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let says: LogSays = Arc::new(move |level, line: &str| hears.lock().push((level, line.to_owned())));
    let mut guest = LogGuest::start(&module, lenient(), Arc::clone(&says)).unwrap();
    assert_eq!(guest.pass(&mut records(1)).unchanged, 1);
    let heard = std::mem::take(&mut *said.lock());
    assert_eq!(heard.first(), Some(&(LogLevel::Error, "hello".to_owned())));
    assert!((10..=12).contains(&heard.len()), "{}", heard.len());
    let spec = LogGuestSpec {
        grant: LogGrant {
            lines: false,
            ..LogGrant::default()
        },
        ..lenient()
    };
    let mut guest = LogGuest::start(&module, spec, says).unwrap();
    assert_eq!(guest.pass(&mut records(1)).unchanged, 1);
    assert!(said.lock().is_empty());
}

#[test]
fn a_granted_file_is_read_while_the_guest_is_configured_and_never_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("db"), r#"{"from":"db"}"#).unwrap();
    let folders = Folders::open(&Grant {
        folders: vec![Folder {
            path: folder.path().to_owned(),
            name: "/geo".to_owned(),
            write: true,
        }],
        ..Grant::everything()
    });
    let open = |how: &str| {
        format!(
            "(call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 2) {how} (i64.const -1) (i64.const 0) (i32.const 0) (i32.const 1100))"
        )
    };
    let read = "(call $fd_read (i32.load (i32.const 1100)) (i32.const 1032) (i32.const 1) (i32.const 1104))";
    let more = format!(
        r#"{} {} (data (i32.const 1024) "db\00\00\00\00\00\00\00\02\00\00\00\01\00\00")
        (func (export "cofferdam_log_configure") (param i32 i32) (result i32)
          (if (i32.ne {} (i32.const 69)) (then (return (i32.const 1000))))
          (i32.or {} {read}))"#,
        import("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        import("fd_read", "i32 i32 i32 i32"),
        open("(i32.const 8)"),
        open("(i32.const 0)"),
    );
    let code = format!(
        "(if (i32.or (i32.eqz {}) (i32.eqz {read})) (then (return {UNCHANGED}))) (call $all (local.get $at) (i32.const 512))",
        open("(i32.const 0)")
    );
    let spec = LogGuestSpec {
        grant: LogGrant {
            folders: folders.unwrap().map(Arc::new),
            ..LogGrant::default()
        },
        ..lenient()
    };
    let mut guest = started(&wat(&more, &code), spec);
    for _ in 0..2 {
        let mut lines = records(1);
        let passed = guest.pass(&mut lines);
        assert_eq!((passed.changed, passed.fault), (1, None));
        assert!(texts(&lines)[0].ends_with(r#","from":"db"}"#));
    }
}
