//! What a plugin is refused when it reaches a limit, and that it is counted and lives.

use std::sync::Arc;
use std::time::Duration;

use super::house::{House, load, on_paused_worker, on_worker, settle, spec};
use super::wat::Wat;
use crate::{Limit, Limits, Plugin, PluginSpec, PluginStats, Process};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";
const UNLIMITED: Duration = Duration::from_secs(20);

pub(super) fn limited(name: &str, limits: Limits) -> PluginSpec {
    PluginSpec {
        limits,
        cpu_slice: UNLIMITED,
        ..spec(name)
    }
}

/// The limits that were reached, with how often.
pub(super) fn reached(stats: &PluginStats) -> Vec<(&'static str, u64)> {
    let reached = stats.limits_reached().filter(|(_, count)| *count > 0);
    reached.map(|(limit, count)| (limit.word(), count)).collect()
}

async fn ask(house: &House, plugin: &str) {
    let handle = house.plugins.find(plugin).unwrap();
    let stream = handle.open(&super::house::exchange()).await.unwrap();
    stream.request_headers(true).await.unwrap();
}

#[test]
fn every_limit_has_a_name_of_its_own() {
    let mut words = Limit::ALL.map(Limit::word).to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Limit::ALL.len());
}

/// A guest with two tables, of 3 and 2 entries, whose requests let the first grow by 4, by 1 and, beyond its own maximum, by 100.
fn growing() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.with("(table $one 3 50 funcref) (table $two 2 funcref)");
    let grow =
        |by: u32| format!("(call $tell (i32.add (i32.const 1) (table.grow $one (ref.null func) (i32.const {by}))))");
    let code = format!("{}{}{} (i32.const 0)", grow(4), grow(1), grow(100));
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.build()
}

fn tables(table_entries_max: usize) -> House {
    let limits = Limits {
        table_entries_max,
        ..Limits::default()
    };
    House::of_spec(&growing(), limited("guest", limits))
}

#[test]
fn tables_grow_to_the_bound_of_all_together_and_no_further() {
    on_worker(async {
        let house = tables(9);
        house.warm().await;
        ask(&house, "guest").await;
        assert_eq!(
            house.said(),
            ["4", "0", "0"],
            "the size before and 1, or 0 when refused"
        );
        // A table that is at its own end has not reached the limit.
        assert_eq!(reached(house.stats()), [("table", 1)]);
    });
    on_worker(async {
        let house = tables(10);
        house.warm().await;
        ask(&house, "guest").await;
        assert_eq!(house.said(), ["4", "8", "0"]);
        assert_eq!(reached(house.stats()), []);
    });
}

#[test]
fn a_module_that_begins_with_more_table_entries_is_refused() {
    on_worker(async {
        let house = tables(4);
        let fault = house.fail().await;
        assert_eq!(fault.code(), "plugin.not_instantiated");
        assert_eq!(
            fault.to_string(),
            "plugin `guest` could not be instantiated: table minimum size of 2 elements exceeds table limits"
        );
        assert_eq!(reached(house.stats()), [("table", 1)]);
    });
    on_worker(async { tables(5).warm().await });
}

#[test]
fn memory_stack_and_slice_are_counted_when_they_are_reached() {
    let code =
        "(if (i32.eq (memory.grow (i32.const 9999)) (i32.const -1)) (then (call $say (i32.const 0) (i32.const 0))))
      (if (local.get 2) (then (loop $ever (br $ever)))) (call $again)";
    let mut wat = Wat::new();
    wat.with("(func $again (call $again))");
    wat.on("proxy_on_request_headers", HEADERS, &format!("{code} (i32.const 0)"));
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(false).await.unwrap_err();
        assert_eq!(reached(house.stats()), [("memory", 1), ("stack", 1)]);
        house.stream().await.request_headers(true).await.unwrap_err();
        assert_eq!(reached(house.stats()), [("memory", 2), ("cpu_slice", 1), ("stack", 1)]);
    });
}

#[test]
fn callouts_are_refused_beyond_their_number_until_one_has_ended() {
    let mut wat = Wat::new();
    wat.import(
        "proxy_http_call",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    );
    let head = [(":method", "GET"), (":path", "/"), (":authority", "there")];
    let head = plug_abi::pairs::encode(head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let (upstream, head) = (wat.text("known"), wat.bytes(&head));
    let none = "(i32.const 0) (i32.const 0)";
    let code = format!(
        "(call $tell (call $proxy_http_call {upstream} {head} {none} {none} (i32.const 0) (i32.const 40))) (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    on_worker(async {
        let limits = Limits {
            callouts_max: 2,
            ..Limits::default()
        };
        let house = House::of_spec(&wat.build(), limited("guest", limits));
        house.warm().await;
        for _ in 0..3 {
            ask(&house, "guest").await;
        }
        assert_eq!(house.said(), ["0", "0", "10"]);
        assert_eq!(reached(house.stats()), [("callouts", 1)]);
        let (_, answer) = house.outside.http.borrow_mut().pop_front().unwrap();
        answer.send(None).unwrap();
        settle().await;
        ask(&house, "guest").await;
        ask(&house, "guest").await;
        assert_eq!(house.said(), ["0", "10"]);
    });
}

/// A guest that writes, in each request, a value of 100 bytes under the next key of two digits, and whether that is there then.
fn writing() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.import("proxy_set_shared_data", "(param i32 i32 i32 i32 i32) (result i32)");
    wat.import("proxy_get_shared_data", "(param i32 i32 i32 i32 i32) (result i32)");
    wat.with("(global $key (mut i32) (i32.const 0x3030))");
    let key = "(i32.const 60) (i32.const 2)";
    let code = format!(
        "(i32.store (i32.const 60) (global.get $key))
         (global.set $key (i32.add (global.get $key) (i32.const 0x100)))
         (call $tell (call $proxy_set_shared_data {key} (i32.const 4000) (i32.const 100) (i32.const 0)))
         (call $tell (call $proxy_get_shared_data {key} (i32.const 32) (i32.const 36) (i32.const 40)))
         (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.build()
}

/// What one write takes: key, value, and what an entry takes beside them.
const WRITE_BYTES: usize = 2 + 100 + 96;

#[test]
fn shared_data_is_refused_beyond_its_bytes_or_its_keys() {
    let full = |word| format!("shared data is full: a value was not written, for `limits.{word}` is reached");
    let bytes = Limits {
        shared_data_bytes_max: 2 * WRITE_BYTES,
        ..Limits::default()
    };
    let keys = Limits {
        shared_keys_max: 2,
        ..Limits::default()
    };
    for (limits, word) in [(bytes, "shared_data"), (keys, "shared_keys")] {
        on_worker(async {
            let house = House::of_spec(&writing(), limited("guest", limits));
            house.warm().await;
            ask(&house, "guest").await;
            ask(&house, "guest").await;
            assert_eq!(house.said(), ["0", "0", "0", "0"]);
            ask(&house, "guest").await;
            assert_eq!(house.said(), [&*full(word), "0", "1"], "the Rust SDK survives OK only");
            assert_eq!(reached(house.stats()), [(word, 1)]);
        });
    }
}

#[test]
fn of_plugins_that_share_data_the_limit_of_the_writer_counts() {
    let plugin = |name, shared_data_bytes_max| {
        let limits = Limits {
            shared_data_bytes_max,
            ..Limits::default()
        };
        let spec = PluginSpec {
            vm_id: "shared".to_owned(),
            ..limited(name, limits)
        };
        Plugin::new(spec, load(&writing()), 1, 1)
    };
    on_worker(async {
        let process = Arc::new(Process::default());
        // Those that share an instance too, for their limits may differ in this.
        let plugins = [plugin("guest", 3 * WRITE_BYTES), plugin("small", WRITE_BYTES)];
        assert!(plugins[0].shares_instance_with(&plugins[1]));
        let house = House::in_process(process, 0, &plugins);
        house.plugins.warm().await.unwrap();
        ask(&house, "small").await;
        assert_eq!(house.said(), ["0", "0"]);
        ask(&house, "guest").await;
        assert_eq!(house.said(), ["0", "0"]);
        ask(&house, "small").await;
        assert_eq!(house.said().len(), 3, "it is said that it was not written");
        ask(&house, "guest").await;
        assert_eq!(house.said(), ["0", "0"]);
        let small = house.plugins.find("small").unwrap().plugin();
        assert_eq!(reached(&small.workers[0]), [("shared_data", 1)]);
        assert_eq!(reached(house.stats()), []);
    });
}

#[test]
fn a_value_that_makes_shared_data_no_larger_is_always_written() {
    let data = Process::default().shared;
    let (wide, narrow) = (
        Limits::default(),
        Limits {
            shared_data_bytes_max: 10,
            shared_keys_max: 0,
            ..Limits::default()
        },
    );
    data.set(("vm", &wide), b"key", b"value", 0).unwrap();
    data.set(("vm", &narrow), b"key", b"valve", 0).unwrap();
    data.set(("vm", &narrow), b"key", b"v", 0).unwrap();
    data.set(("vm", &narrow), b"key", b"vv", 0).unwrap_err();
    assert_eq!(data.get("vm", b"key").unwrap().0, "v");
}

/// A guest that puts an entry into a queue, which nobody empties, in each request.
fn filling() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.import("proxy_register_shared_queue", "(param i32 i32 i32) (result i32)");
    wat.import("proxy_enqueue_shared_queue", "(param i32 i32 i32) (result i32)");
    let name = wat.text("queue");
    let code = format!(
        "(drop (call $proxy_register_shared_queue {name} (i32.const 40)))
         (call $tell (call $proxy_enqueue_shared_queue (i32.load (i32.const 40)) {name})) (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.build()
}

#[test]
fn a_queue_takes_entries_up_to_the_bound_of_who_puts_them_in() {
    let plugin = |name, queue_length_max| {
        let limits = Limits {
            queue_length_max,
            ..Limits::default()
        };
        Plugin::new(limited(name, limits), load(&filling()), 1, 1)
    };
    on_worker(async {
        let house = House::new(&[plugin("guest", 2), plugin("other", 3)]);
        house.plugins.warm().await.unwrap();
        for (name, answer) in [
            ("guest", "0"),
            ("guest", "0"),
            ("guest", "1"),
            ("other", "0"),
            ("other", "1"),
        ] {
            ask(&house, name).await;
            assert_eq!(house.said(), [answer], "{name}");
        }
        assert_eq!(reached(house.stats()), [("queue_length", 1)]);
    });
}

/// A guest that writes five lines in each request.
fn talking() -> Vec<u8> {
    let mut wat = Wat::new();
    let say = wat.say("line");
    wat.on(
        "proxy_on_request_headers",
        HEADERS,
        &format!("{} (i32.const 0)", say.repeat(5)),
    );
    wat.build()
}

fn talker(log_lines_per_s_max: u32) -> House {
    let limits = Limits {
        log_lines_per_s_max,
        ..Limits::default()
    };
    House::of_spec(&talking(), limited("guest", limits))
}

#[test]
fn lines_beyond_their_number_are_left_out_and_said_once_a_second() {
    on_paused_worker(async {
        let house = talker(7);
        house.warm().await;
        for _ in 0..4 {
            ask(&house, "guest").await;
        }
        assert_eq!(house.said().len(), 7);
        assert_eq!(reached(house.stats()), [("log_lines", 13)]);
        assert!(house.outside.left_out.borrow().is_empty());
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(house.outside.left_out.take(), [13], "also when nothing more is written");
        ask(&house, "guest").await;
        ask(&house, "guest").await;
        assert_eq!(house.said().len(), 7, "a second later there is room again");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(house.outside.left_out.take(), [3]);
    });
}

#[test]
fn a_plugin_that_dies_does_not_get_its_lines_anew() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        let say = wat.say("line");
        let code = format!("{} unreachable", say.repeat(3));
        wat.on("proxy_on_request_headers", HEADERS, &code);
        let limits = Limits {
            log_lines_per_s_max: 4,
            ..Limits::default()
        };
        let house = House::of_spec(&wat.build(), limited("guest", limits));
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap_err();
        house.stream().await.request_headers(true).await.unwrap_err();
        assert_eq!(house.said().len(), 4);
    });
}

#[test]
fn a_plugin_that_may_write_no_lines_writes_none() {
    on_paused_worker(async {
        let house = talker(0);
        house.warm().await;
        ask(&house, "guest").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(house.said().is_empty());
        assert_eq!(house.outside.left_out.take(), [5]);
    });
}

#[test]
fn a_short_period_is_raised_to_the_shortest_and_no_period_stays_none() {
    let ticking = |period: u32| {
        let mut wat = Wat::new();
        wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
        let code =
            format!("(call $tell (call $proxy_set_tick_period_milliseconds (i32.const {period}))) (i32.const 1)");
        wat.on("proxy_on_configure", "(param i32 i32) (result i32)", &code);
        wat.hears("proxy_on_tick", 1, 0);
        wat.build()
    };
    let ticks = |period: u32| {
        on_paused_worker(async {
            let limits = Limits {
                timer_min: Duration::from_millis(100),
                ..Limits::default()
            };
            let house = House::of_spec(&ticking(period), limited("guest", limits));
            house.plugins.warm().await.unwrap();
            assert_eq!(house.said(), ["0"]);
            tokio::time::sleep(Duration::from_millis(1_050)).await;
            (house.said().len(), reached(house.stats()))
        })
    };
    // The timer counts from when a tick has ended, and in whole milliseconds.
    let (count, reached) = ticks(1);
    assert!((9..=10).contains(&count), "{count}");
    assert_eq!(reached, [("timer", 1)]);
    assert_eq!(ticks(500), (2, vec![]));
    assert_eq!(ticks(0), (0, vec![]));
}
