//! Values on their way through the guest's allocator, and callbacks that share one switch.

use std::time::Duration;

use super::house::{House, on_worker};
use super::wat::Wat;
use crate::FaultKind;

/// A guest that reads the header `x-name` and says status, value and length.
fn reader(allocator: Option<&'static str>) -> Wat {
    let mut wat = Wat::new();
    wat.import("proxy_get_header_map_value", "(param i32 i32 i32 i32 i32) (result i32)");
    if let Some(allocator) = allocator {
        wat.allocator(allocator);
    }
    let key = wat.text("x-name");
    let code = format!(
        "(call $tell (call $proxy_get_header_map_value (i32.const 0) {key} (i32.const 32) (i32.const 36)))
         (if (i32.load (i32.const 36)) (then (call $say (i32.load (i32.const 32)) (i32.load (i32.const 36)))))
         (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", &code);
    wat
}

fn request_headers(wat: &Wat) -> Vec<String> {
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        house.said()
    })
}

#[test]
fn a_value_lands_where_the_allocator_said() {
    assert_eq!(request_headers(&reader(None)), ["0", "value"]);
}

#[test]
fn malloc_serves_when_there_is_no_other_allocator() {
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 4096))"#;
    assert_eq!(request_headers(&reader(Some(malloc))), ["0", "value"]);
}

#[test]
fn the_allocator_of_the_specification_is_preferred_to_malloc() {
    let both = r#"
      (func (export "malloc") (param i32) (result i32) unreachable)
      (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))"#;
    assert_eq!(request_headers(&reader(Some(both))), ["0", "value"]);
}

#[test]
fn an_allocator_that_gives_nothing_is_an_invalid_access() {
    let nothing = r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))"#;
    assert_eq!(request_headers(&reader(Some(nothing))), ["6"]);
}

#[test]
fn an_allocator_that_points_outside_memory_is_an_invalid_access() {
    let outside = r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const -3))"#;
    assert_eq!(request_headers(&reader(Some(outside))), ["6"]);
    let edge = r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 65532))"#;
    assert_eq!(
        request_headers(&reader(Some(edge))),
        ["6"],
        "the value has five bytes, and four are left"
    );
}

#[test]
fn an_allocator_may_grow_the_memory() {
    let growing = r#"
      (func (export "proxy_on_memory_allocate") (param i32) (result i32)
        (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))"#;
    assert_eq!(request_headers(&reader(Some(growing))), ["0", "value"]);
}

#[test]
fn an_allocator_may_log_and_even_ask_for_a_value_itself() {
    let mut wat = reader(Some(""));
    wat.import("proxy_get_property", "(param i32 i32 i32 i32) (result i32)");
    let path = wat.text("plugin_name");
    let say = wat.say("allocating");
    let code = format!(
        "(global.set $inside (i32.add (global.get $inside) (i32.const 1)))
         (if (i32.eq (global.get $inside) (i32.const 1)) (then {say}
           (call $tell (call $proxy_get_property {path} (i32.const 40) (i32.const 44)))))
         (i32.const 4096)"
    );
    wat.with("(global $inside (mut i32) (i32.const 0))");
    wat.on("proxy_on_memory_allocate", "(param i32) (result i32)", &code);
    // The value inside arrives; the one outside has lost its place, which is an error and no more.
    assert_eq!(request_headers(&wat), ["allocating", "0", "10"]);
}

#[test]
fn an_allocator_that_loops_for_ever_is_stopped_at_its_slice() {
    let looping = r#"
      (func $stuck (export "proxy_on_memory_allocate") (param i32) (result i32) (loop $ever (br $ever)) (i32.const 0))"#;
    on_worker(async {
        let house = House::of(&reader(Some(looping)).build());
        house.warm().await;
        let fault = house.stream().await.request_headers(true).await.unwrap_err();
        let FaultKind::SliceExceeded { slice } = &fault.kind else {
            panic!("{fault:?}")
        };
        assert_eq!(*slice, Duration::from_millis(20));
        // The shim between the two is not shown.
        assert_eq!(super::death::functions(&fault), ["stuck", "proxy_on_request_headers"]);
    });
}

#[test]
fn an_empty_value_does_not_bother_the_allocator() {
    let mut wat = Wat::new();
    wat.allocator(r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) unreachable)"#);
    wat.import("proxy_get_buffer_bytes", "(param i32 i32 i32 i32 i32) (result i32)");
    let code = "
      (i32.store (i32.const 32) (i32.const 7)) (i32.store (i32.const 36) (i32.const 7))
      (call $tell (call $proxy_get_buffer_bytes (i32.const 6) (i32.const 100) (i32.const 9) (i32.const 32) (i32.const 36)))
      (call $tell (i32.load (i32.const 32))) (call $tell (i32.load (i32.const 36))) (i32.const 0)";
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", code);
    assert_eq!(request_headers(&wat), ["0", "0", "0"]);
}

#[test]
fn a_foreign_functions_result_may_be_declined() {
    let mut wat = Wat::new();
    wat.allocator(r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) unreachable)"#);
    wat.import(
        "proxy_call_foreign_function",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
    );
    let name = wat.text("get_log_level");
    let code = format!(
        "(i32.store (i32.const 0) (i32.const 77))
         (call $tell (call $proxy_call_foreign_function {name} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
         (call $tell (i32.load (i32.const 0)))
         (call $tell (call $proxy_call_foreign_function {name} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 36)))
         (call $tell (i32.load (i32.const 36))) (i32.const 0)"
    );
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", &code);
    assert_eq!(request_headers(&wat), ["0", "77", "0", "4"]);
}

fn lifetime(wat: &mut Wat) {
    let tell = |wat: &mut Wat, text: &str| format!("{} (call $tell (local.get 0))", wat.say(text));
    let create = tell(wat, "create");
    wat.on("proxy_on_context_create", "(param i32 i32)", &create);
    let headers = tell(wat, "headers");
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        &format!("{headers} (i32.const 0)"),
    );
    let log = tell(wat, "log");
    wat.on("proxy_on_log", "(param i32)", &log);
    let done = tell(wat, "done");
    wat.on(
        "proxy_on_done",
        "(param i32) (result i32)",
        &format!("{done} (i32.const 1)"),
    );
    let delete = tell(wat, "delete");
    wat.on("proxy_on_delete", "(param i32)", &delete);
}

#[test]
fn an_exchange_begins_and_ends_in_envoys_order() {
    let mut wat = Wat::new();
    lifetime(&mut wat);
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        stream.end().await;
        stream.end().await;
        assert_eq!(
            house.said(),
            ["create", "2", "headers", "2", "log", "2", "done", "2", "delete", "2"]
        );
    });
}

#[test]
fn a_connection_is_done_before_it_is_logged() {
    let mut wat = Wat::new();
    lifetime(&mut wat);
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        stream.new_connection().await.unwrap();
        stream.end_tcp().await;
        assert_eq!(house.said(), ["create", "2", "done", "2", "log", "2", "delete", "2"]);
    });
}

#[test]
fn a_fault_names_the_callback_that_was_running() {
    for (callback, signature) in [
        ("proxy_on_context_create", "(param i32 i32)"),
        ("proxy_on_request_headers", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_log", "(param i32)"),
        ("proxy_on_done", "(param i32) (result i32)"),
        ("proxy_on_delete", "(param i32)"),
    ] {
        let mut wat = Wat::new();
        // The root context, number 1, is spared.
        let code = "(if (i32.gt_u (local.get 0) (i32.const 1)) (then unreachable))";
        let answer = if signature.contains("result") {
            "(i32.const 0)"
        } else {
            ""
        };
        wat.on(callback, signature, &format!("{code} {answer}"));
        on_worker(async {
            let house = House::of(&wat.build());
            house.warm().await;
            let stream = house.stream().await;
            let begun = stream.request_headers(true).await;
            stream.end().await;
            drop(begun);
            let faults = house.outside.faults.borrow();
            assert_eq!(faults.len(), 1);
            assert_eq!(faults[0].callback, callback);
        });
    }
}

#[test]
fn the_effective_context_is_the_callbacks_own_again_in_the_next_one() {
    let mut wat = Wat::new();
    wat.import("proxy_set_effective_context", "(param i32) (result i32)");
    wat.import("proxy_set_property", "(param i32 i32 i32 i32) (result i32)");
    let pair = format!("{} {}", wat.text("key"), wat.text("value"));
    let code = "(if (local.get 1) (then (call $tell (call $proxy_set_effective_context (i32.const 1)))))";
    wat.on("proxy_on_context_create", "(param i32 i32)", code);
    let code = format!("(call $tell (call $proxy_set_property {pair})) (i32.const 0)");
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", &code);
    // A root context cannot set a property: that would answer 1.
    assert_eq!(request_headers(&wat), ["0", "0"]);
}

#[test]
fn an_unknown_effective_context_is_a_bad_argument() {
    let mut wat = Wat::new();
    wat.import("proxy_set_effective_context", "(param i32) (result i32)");
    let code = "(call $tell (call $proxy_set_effective_context (i32.const 99))) (i32.const 0)";
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", code);
    assert_eq!(request_headers(&wat), ["2"]);
}
