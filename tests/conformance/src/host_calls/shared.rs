//! Shared data and shared queues.

use plug_abi::Abi;
use serde_json::{Value, json};

use crate::session::{answers, play, play_module, said_in, spec};

fn set(key: &str, value: &str, cas: Value) -> Value {
    json!({"op": "set_shared_data", "key": key, "value": value, "cas": cas})
}

fn get(key: &str) -> Value {
    json!({"op": "get_shared_data", "key": key, "save": {"cas": "cas"}})
}

mod proxy_set_shared_data {
    use super::*;

    #[test]
    fn a_value_is_written_unless_somebody_else_has_since() {
        for abi in Abi::ALL {
            let steps = json!([
                set("k", "new keys ignore the number", json!(55)),
                get("k"),
                set("k", "with the number read", json!("${cas}")),
                set("k", "with an old number", json!("${cas}")),
                get("k"),
                set("k", "without", json!(0)),
                get("k")
            ]);
            let expected = [
                "set_shared_data -> 0",
                r#"get_shared_data -> 0 value="new keys ignore the number""#,
                "set_shared_data -> 0",
                "set_shared_data -> 8",
                r#"get_shared_data -> 0 value="with the number read""#,
                "set_shared_data -> 0",
                r#"get_shared_data -> 0 value="without""#,
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn a_write_that_finds_no_room_is_survived() {
        // More than 64 MiB for one `vm_id`. An error would kill Rust plugins, and CAS_MISMATCH makes plugins try for ever.
        for abi in Abi::ALL {
            let big = json!({"repeat": "a", "times": 8_000_000});
            let steps: Vec<_> = (0..9)
                .map(|key| json!({"op": "set_shared_data", "key": key.to_string(), "value": big}))
                .collect();
            let script = json!({ "request_headers": steps });
            play(abi, &script, async |session| {
                session.start().await;
                session.exchange().await;
                let lines = session.said();
                assert_eq!(lines.iter().filter(|line| line.ends_with("-> 0")).count(), 9);
                assert_eq!(
                    lines.iter().filter(|line| line.contains("is full")).count(),
                    1,
                    "but the operator is told"
                );
            });
        }
    }
}

mod proxy_get_shared_data {
    use super::*;

    #[test]
    fn a_missing_key_is_not_found_and_an_empty_value_is_one() {
        for abi in Abi::ALL {
            let steps = json!([
                get("k"),
                set("k", "", json!(0)),
                get("k"),
                set("", "at the empty key", json!(0)),
                get("")
            ]);
            let expected = [
                "get_shared_data -> 1",
                "set_shared_data -> 0",
                r#"get_shared_data -> 0 value="""#,
                "set_shared_data -> 0",
                r#"get_shared_data -> 0 value="at the empty key""#,
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn its_number_is_never_zero_and_changes_with_each_write() {
        for abi in Abi::ALL {
            let read = json!({"op": "get_shared_data", "key": "k", "save": {"cas": "cas"}, "quiet": true});
            let told = json!({"op": "log", "text": "${cas}"});
            let write = json!({"op": "set_shared_data", "key": "k", "value": "v", "quiet": true});
            let script = json!({"request_headers": [write, read, told, read, told, write, read, told]});
            let numbers: Vec<u32> = crate::session::said(abi, &script)
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
            assert!(
                numbers[0] != 0 && numbers[0] == numbers[1] && numbers[1] != numbers[2],
                "{numbers:?}"
            );
        }
    }
}

fn register(name: &str) -> Value {
    json!({"op": "register_shared_queue", "name": name, "save": {"queue": "q"}})
}

fn enqueue(value: &str) -> Value {
    json!({"op": "enqueue_shared_queue", "queue": "${q}", "value": value})
}

fn dequeue() -> Value {
    json!({"op": "dequeue_shared_queue", "queue": "${q}"})
}

mod proxy_register_shared_queue {
    use super::*;

    #[test]
    fn a_queue_that_is_there_is_taken_over_with_what_is_in_it() {
        for abi in Abi::ALL {
            let steps = json!([
                register("q"),
                enqueue("kept"),
                register("q"),
                dequeue(),
                register("other"),
                dequeue()
            ]);
            let expected = [
                "register_shared_queue -> 0",
                "enqueue_shared_queue -> 0",
                "register_shared_queue -> 0",
                r#"dequeue_shared_queue -> 0 value="kept""#,
                "register_shared_queue -> 0",
                "dequeue_shared_queue -> 7",
            ];
            assert_eq!(answers(abi, steps), expected);
        }
    }

    #[test]
    fn its_id_is_never_zero() {
        for abi in Abi::ALL {
            let mut step = register("q");
            step["ids"] = json!(true);
            assert_eq!(answers(abi, json!([step])), ["register_shared_queue -> 0 queue=1"]);
        }
    }
}

mod proxy_resolve_shared_queue {
    use super::*;

    #[test]
    fn a_queue_is_found_by_its_name_in_its_own_or_a_named_vm() {
        for abi in Abi::ALL {
            let resolve = |vm: &str, name: &str| json!({"op": "resolve_shared_queue", "vm_id": vm, "name": name});
            let steps = json!([
                register("q"),
                resolve("", "q"),
                resolve("mine", "q"),
                resolve("", "none"),
                resolve("other", "q")
            ]);
            let mut spec = spec(&json!({ "request_headers": steps }));
            spec.vm_id = "mine".to_owned();
            play_module(crate::guests::probe(abi), spec, async |session| {
                session.start().await;
                session.exchange().await;
                let statuses = [0, 0, 1, 1].map(|status| format!("resolve_shared_queue -> {status}"));
                assert_eq!(said_in("request_headers", &session.said())[1..], statuses);
            });
        }
    }
}

mod proxy_enqueue_shared_queue {
    use super::*;

    #[test]
    fn what_is_put_in_first_comes_out_first() {
        for abi in Abi::ALL {
            let steps = json!([
                register("q"),
                enqueue("one"),
                enqueue(""),
                enqueue("two"),
                dequeue(),
                dequeue(),
                dequeue(),
                dequeue()
            ]);
            let lines = answers(abi, steps);
            let expected = [r#"0 value="one""#, r#"0 value="""#, r#"0 value="two""#, "7"]
                .map(|answer| format!("dequeue_shared_queue -> {answer}"));
            assert_eq!(lines[4..], expected);
        }
    }

    #[test]
    fn a_queue_that_is_not_there_is_not_found() {
        for abi in Abi::ALL {
            let step = |queue: i64| json!({"op": "enqueue_shared_queue", "queue": queue, "value": "x"});
            assert_eq!(
                answers(abi, json!([step(0), step(99), step(-1)])),
                ["enqueue_shared_queue -> 1"; 3]
            );
        }
    }

    #[test]
    fn a_full_queue_is_survived() {
        for abi in Abi::ALL {
            let step =
                json!({"op": "enqueue_shared_queue", "queue": "${q}", "value": {"repeat": "a", "times": 9_000_000}});
            let lines = answers(abi, json!([register("q"), step, step]));
            assert_eq!(lines[1..], ["enqueue_shared_queue -> 0", "enqueue_shared_queue -> 1"]);
        }
    }
}

mod proxy_dequeue_shared_queue {
    use super::*;

    #[test]
    fn an_empty_queue_says_so_and_an_unknown_one_is_not_found() {
        for abi in Abi::ALL {
            let steps = json!([register("q"), dequeue(), {"op": "dequeue_shared_queue", "queue": 0}, {"op": "dequeue_shared_queue", "queue": 99}]);
            assert_eq!(
                answers(abi, steps)[1..],
                [
                    "dequeue_shared_queue -> 7",
                    "dequeue_shared_queue -> 1",
                    "dequeue_shared_queue -> 1"
                ]
            );
        }
    }

    #[test]
    fn an_entry_that_cannot_be_handed_over_is_not_lost() {
        for abi in Abi::ALL {
            let nowhere = json!({"op": "dequeue_shared_queue", "queue": "${q}", "value": {"ptr": -1, "len": -1}});
            play(
                abi,
                &json!({"request_headers": [register("q"), enqueue("kept"), nowhere, dequeue()]}),
                async |session| {
                    session.start().await;
                    session.exchange().await;
                    let lines = said_in("request_headers", &session.said());
                    assert_eq!(
                        lines[2..],
                        ["dequeue_shared_queue -> 6", r#"dequeue_shared_queue -> 0 value="kept""#]
                    );
                },
            );
        }
    }
}
