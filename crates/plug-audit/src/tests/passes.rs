//! Modules that pass, and what is found out about them.

use super::*;

#[test]
fn a_small_plugin_passes() {
    let bytes = plugin(
        r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
           (import "wasi_unstable" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))"#,
    );
    let facts = audit(&bytes).unwrap();
    assert_eq!(facts.abi, Abi::V0_2_1);
    let imports: Vec<String> = facts
        .imports
        .iter()
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    assert_eq!(
        imports,
        [
            "env.proxy_log",
            "wasi_snapshot_preview1.fd_write",
            "wasi_snapshot_preview1.fd_write",
            "wasi_unstable.fd_seek"
        ]
    );
    assert!(facts.imports_call("proxy_log") && !facts.imports_call("proxy_done"));
    assert_eq!(facts.callback("proxy_on_request_headers").unwrap().params.len(), 3);
    assert!(facts.callback("proxy_on_tick").is_none());
    assert_eq!(
        facts.memory,
        MemoryFacts {
            pages_min: 2,
            pages_max: None
        }
    );
    assert_eq!(facts.entry, Entry::None);
    assert_eq!(facts.allocator, Allocator::ProxyOnMemoryAllocate);
    assert!(!facts.has_start_section && !facts.has_dwarf);
}

#[test]
fn the_first_known_marker_counts() {
    let bytes = module(&format!(
        r#"(func (export "proxy_abi_version_0_9_9")) (func (export "proxy_abi_version_0_2_100")) {NEEDED}"#
    ));
    assert_eq!(audit(&bytes).unwrap().abi, Abi::V0_2_100);
}

#[test]
fn a_marker_that_contradicts_the_types_is_noted_and_the_types_count() {
    let bytes = module(&NEEDED.replace("0_2_1", "0_1_0"));
    let facts = audit(&bytes).unwrap();
    assert_eq!(facts.abi, Abi::V0_1_0);
    assert_eq!(facts.callback("proxy_on_request_headers").unwrap().params.len(), 3);
    expect![[r#"
        `proxy_on_request_headers` has 3 parameters, which is not what ABI 0.1.0 says: the type decides
        functions have no names: backtraces will show numbers, as the name section was stripped"#]]
    .assert_eq(&notes(&bytes));
}

#[test]
fn header_callbacks_without_end_of_stream_pass() {
    let bytes = module(
        &NEEDED
            .replace("0_2_1", "0_1_0")
            .replace("(param i32 i32 i32)", "(param i32 i32)"),
    );
    assert_eq!(
        audit(&bytes)
            .unwrap()
            .callback("proxy_on_request_headers")
            .unwrap()
            .params
            .len(),
        2
    );
}

#[test]
fn other_shapes_of_imports_pass() {
    let bytes = plugin(
        r#"(import "env" "proxy_clear_route_cache" (func (result i32)))
           (import "env" "proxy_continue_request" (func))
           (import "env" "proxy_grpc_call"
             (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#,
    );
    let facts = audit(&bytes).unwrap();
    let standard: Vec<bool> = facts.imports.iter().map(Import::is_standard).collect();
    assert_eq!(standard, [false, true, false]);
}

#[test]
fn the_entry_is_initialize_before_start() {
    let of = |fields: &str| {
        let facts = audit(&plugin(fields)).unwrap();
        (facts.entry, facts.main)
    };
    let start = r#"(func (export "_start"))"#;
    let initialize = r#"(func (export "_initialize"))"#;
    let main = r#"(func (export "main") (param i32 i32) (result i32) i32.const 0)"#;
    let main_void = r#"(func (export "__main_void") (result i32) i32.const 0)"#;
    assert_eq!(of(start), (Entry::Start, None));
    assert_eq!(of(initialize), (Entry::Initialize, None));
    assert_eq!(of(&format!("{initialize} {start}")), (Entry::Initialize, None));
    assert_eq!(
        of(&format!("{initialize} {main} {main_void}")),
        (Entry::Initialize, Some(Main::Arguments))
    );
    assert_eq!(
        of(&format!("{initialize} {main_void}")),
        (Entry::Initialize, Some(Main::Void))
    );
    assert_eq!(of(&format!("{start} {main}")), (Entry::Start, None));
}

#[test]
fn what_is_never_called_may_have_any_type() {
    let bytes = plugin(
        r#"(func (export "_start")) (func (export "main") (result i32) i32.const 0)
           (func (export "malloc") (param i64) (result i64) i64.const 0)"#,
    );
    let facts = audit(&bytes).unwrap();
    assert_eq!((facts.main, facts.allocator), (None, Allocator::Both));
    assert_eq!(facts.allocator.export(), "proxy_on_memory_allocate");
}

#[test]
fn malloc_alone_is_an_allocator() {
    let facts = audit(&module(&NEEDED.replace("proxy_on_memory_allocate", "malloc"))).unwrap();
    assert_eq!(
        (facts.allocator, facts.allocator.export()),
        (Allocator::Malloc, "malloc")
    );
}

#[test]
fn a_start_section_and_a_largest_memory_are_found() {
    let fields = NEEDED.replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 3 900)");
    let facts = audit(&module(&format!("(func $go) (start $go) {fields}"))).unwrap();
    assert!(facts.has_start_section);
    assert_eq!(
        facts.memory,
        MemoryFacts {
            pages_min: 3,
            pages_max: Some(900)
        }
    );
}

#[test]
fn sections_and_producers_are_listed() {
    let bytes = plugin(
        r#"(@producers (language "Rust" "") (processed-by "rustc" "1.95.0"))
           (@custom ".debug_info" "12345") (@custom "line\nbreak" "")"#,
    );
    let facts = audit(&bytes).unwrap();
    assert!(facts.has_dwarf);
    let languages: Vec<&str> = facts.languages().map(|producer| producer.name.as_str()).collect();
    assert_eq!(languages, ["Rust"]);
    assert_eq!(facts.producers[1].version, "1.95.0");
    let section = |name: &str| facts.custom_sections.iter().find(|section| section.name == name);
    assert_eq!(section(".debug_info").unwrap().bytes, 5);
    assert!(section("line\\nbreak").is_some(), "a name may not break a line");
}

#[test]
fn names_do_not_change_the_hash_of_the_code() {
    let bare = audit(&plugin("(func (result i32) i32.const 1)")).unwrap();
    let named = audit(&plugin("(func $one (result i32) i32.const 1)")).unwrap();
    let other = audit(&plugin("(func (result i32) i32.const 2)")).unwrap();
    assert!(!bare.has_names && named.has_names);
    assert_eq!(bare.code_sha256, named.code_sha256);
    assert_ne!(bare.code_sha256, other.code_sha256);
}

#[test]
fn exports_that_are_never_called_are_noted() {
    let bytes = module(
        r#"(memory (export "memory") 1)
           (func (export "proxy_abi_version_0_2_1"))
           (func (export "malloc") (param i32) (result i32) i32.const 0)
           (func (export "_initialize")) (func (export "_start"))
           (func (export "proxy_on_grpc_trailing_metadata") (param i32 i32 i32))
           (func (export "proxy_on_start") (param i32 i32) (result i32) i32.const 1)
           (func (export "envoy_on_stats_update") (param i32 i32))
           (func (export "proxy_on_fire"))"#,
    );
    expect![[r#"
        export `proxy_on_grpc_trailing_metadata` is never called: the callback is named `proxy_on_grpc_receive_trailing_metadata`
        export `proxy_on_start` is never called: the callback is named `proxy_on_vm_start`
        export `envoy_on_stats_update` is never called: only Envoy calls it
        export `proxy_on_fire` is never called
        export `_start` is never called: `_initialize` is there, and comes first
        no callback of requests or connections is exported: the plugin will see no traffic
        functions have no names: backtraces will show numbers, as the name section was stripped"#]]
    .assert_eq(&notes(&bytes));
}
