//! The share of a worker's CPU time: measured on both stacks, and what waits when it is used up.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;

use super::house::{House, on_paused_worker, settle};
use super::limits::{limited, reached};
use super::wat::Wat;
use crate::pace::cpu_time;
use crate::{Fault, Limits, PluginSpec};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";
/// Some 30 ms to 100 ms of a processor.
const COMPUTES: &str = "(local $n i32) (local.set $n (i32.const 120000000))
  (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))";

fn spec(cpu_share_percent_max: u8, trusted_after: u32) -> PluginSpec {
    let limits = Limits {
        cpu_share_percent_max,
        ..Limits::default()
    };
    PluginSpec {
        trusted_after,
        ..limited("guest", limits)
    }
}

/// Computes in requests that have a body to come, and is quick in others.
fn computing() -> Vec<u8> {
    let mut wat = Wat::new();
    let quick = "(if (local.get 2) (then (return (i32.const 0))))";
    let code = format!("{COMPUTES} (i32.const 0)").replacen(")", &format!(") {quick}"), 1);
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.hears("proxy_on_response_headers", 3, 1);
    wat.build()
}

/// Asks until the plugin has used its share.
async fn use_up(house: &House) -> Fault {
    for _ in 0..20 {
        match house.open().await {
            Ok(stream) => {
                stream.request_headers(false).await.unwrap();
                stream.end().await;
            }
            Err(fault) => return fault,
        }
    }
    panic!("twenty times 30 ms are more than 10 ms");
}

#[test]
fn exchanges_that_come_when_the_share_is_used_up_are_refused_and_the_instance_lives() {
    for trusted_after in [0, 1] {
        on_paused_worker(async {
            let house = House::of_spec(&computing(), spec(1, trusted_after));
            house.warm().await;
            let early = house.stream().await;
            early.request_headers(true).await.unwrap();
            let fault = use_up(&house).await;
            assert_eq!(fault.code(), "plugin.cpu_share_exceeded");
            assert_eq!(
                fault.to_string(),
                "plugin `guest` has used its share of the worker's CPU time, 1%"
            );
            assert_eq!(reached(house.stats()), [("cpu_share", 1)]);
            early.response_headers(true).await.unwrap();
            assert_eq!(
                house.said(),
                ["proxy_on_response_headers"],
                "one that came before goes on"
            );
            // However long it computed, an hour pays for it.
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            let late = house.stream().await;
            late.request_headers(true).await.unwrap();
            let starts = house.stats().starts.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!((starts, house.outside.faults.borrow().len()), (1, 0));
        });
    }
}

#[test]
fn without_a_share_nothing_is_measured() {
    on_paused_worker(async {
        let house = House::of_spec(&computing(), spec(100, 0));
        house.warm().await;
        for _ in 0..3 {
            house.stream().await.request_headers(false).await.unwrap();
        }
        assert!(!house.plugins.instance("guest").allowances[0].is_measured());
        assert_eq!(reached(house.stats()), []);
    });
}

#[test]
fn what_a_neighbour_computes_while_a_guest_gives_way_is_not_counted() {
    on_paused_worker(async {
        let house = House::of_spec(&computing(), spec(99, 0));
        house.warm().await;
        let stream = house.stream().await;
        let beside = Rc::new(Cell::new(Duration::ZERO));
        let sum = Rc::clone(&beside);
        let neighbour = spawn_local(async move {
            loop {
                let began = cpu_time();
                while cpu_time() - began < Duration::from_millis(10) {}
                sum.set(sum.get() + (cpu_time() - began));
                tokio::task::yield_now().await;
            }
        });
        let began = cpu_time();
        stream.request_headers(false).await.unwrap();
        let all = cpu_time() - began;
        neighbour.abort();
        let used = house.plugins.instance("guest").allowances[0].used();
        assert!(beside.get() >= Duration::from_millis(10), "it gave way");
        assert!(used + beside.get() <= all, "{used:?} {:?} {all:?}", beside.get());
        assert!(used >= (all - beside.get()) / 2, "{used:?} {:?} {all:?}", beside.get());
    });
}

#[test]
fn one_that_is_stopped_at_its_slice_has_used_it() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.on(
            "proxy_on_request_headers",
            HEADERS,
            "(loop $ever (br $ever)) (i32.const 0)",
        );
        let spec = PluginSpec {
            cpu_slice: Duration::from_millis(50),
            ..spec(1, 0)
        };
        let house = House::of_spec(&wat.build(), spec);
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap_err();
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.cpu_share_exceeded");
    });
}

#[test]
fn timers_wait_until_there_is_room() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
        let configure = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 1000))) (i32.const 1)";
        wat.on("proxy_on_configure", "(param i32 i32) (result i32)", configure);
        let say = wat.say("tick");
        wat.on("proxy_on_tick", "(param i32)", &format!("{COMPUTES} {say}"));
        let house = House::of_spec(&wat.build(), spec(1, 0));
        house.warm().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let ticks = house.said().len();
        // Each tick uses up three seconds or more.
        assert!((2..=21).contains(&ticks), "{ticks}");
        assert!(reached(house.stats())[0].1 >= 2);
    });
}

#[test]
fn the_wake_up_of_a_queue_waits_until_there_is_room() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.import("proxy_register_shared_queue", "(param i32 i32 i32) (result i32)");
        wat.import("proxy_enqueue_shared_queue", "(param i32 i32 i32) (result i32)");
        let name = wat.text("queue");
        let code = format!(
            "{COMPUTES} (drop (call $proxy_register_shared_queue {name} (i32.const 40)))
             (drop (call $proxy_enqueue_shared_queue (i32.load (i32.const 40)) {name})) (i32.const 0)"
        );
        wat.on("proxy_on_request_headers", HEADERS, &code);
        wat.hears("proxy_on_queue_ready", 2, 0);
        let house = House::of_spec(&wat.build(), spec(1, 0));
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        settle().await;
        assert!(house.said().is_empty());
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(house.said(), ["proxy_on_queue_ready"]);
    });
}
