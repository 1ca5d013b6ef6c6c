//! The end of plugins: asked, waited for, deleted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::house::{House, load, on_paused_worker, settle, spec};
use super::wat::Wat;
use crate::{Plugin, WorkerPlugins};

/// A guest whose `proxy_on_done` answers the given number for its root context.
fn guest(done: u32) -> Wat {
    let mut wat = Wat::new();
    wat.import("proxy_done", "(result i32)");
    wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
    let say = wat.say("done");
    let code = format!(
        "{say} (drop (call $proxy_set_tick_period_milliseconds (i32.const 1000)))
         (select (i32.const {done}) (i32.const 1) (i32.eq (local.get 0) (i32.const 1)))"
    );
    wat.on("proxy_on_done", "(param i32) (result i32)", &code);
    wat.hears("proxy_on_delete", 1, 0);
    wat
}

#[test]
fn a_plugin_that_is_done_is_deleted_at_once() {
    on_paused_worker(async {
        let house = House::of(&guest(1).build());
        house.warm().await;
        let began = tokio::time::Instant::now();
        house.plugins.close().await;
        assert_eq!(house.said(), ["done", "proxy_on_delete"]);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
        house.plugins.close().await;
        assert!(house.said().is_empty(), "once");
    });
}

#[test]
fn a_plugin_that_asks_for_time_is_deleted_when_it_says_so() {
    on_paused_worker(async {
        let mut wat = guest(0);
        let say = wat.say("tick");
        wat.on(
            "proxy_on_tick",
            "(param i32)",
            &format!("{say} (call $tell (call $proxy_done)) (call $tell (call $proxy_done))"),
        );
        let house = House::of(&wat.build());
        house.warm().await;
        let began = tokio::time::Instant::now();
        house.plugins.close().await;
        // The second time there is nothing to be done with: not found.
        assert_eq!(house.said(), ["done", "tick", "0", "1", "proxy_on_delete"]);
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    });
}

#[test]
fn a_plugin_that_takes_too_long_is_deleted_all_the_same() {
    on_paused_worker(async {
        let house = House::of(&guest(0).build());
        house.warm().await;
        let began = tokio::time::Instant::now();
        house.plugins.close().await;
        assert_eq!(house.said(), ["done", "proxy_on_delete"]);
        assert_eq!(began.elapsed(), crate::shutdown::DONE_WAIT_MAX);
    });
}

#[test]
fn the_end_waits_for_exchanges() {
    on_paused_worker(async {
        let house = House::of(&guest(1).build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        let mut closing = std::pin::pin!(house.plugins.close());
        tokio::select! {
            () = &mut closing => panic!("it must wait"),
            () = tokio::time::sleep(Duration::from_secs(100)) => {}
        }
        assert!(house.said().is_empty());
        stream.end().await;
        drop(stream);
        closing.await;
        assert_eq!(house.said(), ["done", "proxy_on_delete", "done", "proxy_on_delete"]);
    });
}

#[test]
fn a_plugin_that_dies_in_its_end_is_no_reason_to_wait() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.on("proxy_on_done", "(param i32) (result i32)", "unreachable");
        let house = House::of(&wat.build());
        house.warm().await;
        house.plugins.close().await;
        assert_eq!(house.outside.faults.borrow().len(), 1);
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn what_a_later_arrangement_took_over_is_not_ended() {
    on_paused_worker(async {
        let kept = Plugin::new(spec("guest"), load(&guest(1).build()), 1, 1);
        let dropped = Plugin::new(spec("other"), load(&guest(1).build()), 1, 1);
        let house = House::new(&[kept.clone(), dropped]);
        house.warm().await;
        let next = WorkerPlugins::arrange(&[kept], &house.services, Some(&house.plugins));
        next.warm().await.unwrap();
        house.plugins.close().await;
        settle().await;
        assert_eq!(house.said(), ["done", "proxy_on_delete"], "one of two");
        assert_eq!(
            house.stats().starts.load(Ordering::Relaxed),
            1,
            "it was not started again"
        );
        next.close().await;
        assert_eq!(house.said(), ["done", "proxy_on_delete"]);
    });
}

#[test]
fn an_exchange_that_comes_after_the_end_is_served_all_the_same() {
    on_paused_worker(async {
        let house = House::of(&guest(1).build());
        house.warm().await;
        house.plugins.close().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
    });
}
