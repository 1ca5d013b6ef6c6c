//! Nothing of an instance can be found by a later one: not its memory, its globals or its tables, and with an instance for each exchange
//! nothing of another exchange.
//!
//! What the engine does: when an instance ends, its linear memory and its tables are given back to the system (`madvise` with
//! `MADV_DONTNEED`), which gives zeroed pages, or the module's own data, when they are next touched; `linear_memory_keep_resident` and
//! `table_keep_resident` would be overwritten instead, and are 0. Globals are written when an instance is made. Stacks are reused as they
//! are: no instruction reads what it has not written.

use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;

use super::house::{House, exchange, load, on_worker, patient, settle};
use super::wat::Wat;
use crate::{Isolation, Plugin, PluginSpec};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";
/// Sixteen bytes that no guest has as data, only as two numbers in its code.
const SECRET: &[u8; 16] = b"Zq7-secret-9fKw!";

/// Code that grows memory to its bound and tells how often the secret is in it.
fn search(wat: &mut Wat) -> &'static str {
    let [first, second] = [0, 8].map(|at| i64::from_le_bytes(*SECRET[at..].first_chunk().unwrap()));
    wat.with(&format!(
        "(func $search (local $at i32) (local $end i32) (local $found i32)
           (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
           (local.set $end (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 16)))
           (loop $next
             (if (i64.eq (i64.load (local.get $at)) (i64.const {first}))
               (then (if (i64.eq (i64.load offset=8 (local.get $at)) (i64.const {second}))
                 (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))))
             (br_if $next (i32.le_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (local.get $end))))
           (call $tell (local.get $found)))"
    ));
    "(call $search)"
}

/// A guest that, in an exchange without a body, writes the secret all over its memory, a global and a table; in others it tells what it
/// finds: places in memory, whether the global is set, entries of the table.
fn keeper(fatal: bool) -> Wat {
    let mut wat = Wat::new();
    let search = search(&mut wat);
    let [first, second] = [0, 8].map(|at| i64::from_le_bytes(*SECRET[at..].first_chunk().unwrap()));
    wat.with(&format!(
        "(table $kept 8 1000 funcref) (elem declare func $mark)
         (global $secret (mut i64) (i64.const 0))
         (func $mark)
         (func $fill (local $at i32)
           (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
           (local.set $at (i32.const 65536))
           (loop $next
             (i64.store (local.get $at) (i64.const {first}))
             (i64.store offset=8 (local.get $at) (i64.const {second}))
             (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16)))
               (i32.shl (memory.size) (i32.const 16)))))
           (drop (table.grow $kept (ref.null func) (i32.const 900)))
           (table.fill $kept (i32.const 0) (ref.func $mark) (table.size $kept))
           (global.set $secret (i64.const {first})))
         (func $entries (local $at i32) (local $found i32)
           (drop (table.grow $kept (ref.null func) (i32.const 900)))
           (loop $next
             (local.set $found (i32.add (local.get $found) (i32.eqz (ref.is_null (table.get $kept (local.get $at))))))
             (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (table.size $kept))))
           (call $tell (local.get $found)))"
    ));
    let dies = if fatal { "unreachable" } else { "" };
    let code = format!(
        "(if (local.get 2) (then (call $fill) {dies}))
         {search} (call $tell (i64.ne (global.get $secret) (i64.const 0))) (call $entries) (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat
}

/// Memory of each guest: pages enough to have some that no data reaches.
const MEMORY_BYTES: u64 = 4 * 65_536;
/// More than the engine leaves unused before it takes one that another module has used (100).
const INSTANCES: usize = 160;

fn plugin(bytes: &[u8]) -> Arc<Plugin> {
    let spec = PluginSpec {
        isolation: Isolation::Exchange { instances_max: 1_000 },
        memory_bytes_max: MEMORY_BYTES,
        ..patient("guest")
    };
    Plugin::new(spec, load(bytes), 1, 1)
}

/// Fills so many instances that live at the same time; then they end or have died.
async fn fill(house: &House) {
    let mut streams = Vec::new();
    for _ in 0..INSTANCES {
        let stream = house.stream().await;
        let _ = stream.request_headers(true).await;
        streams.push(stream);
    }
    drop(streams);
    settle().await;
}

/// What as many instances find that live at the same time.
async fn find(house: &House) -> Vec<String> {
    house.outside.said();
    let mut streams = Vec::new();
    for _ in 0..INSTANCES {
        let stream = house.stream().await;
        stream.request_headers(false).await.unwrap();
        streams.push(stream);
    }
    house.outside.said()
}

#[test]
fn the_memory_globals_and_tables_of_an_instance_that_ended_cannot_be_found_by_the_next() {
    let bytes = keeper(false).build();
    on_worker(async {
        let house = House::new(&[plugin(&bytes)]);
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        let everything = (MEMORY_BYTES - 65_536) / 16;
        assert_eq!(
            house.said(),
            [everything.to_string().as_str(), "1", "908"],
            "the search finds what is there"
        );
        drop(stream);
        fill(&house).await;
        assert_eq!(find(&house).await, ["0"; 3 * INSTANCES]);
    });
}

#[test]
fn the_memory_globals_and_tables_of_an_instance_that_died_cannot_be_found_by_the_next() {
    let fatal = keeper(true).build();
    on_worker(async {
        let house = House::new(&[plugin(&fatal)]);
        for _ in 0..INSTANCES {
            // Each is a first fault.
            let stream = house.stream().await;
            stream.request_headers(true).await.unwrap_err();
            settle().await;
            house.plugins.lift("guest");
        }
        assert_eq!(find(&house).await, ["0"; 3 * INSTANCES]);
    });
}

#[test]
fn nor_can_an_instance_of_another_module_find_them() {
    let (one, mut other) = (keeper(false).build(), keeper(false));
    other.with("(func $different)");
    let other = other.build();
    on_worker(async {
        fill(&House::new(&[plugin(&one)])).await;
        assert_eq!(find(&House::new(&[plugin(&other)])).await, ["0"; 3 * INSTANCES]);
    });
}

/// What the second of two exchanges finds of a header of the first.
fn found_of_another_exchange(isolation: Isolation) -> Vec<String> {
    let mut wat = Wat::new();
    wat.import("proxy_get_header_map_value", "(param i32 i32 i32 i32 i32) (result i32)");
    let search = search(&mut wat);
    let name = wat.text("x-secret");
    let code = format!(
        "(drop (call $proxy_get_header_map_value (i32.const 0) {name} (i32.const 512) (i32.const 516)))
         {search} (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", HEADERS, &code);
    on_worker(async {
        let spec = PluginSpec {
            isolation,
            memory_bytes_max: MEMORY_BYTES,
            ..patient("guest")
        };
        let house = House::of_spec(&wat.build(), spec);
        house.warm().await;
        let handle = Rc::clone(house.plugins.find("guest").unwrap());
        let first = exchange();
        let secret = HeaderValue::from_bytes(SECRET).unwrap();
        first.request.borrow_mut().headers.insert("x-secret", secret);
        let first = handle.open(&first).await.unwrap();
        first.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["1"], "it has its own header");
        // At the same time, and after it.
        house.stream().await.request_headers(true).await.unwrap();
        first.end().await;
        drop(first);
        settle().await;
        house.stream().await.request_headers(true).await.unwrap();
        house.said()
    })
}

#[test]
fn a_header_of_one_exchange_can_be_found_by_another_in_the_same_instance() {
    assert_eq!(found_of_another_exchange(Isolation::Worker), ["1", "1"]);
}

#[test]
fn a_header_of_one_exchange_cannot_be_found_by_another_with_an_instance_of_its_own() {
    let own = Isolation::Exchange { instances_max: 10 };
    assert_eq!(found_of_another_exchange(own), ["0", "0"]);
}
