//! Imports that others provide: whose they are, and what to do in their place.

/// To whom an import belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who provides it.
    pub who: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// Finds out whose an import is that this gateway does not provide.
pub(crate) fn owner(module: &str, name: &str) -> Option<Owner> {
    let row = OWNERS
        .iter()
        .find(|row| (row.module)(module) && row.names.iter().any(|pattern| matches(pattern, name)));
    row.map(|row| row.owner)
}

/// A pattern is a name, or the beginning of one and a star.
fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |beginning| name.starts_with(beginning))
}

/// Names within modules, and whose they are.
struct Row {
    module: fn(&str) -> bool,
    names: &'static [&'static str],
    owner: Owner,
}

fn env(module: &str) -> bool {
    module == plug_abi::HOST_MODULE
}

fn wasi(module: &str) -> bool {
    plug_abi::WasiModule::from_name(module).is_some()
}

/// The first row that fits counts.
static OWNERS: &[Row] = &[
    Row {
        module: env,
        names: &["envoy_resolve_dns"],
        owner: Owner {
            who: "Envoy alone",
            hint: "name the host as an upstream, which is resolved, and call it with `proxy_http_call`",
        },
    },
    Row {
        module: env,
        names: &[
            "proxy_get_secret",
            "proxy_secret_get",
            "proxy_get_effective_at_secret",
            "proxy_dictionary_get",
            "proxy_kv_store_*",
        ],
        owner: Owner {
            who: "Gcore's FastEdge",
            hint: "hand secrets and settings to the plugin in its configuration, and use shared data for values",
        },
    },
    Row {
        module: env,
        names: &[
            "proxy_context_finalize",
            "proxy_resume_*",
            "proxy_close_http_stream",
            "proxy_send_http_response",
            "proxy_get_buffer",
            "proxy_set_buffer",
            "proxy_get_map*",
            "proxy_set_map*",
            "proxy_add_map*",
            "proxy_remove_map*",
            "proxy_open_shared_*",
            "proxy_get_shared_kvstore*",
            "proxy_set_shared_kvstore*",
            "proxy_add_shared_kvstore*",
            "proxy_remove_shared_*",
            "proxy_delete_*",
            "proxy_dequeue_shared_queue_item",
            "proxy_enqueue_shared_queue_item",
            "proxy_create_*",
            "proxy_get_metric_value",
            "proxy_set_metric_value",
            "proxy_increment_metric_value",
            "proxy_remove_metric",
            "proxy_dispatch_*",
            "proxy_open_grpc_stream",
            "proxy_send_grpc_*",
            "proxy_cancel_grpc_call",
            "proxy_close_grpc_call",
            "proxy_call_custom_function",
        ],
        owner: Owner {
            who: "a draft of a later ABI, which only MOSN and Kong took up in part",
            hint: "build with an SDK that speaks 0.2.0 or 0.2.1",
        },
    },
    Row {
        module: env,
        names: &["abort"],
        owner: Owner {
            who: "AssemblyScript's runtime",
            hint: "compile with `--use abort=abort_proc_exit`",
        },
    },
    Row {
        module: env,
        names: &["seed", "trace", "Date.now", "Math.*", "console.*"],
        owner: Owner {
            who: "AssemblyScript's runtime for JavaScript",
            hint: "replace it with `--use`, or take `proxy_get_current_time_nanoseconds` and WASI's `random_get` instead",
        },
    },
    Row {
        module: env,
        names: &[
            "invoke_*",
            "__cxa_*",
            "_Unwind_*",
            "__resumeException",
            "llvm_eh_typeid_for",
        ],
        owner: Owner {
            who: "Emscripten's JavaScript, for C++ exceptions",
            hint: "compile and link with `-fno-exceptions`",
        },
    },
    Row {
        module: env,
        names: &[
            "emscripten_*",
            "_emscripten_*",
            "__syscall_*",
            "_embind_*",
            "_emval_*",
            "__assert_fail",
            "setThrew",
            "setTempRet0",
            "getTempRet0",
            "_abort_js",
            "_tzset_js",
            "_localtime_js",
            "_mktime_js",
            "_munmap_js",
            "_mmap_js",
            "__main_argc_argv",
        ],
        owner: Owner {
            who: "Emscripten's JavaScript",
            hint: "link with `-sSTANDALONE_WASM=1`, and do without files, threads and JavaScript",
        },
    },
    Row {
        module: env,
        names: &[
            "__linear_memory",
            "__indirect_function_table",
            "__stack_pointer",
            "__memory_base",
            "__table_base",
        ],
        owner: Owner {
            who: "the linker",
            hint: "this is an object file or a side module: link it into a whole module",
        },
    },
    Row {
        module: |module| module.starts_with("GOT."),
        names: &["*"],
        owner: Owner {
            who: "the linker",
            hint: "link it statically: no `-fPIC`, `-shared`, `MAIN_MODULE` or `SIDE_MODULE`",
        },
    },
    Row {
        module: |module| matches!(module, "gojs" | "go"),
        names: &["*"],
        owner: Owner {
            who: "Go's runtime for JavaScript",
            hint: "build with `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`, or `tinygo build -target=wasi`",
        },
    },
    Row {
        module: env,
        names: &["syscall/js.*", "runtime.*"],
        owner: Owner {
            who: "TinyGo's runtime for JavaScript",
            hint: "build with `tinygo build -target=wasi`",
        },
    },
    Row {
        module: |module| module == "wbg" || module.starts_with("__wbindgen") || module.ends_with("_bg.js"),
        names: &["*"],
        owner: Owner {
            who: "wasm-bindgen, that is JavaScript",
            hint: "build for `wasm32-wasip1`, where `getrandom`, `chrono` and others need no JavaScript",
        },
    },
    Row {
        module: |module| module == "wasi",
        names: &["thread-spawn"],
        owner: Owner {
            who: "hosts with threads",
            hint: "build for `wasm32-wasip1`, not `wasm32-wasip1-threads`",
        },
    },
    Row {
        module: |module| module.starts_with("wasi:") || module == "wasi_snapshot_preview2",
        names: &["*"],
        owner: Owner {
            who: "hosts of components",
            hint: "build for `wasm32-wasip1`, not `wasm32-wasip2`",
        },
    },
    Row {
        module: |module| module.starts_with("wasi_ephemeral_"),
        names: &["*"],
        owner: Owner {
            who: "hosts with proposals of WASI",
            hint: "do without it: a plugin has host calls instead",
        },
    },
    Row {
        module: wasi,
        names: &[
            "sock_open",
            "sock_bind",
            "sock_connect",
            "sock_listen",
            "sock_getaddrinfo",
            "sock_getlocaladdr",
            "sock_getpeeraddr",
            "sock_setsockopt",
            "sock_getsockopt",
            "sock_send_to",
            "sock_recv_from",
        ],
        owner: Owner {
            who: "WasmEdge",
            hint: "a plugin has no sockets: call out with `proxy_http_call` or `proxy_grpc_call`",
        },
    },
    Row {
        module: |module| !env(module) && !wasi(module),
        names: &["proxy_*"],
        owner: Owner {
            who: "the module `env`",
            hint: "import it from `env`: in Rust `#[link(wasm_import_module = \"env\")]`, in Go `//go:wasmimport env …`",
        },
    },
];
