//! What lives in a guest whose allocator tells, while exchanges pass.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plug_instrument::{Allocator, Changes};
use plug_report::profile::{Kept, WorkerKept};

use crate::tests::house::{House, engine, load, on_worker, patient, settle};
use crate::tests::wat::Wat;
use crate::{Direction, Module, Plugin};

/// With each request it keeps 100 bytes, moves 60 of the exchange before, and gives 50 back; a body kills it.
fn guest() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.with(
        r"(global $moved (mut i32) (i32.const 0))
          (func $malloc (param $size i32) (result i32)
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get $size))))
          (func $give_back (param i32))
          (func $realloc (param $at i32) (param $size i32) (result i32)
            (call $malloc (local.get $size)))
          (func $posix_memalign (param $out i32) (param $align i32) (param $size i32) (result i32)
            (i32.store (local.get $out) (call $malloc (local.get $size)))
            (i32.const 0))
          (func $keep (drop (call $malloc (i32.const 100))))
          (func $pass (call $give_back (call $malloc (i32.const 50))))
          (func $move (global.set $moved (call $realloc (global.get $moved) (i32.const 60))))
          (func $align (drop (call $posix_memalign (i32.const 8) (i32.const 16) (i32.const 40))))",
    );
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        "call $keep call $pass call $move call $align (i32.const 0)",
    );
    wat.on(
        "proxy_on_request_body",
        "(param i32 i32 i32) (result i32)",
        "unreachable",
    );
    wat.build()
}

/// After the import come the marker, `$say`, `$tell` and the allocator that the host uses.
const MALLOC: u32 = 5;
const GIVE_BACK: u32 = 6;
const REALLOC: u32 = 7;
const POSIX_MEMALIGN: u32 = 8;
const KEEP: u32 = 9;
const MOVE: u32 = 11;
const ALIGN: u32 = 12;
const CALLBACK: u32 = 13;

fn twin(plugin: &Plugin) -> Arc<Plugin> {
    let changes = Changes {
        allocators: vec![
            (MALLOC, Allocator::Malloc),
            (GIVE_BACK, Allocator::Free),
            (REALLOC, Allocator::Realloc),
            (POSIX_MEMALIGN, Allocator::PosixMemalign),
        ],
        ..plugin.spec.limits.changes()
    };
    let module = Module::load_by(None, &engine(), (&guest(), changes), None).unwrap();
    Plugin::traced(plugin.spec.clone(), module, (1, 1))
}

fn seen(twin: &Plugin) -> WorkerKept {
    let mut worker = twin.kept().unwrap().workers.remove(0);
    worker
        .kept
        .sort_by_key(|kept| (kept.bytes, kept.frames.to_vec().first().map(|spot| spot.index)));
    worker
}

fn told(kept: &Kept) -> (Vec<u32>, u64, u64) {
    let frames = kept.frames.iter().map(|spot| spot.index).collect();
    (frames, kept.bytes, kept.count)
}

/// From now on exchanges go to `twin`.
async fn look(house: &House, twin: &Arc<Plugin>) {
    let plugin = Arc::clone(house.plugins.find("guest").unwrap().plugin());
    house.plugins.trace(&plugin, Some(Arc::clone(twin)));
    serving(house).await;
}

/// The twin has started.
async fn serving(house: &House) {
    while !house.plugins.find("guest").unwrap().is_traced() {
        tokio::task::yield_now().await;
    }
}

async fn exchanges(house: &House, count: usize) {
    for _ in 0..count {
        house.stream().await.request_headers(true).await.unwrap();
    }
}

#[test]
fn what_lives_is_known_by_where_it_was_asked_for() {
    on_worker(async {
        let house = House::new(&[Plugin::new(patient("guest"), load(&guest()), 1, 1)]);
        house.warm().await;
        exchanges(&house, 1).await;
        let twin = twin(house.plugins.find("guest").unwrap().plugin());
        look(&house, &twin).await;
        exchanges(&house, 3).await;
        let worker = seen(&twin);
        let all: Vec<_> = worker.kept.iter().map(told).collect();
        assert_eq!(
            all,
            [
                (vec![REALLOC, MOVE, CALLBACK], 60, 1),
                (vec![POSIX_MEMALIGN, ALIGN, CALLBACK], 120, 3),
                (vec![MALLOC, KEEP, CALLBACK], 300, 3),
            ]
        );
        assert!(
            worker
                .kept
                .iter()
                .all(|kept| kept.callback == "proxy_on_request_headers")
        );
        assert!(
            worker
                .kept
                .iter()
                .flat_map(|kept| kept.frames.iter())
                .all(|spot| spot.offset.is_some())
        );
        assert_eq!((worker.allocations, worker.exchanges, worker.lost), (12, 3, 0));
    });
}

#[test]
fn when_nobody_looks_any_more_exchanges_go_to_the_plugin_itself_and_the_twin_ends() {
    on_worker(async {
        let house = House::new(&[Plugin::new(patient("guest"), load(&guest()), 1, 1)]);
        house.warm().await;
        let plugin = Arc::clone(house.plugins.find("guest").unwrap().plugin());
        let twin = twin(&plugin);
        look(&house, &twin).await;
        exchanges(&house, 2).await;
        let living = |plugin: &Plugin| plugin.workers[0].instances.load(Ordering::Relaxed);
        assert_eq!((living(&plugin), living(&twin)), (1, 1));
        house.plugins.trace(&plugin, None);
        settle().await;
        assert_eq!((living(&plugin), living(&twin)), (1, 0));
        let before = plugin.workers[0].callbacks.load(Ordering::Relaxed);
        exchanges(&house, 1).await;
        assert!(plugin.workers[0].callbacks.load(Ordering::Relaxed) > before);
        assert_eq!(seen(&twin).exchanges, 2);
    });
}

#[test]
fn after_a_death_the_fresh_instance_begins_with_an_empty_ledger() {
    on_worker(async {
        let house = House::new(&[Plugin::new(patient("guest"), load(&guest()), 1, 1)]);
        house.warm().await;
        let twin = twin(house.plugins.find("guest").unwrap().plugin());
        look(&house, &twin).await;
        exchanges(&house, 5).await;
        let stream = house.stream().await;
        stream.request_headers(false).await.unwrap();
        stream.body(Direction::Request, true).await.unwrap_err();
        serving(&house).await;
        exchanges(&house, 1).await;
        let worker = seen(&twin);
        assert_eq!((worker.exchanges, worker.allocations), (1, 4));
    });
}

#[test]
fn a_twin_that_does_not_start_takes_no_exchange_from_the_plugin() {
    on_worker(async {
        let house = House::new(&[Plugin::new(patient("guest"), load(&guest()), 1, 1)]);
        house.warm().await;
        let mut refuses = Wat::new();
        refuses.on("proxy_on_configure", "(param i32 i32) (result i32)", "(i32.const 0)");
        let spec = house.plugins.find("guest").unwrap().plugin().spec.clone();
        let twin = Plugin::traced(spec, load(&refuses.build()), (1, 1));
        let plugin = Arc::clone(house.plugins.find("guest").unwrap().plugin());
        house.plugins.trace(&plugin, Some(Arc::clone(&twin)));
        settle().await;
        exchanges(&house, 2).await;
        assert_eq!(twin.workers[0].starts.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_twin_of_a_plugin_that_was_replaced_serves_nobody() {
    on_worker(async {
        let house = House::new(&[Plugin::new(patient("guest"), load(&guest()), 1, 1)]);
        house.warm().await;
        let before = Plugin::new(patient("guest"), load(&guest()), 1, 1);
        let twin = twin(&before);
        house.plugins.trace(&before, Some(Arc::clone(&twin)));
        settle().await;
        exchanges(&house, 1).await;
        assert_eq!(twin.workers[0].starts.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_twin_that_nobody_looks_at_any_more_gets_no_exchange_even_where_it_still_is() {
    on_worker(async {
        let house = House::new(&[Plugin::new(patient("guest"), load(&guest()), 1, 1)]);
        house.warm().await;
        let twin = twin(house.plugins.find("guest").unwrap().plugin());
        look(&house, &twin).await;
        twin.end_tracing();
        exchanges(&house, 2).await;
        assert_eq!(seen(&twin).exchanges, 0);
    });
}
