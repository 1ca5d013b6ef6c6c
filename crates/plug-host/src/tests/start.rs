//! How an instance starts, and how it fails to.

use super::house::{House, on_worker, spec};
use super::wat::Wat;
use crate::{FaultKind, PluginState};

/// What a guest says while it starts.
fn start_of(wat: &Wat) -> Vec<String> {
    on_worker(async {
        let house = House::of(&wat.build());
        house.plugins.warm().await.unwrap();
        house.said()
    })
}

fn kind_of_failed_start(wat: &Wat) -> FaultKind {
    on_worker(async { House::of(&wat.build()).fail().await.kind })
}

fn callbacks(wat: &mut Wat) {
    wat.hears("proxy_on_context_create", 2, 0);
    wat.hears("proxy_on_vm_start", 2, 1);
    wat.hears("proxy_on_configure", 2, 1);
}

const AFTER: [&str; 3] = ["proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure"];

#[test]
fn a_reactor_is_initialised_and_then_its_main_is_called() {
    let mut wat = Wat::new();
    callbacks(&mut wat);
    wat.hears("_initialize", 0, 0);
    wat.hears("_start", 0, 0);
    wat.hears("main", 2, 1);
    wat.hears("__main_void", 0, 1);
    assert_eq!(start_of(&wat), [["_initialize", "main"].as_slice(), &AFTER].concat());
}

#[test]
fn a_reactor_without_main_has_its_main_void_called() {
    let mut wat = Wat::new();
    callbacks(&mut wat);
    wat.hears("_initialize", 0, 0);
    wat.hears("__main_void", 0, 1);
    assert_eq!(
        start_of(&wat),
        [["_initialize", "__main_void"].as_slice(), &AFTER].concat()
    );
}

#[test]
fn a_command_is_started_and_no_main_is_called() {
    let mut wat = Wat::new();
    callbacks(&mut wat);
    wat.hears("_start", 0, 0);
    wat.hears("main", 2, 1);
    assert_eq!(start_of(&wat), [["_start"].as_slice(), &AFTER].concat());
}

#[test]
fn the_start_section_runs_before_everything_else() {
    let mut wat = Wat::new();
    wat.import_from(
        "wasi_snapshot_preview1",
        "fd_write",
        "(param i32 i32 i32 i32) (result i32)",
    );
    let say = wat.say("start section");
    let code = format!("(func $section {say}) (start $section)");
    wat.with(&code);
    wat.hears("_initialize", 0, 0);
    callbacks(&mut wat);
    assert_eq!(
        start_of(&wat),
        [["start section", "_initialize"].as_slice(), &AFTER].concat()
    );
}

#[test]
fn a_command_that_exits_with_zero_has_started_well() {
    let mut wat = Wat::new();
    callbacks(&mut wat);
    wat.import_from("wasi_snapshot_preview1", "proc_exit", "(param i32)");
    wat.on("_start", "", "(call $proc_exit (i32.const 0))");
    assert_eq!(start_of(&wat), AFTER);
}

#[test]
fn a_command_that_exits_with_another_code_has_not() {
    let mut wat = Wat::new();
    wat.import_from("wasi_snapshot_preview1", "proc_exit", "(param i32)");
    wat.on("_start", "", "(call $proc_exit (i32.const 3))");
    assert!(matches!(kind_of_failed_start(&wat), FaultKind::Exit(3)));
}

#[test]
fn the_root_context_has_its_id_and_the_sizes_of_its_configurations() {
    let mut wat = Wat::new();
    let tell = "(call $tell (local.get 0)) (call $tell (local.get 1))";
    wat.on("proxy_on_context_create", "(param i32 i32)", tell);
    wat.on(
        "proxy_on_vm_start",
        "(param i32 i32) (result i32)",
        &format!("{tell} (i32.const 1)"),
    );
    wat.on(
        "proxy_on_configure",
        "(param i32 i32) (result i32)",
        &format!("{tell} (i32.const 1)"),
    );
    // `vm` has two bytes and `config` six.
    assert_eq!(start_of(&wat), ["1", "0", "1", "2", "1", "6"]);
}

#[test]
fn a_vm_start_that_answers_false_is_a_fault() {
    let mut wat = Wat::new();
    wat.on("proxy_on_vm_start", "(param i32 i32) (result i32)", "(i32.const 0)");
    assert!(matches!(kind_of_failed_start(&wat), FaultKind::VmStartRefused));
}

#[test]
fn a_configure_that_answers_false_is_a_fault_with_the_guests_last_words() {
    let mut wat = Wat::new();
    let why = wat.text("no such key");
    let code = format!("(drop (call $log (i32.const 4) {why})) (i32.const 0)");
    wat.on("proxy_on_configure", "(param i32 i32) (result i32)", &code);
    on_worker(async {
        let house = House::of(&wat.build());
        let fault = house.fail().await;
        assert!(matches!(fault.kind, FaultKind::ConfigureRefused));
        assert_eq!(fault.callback, "proxy_on_configure");
        assert_eq!(
            fault.report(),
            "plugin `guest` answered false to `proxy_on_configure`\n  last words: no such key\n  hint: the plugin refused its `config`: its last words say why"
        );
        assert_eq!(house.outside.faults.borrow().len(), 1, "the operator is told");
        assert_eq!(house.stats().state(), PluginState::Restarting);
    });
}

#[test]
fn a_start_may_take_longer_than_a_callback_but_not_for_ever() {
    let mut wat = Wat::new();
    wat.on(
        "proxy_on_configure",
        "(param i32 i32) (result i32)",
        "(loop $ever (br $ever)) (i32.const 1)",
    );
    let FaultKind::SliceExceeded { slice, .. } = kind_of_failed_start(&wat) else {
        panic!()
    };
    assert_eq!(slice.as_millis(), 40 * 20);
}

#[test]
fn a_memory_beyond_the_bound_is_refused() {
    let mut wat = Wat::new();
    wat.hears("_initialize", 0, 0);
    on_worker(async {
        let house = House::of_spec(
            &wat.build(),
            crate::PluginSpec {
                memory_bytes_max: 1_000,
                ..spec("guest")
            },
        );
        let fault = house.fail().await;
        assert_eq!(fault.code(), "plugin.not_instantiated");
        assert_eq!(
            fault.to_string(),
            "plugin `guest` could not be instantiated: memory minimum size of 1 pages exceeds memory limits"
        );
    });
}

#[test]
fn a_guest_without_any_callback_lets_everything_pass() {
    on_worker(async {
        let house = House::of(&Wat::new().build());
        house.warm().await;
        let stream = house.stream().await;
        assert_eq!(
            stream.request_headers(true).await.unwrap(),
            plug_abi::HeadersAction::Continue
        );
        assert_eq!(
            stream.response_headers(true).await.unwrap(),
            plug_abi::HeadersAction::Continue
        );
        assert_eq!(
            stream.body(crate::Direction::Request, true).await.unwrap(),
            plug_abi::BodyAction::Continue
        );
        assert_eq!(
            stream.trailers(crate::Direction::Response).await.unwrap(),
            plug_abi::TrailersAction::Continue
        );
        stream.end().await;
        assert_eq!(house.stats().state(), PluginState::Running);
        assert_eq!(
            house.stats().memory_bytes.load(std::sync::atomic::Ordering::Relaxed),
            65_536
        );
    });
}

#[test]
fn headers_of_0_1_0_have_no_end_of_stream() {
    let mut wat = Wat::marked("proxy_abi_version_0_1_0");
    let code = "(call $tell (local.get 0)) (call $tell (local.get 1)) (i32.const 1)";
    wat.on("proxy_on_request_headers", "(param i32 i32) (result i32)", code);
    wat.on("proxy_on_response_headers", "(param i32 i32) (result i32)", code);
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        let stream = house.stream().await;
        let action = stream.request_headers(false).await.unwrap();
        assert_eq!(
            action,
            plug_abi::HeadersAction::StopAllIterationAndWatermark,
            "a pause is widened"
        );
        stream.response_headers(false).await.unwrap();
        // Four pseudo-headers and `x-name`; no response head.
        assert_eq!(house.said(), ["2", "5", "2", "0"]);
    });
}

#[test]
fn a_module_of_0_1_0_may_have_the_newer_type_all_the_same() {
    let mut wat = Wat::marked("proxy_abi_version_0_1_0");
    let code = "(call $tell (local.get 2)) (i32.const 0)";
    wat.on("proxy_on_request_headers", "(param i32 i32 i32) (result i32)", code);
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        house.stream().await.request_headers(true).await.unwrap();
        assert_eq!(house.said(), ["1"]);
    });
}

#[test]
fn what_a_guest_asks_before_it_is_known_is_refused_and_harms_nobody() {
    let mut wat = Wat::new();
    wat.import("proxy_get_property", "(param i32 i32 i32 i32) (result i32)");
    wat.import("proxy_set_tick_period_milliseconds", "(param i32) (result i32)");
    let path = wat.text("plugin_name");
    let code = format!(
        "(call $tell (call $proxy_get_property {path} (i32.const 32) (i32.const 36)))
         (call $tell (call $proxy_set_tick_period_milliseconds (i32.const 10)))"
    );
    wat.on("_initialize", "", &code);
    // Not found and bad argument: there is no context yet.
    assert_eq!(start_of(&wat), ["1", "2"]);
}
