//! Whose context a call means, and when it may end; what C++ guests import besides.

use plug_abi::Abi;
use serde_json::json;

use crate::session::{answers, play, play_module, said, said_in, spec};

mod proxy_set_effective_context {
    use super::*;

    #[test]
    fn calls_mean_the_other_context_until_the_callback_ends() {
        for abi in Abi::ALL {
            let script = json!({
                "request_headers": [
                    {"op": "set_effective_context", "context": "${root}"}, {"op": "add_request_header", "key": "x", "value": "1"},
                    {"op": "set_effective_context", "context": "${self}"}, {"op": "add_request_header", "key": "x", "value": "1"},
                    {"op": "set_effective_context", "context": "${root}"}],
                "response_headers": [{"op": "add_response_header", "key": "x", "value": "1"}]});
            let lines = said(abi, &script);
            let expected = [
                "set_effective_context -> 0",
                "add_request_header -> 2",
                "set_effective_context -> 0",
                "add_request_header -> 0",
                "set_effective_context -> 0",
            ];
            assert_eq!(said_in("request_headers", &lines), expected);
            assert_eq!(said_in("response_headers", &lines), ["add_response_header -> 0"]);
        }
    }

    #[test]
    fn zero_means_the_callbacks_own_context_and_an_unknown_one_is_a_bad_argument() {
        for abi in Abi::ALL {
            let steps = json!([
                {"op": "set_effective_context", "context": "${root}"}, {"op": "set_effective_context", "context": 99},
                {"op": "set_effective_context", "context": 0}, {"op": "add_request_header", "key": "x", "value": "1"}]);
            let expected = [
                "set_effective_context -> 0",
                "set_effective_context -> 2",
                "set_effective_context -> 0",
                "add_request_header -> 0",
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn a_context_that_was_deleted_is_unknown() {
        for abi in Abi::ALL {
            let script = json!({
                "request_headers": [{"op": "set", "name": "stream", "value": "${self}", "scope": "root"}],
                "tick": [{"op": "set_effective_context", "context": "${stream}"}, {"op": "set_tick_period_milliseconds", "period": 0, "quiet": true}],
                "log": [{"op": "set_tick_period_milliseconds", "period": 10, "quiet": true}]});
            play(abi, &script, async |session| {
                session.start().await;
                session.exchange().await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                assert_eq!(session.said(), ["tick: set_effective_context -> 2"]);
            });
        }
    }
}

mod proxy_done {
    use super::*;

    #[test]
    fn it_is_not_found_unless_the_root_context_waits_for_it() {
        for abi in Abi::ALL {
            let done = json!([{"op": "done"}]);
            play(
                abi,
                &json!({"configure": done, "request_headers": done, "log": done, "done": done}),
                async |session| {
                    session.start().await;
                    session.exchange().await;
                    let lines = session.said();
                    for callback in ["configure", "request_headers", "log", "done"] {
                        assert_eq!(said_in(callback, &lines), ["done -> 1"]);
                    }
                },
            );
        }
    }

    #[test]
    fn it_ends_a_root_context_that_asked_for_time() {
        for abi in Abi::ALL {
            let script = json!({
                "trace": true,
                "root_done": [{"op": "set_tick_period_milliseconds", "period": 1000, "quiet": true}, {"op": "return", "action": "false"}],
                "tick": [{"op": "done"}, {"op": "done"}]});
            play(abi, &script, async |session| {
                session.start().await;
                session.said();
                let began = tokio::time::Instant::now();
                session.plugins.close().await;
                assert_eq!(
                    session.said(),
                    [
                        "root_done()",
                        "tick()",
                        "tick: done -> 0",
                        "tick: done -> 1",
                        "root_delete()"
                    ]
                );
                assert_eq!(began.elapsed().as_secs(), 1);
            });
        }
    }
}

/// A guest that imports what Emscripten does, and says the numbers that it gets.
fn emscripten(marker: &str) -> String {
    format!(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))
          (import "env" "pthread_equal" (func $equal (param i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "{marker}"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (memory.grow (i32.const 1)))
            (call $grown (i32.const 0))
            (i32.store8 (i32.const 0) (i32.add (i32.const 48) (call $equal (i32.const 7) (i32.const 7))))
            (i32.store8 (i32.const 1) (i32.add (i32.const 48) (call $equal (i32.const 7) (i32.const 8))))
            (drop (call $log (i32.const 2) (i32.const 0) (i32.const 2)))
            (i32.const 0)))"#
    )
}

fn emscripten_says() {
    for marker in [
        "proxy_abi_version_0_2_0",
        "proxy_abi_version_0_2_1",
        "proxy_abi_version_0_2_100",
    ] {
        play_module(
            crate::guests::load_text(&emscripten(marker)),
            spec(&json!({})),
            async |session| {
                session.start().await;
                session.exchange().await;
                assert_eq!(session.said(), ["10"]);
            },
        );
    }
}

mod emscripten_notify_memory_growth {
    #[test]
    fn it_is_taken_note_of() {
        super::emscripten_says();
    }
}

mod pthread_equal {
    #[test]
    fn a_thread_is_itself_and_no_other() {
        super::emscripten_says();
    }
}
