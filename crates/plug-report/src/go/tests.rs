//! Traces as Go 1.24 writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

fn words(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

const NIL: &str = "an older word
panic: runtime error: invalid memory address or nil pointer dereference
[signal 0xb code=0x0 addr=0x0 pc=0x0]
goroutine 1 [running]:
main.(*visitor).greet(...)
\tgo-dies/main.go:37
main.dereferenceNothing()
\tgo-dies/main.go:47 +0x2
main.die(...)
\tgo-dies/main.go:31
main.proxyOnRequestHeaders(0x3, {0xa, 0x1}, 0x1)
\tgo-dies/host.go:61 +0x8 fp=0x43efc0 sp=0x43ef90 pc=0x169d0008
goroutine 2 [runnable]:
main.other()
\tgo-dies/main.go:99 +0x1";

fn completed(text: &str, functions: &[&str]) -> Vec<Vec<String>> {
    let frame = |function: &&str| Frame {
        function: Some((*function).to_owned()),
        ..Frame::default()
    };
    let mut frames: Vec<Frame> = functions.iter().map(frame).collect();
    let words = words(text);
    Trace::of(&words).unwrap().complete(&mut frames);
    let shown = |place: &Place| {
        let (file, line) = (place.file.as_deref().unwrap(), place.line.unwrap());
        format!("{} {file}:{line}", place.function.as_deref().unwrap())
    };
    frames
        .iter()
        .map(|frame| frame.places.iter().map(shown).collect())
        .collect()
}

#[test]
fn frames_get_the_lines_of_the_goroutine_that_died() {
    let functions = [
        "runtime.gopanic",
        "main.dereferenceNothing",
        "main.proxyOnRequestHeaders",
        "proxy_on_request_headers",
        "main.other",
    ];
    let none: [&str; 0] = [];
    assert_eq!(
        completed(NIL, &functions),
        [
            none.as_slice(),
            &[
                "main.(*visitor).greet go-dies/main.go:37",
                "main.dereferenceNothing go-dies/main.go:47"
            ],
            &[
                "main.die go-dies/main.go:31",
                "main.proxyOnRequestHeaders go-dies/host.go:61"
            ],
            &none,
            &none,
        ]
    );
}

#[test]
fn names_are_compared_as_the_linker_writes_them() {
    let text = "fatal error: sync: unlock of unlocked mutex
goroutine 1 [running]:
internal/sync.(*Mutex).unlockSlow(0x40c040, 0xffffffff)
\tinternal/sync/mutex.go:204 +0x3
panic({0x100c0, 0x493d8})
\truntime/panic.go:792 +0x1a";
    assert_eq!(
        completed(text, &["internal_sync.__Mutex_.unlockSlow", "runtime.gopanic"]),
        [
            ["internal/sync.(*Mutex).unlockSlow internal/sync/mutex.go:204"],
            ["panic runtime/panic.go:792"]
        ]
    );
}

#[test]
fn a_panic_in_a_panic_has_the_lines_of_both() {
    let text = "panic: told to
\tpanic: told to by the deferred one
goroutine 1 [running]:
main.work.func1()
\tgo-dies/main.go:66 +0x2
panic({0x100c0, 0x493d8})
\truntime/panic.go:792 +0x1a
main.work()
\tgo-dies/main.go:67 +0x2";
    let functions = ["runtime.gopanic", "main.work.func1", "runtime.gopanic", "main.work"];
    let none: [&str; 0] = [];
    assert_eq!(
        completed(text, &functions),
        [
            none.as_slice(),
            &["main.work.func1 go-dies/main.go:66"],
            &["panic runtime/panic.go:792"],
            &["main.work go-dies/main.go:67"],
        ]
    );
}

#[test]
fn the_last_panic_counts_with_what_came_of_it() {
    assert_eq!(panic(&words(NIL)).as_deref(), words(NIL).get(1).map(String::as_str));
    let text = "panic: once
goroutine 1 [running]:
\trecovered panic: twice
panic: told to
\tpanic: told to by the deferred one
goroutine 1 [running]:";
    assert_eq!(
        panic(&words(text)).as_deref(),
        Some("panic: told to\npanic: told to by the deferred one")
    );
    assert_eq!(panic(&words("recovered panic: told to")), None);
}

#[test]
fn what_is_no_trace_gives_no_lines() {
    for text in [
        "",
        "panic: a",
        "goroutine 1 [running]:\nmain.a()\n\ta.go:1",
        "fatal error: a\nmain.a()\n\ta.go:1",
    ] {
        assert!(Trace::of(&words(text)).is_none(), "{text}");
    }
    for rest in [
        "main.a()",
        "main.a()\na.go:1",
        "main.a\n\ta.go:1",
        "main.a()\n\ta.go",
        "\n\n",
        "created by main.a\n\ta.go:1",
    ] {
        let words = words(&format!("panic: a\ngoroutine 1 [running]:\n{rest}"));
        assert_eq!(Trace::of(&words).unwrap().places().count(), 0, "{rest}");
    }
}
