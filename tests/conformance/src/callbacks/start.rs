//! What runs before a plugin serves: the module's own start, its allocator, its root contexts.

use std::sync::Arc;

use bytes::Bytes;
use plug_abi::Abi;
use plug_host::{FaultKind, Plugin, PluginSpec};
use serde_json::json;

use crate::guests::{load_text, probe};
use crate::session::{play, play_module, play_plugins, said_in, spec};

/// A guest that exports these functions, each of which logs its own name.
fn exporting(names: &[(&str, &str)]) -> String {
    let mut text = String::from(
        r#"(module
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func $say (param i32 i32) (drop (call $log (i32.const 2) (local.get 0) (local.get 1))))"#,
    );
    let mut at = 100;
    for (name, signature) in names {
        let answer = if signature.contains("result") {
            "(i32.const 1)"
        } else {
            ""
        };
        text.push_str(&format!(
            r#"(data (i32.const {at}) "{name}")
            (func (export "{name}") {signature} (call $say (i32.const {at}) (i32.const {})) {answer})"#,
            name.len()
        ));
        at += 100;
    }
    text + ")"
}

const ALLOCATE: (&str, &str) = ("proxy_on_memory_allocate", "(param i32) (result i32)");
const INITIALIZE: (&str, &str) = ("_initialize", "");
const START: (&str, &str) = ("_start", "");
const MAIN: (&str, &str) = ("main", "(param i32 i32) (result i32)");
const MAIN_VOID: (&str, &str) = ("__main_void", "(result i32)");
const CREATE: (&str, &str) = ("proxy_on_context_create", "(param i32 i32)");

/// What a guest with these exports says until it serves.
fn started(exports: &[(&str, &str)]) -> Vec<String> {
    let exports = [&[ALLOCATE, CREATE], exports].concat();
    play_module(load_text(&exporting(&exports)), spec(&json!({})), async |session| {
        session.start().await;
        session.said()
    })
}

mod _initialize {
    use super::*;

    #[test]
    fn it_comes_first_and_keeps_start_from_being_called() {
        assert_eq!(
            started(&[INITIALIZE, START]),
            ["_initialize", "proxy_on_context_create"]
        );
    }

    #[test]
    fn in_it_a_guest_may_log_and_read_its_environment() {
        for abi in Abi::ALL {
            let mut spec = spec(&json!({}));
            let script = json!({"initialize": [{"op": "log", "text": "up"}, {"op": "environment", "name": "MINE"}, {"op": "clock"}]});
            spec.environment = vec![
                ("MINE".to_owned(), "yes".to_owned()),
                ("PROBE".to_owned(), script.to_string()),
            ];
            play_module(probe(abi), spec, async |session| {
                session.start().await;
                let lines = [
                    "up",
                    r#"initialize: environment MINE -> Some("yes")"#,
                    "initialize: clock -> true",
                ];
                assert_eq!(session.said(), lines);
            });
        }
    }
}

mod _start {
    use super::*;

    #[test]
    fn a_command_is_started_instead_and_its_main_is_not_called() {
        assert_eq!(
            started(&[START, MAIN, MAIN_VOID]),
            ["_start", "proxy_on_context_create"]
        );
    }
}

mod main {
    use super::*;

    #[test]
    fn it_follows_initialize() {
        assert_eq!(
            started(&[INITIALIZE, MAIN, MAIN_VOID]),
            ["_initialize", "main", "proxy_on_context_create"]
        );
    }
}

mod __main_void {
    use super::*;

    #[test]
    fn it_takes_the_place_of_main() {
        assert_eq!(
            started(&[INITIALIZE, MAIN_VOID]),
            ["_initialize", "__main_void", "proxy_on_context_create"]
        );
    }
}

/// A guest with these allocators that reads a header and logs it.
fn reading(allocators: &str) -> Vec<String> {
    let text = format!(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "x-one")
          (func (export "proxy_abi_version_0_2_1"))
          {allocators}
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 20) (i32.const 24)))
            (drop (call $log (i32.const 2) (i32.load (i32.const 20)) (i32.load (i32.const 24))))
            (i32.const 0)))"#
    );
    play_module(load_text(&text), spec(&json!({})), async |session| {
        session.start().await;
        session.exchange().await;
        session.said()
    })
}

mod proxy_on_memory_allocate {
    #[test]
    fn it_gives_room_for_what_the_host_hands_over_and_is_preferred() {
        let both = r#"
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.add (i32.const 4095) (local.get 0)))
          (func (export "malloc") (param i32) (result i32) unreachable)"#;
        assert_eq!(super::reading(both), ["1"]);
    }
}

mod malloc {
    #[test]
    fn it_serves_where_there_is_no_other() {
        let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.add (i32.const 4095) (local.get 0)))"#;
        assert_eq!(super::reading(malloc), ["1"]);
    }
}

mod proxy_on_context_create {
    use super::*;

    #[test]
    fn the_root_context_is_created_before_anything_else_and_streams_under_it() {
        for abi in Abi::ALL {
            let mut spec = spec(&json!({"context_create": [{"op": "log", "text": "stream ${self} of ${root}"}]}));
            let script = json!({"root_create": [{"op": "log", "text": "root ${self}"}]});
            spec.environment = vec![("PROBE".to_owned(), script.to_string())];
            play_module(probe(abi), spec, async |session| {
                session.start().await;
                session.exchange().await;
                session.exchange().await;
                assert_eq!(session.said(), ["root 1", "stream 2 of 1", "stream 3 of 1"]);
            });
        }
    }

    #[test]
    fn plugins_that_share_a_vm_have_each_a_root_context() {
        for abi in Abi::ALL {
            let plugin = |name: &str| {
                let script = json!({"context_create": [{"op": "log", "text": "stream ${self} of ${root}"}]});
                Plugin::new(
                    PluginSpec {
                        name: name.to_owned(),
                        vm_id: "one".to_owned(),
                        ..spec(&script)
                    },
                    probe(abi),
                    1,
                    1,
                )
            };
            play_plugins(&[plugin("other"), plugin("probe")], async |session| {
                session.start().await;
                session.exchange().await;
                assert_eq!(session.said(), ["stream 3 of 2"]);
            });
        }
    }
}

mod proxy_on_vm_start {
    use super::*;

    #[test]
    fn it_comes_with_the_vms_configuration() {
        for abi in Abi::ALL {
            let mut spec = spec(&json!({}));
            let script = json!({"vm_start": [{"op": "log", "text": "${self} ${size}"}, {"op": "get_buffer_bytes", "buffer": 6, "as": "length"}]});
            spec.vm_config = Bytes::from(script.to_string());
            let length = spec.vm_config.len();
            play_module(probe(abi), spec, async |session| {
                session.start().await;
                assert_eq!(
                    session.said(),
                    [
                        format!("1 {length}"),
                        format!("vm_start: get_buffer_bytes -> 0 value=[{length} bytes]")
                    ]
                );
            });
        }
    }

    #[test]
    fn false_is_a_refusal() {
        for abi in Abi::ALL {
            let mut spec = spec(&json!({}));
            spec.vm_config = Bytes::from(json!({"vm_start": [{"op": "return", "action": "false"}]}).to_string());
            play_module(probe(abi), spec, async |session| {
                let fault = session.plugins.warm().await.unwrap_err().remove(0);
                assert!(matches!(fault.kind, FaultKind::VmStartRefused));
            });
        }
    }
}

mod proxy_on_configure {
    use super::*;

    #[test]
    fn it_comes_last_with_the_plugins_configuration() {
        for abi in Abi::ALL {
            let script = json!({"configure": [{"op": "log", "text": "${self} ${size}"}]});
            play(abi, &script, async |session| {
                session.start().await;
                assert_eq!(session.said(), [format!("1 {}", script.to_string().len())]);
            });
        }
    }

    #[test]
    fn false_is_a_refusal_with_the_plugins_last_words() {
        for abi in Abi::ALL {
            let script = json!({"configure": [{"op": "log", "level": "error", "text": "no such key"}, {"op": "return", "action": "false"}]});
            play(abi, &script, async |session| {
                let fault = session.plugins.warm().await.unwrap_err().remove(0);
                assert!(matches!(fault.kind, FaultKind::ConfigureRefused));
                assert_eq!(fault.last_words.as_deref(), Some("no such key"));
            });
        }
    }

    #[test]
    fn a_plugin_without_a_configuration_is_configured_with_nothing() {
        for abi in Abi::ALL {
            let mut spec = spec(&json!({}));
            spec.config = Bytes::new();
            spec.vm_config = Bytes::from(json!({"configure": []}).to_string());
            play_module(probe(abi), spec, async |session| {
                session.start().await;
                let lines = said_in("configure", &session.said());
                assert!(lines.is_empty(), "{lines:?}");
                assert!(Arc::strong_count(session.plugins.find("probe").unwrap().plugin()) > 0);
            });
        }
    }
}
