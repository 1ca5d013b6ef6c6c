//! An instance for each exchange: alone, bounded, ended with it, and its faults counted as the plugin's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::house::{House, load, on_paused_worker, on_worker, settle, spec};
use super::wat::Wat;
use crate::seat::Seats;
use crate::{Engines, FaultKind, Isolation, Plugin, PluginSpec, PluginState, PluginStream, RestartPolicy};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";

/// A house whose plugin has an instance for each exchange, at most three at a time.
fn house(wat: &Wat) -> House {
    house_with(wat, spec("guest").restart)
}

fn house_with(wat: &Wat, restart: RestartPolicy) -> House {
    let spec = PluginSpec {
        isolation: Isolation::Exchange { instances_max: 3 },
        restart,
        ..spec("guest")
    };
    House::of_spec(&wat.build(), spec)
}

/// A guest that counts the exchanges it has seen, and dies in those without a body.
fn counting() -> Wat {
    let mut wat = Wat::new();
    let code = "(global.set $seen (i32.add (global.get $seen) (i32.const 1))) (call $tell (global.get $seen))
      (if (local.get 2) (then unreachable)) (i32.const 0)";
    wat.with("(global $seen (mut i32) (i32.const 0))");
    wat.on("proxy_on_request_headers", HEADERS, code);
    wat
}

async fn begin(house: &House) -> PluginStream {
    let stream = house.stream().await;
    stream.request_headers(false).await.unwrap();
    stream
}

async fn end(stream: PluginStream) {
    stream.end().await;
    drop(stream);
    settle().await;
}

/// Makes an exchange in which the guest dies.
async fn kill(house: &House) {
    house.stream().await.request_headers(true).await.unwrap_err();
    settle().await;
}

#[test]
fn each_exchange_has_a_fresh_instance_that_ends_with_it() {
    on_worker(async {
        let mut wat = counting();
        wat.hears("_initialize", 0, 0);
        wat.hears("proxy_on_delete", 1, 0);
        let house = house(&wat);
        house.plugins.warm().await.unwrap();
        settle().await;
        assert_eq!(
            house.said(),
            ["_initialize", "proxy_on_delete"],
            "tried out, before the first exchange"
        );
        let (first, second) = (begin(&house).await, begin(&house).await);
        assert_eq!(house.said(), ["_initialize", "1", "_initialize", "1"]);
        let stats = house.stats();
        assert_eq!(stats.instances.load(Ordering::Relaxed), 2);
        assert_eq!(stats.memory_bytes.load(Ordering::Relaxed), 2 * 65_536);
        end(first).await;
        assert_eq!(
            house.said(),
            ["proxy_on_delete", "proxy_on_delete"],
            "its context, then its root"
        );
        assert_eq!(stats.instances.load(Ordering::Relaxed), 1);
        assert_eq!(stats.memory_bytes.load(Ordering::Relaxed), 65_536);
        end(second).await;
        assert_eq!(stats.instances.load(Ordering::Relaxed), 0);
        assert_eq!(stats.memory_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(stats.starts.load(Ordering::Relaxed), 3);
        assert_eq!(stats.state(), PluginState::Running);
    });
}

#[test]
fn an_exchange_that_goes_away_takes_its_instance_along() {
    on_worker(async {
        let house = house(&counting());
        house.warm().await;
        drop(begin(&house).await);
        drop(house.stream().await);
        settle().await;
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn an_exchange_over_the_bound_has_no_instance_and_that_is_nobodys_death() {
    on_worker(async {
        let house = house(&counting());
        house.warm().await;
        settle().await;
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(begin(&house).await);
        }
        let fault = house.open().await.err().unwrap();
        assert_eq!(fault.code(), "plugin.no_instance");
        assert_eq!(
            fault.to_string(),
            "plugin `guest` has no instance for this exchange: as many live as may"
        );
        assert_eq!(house.stats().faults.load(Ordering::Relaxed), 0);
        assert_eq!(house.stats().state(), PluginState::Running);
        end(held.remove(0)).await;
        held.push(begin(&house).await);
        // The place of one that died is free although its exchange has not ended.
        end(held.remove(0)).await;
        let fatal = house.stream().await;
        fatal.request_headers(true).await.unwrap_err();
        settle().await;
        begin(&house).await;
        drop(fatal);
    });
}

#[test]
fn the_process_keeps_room_for_instances_that_serve_workers() {
    let engine = Engines::default().for_stack(64 * 1024, None).unwrap();
    let (one, other) = (std::rc::Rc::<Seats>::default(), std::rc::Rc::<Seats>::default());
    let mut taken: Vec<_> = std::iter::from_fn(|| one.take(u32::MAX, &engine)).collect();
    assert_eq!(taken.len(), crate::engine::SEATS_MAX);
    assert!(other.take(1, &engine).is_none());
    taken.pop();
    assert!(other.take(1, &engine).is_some());
}

#[test]
fn a_pool_without_room_is_no_death() {
    let engine = Engines::default().for_stack(64 * 1024, None).unwrap();
    let bytes = counting().build();
    let module = crate::Module::load(&engine, &bytes, None).unwrap();
    let memory = wat::parse_str("(module (memory 1))").unwrap();
    let memory = wasmtime::Module::new(&engine.code, &memory).unwrap();
    let mut store = wasmtime::Store::new(&engine.code, ());
    store.set_epoch_deadline(u64::MAX / 2);
    while wasmtime::Instance::new(&mut store, &memory, &[]).is_ok() {}
    on_worker(async {
        let spec = PluginSpec {
            isolation: Isolation::Exchange { instances_max: 3 },
            ..spec("guest")
        };
        let house = House::new(&[Plugin::new(spec, module, 1, 1)]);
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.no_instance");
        assert_eq!(house.stats().faults.load(Ordering::Relaxed), 0);
        drop(store);
        begin(&house).await;
    });
}

#[test]
fn a_death_harms_no_other_exchange_and_is_counted() {
    on_paused_worker(async {
        let house = house(&counting());
        house.warm().await;
        let other = begin(&house).await;
        kill(&house).await;
        assert!(!other.context().dead.get());
        other.response_headers(true).await.unwrap();
        end(other).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let stats = house.stats();
        assert_eq!(stats.faults.load(Ordering::Relaxed), 1);
        assert_eq!(
            stats.faults_by_code().find(|(_, count)| *count > 0),
            Some(("plugin.trapped", 1))
        );
        assert_eq!(
            stats.state(),
            PluginState::Running,
            "tried again at once, and what another's end says does not hide it"
        );
        assert_eq!(house.outside.faults.borrow().len(), 1, "it is said once");
        assert_eq!(stats.instances.load(Ordering::Relaxed), 0);
        assert_eq!(stats.memory_bytes.load(Ordering::Relaxed), 0);
    });
}

fn strict() -> RestartPolicy {
    RestartPolicy {
        quarantine_after: 3,
        quarantine: Duration::from_secs(3600),
        ..RestartPolicy::default()
    }
}

#[test]
fn deaths_one_after_the_other_set_the_plugin_aside_until_an_operator_lifts_it() {
    on_paused_worker(async {
        let house = house_with(&counting(), strict());
        house.warm().await;
        kill(&house).await;
        kill(&house).await;
        let fault = house.open().await.err().unwrap();
        assert_eq!(fault.code(), "plugin.restarting");
        assert_eq!(house.stats().state(), PluginState::Restarting);
        tokio::time::sleep(Duration::from_millis(15)).await;
        assert_eq!(house.stats().state(), PluginState::Running, "without being asked");
        kill(&house).await;
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.quarantined");
        assert_eq!(house.outside.set_aside.take(), [("guest".to_owned(), 3)]);
        assert_eq!(house.stats().state(), PluginState::Quarantined);
        house.plugins.lift("guest");
        settle().await;
        assert_eq!(house.stats().state(), PluginState::Running);
        end(begin(&house).await).await;
    });
}

#[test]
fn a_plugin_that_served_long_enough_since_its_last_fault_has_recovered() {
    on_paused_worker(async {
        let house = house_with(&counting(), strict());
        house.warm().await;
        for _ in 0..5 {
            kill(&house).await;
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            end(begin(&house).await).await;
        }
        assert_eq!(house.stats().quarantines.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn deaths_at_the_same_time_count_as_one_and_do_not_end_a_quarantine() {
    on_paused_worker(async {
        let restart = RestartPolicy {
            quarantine_after: 2,
            ..strict()
        };
        let house = house_with(&counting(), restart);
        house.warm().await;
        let together = [house.stream().await, house.stream().await, house.stream().await];
        for stream in &together {
            stream.request_headers(true).await.unwrap_err();
        }
        settle().await;
        assert_eq!(house.stats().faults.load(Ordering::Relaxed), 3);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(house.stats().state(), PluginState::Running);
        let late = house.stream().await;
        kill(&house).await;
        assert_eq!(house.stats().state(), PluginState::Quarantined);
        late.request_headers(true).await.unwrap_err();
        settle().await;
        assert_eq!(house.stats().state(), PluginState::Quarantined);
        assert_eq!(house.stats().quarantines.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn one_that_does_not_start_for_an_exchange_is_a_fault_of_the_plugin() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.on("proxy_on_configure", "(param i32 i32) (result i32)", "(i32.const 0)");
        let house = house_with(&wat, strict());
        assert_eq!(house.fail().await.code(), "plugin.configure_refused");
        assert_eq!(house.stats().faults.load(Ordering::Relaxed), 1);
        // It is tried again and again, until it is set aside.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.quarantined");
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
    });
}

/// A guest that calls out when its exchange is logged, and whose root context answers `done` when it is asked whether it is done.
fn caller(done: u32) -> Wat {
    let mut wat = Wat::new();
    wat.import("proxy_done", "(result i32)");
    wat.import(
        "proxy_http_call",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
    );
    let known = wat.text("known");
    let headers = wat.bytes(
        b"\x03\0\0\0\x07\0\0\0\x03\0\0\0\x05\0\0\0\x01\0\0\0\x0a\0\0\0\x01\0\0\0:method\0GET\0:path\0/\0:authority\0a\0",
    );
    let zero = "(i32.const 0)";
    let code = format!(
        "(call $tell (call $proxy_http_call {known} {headers} {zero} {zero} {zero} {zero} (i32.const 60000) (i32.const 512)))"
    );
    wat.on("proxy_on_log", "(param i32)", &code);
    wat.on(
        "proxy_on_done",
        "(param i32) (result i32)",
        &format!("(select (i32.const {done}) (i32.const 1) (i32.eq (local.get 0) (i32.const 1)))"),
    );
    let say = wat.say("answered");
    wat.on(
        "proxy_on_http_call_response",
        "(param i32 i32 i32 i32 i32)",
        &format!("{say} (drop (call $proxy_done))"),
    );
    wat.hears("proxy_on_delete", 1, 0);
    wat
}

#[test]
fn an_instance_that_asks_for_time_waits_for_its_callout() {
    on_paused_worker(async {
        let house = house(&caller(0));
        house.warm().await;
        tokio::time::sleep(2 * crate::shutdown::DONE_WAIT_MAX).await;
        house.said();
        end(begin(&house).await).await;
        assert_eq!(house.said(), ["0", "proxy_on_delete"], "the exchange's context");
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 1);
        let (_, answer) = house.outside.http.borrow_mut().pop_front().unwrap();
        answer.send(None).unwrap_or_else(|_| panic!("the callout was given up"));
        settle().await;
        assert_eq!(house.said(), ["answered", "proxy_on_delete"], "the root");
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
        // One that is never done is ended all the same.
        end(begin(&house).await).await;
        tokio::time::sleep(2 * crate::shutdown::DONE_WAIT_MAX).await;
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn an_instance_that_is_done_ends_with_its_callouts() {
    on_paused_worker(async {
        let house = house(&caller(1));
        house.warm().await;
        settle().await;
        house.said();
        end(begin(&house).await).await;
        assert_eq!(house.said(), ["0", "proxy_on_delete", "proxy_on_delete"]);
        let (_, answer) = house.outside.http.borrow_mut().pop_front().unwrap();
        assert!(answer.is_closed());
    });
}

#[test]
fn a_timer_ticks_while_its_exchange_lasts_and_no_longer() {
    on_paused_worker(async {
        let mut wat = Wat::new();
        wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
        let configure = "(drop (call $proxy_set_tick_period_milliseconds (i32.const 10))) (i32.const 1)";
        wat.on("proxy_on_configure", "(param i32 i32) (result i32)", configure);
        wat.hears("proxy_on_tick", 1, 0);
        let house = house(&wat);
        house.warm().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(house.said().is_empty());
        let stream = begin(&house).await;
        tokio::time::sleep(Duration::from_millis(25)).await;
        assert_eq!(house.said(), ["proxy_on_tick", "proxy_on_tick"]);
        end(stream).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(house.said().is_empty());
    });
}

#[test]
fn the_end_of_the_plugin_waits_for_its_exchanges() {
    on_paused_worker(async {
        let house = house(&counting());
        house.warm().await;
        let stream = begin(&house).await;
        let mut closing = std::pin::pin!(house.plugins.close());
        tokio::select! {
            () = &mut closing => panic!("it must wait"),
            () = tokio::time::sleep(Duration::from_secs(100)) => {}
        }
        end(stream).await;
        closing.await;
        assert_eq!(house.stats().instances.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn an_instance_of_its_own_is_not_shared_by_a_vm_id() {
    let module = load(&counting().build());
    let plugin = |isolation| {
        let spec = PluginSpec {
            isolation,
            vm_id: "vm".to_owned(),
            ..spec("guest")
        };
        Plugin::new(spec, std::sync::Arc::clone(&module), 1, 1)
    };
    let own = Isolation::Exchange { instances_max: 1 };
    assert!(plugin(Isolation::Worker).shares_instance_with(&plugin(Isolation::Worker)));
    assert!(!plugin(own).shares_instance_with(&plugin(Isolation::Worker)));
    assert!(!plugin(Isolation::Worker).shares_instance_with(&plugin(own)));
    assert!(!plugin(own).shares_instance_with(&plugin(own)));
    on_worker(async {
        let house = House::new(&[plugin(own)]);
        let fault = async {
            let _held = begin(&house).await;
            house.open().await.err().unwrap().kind
        };
        assert!(matches!(fault.await, FaultKind::NoInstance));
    });
}
