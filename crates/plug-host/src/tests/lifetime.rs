//! Contexts whose exchange goes away, timers, and what an instance leaves behind.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::house::{House, exchange, on_paused_worker, on_worker, patient, settle, spec};
use super::wat::Wat;
use crate::{Isolation, PluginSpec};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";

/// A guest whose header callback computes for some milliseconds, and which tells what it sees.
fn slow() -> Wat {
    let mut wat = Wat::new();
    let (begin, end) = (wat.say("begin"), wat.say("end"));
    let code = format!(
        "(local $left i32) {begin}
         (local.set $left (i32.const 60000000))
         (loop $more (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
         {end} (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.hears("proxy_on_log", 1, 0);
    wat.hears("proxy_on_delete", 1, 0);
    wat
}

/// Polls a future until the guest has given way for the first time, then lets go of it.
async fn begin_and_drop(work: impl Future) {
    let mut work = pin!(work);
    std::future::poll_fn(|task| {
        assert!(
            work.as_mut().poll(task).is_pending(),
            "the guest should compute for longer than a tick"
        );
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_callback_whose_exchange_goes_away_comes_to_its_end_and_so_does_its_context() {
    on_worker(async {
        let house = House::of_spec(&slow().build(), patient("guest"));
        house.warm().await;
        let stream = house.stream().await;
        begin_and_drop(stream.request_headers(true)).await;
        drop(stream);
        let next = house.stream().await;
        next.request_headers(true).await.unwrap();
        next.end().await;
        settle().await;
        let (abandoned, other) = house.outside.said_in_two_contexts();
        assert_eq!(abandoned, ["begin", "end", "proxy_on_log", "proxy_on_delete"]);
        assert_eq!(other, abandoned);
        assert_eq!(house.outside.faults.borrow().len(), 0);
    });
}

#[test]
fn a_callback_that_had_not_begun_when_its_exchange_went_away_is_not_made() {
    on_worker(async {
        let house = House::of_spec(&slow().build(), patient("guest"));
        house.warm().await;
        let (first, second) = (house.stream().await, house.stream().await);
        let mut busy = Box::pin(first.request_headers(true));
        std::future::poll_fn(|task| {
            assert!(busy.as_mut().poll(task).is_pending());
            Poll::Ready(())
        })
        .await;
        begin_and_drop(second.request_headers(true)).await;
        second.end().await;
        drop(second);
        busy.await.unwrap();
        settle().await;
        assert_eq!(house.said(), ["begin", "end"]);
    });
}

#[test]
fn no_callback_follows_the_end() {
    on_worker(async {
        let mut wat = Wat::new();
        wat.hears("proxy_on_response_headers", 3, 1);
        wat.hears("proxy_on_delete", 1, 0);
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        stream.end().await;
        assert_eq!(
            stream.response_headers(true).await.unwrap(),
            plug_abi::HeadersAction::Continue
        );
        assert_eq!(house.said(), ["proxy_on_delete"]);
    });
}

#[test]
fn a_worker_that_goes_away_in_the_middle_of_a_callback_does_not_panic() {
    let bytes = slow().build();
    on_worker(async {
        let house = House::of(&bytes);
        house.warm().await;
        let stream = house.stream().await;
        tokio::task::spawn_local(async move { stream.request_headers(true).await });
        settle().await;
        // The set of tasks is dropped here, the callback with it.
    });
}

#[test]
fn a_context_may_be_dropped_outside_its_worker() {
    let bytes = slow().build();
    let (_house, stream) = on_worker(async {
        let house = House::of_spec(&bytes, patient("guest"));
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        (house, stream)
    });
    drop(stream);
}

/// A guest with a timer of 10 ms that stops after three ticks.
fn ticking() -> Wat {
    let mut wat = Wat::new();
    wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
    wat.with("(global $ticks (mut i32) (i32.const 0))");
    let configure = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 99)))
      (drop (call $proxy_set_tick_period_milliseconds (i32.const 10))) (i32.const 1)";
    wat.on("proxy_on_configure", "(param i32 i32) (result i32)", configure);
    let code = "(global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
      (call $tell (global.get $ticks))
      (if (i32.eq (global.get $ticks) (i32.const 3))
        (then (drop (call $proxy_set_tick_period_milliseconds (i32.const 0)))))";
    wat.on("proxy_on_tick", "(param i32)", code);
    wat
}

#[test]
fn a_timer_ticks_until_it_is_stopped() {
    on_paused_worker(async {
        let house = House::of(&ticking().build());
        house.warm().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(house.said().is_empty());
        tokio::time::sleep(Duration::from_millis(6)).await;
        assert_eq!(house.said(), ["1"], "of two periods the last counts");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(house.said(), ["2", "3"]);
    });
}

#[test]
fn a_timer_ends_with_its_instance() {
    on_paused_worker(async {
        let house = House::of(&ticking().build());
        house.warm().await;
        let outside = std::rc::Rc::clone(&house.outside);
        drop(house);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(outside.said().is_empty());
    });
}

#[test]
fn a_tick_that_dies_brings_a_new_instance_whose_timer_goes_on() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
        let configure = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 2000))) (i32.const 1)";
        wat.on("proxy_on_configure", "(param i32 i32) (result i32)", configure);
        let say = wat.say("tick");
        wat.on("proxy_on_tick", "(param i32)", &format!("{say} unreachable"));
        let house = House::of(&wat.build());
        house.warm().await;
        tokio::time::sleep(Duration::from_millis(6_500)).await;
        assert_eq!(house.said(), ["tick", "tick", "tick"]);
    });
}

#[test]
fn a_plugin_may_ask_for_a_fresh_instance_and_the_old_one_ends_with_its_exchanges() {
    on_worker(async {
        let mut wat = Wat::new();
        wat.import("proxy_set_property", "(param i32 i32 i32 i32) (result i32)");
        let pair = format!("{} {}", wat.text("wasm_need_rebuild"), wat.text("true"));
        let code = format!("(drop (call $proxy_set_property {pair})) (i32.const 0)");
        wat.on("proxy_on_request_headers", HEADERS, &code);
        wat.hears("_initialize", 0, 0);
        wat.hears("proxy_on_response_headers", 3, 1);
        wat.hears("proxy_on_delete", 1, 0);
        let house = House::of(&wat.build());
        house.warm().await;
        let first = house.stream().await;
        first.request_headers(true).await.unwrap();
        let second = house.stream().await;
        settle().await;
        assert_eq!(house.said(), ["_initialize"], "the next exchange has a fresh one");
        assert_eq!(second.context().id, 2, "with its own numbers");
        let instances = || house.stats().instances.load(Ordering::Relaxed);
        assert_eq!(instances(), 2, "the old one serves its exchange");
        first.response_headers(true).await.unwrap();
        first.end().await;
        drop(first);
        settle().await;
        assert_eq!(
            house.said(),
            ["proxy_on_response_headers", "proxy_on_delete", "proxy_on_delete"],
            "and its root"
        );
        assert_eq!(instances(), 1);
        drop(second);
    });
}

#[test]
fn callbacks_are_counted_one_by_one_and_those_of_the_dead_are_not() {
    on_worker(async {
        let mut wat = Wat::new();
        wat.on(
            "proxy_on_context_create",
            "(param i32 i32)",
            "(if (i32.eq (local.get 0) (i32.const 3)) (then unreachable))",
        );
        let house = House::of(&wat.build());
        let callbacks = || house.stats().callbacks.load(Ordering::Relaxed);
        house.warm().await;
        assert_eq!(callbacks(), 3, "create, start, configure");
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        assert_eq!(callbacks(), 5, "create, request headers");
        stream.response_headers(true).await.unwrap();
        stream.end().await;
        assert_eq!(callbacks(), 9, "response headers, log, done, delete");
        house.stream().await.request_headers(true).await.unwrap_err();
        assert_eq!(callbacks(), 10, "create, in which it died");
    });
}

#[test]
fn an_exchange_that_ends_before_the_plugin_saw_it_leaves_no_trace() {
    on_worker(async {
        let mut wat = Wat::new();
        wat.hears("proxy_on_delete", 1, 0);
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.plugins.find("guest").unwrap().open(&exchange()).await.unwrap();
        stream.end().await;
        drop(stream);
        settle().await;
        assert!(house.said().is_empty());
    });
}

#[test]
fn an_instance_that_has_filled_its_memory_is_said_and_replaced_between_exchanges() {
    on_worker(async {
        let mut wat = Wat::new();
        // A mebibyte with each exchange, of four.
        let code = "(drop (memory.grow (i32.const 16))) (i32.const 0)";
        wat.on("proxy_on_request_headers", HEADERS, code);
        let house = House::of(&wat.build());
        house.warm().await;
        let memory = || house.stats().memory_bytes.load(Ordering::Relaxed);
        let at_start = memory();
        let mut passed = Vec::new();
        for _ in 0..3 {
            let stream = house.stream().await;
            stream.request_headers(true).await.unwrap();
            stream.end().await;
            passed.push(stream.context().id);
        }
        assert_eq!(passed, [2, 3, 4], "it is young: nothing takes its place");
        let grown = memory() - at_start;
        assert_eq!(grown, 3 << 20);
        assert_eq!(house.stats().memory_grown_bytes.load(Ordering::Relaxed), grown);
        assert_eq!(house.outside.growth.borrow().len(), 1, "said once");
        tokio::time::pause();
        tokio::time::advance(crate::growth::REPLACED_EVERY).await;
        let stream = house.stream().await;
        assert_eq!(stream.context().id, 2, "a fresh one, with its own numbers");
        settle().await;
        assert_eq!(memory(), at_start, "the memory of the old one was given back");
        assert_eq!(house.stats().faults.load(Ordering::Relaxed), 0);
        stream.end().await;
    });
}

#[test]
fn host_calls_faults_and_time_are_counted_for_their_plugin() {
    on_worker(async {
        let mut wat = Wat::new();
        let say = wat.say("heard");
        wat.on(
            "proxy_on_request_headers",
            HEADERS,
            &format!("{say} {say} (if (i32.eq (local.get 0) (i32.const 3)) (then unreachable)) (i32.const 0)"),
        );
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        house.stream().await.request_headers(true).await.unwrap_err();
        let stats = house.stats();
        assert_eq!(stats.host_calls().collect::<Vec<_>>(), [("proxy_log", 4)]);
        assert_eq!(
            stats.faults_by_callback().into_iter().collect::<Vec<_>>(),
            [("proxy_on_request_headers", 1)]
        );
        assert_eq!(stats.computed().count, 2, "the entries that a worker made");
    });
}

#[test]
fn functions_of_wasi_that_do_nothing_or_refuse_are_counted_too() {
    on_worker(async {
        let mut wat = Wat::new();
        for (name, signature) in [
            ("args_get", "(param i32 i32) (result i32)"),
            ("sched_yield", "(result i32)"),
            ("sock_shutdown", "(param i32 i32) (result i32)"),
            ("proc_exit", "(param i32)"),
        ] {
            wat.import_from("wasi_snapshot_preview1", name, signature);
        }
        let code = "(drop (call $args_get (i32.const 0) (i32.const 0)))
          (drop (call $sched_yield)) (drop (call $sched_yield))
          (drop (call $sock_shutdown (i32.const 3) (i32.const 0)))
          (call $proc_exit (i32.const 3)) (i32.const 0)";
        wat.on("proxy_on_request_headers", HEADERS, code);
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap_err();
        let mut calls: Vec<_> = house.stats().host_calls().collect();
        calls.sort_unstable();
        assert_eq!(
            calls,
            [
                ("args_get", 1),
                ("proc_exit", 1),
                ("sched_yield", 2),
                ("sock_shutdown", 1)
            ]
        );
    });
}

#[test]
fn the_growth_of_an_instance_for_one_exchange_is_counted_and_not_said() {
    on_worker(async {
        let mut wat = Wat::new();
        let code = "(drop (memory.grow (i32.const 48))) (i32.const 0)";
        wat.on("proxy_on_request_headers", HEADERS, code);
        let spec = PluginSpec {
            isolation: Isolation::Exchange { instances_max: 10 },
            ..spec("guest")
        };
        let house = House::of_spec(&wat.build(), spec);
        house.warm().await;
        for _ in 0..2 {
            let stream = house.stream().await;
            stream.request_headers(true).await.unwrap();
            stream.end().await;
        }
        assert_eq!(house.stats().memory_grown_bytes.load(Ordering::Relaxed), 6 << 20);
        assert!(house.outside.growth.borrow().is_empty());
    });
}
