//! Modules that are refused, and how the reasons read.

use super::*;

#[test]
fn an_import_of_somebody_elses_is_attributed() {
    let bytes = plugin(
        r#"(import "env" "envoy_resolve_dns" (func (param i32 i32 i32) (result i32)))
           (import "env" "proxy_get_secret" (func (param i32 i32 i32 i32) (result i32)))
           (import "env" "proxy_dispatch_http_call" (func (result i32)))
           (import "env" "abort" (func (param i32 i32 i32 i32)))
           (import "env" "seed" (func (result f64)))
           (import "env" "__cxa_throw" (func (param i32 i32 i32)))
           (import "env" "__syscall_openat" (func (param i32 i32 i32 i32) (result i32)))
           (import "gojs" "runtime.wasmExit" (func (param i32)))
           (import "env" "runtime.ticks" (func (result f64)))
           (import "wbg" "__wbg_now_b7a162010a9e75b4" (func (result f64)))
           (import "wasi" "thread-spawn" (func (param i32) (result i32)))
           (import "wasi:io/streams@0.2.0" "[method]input-stream.read" (func (param i32 i64 i32)))
           (import "wasi_snapshot_preview1" "sock_connect" (func (param i32 i32 i32) (result i32)))
           (import "GOT.mem" "__heap_base" (func))
           (import "index" "proxy_log" (func (param i32 i32 i32) (result i32)))"#,
    );
    check_refused(
        &bytes,
        &expect![[r#"
        the module was refused for 15 reasons
        - import `env.envoy_resolve_dns` is not provided: it belongs to Envoy alone (module.import_unknown)
          hint: name the host as an upstream, which is resolved, and call it with `proxy_http_call`
        - import `env.proxy_get_secret` is not provided: it belongs to Gcore's FastEdge (module.import_unknown)
          hint: hand secrets and settings to the plugin in its configuration, and use shared data for values
        - import `env.proxy_dispatch_http_call` is not provided: it belongs to a draft of a later ABI, which only MOSN and Kong took up in part (module.import_unknown)
          hint: build with an SDK that speaks 0.2.0 or 0.2.1
        - import `env.abort` is not provided: it belongs to AssemblyScript's runtime (module.import_unknown)
          hint: compile with `--use abort=abort_proc_exit`
        - import `env.seed` is not provided: it belongs to AssemblyScript's runtime for JavaScript (module.import_unknown)
          hint: replace it with `--use`, or take `proxy_get_current_time_nanoseconds` and WASI's `random_get` instead
        - import `env.__cxa_throw` is not provided: it belongs to Emscripten's JavaScript, for C++ exceptions (module.import_unknown)
          hint: compile and link with `-fno-exceptions`
        - import `env.__syscall_openat` is not provided: it belongs to Emscripten's JavaScript (module.import_unknown)
          hint: link with `-sSTANDALONE_WASM=1`, and do without files, threads and JavaScript
        - import `gojs.runtime.wasmExit` is not provided: it belongs to Go's runtime for JavaScript (module.import_unknown)
          hint: build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, or `tinygo build -target=wasi`
        - import `env.runtime.ticks` is not provided: it belongs to TinyGo's runtime for JavaScript (module.import_unknown)
          hint: build with `tinygo build -target=wasi`
        - import `wbg.__wbg_now_b7a162010a9e75b4` is not provided: it belongs to wasm-bindgen, that is JavaScript (module.import_unknown)
          hint: build for `wasm32-wasip1`, where `getrandom`, `chrono` and others need no JavaScript
        - import `wasi.thread-spawn` is not provided: it belongs to hosts with threads (module.import_unknown)
          hint: build for `wasm32-wasip1`, not `wasm32-wasip1-threads`
        - import `wasi:io/streams@0.2.0.[method]input-stream.read` is not provided: it belongs to hosts of components (module.import_unknown)
          hint: build for `wasm32-wasip1`, not `wasm32-wasip2`
        - import `wasi_snapshot_preview1.sock_connect` is not provided: it belongs to WasmEdge (module.import_unknown)
          hint: a plugin has no sockets: call out with `proxy_http_call` or `proxy_grpc_call`
        - import `GOT.mem.__heap_base` is not provided: it belongs to the linker (module.import_unknown)
          hint: link it statically: no `-fPIC`, `-shared`, `MAIN_MODULE` or `SIDE_MODULE`
        - import `index.proxy_log` is not provided: it belongs to the module `env` (module.import_unknown)
          hint: import it from `env`: in Rust `#[link(wasm_import_module = "env")]`, in Go `//go:wasmimport env …`"#]],
    );
}

#[test]
fn a_misspelt_import_is_corrected() {
    let bytes = plugin(
        r#"(import "env" "proxy_get_headers_map_value" (func))
           (import "env" "proxy_send_local_reply" (func))
           (import "wasi_snapshot_preview1" "fd_wrote" (func))
           (import "env" "fopen" (func (param i32 i32) (result i32)))
           (import "env" "fopen" (func (param i32 i32) (result i32)))
           (import "env" "fd_write" (func))"#,
    );
    check_refused(
        &bytes,
        &expect![[r#"
            the module was refused for 5 reasons
            - import `env.proxy_get_headers_map_value` is not provided (module.import_unknown)
              hint: did you mean `env.proxy_get_header_map_value`?
            - import `env.proxy_send_local_reply` is not provided (module.import_unknown)
              hint: did you mean `env.proxy_send_local_response`?
            - import `wasi_snapshot_preview1.fd_wrote` is not provided (module.import_unknown)
              hint: did you mean `wasi_snapshot_preview1.fd_write`?
            - import `env.fopen` is not provided (module.import_unknown)
              hint: it may be a function that was left undefined when linking: look for `--allow-undefined`
            - import `env.fd_write` is not provided (module.import_unknown)
              hint: did you mean `wasi_snapshot_preview1.fd_write`?"#]],
    );
}

#[test]
fn an_import_of_another_type_shows_both() {
    let bytes = plugin(
        r#"(import "env" "proxy_log" (func (param i32 i32) (result i32)))
           (import "env" "proxy_grpc_stream" (func (param i32) (result i32)))
           (import "env" "proxy_done" (func (param v128 externref f64)))
           (import "wasi_snapshot_preview1" "path_link" (func (param i32 i32 i32 i32 i32 i32) (result i32)))"#,
    );
    let bytes_without_references = plugin(
        r#"(import "env" "proxy_log" (func (param i32 i32) (result i32)))
           (import "env" "proxy_grpc_stream" (func (param i32) (result i32)))
           (import "env" "proxy_done" (func (param v128 funcref f64)))
           (import "wasi_snapshot_preview1" "path_link" (func (param i32 i32 i32 i32 i32 i32) (result i32)))"#,
    );
    assert_eq!(audit(&bytes).unwrap_err().code(), "module.feature");
    check_refused(
        &bytes_without_references,
        &expect![[r#"
        the module was refused for 4 reasons
        - import `env.proxy_log` has the type `(i32, i32) -> (i32)`, and should have `(i32, i32, i32) -> (i32)` (module.import_type)
          hint: the declaration in the plugin or its SDK is wrong, or of another version of the ABI
        - import `env.proxy_grpc_stream` has the type `(i32) -> (i32)`, and should have `(i32, i32, i32, i32, i32, i32, i32, i32, i32) -> (i32)` or `(i32, i32, i32, i32, i32, i32, i32) -> (i32)` (module.import_type)
          hint: the declaration in the plugin or its SDK is wrong, or of another version of the ABI
        - import `env.proxy_done` has the type `(v128, funcref, f64) -> ()`, and should have `() -> (i32)` (module.import_type)
          hint: the declaration in the plugin or its SDK is wrong, or of another version of the ABI
        - import `wasi_snapshot_preview1.path_link` has the type `(i32, i32, i32, i32, i32, i32) -> (i32)`, and should have `(i32, i32, i32, i32, i32, i32, i32) -> (i32)` (module.import_type)
          hint: the declaration in the plugin or its SDK is wrong, or of another version of the ABI"#]],
    );
}

#[test]
fn memory_table_and_globals_are_the_plugins_own() {
    let bytes = module(
        r#"(import "env" "memory" (memory 1)) (import "env" "__indirect_function_table" (table 1 funcref))
           (import "env" "__stack_pointer" (global (mut i32)))
           (export "memory" (memory 0))
           (func (export "proxy_abi_version_0_2_0"))
           (func (export "malloc") (param i32) (result i32) i32.const 0)"#,
    );
    check_refused(
        &bytes,
        &expect![[r#"
            the module was refused for 3 reasons
            - import `env.memory` is a memory, and a plugin brings its own (module.import_kind)
              hint: leave out `--import-memory` (in AssemblyScript `--importMemory`), and export the memory
            - import `env.__indirect_function_table` is a table, and a plugin brings its own (module.import_kind)
              hint: leave out `--import-table` (in AssemblyScript `--importTable`)
            - import `env.__stack_pointer` is a global, and a plugin brings its own (module.import_kind)
              hint: link it statically: no `-fPIC`, `-shared`, `MAIN_MODULE` or `SIDE_MODULE`"#]],
    );
}

#[test]
fn a_missing_marker_is_explained_for_each_toolchain() {
    let without = NEEDED.replace("proxy_abi_version_0_2_1", "something");
    let hints: Vec<String> = [
        r#"(@producers (language "Rust" ""))"#,
        r#"(@producers (language "Go" "go1.24.4"))"#,
        r#"(@producers (processed-by "TinyGo" "0.34.0"))"#,
        r#"(@producers (language "C_plus_plus_17" ""))"#,
        r#"(func (export "__pin"))"#,
        "",
    ]
    .iter()
    .map(|fields| audit(&module(&format!("{fields} {without}"))).unwrap_err().to_string())
    .collect();
    expect![[r#"
        the module was refused
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: depend on the crate `proxy-wasm`, which exports it, build a library with `crate-type = ["cdylib"]`, and leave exports alone when stripping
        the module was refused
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: import the Proxy-Wasm Go SDK, which exports it, and build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`
        the module was refused
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: import the Proxy-Wasm Go SDK, which exports it, and build with `tinygo build -target=wasi -scheduler=none`
        the module was refused
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: link the SDK's `proxy_wasm_intrinsics.cc`, which exports it
        the module was refused
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: put `export * from "@solo-io/proxy-runtime/proxy"` into the entry file: that exports it with all callbacks
        the module was refused
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: an SDK exports it: check that one is linked, and that no later step strips exports"#]].assert_eq(&hints.join("\n"));
}

#[test]
fn an_unknown_marker_is_shown() {
    check_refused(
        &module(&NEEDED.replace("0_2_1", "0_3_0")),
        &expect![[r#"
        the module was refused
        - the Proxy-Wasm ABI version is unknown: `proxy_abi_version_0_3_0` is exported (module.abi_unknown)
          hint: known are 0.1.0, 0.2.0, 0.2.1, 0.2.100: build with an SDK of one of these"#]],
    );
}

#[test]
fn a_callback_of_another_type_shows_both() {
    let bytes = plugin(
        r#"(func (export "proxy_on_tick"))
           (func (export "proxy_on_response_headers") (param i32 i32 i32 i32) (result i32) i32.const 0)
           (func (export "_initialize") (result i32) i32.const 0)
           (global (export "proxy_on_log") i32 (i32.const 0))"#,
    );
    check_refused(
        &bytes,
        &expect![[r#"
        the module was refused for 4 reasons
        - export `_initialize` has the type `() -> (i32)`, and should have the type `() -> ()` (module.callback_type)
          hint: let the SDK export the callbacks, and build with a release of it that speaks a known ABI
        - export `proxy_on_tick` has the type `() -> ()`, and should have the type `(i32) -> ()` (module.callback_type)
          hint: let the SDK export the callbacks, and build with a release of it that speaks a known ABI
        - export `proxy_on_response_headers` has the type `(i32, i32, i32, i32) -> (i32)`, and should have the type `(i32, i32, i32) -> (i32)` or `(i32, i32) -> (i32)` (module.callback_type)
          hint: let the SDK export the callbacks, and build with a release of it that speaks a known ABI
        - export `proxy_on_log` is a global, and should have the type `(i32) -> ()` (module.callback_type)
          hint: let the SDK export the callbacks, and build with a release of it that speaks a known ABI"#]],
    );
}

#[test]
fn a_module_without_memory_and_allocator_says_so() {
    check_refused(
        &module(r#"(func (export "proxy_abi_version_0_2_1"))"#),
        &expect![[r#"
        the module was refused for 2 reasons
        - no memory is exported as `memory` (module.memory_missing)
          hint: link with `--export-memory`, or leave out what keeps it private
        - no allocator is exported: neither `proxy_on_memory_allocate` nor `malloc` (module.allocator_missing)
          hint: an SDK exports one: check that one is linked, and that no later step strips exports"#]],
    );
    check_refused(
        &module(&NEEDED.replace("\"memory\"", "\"mem\"")),
        &expect![[r#"
        the module was refused
        - no memory is exported as `memory` (module.memory_missing)
          hint: it is exported as `mem`: rename that"#]],
    );
    check_refused(
        &module(&format!(
            "(@producers (language \"C11\" \"\")) {}",
            NEEDED.replace("proxy_on_memory_allocate", "my_malloc")
        )),
        &expect![[r#"
            the module was refused
            - no allocator is exported: neither `proxy_on_memory_allocate` nor `malloc` (module.allocator_missing)
              hint: export it: with Emscripten `-sEXPORTED_FUNCTIONS=_malloc`, with Clang `-Wl,--export=malloc`"#]],
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let bytes = module(
        r#"(import "env" "abort" (func (param i32 i32 i32 i32)))
           (func (result i32))
           (func (export "proxy_on_log") (result i64) i64.const 0)"#,
    );
    check_refused(
        &bytes,
        &expect![[r#"
        the module was refused for 6 reasons
        - the module is not valid at byte 0x45: type mismatch: expected i32 but nothing on stack (module.invalid)
        - import `env.abort` is not provided: it belongs to AssemblyScript's runtime (module.import_unknown)
          hint: compile with `--use abort=abort_proc_exit`
        - the Proxy-Wasm ABI version is missing: no function is exported whose name begins with `proxy_abi_version_` (module.abi_missing)
          hint: put `export * from "@solo-io/proxy-runtime/proxy"` into the entry file: that exports it with all callbacks
        - no memory is exported as `memory` (module.memory_missing)
          hint: link with `--export-memory`, or leave out what keeps it private
        - no allocator is exported: neither `proxy_on_memory_allocate` nor `malloc` (module.allocator_missing)
          hint: put `export * from "@solo-io/proxy-runtime/proxy"` into the entry file: that exports `malloc`
        - export `proxy_on_log` has the type `() -> (i64)`, and should have the type `(i32) -> ()` (module.callback_type)
          hint: let the SDK export the callbacks, and build with a release of it that speaks a known ABI"#]],
    );
}

#[test]
fn a_long_list_is_cut() {
    let imports: String = (0..60)
        .map(|number| format!(r#"(import "env" "function{number}" (func))"#))
        .collect();
    let fault = audit(&plugin(&imports)).unwrap_err();
    assert_eq!(fault.problems().count(), 60);
    let text = fault.to_string();
    assert!(text.starts_with("the module was refused for 60 reasons\n"));
    assert!(text.ends_with("\n- and 10 more"));
}

#[test]
fn too_many_imports_are_refused() {
    let imports = r#"(import "env" "proxy_done" (func (result i32)))"#.repeat(10_001);
    check_refused(
        &plugin(&imports),
        &expect![[r#"
        the module was refused
        - the module has more than 10000 imports (module.too_many_imports)"#]],
    );
}

#[test]
fn a_name_out_of_a_module_can_neither_break_a_line_nor_fill_a_page() {
    let name = format!("a\\nb\\1b[31m{}", "x".repeat(500));
    let bytes = plugin(&format!(r#"(import "env" "{name}" (func))"#));
    check_refused(
        &bytes,
        &expect![[r#"
        the module was refused
        - import `env.a\nb\u{1b}[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is not provided (module.import_unknown)
          hint: it may be a function that was left undefined when linking: look for `--allow-undefined`"#]],
    );
}
