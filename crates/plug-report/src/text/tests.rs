//! How reports read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use expect_test::expect;

use super::*;
use crate::scene::{Callback, Exchange, Figures, HostCalls, ModuleNote};

fn place(function: &str, file: &str, line: u32) -> Place {
    Place {
        function: Some(function.to_owned()),
        file: Some(file.to_owned()),
        line: Some(line),
        column: Some(1),
    }
}

fn frame(index: u32, places: Vec<Place>) -> Frame {
    Frame {
        index,
        offset: Some(0x40),
        function: Some(format!("f{index}")),
        places,
    }
}

fn scene() -> Scene {
    let library = "/rustc/5980/library/std/src/panicking.rs";
    let argument = |name: &str, value| Argument {
        name: name.to_owned(),
        value,
    };
    Scene {
        at_ms: 1_795_355_936_352,
        code: "plugin.trapped".to_owned(),
        summary: "plugin `auth` trapped in `proxy_on_request_headers`: wasm `unreachable` instruction executed"
            .to_owned(),
        plugin: "auth".to_owned(),
        generation: 2,
        worker: Some(1),
        module: ModuleNote {
            sha256: "aa".to_owned(),
            code_sha256: "cc".to_owned(),
            toolchain: "Rust".to_owned(),
            producers: vec!["Rust".to_owned(), "rustc 1.95.0".to_owned()],
            has_names: true,
            has_dwarf: true,
        },
        callback: Callback {
            name: "proxy_on_request_headers".to_owned(),
            arguments: vec![argument("context_id", 7), argument("end_of_stream", 1)],
        },
        exchange: Some(Exchange {
            context: 7,
            request_id: Some("ee12".to_owned()),
            trace_id: None,
        }),
        frames: vec![
            frame(1, vec![place("std::abort", library, 4)]),
            frame(2, vec![place("std::panic", library, 8)]),
            frame(
                3,
                vec![
                    place("auth::check", "src/lib.rs", 12),
                    place("auth::on_headers", "src/lib.rs", 40),
                ],
            ),
            frame(4, vec![place("auth::down", "src/lib.rs", 50)]),
            frame(4, vec![place("auth::down", "src/lib.rs", 50)]),
            frame(5, Vec::new()),
        ],
        last_words: vec!["panicked at src/lib.rs:12:5:\n\u{1b}[31mno key".to_owned()],
        figures: Figures {
            memory_bytes: 3 << 19,
            memory_bytes_max: 64 << 20,
            computed_us: 2_000,
            slice_us: 50_000,
        },
        host_calls: host_calls(),
    }
}

fn host_calls() -> HostCalls {
    let call = |call: &str, callback: &str, arguments: &[u64], name: Option<&str>, answer| HostCall {
        call: call.to_owned(),
        callback: callback.to_owned(),
        arguments: arguments.to_vec(),
        name: name.map(str::to_owned),
        answer,
        more: 0,
    };
    HostCalls {
        total: 9,
        last: vec![
            call(
                "proxy_get_header_map_value",
                "proxy_on_request_headers",
                &[0, 77, 13, 5, 6],
                Some("authorization"),
                Some(1),
            ),
            call("fd_write", "proxy_on_request_headers", &[], None, Some(8)),
            call("proxy_log", "proxy_on_log", &[4, 1, 2], None, None),
        ],
    }
}

#[test]
fn the_log_has_what_where_and_what_to_do() {
    expect![[r#"
        plugin `auth` trapped in `proxy_on_request_headers`: wasm `unreachable` instruction executed
          panic: panicked at src/lib.rs:12:5: �[31mno key
            (1 frames of libraries)
            at std::panic (library/std/src/panicking.rs:8)
            at auth::check (src/lib.rs:12)
            at auth::on_headers (src/lib.rs:40)
            at auth::down (src/lib.rs:50) (repeated 2 times)
            at f5 at code offset 0x40
          hint: the plugin panicked: the message and the first frame of its own code say where"#]]
    .assert_eq(&Crash::of(scene(), None).brief());
}

#[test]
fn the_whole_report_has_all_that_is_known() {
    expect![[r#"
        crash 50894d351d2c · plugin.trapped
        plugin `auth` trapped in `proxy_on_request_headers`: wasm `unreachable` instruction executed
          seen: once, 2026-11-22T13:58:56Z
          panic: panicked at src/lib.rs:12:5: �[31mno key

        backtrace, innermost first
            at std::abort (library/std/src/panicking.rs:4)
            at std::panic (library/std/src/panicking.rs:8)
            at auth::check (src/lib.rs:12)
            at auth::on_headers (src/lib.rs:40)
            at auth::down (src/lib.rs:50) (repeated 2 times)
            at f5 at code offset 0x40

        where
          callback: proxy_on_request_headers(context_id=7, end_of_stream=1)
          plugin: auth of generation 2 on worker 1
          module: sha256 aa, code cc, made by Rust, rustc 1.95.0
          exchange: request id ee12, trace id none
          figures: memory 1.50 MiB of 64.00 MiB, computed 2 ms of its slice of 50 ms

        last words
            panicked at src/lib.rs:12:5:
            �[31mno key

        last host calls (3 of 9)
          in proxy_on_request_headers
            proxy_get_header_map_value("authorization", map=0, key_len=13) -> NotFound
            fd_write() -> 8
          in proxy_on_log
            proxy_log(level=4, message_len=2) -> did not return

        what to do next
          - the plugin panicked: the message and the first frame of its own code say where
    "#]]
    .assert_eq(&Crash::of(scene(), None).whole());
}

#[test]
fn a_list_has_a_line_for_each_with_the_place_in_the_plugin() {
    let line = Crash::of(scene(), None).line();
    assert!(line.ends_with("instruction executed at src/lib.rs:12"), "{line}");
    assert!(
        line.contains("  2026-11-22T13:58:56Z        1  plugin `auth`"),
        "{line}"
    );
}

#[test]
fn without_names_and_lines_the_report_says_what_to_keep_in_the_build() {
    let bare = |toolchain: &str, has_names| {
        let mut scene = scene();
        scene.module.toolchain = toolchain.to_owned();
        scene.module.has_names = has_names;
        scene.frames = vec![Frame {
            index: 3,
            offset: Some(64),
            ..Frame::default()
        }];
        Crash::of(scene, None).brief()
    };
    let rust = bare("Rust", false);
    assert!(rust.contains("\n    at function 3 at code offset 0x40\n"), "{rust}");
    let hint = "the module has no names and lines of source: keep `[profile.release] debug = \"line-tables-only\"` and `strip = false` in its build";
    assert!(rust.contains(hint), "{rust}");
    assert!(rust.contains("hash of its code (sha256 cc)"), "{rust}");
    assert!(bare("TinyGo", true).contains("the module has no lines of source: keep no `-no-debug`"));
}

#[test]
fn a_death_without_words_has_advice_of_its_own() {
    let silent = |summary: &str, memory_bytes| {
        let mut scene = scene();
        scene.last_words.clear();
        scene.summary = summary.to_owned();
        scene.figures.memory_bytes = memory_bytes;
        Crash::of(scene, None).advice.concat()
    };
    for (summary, memory_bytes, advice) in [
        ("wasm `unreachable` instruction executed", 0, "set a panic hook"),
        ("wasm `unreachable` instruction executed", 63 << 20, "`limits.memory`"),
        ("call stack exhausted", 0, "`limits.stack`"),
        ("out of bounds memory access", 0, "outside its memory"),
        ("indirect call type mismatch", 0, "function pointer"),
        ("integer divide by zero", 0, ""),
    ] {
        let said = silent(summary, memory_bytes);
        assert!(
            said.contains(advice) && said.is_empty() == advice.is_empty(),
            "{summary}: {said}"
        );
    }
}

#[test]
fn what_a_plugin_says_cannot_steer_a_terminal() {
    let clears = "\u{1b}[2Jgone\r\u{9b}31m".to_owned();
    let mut scene = scene();
    scene.last_words = vec![format!("panicked at {clears}:"), clears.clone()];
    scene.summary.clone_from(&clears);
    scene.plugin.clone_from(&clears);
    scene.module.producers = vec![clears.clone()];
    scene.exchange = Some(Exchange {
        context: 1,
        request_id: Some(clears.clone()),
        trace_id: Some(clears.clone()),
    });
    scene.frames = vec![frame(1, vec![place(&clears, &clears, 3)]), frame(2, Vec::new())];
    for frame in &mut scene.frames {
        frame.function = Some(clears.clone());
    }
    scene.host_calls.last = vec![HostCall {
        call: clears.clone(),
        callback: clears.clone(),
        arguments: vec![1],
        name: Some(clears),
        answer: Some(0),
        more: 1,
    }];
    let crash = Crash::of(scene, None);
    for text in [crash.brief(), crash.whole(), crash.line()] {
        let steers = |character: &char| character.is_control() && *character != '\n';
        assert_eq!(text.chars().find(steers), None, "{text:?}");
        assert!(text.contains("gone"), "what it says is there");
    }
}
