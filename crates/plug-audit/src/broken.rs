//! Toolchains that are known to build plugins which fail later: how each shows, since when it is mended, and what helps.

use crate::{Finding, Function, ModuleFacts, Severity, Toolchain};

/// What is looked at.
pub(crate) struct Evidence<'a> {
    pub(crate) facts: &'a ModuleFacts,
    pub(crate) functions: &'a [Function],
}

impl Evidence<'_> {
    /// The version of a tool, as it has written itself into the producers section.
    fn version(&self, tool: &str) -> Option<Version> {
        let mut producers = self.facts.producers.iter();
        let found = producers.find(|producer| producer.name.starts_with(tool) && !producer.version.is_empty())?;
        Version::read(&found.version)
    }

    fn names_contain(&self, part: &str) -> bool {
        let mut names = self.functions.iter().filter_map(|function| function.name.as_deref());
        names.any(|name| name.contains(part))
    }

    fn exports(&self, name: &str) -> bool {
        self.facts.exports.iter().any(|export| export.name == name)
    }
}

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    /// Reads `1.95.0 (…)`, `go1.24.1` and `0.32.0`.
    fn read(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        let mut numbers = digits.split(|letter: char| !letter.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }
}

/// A row of the table.
struct Row {
    toolchain: Toolchain,
    shows: fn(&Evidence<'_>) -> bool,
    code: &'static str,
    severity: Severity,
    message: &'static str,
    hint: &'static str,
    /// Where this is known from.
    source: &'static str,
}

/// Every toolchain that is known to be broken, by what shows.
static ROWS: &[Row] = &[
    Row {
        toolchain: Toolchain::Go,
        shows: |evidence| evidence.version("Go").is_some_and(|version| version < Version(1, 24)),
        code: "toolchain.go_exports",
        severity: Severity::Error,
        message: "Go below 1.24 cannot export functions from WebAssembly, so that no callback can be called",
        hint: "build with Go 1.24 or later: `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`",
        source: "Go 1.24 release notes, WebAssembly: `go:wasmexport` and `-buildmode=c-shared`",
    },
    Row {
        toolchain: Toolchain::TinyGo,
        shows: |evidence| {
            evidence.exports("asyncify_start_unwind")
                || evidence.names_contain("tinygo_unwind")
                || evidence.exports("go_scheduler")
        },
        code: "toolchain.tinygo_scheduler",
        severity: Severity::Warning,
        message: "TinyGo has built it with a scheduler: a callback that comes while a goroutine waits ends in `unreachable`",
        hint: "build with `tinygo build -scheduler=none`",
        source: "README of tetratelabs/proxy-wasm-go-sdk, section on building",
    },
    Row {
        toolchain: Toolchain::TinyGo,
        shows: |evidence| {
            let has_names = evidence.facts.has_names;
            has_names
                && !["GC_malloc", "nottinygc", "mi_malloc"]
                    .iter()
                    .any(|name| evidence.names_contain(name))
        },
        code: "toolchain.tinygo_collector",
        severity: Severity::Warning,
        message: "TinyGo's own collector is slow and loses memory under load",
        hint: "build with `-gc=custom -tags='custommalloc nottinygc_finalizer'` and github.com/wasilibs/nottinygc, as Higress's guide does, or with Go 1.24",
        source: "tetratelabs/proxy-wasm-go-sdk issues 349 and 450",
    },
    Row {
        toolchain: Toolchain::Rust,
        shows: |evidence| {
            !evidence
                .facts
                .imports
                .iter()
                .any(|import| matches!(import.target, crate::Target::Wasi(..)))
        },
        code: "toolchain.rust_without_wasi",
        severity: Severity::Warning,
        message: "it was built for `wasm32-unknown-unknown`, where a panic says nothing",
        hint: "build for `wasm32-wasip1`: a panic's message then reaches the log and the crash report",
        source: "standard library of Rust: `wasm32-unknown-unknown` has no standard error",
    },
    Row {
        toolchain: Toolchain::Rust,
        shows: |evidence| evidence.names_contain("panic_unwind") || evidence.exports("__cpp_exception"),
        code: "toolchain.rust_unwinds",
        severity: Severity::Warning,
        message: "it was built with `panic = \"unwind\"`: landing pads that nobody lands on make it larger, and nothing is caught",
        hint: "set `panic = \"abort\"` in `[profile.release]`",
        source: "The rustc book, `wasm32-wasip1`: panics abort unless the standard library is built anew",
    },
    Row {
        toolchain: Toolchain::Rust,
        shows: |evidence| evidence.facts.main == Some(crate::Main::Void),
        code: "toolchain.rust_main",
        severity: Severity::Note,
        message: "it sets itself up in `main`, which Rust since 1.67 exports as `__main_void`: hosts older than March 2026 do not call that",
        hint: "for older Envoys let `proxy_wasm::main!` of the crate `proxy-wasm` 0.2.1 or later make the entry",
        source: "proxy-wasm-cpp-host change 500",
    },
    Row {
        toolchain: Toolchain::AssemblyScript,
        shows: |evidence| evidence.exports("proxy_on_configure"),
        code: "toolchain.assemblyscript_configuration",
        severity: Severity::Note,
        message: "AssemblyScript's SDK loses the configuration: `getConfiguration` of its root context is always empty",
        hint: "read it in `onConfigure` by `get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size)`, and do not call `super.onConfigure`",
        source: "@solo-io/proxy-runtime 0.1.8, `assembly/runtime.ts`: `RootContext.onConfigure`",
    },
    Row {
        toolchain: Toolchain::AssemblyScript,
        shows: |evidence| evidence.exports("proxy_on_grpc_trailing_metadata"),
        code: "toolchain.assemblyscript_grpc",
        severity: Severity::Note,
        message: "AssemblyScript's SDK misnames the callback for the trailing metadata of a gRPC callout: it is never called",
        hint: "read the status in `onGrpcClose`, which is called",
        source: "@solo-io/proxy-runtime 0.1.8, `assembly/exports.ts`",
    },
];

/// What is known to be broken in the toolchain that built this.
pub(crate) fn findings(evidence: &Evidence<'_>) -> impl Iterator<Item = Finding> {
    let toolchain = evidence.facts.toolchain;
    let rows = ROWS.iter().filter(move |row| row.toolchain == toolchain);
    let shown: Vec<Finding> = rows.filter(|row| (row.shows)(evidence)).map(Row::finding).collect();
    shown.into_iter()
}

impl Row {
    fn finding(&self) -> Finding {
        Finding {
            code: self.code,
            severity: self.severity,
            message: self.message.to_owned(),
            hint: Some(self.hint.to_owned()),
            source: Some(self.source),
        }
    }
}

/// The codes of the table.
#[cfg(test)]
pub(crate) fn codes() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.code)
}
