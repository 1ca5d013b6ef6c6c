//! The codes of findings, each with what it means at length; `--explain` prints it.

/// A code and its meaning.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The code.
    pub code: &'static str,
    /// Why it is a finding, what follows from it, and what helps.
    pub explanation: &'static str,
}

/// What a code means.
#[must_use]
pub fn explain(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code == code)
}

/// A row of the table.
const fn row(code: &'static str, explanation: &'static str) -> Code {
    Code { code, explanation }
}

/// Every code, in the order in which a module is looked at.
pub static CODES: &[Code] = &[
    row(
        "module.too_large",
        "A plugin is read whole, compiled whole and kept whole. The largest one known has 10 MB; beyond 64 MiB a file is refused
before it is looked at. Debug information is most of a large module: `cofferdam plugin build` splits it off.",
    ),
    row(
        "module.not_wasm",
        "The file does not begin with the four bytes of a WebAssembly module. It is often an archive, an image's layer, a web page that
says \"not found\", or the text form. The message says what it looks like, if that can be told.",
    ),
    row(
        "module.component",
        "Components (WASI 0.2 and later) have another interface. Proxy-Wasm knows core modules only: build for `wasm32-wasip1`.",
    ),
    row("module.version", "WebAssembly has had one version of its binary format, 1. The file says another: it is damaged."),
    row(
        "module.truncated",
        "The file ends in the middle of a section: a download or copy was cut short. Compare its SHA-256 with that of its source.",
    ),
    row(
        "module.invalid",
        "The module breaks a rule of the WebAssembly specification at the byte that is named. No engine would run it. A tool that
changed it after it was linked is the usual reason.",
    ),
    row(
        "module.feature",
        "The module uses an extension of WebAssembly that this gateway leaves switched off: threads, exceptions, garbage collection,
64-bit memories, several memories. Each can be switched off in the compiler; the hint names the option.",
    ),
    row("module.too_many_imports", "A plugin imports some tens of functions. A module with thousands of imports is refused."),
    row(
        "module.import_kind",
        "A plugin may import functions only. A memory, table or global that is imported would have to be the host's; the linker makes such
imports for side modules and shared memories.",
    ),
    row(
        "module.import_unknown",
        "Nobody here provides this function. Some hosts have functions of their own, and runtimes of languages import what a browser or
another host has; the message names the owner where it is known. A host that links such a module anyway would trap at the first call.",
    ),
    row(
        "module.import_type",
        "The function is provided, and not with this type. SDKs of other versions of the ABI declare some calls otherwise; several such
types are accepted, and the message lists them.",
    ),
    row(
        "module.abi_missing",
        "A Proxy-Wasm module says which version of the ABI it speaks by exporting a function whose name begins with `proxy_abi_version_`.
Without one it is a WebAssembly module, and no plugin. SDKs export it; a linker or a stripping tool may have dropped it.
Envoy says of such a module \"Missing or unknown Proxy-Wasm ABI version\".",
    ),
    row(
        "module.abi_unknown",
        "The module announces a version that does not exist, or not yet. Known are 0.1.0, 0.2.0, 0.2.1, and Higress's 0.2.100, which
Envoy refuses.",
    ),
    row(
        "module.abi_contradicted",
        "ABI 0.1.0 calls `proxy_on_request_headers` with two parameters, later versions with three. The module announces one and exports
the other. This gateway goes by the type of the export, and takes the marker for what calls mean; V8 in Envoy refuses the module
with \"Bad function signature\".",
    ),
    row("module.callback_type", "The host calls this export, and not with this type. An SDK makes the callbacks; one made by hand is wrong."),
    row(
        "module.export_never_called",
        "The export looks like a callback and is none, so what is in it never runs. The names are easy to confuse:
AssemblyScript's SDK exports `proxy_on_grpc_trailing_metadata`, and the callback is `proxy_on_grpc_receive_trailing_metadata`.",
    ),
    row(
        "module.no_traffic",
        "None of the callbacks is exported by which requests, connections or the end of an exchange reach a plugin. It will start, and
never be asked. A plugin that only has a timer or a queue is meant to be so.",
    ),
    row("module.memory_missing", "The host reads and writes the plugin's memory through the export `memory`. Without it nothing can be handed over."),
    row(
        "module.allocator_missing",
        "The host hands bytes over in memory that the plugin gives it: by `proxy_on_memory_allocate`, as the specification has it, or by
`malloc`. Without either, no header and no configuration can reach the plugin.",
    ),
    row(
        "module.allocator_doubled",
        "Both `proxy_on_memory_allocate` and `malloc` are exported. The specification prefers the first, and so does this gateway; Envoy
calls the second. With TinyGo what Envoy takes from `malloc` is never freed, so that the plugin leaks there and not here.",
    ),
    row(
        "module.start_ignored",
        "`_initialize` and `_start` are both exported. The first is called, as in Envoy, and the second never.",
    ),
    row(
        "module.start_only",
        "A module with `_start` alone is a command: it runs, and is over when `main` returns. TinyGo up to 0.34, older C++ and
AssemblyScript leave their memory as it is, so that callbacks work afterwards. Go's runtime has ended by then, and a callback traps.
SDKs of ABI 0.2.0 and later make reactors, which export `_initialize`.",
    ),
    row(
        "module.no_names",
        "The name section is missing, and no file with names and lines was found beside the module. When it dies, the backtrace shows
numbers of functions. Names cost some percent of the file. Or keep the unstripped file as `NAME.debug.wasm` beside the module or in
`crash_reports.debug_files`: it is known by the hash of the code section, so that stripping does not matter.",
    ),
    row(
        "module.not_portable",
        "A host call that only some hosts provide. Elsewhere the module does not link. With `hosts` in a policy this is an error for each
host that is named; without, calls of a single host are noted.",
    ),
    row(
        "toolchain.go_exports",
        "Go 1.24 brought `go:wasmexport` and `-buildmode=c-shared` for `wasip1`. What an older Go builds cannot be called: it has no
callbacks, whatever the source says.",
    ),
    row(
        "toolchain.tinygo_scheduler",
        "TinyGo's scheduler keeps goroutines alive by unwinding the stack. A callback may not be unwound: the host waits for its answer.
With `-scheduler=none` a goroutine is an error when compiling, instead of an `unreachable` at night.",
    ),
    row(
        "toolchain.tinygo_collector",
        "TinyGo's conservative collector takes long and frees too little under load, so that plugins grow until they die in `malloc`.
Higress's guide builds with `-scheduler=none -gc=custom -tags='custommalloc nottinygc_finalizer'` and the collector
github.com/wasilibs/nottinygc. Go itself, since 1.24, needs none of that. Without a name section this cannot be told.",
    ),
    row(
        "toolchain.rust_without_wasi",
        "For `wasm32-unknown-unknown` Rust's standard library has nowhere to write to: a panic's message is lost, and all that is left of
it is `unreachable`. Built for `wasm32-wasip1`, the message and its place are in the log and in the crash report.",
    ),
    row(
        "toolchain.rust_unwinds",
        "The standard library for `wasm32-wasip1` aborts on a panic. `panic = \"unwind\"` adds landing pads that are never reached.",
    ),
    row(
        "toolchain.rust_main",
        "Rust since 1.67 exports `main` as `__main_void`. This gateway calls it after `_initialize`; proxy-wasm-cpp-host does so since its
change 500 of March 2026. In an older Envoy the plugin's contexts are never registered.",
    ),
    row(
        "toolchain.assemblyscript_configuration",
        "The SDK's own `onConfigure` hands the configuration's size to the host where the address for the length belongs, so that what it
keeps is empty, and four bytes of the plugin's memory are overwritten. A plugin that reads the buffer itself is not touched by that.",
    ),
    row(
        "toolchain.assemblyscript_grpc",
        "The SDK's own export has another name than the callback of the ABI. Trailing metadata of gRPC callouts never arrives.",
    ),
    row(
        "policy.capability",
        "The policy that was given does not allow what this import is for. `cofferdam plugin inspect` lists the imports of a module by
capability, with the words that a policy uses.",
    ),
    row(
        "policy.export",
        "The policy lists the exports that a plugin may have beside those of the ABI. An export more is a door that nobody watches:
another tool may call it.",
    ),
    row(
        "policy.memory",
        "The module asks for more memory at its start than its limit lets it ever have, so that it cannot be instantiated.",
    ),
    row("policy.file_size", "The policy bounds the size of a module's file."),
    row(
        "plugin.trapped",
        "The module was started aside, as a gateway starts it: `_initialize`, `proxy_on_vm_start`, `proxy_on_configure` with the
configuration that was given. It died; the report says where, and of what. A gateway refuses a configuration with such a plugin.",
    ),
    row("plugin.slice_exceeded", "It computed for longer in one callback than `limits.cpu_slice` allows, and was stopped there."),
    row("plugin.call_depth_exceeded", "It called itself deeper than `limits.call_depth` allows, and was stopped there."),
    row("plugin.exited", "It ended itself by `proc_exit`, with the code that the message names. A plugin has nothing to exit from: this is how
runtimes end a program that cannot go on. What it wrote before says why."),
    row("plugin.vm_start_refused", "`proxy_on_vm_start` answered false: the plugin does not take its VM configuration. What it logged says why."),
    row(
        "plugin.configure_refused",
        "`proxy_on_configure` answered false: the plugin does not take its configuration. What it logged says why. A plugin that needs a
configuration needs `--config FILE` here.",
    ),
    row(
        "plugin.not_instantiated",
        "No instance could be made: the module asks for more memory or table than its limits allow, or its data do not fit into its memory.",
    ),
];
