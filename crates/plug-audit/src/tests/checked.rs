//! What a check finds in modules that may be loaded, and by which policy it would not.

use super::*;

/// Findings as `severity code: message`, one on each line.
fn found(bytes: &[u8], policy: &Policy) -> String {
    let checked = check(bytes, policy, false);
    let line = |finding: &Finding| format!("{} {}: {}", finding.severity, finding.code, finding.message);
    checked.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn policy() -> Policy {
    Policy::default()
}

#[test]
fn a_good_module_with_names_has_no_findings() {
    let bytes = plugin("(func $named)");
    assert_eq!(found(&bytes, &policy()), "");
    assert!(check(&bytes, &policy(), false).facts.is_some());
}

#[test]
fn a_stripped_module_is_told_unless_its_debug_file_is_there() {
    let bytes = plugin("");
    assert!(found(&bytes, &policy()).starts_with("warning module.no_names"));
    assert!(check(&bytes, &policy(), true).findings.is_empty());
}

#[test]
fn what_is_refused_comes_before_what_hurts() {
    let bytes = module(
        r#"(import "env" "foo" (func)) (memory (export "memory") 1)
           (func (export "proxy_abi_version_0_2_1"))
           (func (export "malloc") (param i32) (result i32) i32.const 0)
           (func (export "proxy_on_fire"))"#,
    );
    let checked = check(&bytes, &policy(), false);
    let codes: Vec<&str> = checked.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes[0], "module.import_unknown");
    assert!(
        codes.contains(&"module.export_never_called") && checked.facts.is_none(),
        "{codes:?}"
    );
}

#[test]
fn a_file_that_is_no_module_is_one_finding() {
    assert!(found(b"<html>", &policy()).starts_with("error module.not_wasm"));
}

fn made_by(fields: &str, producers: &str) -> Vec<u8> {
    module(&format!(
        r#"{fields} (func $named) {NEEDED} (@producers (language "{producers}" "") (processed-by "{producers}" "go1.23.4"))"#
    ))
}

#[test]
fn toolchains_that_are_known_to_be_broken_are_told_with_what_helps() {
    let old_go = made_by("", "Go cmd/compile");
    let checked = check(&old_go, &policy(), false);
    assert_eq!(checked.findings[0].code, "toolchain.go_exports");
    assert!(checked.findings[0].source.is_some() && checked.findings[0].hint.is_some());

    let new_go = |entry: &str| {
        let text = format!(
            r#"(func $named) {entry} {NEEDED} (@producers (language "Go" "go1.24.1") (processed-by "Go cmd/compile" "go1.24.1"))"#
        );
        found(&module(&text.replace("0_2_1", "0_2_0")), &policy())
    };
    assert_eq!(new_go(r#"(func (export "_initialize"))"#), "");
    assert!(new_go(r#"(func (export "_start"))"#).starts_with("warning module.start_only"));

    let tiny = |fields: &str| {
        let producers = r#"(@producers (processed-by "TinyGo" "0.30.0"))"#;
        found(
            &module(&format!("(func $named) {fields} {NEEDED} {producers}")),
            &policy(),
        )
    };
    assert!(tiny("").contains("toolchain.tinygo_collector"));
    assert_eq!(tiny("(func $GC_malloc)"), "");
    assert!(
        tiny(r#"(func $GC_malloc) (func (export "asyncify_start_unwind"))"#).contains("toolchain.tinygo_scheduler")
    );
    assert!(
        tiny(r#"(func $GC_malloc (export "malloc") (param i32) (result i32) i32.const 0)"#)
            .contains("note module.allocator_doubled")
    );

    let rust = |imports: &str, fields: &str| {
        let producers = r#"(@producers (language "Rust" "") (processed-by "rustc" "1.95.0"))"#;
        found(
            &module(&format!("{imports} (func $named) {fields} {NEEDED} {producers}")),
            &policy(),
        )
    };
    let wasi = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    assert!(rust("", "").contains("toolchain.rust_without_wasi"));
    assert_eq!(rust(wasi, ""), "");
    assert!(rust(wasi, "(func $panic_unwind::imp::cleanup)").contains("toolchain.rust_unwinds"));
    let main = r#"(func (export "_initialize")) (func (export "__main_void") (result i32) i32.const 0)"#;
    assert!(rust(wasi, main).starts_with("note toolchain.rust_main"));
}

#[test]
fn a_policy_names_what_it_forbids() {
    let bytes = plugin(
        r#"(import "env" "proxy_http_call" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
           (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
           (func $named (export "backdoor")) (func (export "my_helper"))"#,
    );
    let strict = Policy {
        capabilities: Some(vec![Capability::Log, Capability::Files]),
        forbidden_capabilities: vec![Capability::Files],
        exports: Some(vec!["my_*".to_owned()]),
        memory_bytes_max: Some(64 * 1024),
        file_bytes_max: Some(10),
        ..policy()
    };
    let size = bytes.len();
    expect![[r#"
        error policy.memory: it begins with 131072 bytes of memory, and its limit is 65536
        error policy.file_size: the file has SIZE bytes, and the policy allows 10
        error policy.capability: `path_open` lets it ask for files; there are none unless they are granted, and the policy does not allow `files`
        error policy.capability: `proxy_http_call` lets it call upstreams by HTTP, and the policy does not allow `http_call`
        error policy.export: function `backdoor` is exported, and the policy does not allow that"#]]
    .assert_eq(&found(&bytes, &strict).replace(&size.to_string(), "SIZE"));
    assert_eq!(found(&bytes, &policy()), "");
}

#[test]
fn calls_of_one_host_are_noted_and_hosts_that_are_wanted_must_have_them() {
    let bytes = plugin(
        r#"(import "env" "proxy_redis_init" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32))) (func $named)"#,
    );
    assert!(found(&bytes, &policy()).starts_with("note module.not_portable"));
    let on = |hosts| {
        let hosts = Some(hosts);
        found(&bytes, &Policy { hosts, ..policy() })
    };
    assert_eq!(on(plug_abi::Hosts::HIGRESS), "");
    assert!(on(plug_abi::Hosts::ENVOY).starts_with("error module.not_portable"));
    let marked = module(&format!("(func $named) {}", NEEDED.replace("0_2_1", "0_2_100")));
    assert!(found(&marked, &policy()).contains("only by Higress: ABI 0.2.100"));
}

#[test]
fn every_code_is_explained_once() {
    let source = [
        include_str!("../fault.rs"),
        include_str!("../note.rs"),
        include_str!("../check.rs"),
    ]
    .concat();
    let is_code = |text: &&str| {
        let of_room = text.starts_with("module.") || text.starts_with("policy.");
        of_room
            && text
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || "._".contains(letter))
    };
    let mut codes: Vec<&str> = broken::codes().collect();
    codes.extend(source.split('"').filter(is_code));
    for code in codes {
        assert_eq!(CODES.iter().filter(|row| row.code == code).count(), 1, "{code}");
    }
    for row in CODES {
        let (room, word) = row.code.split_once('.').unwrap();
        assert!(
            ["module", "toolchain", "policy", "plugin"].contains(&room) && !word.is_empty(),
            "{}",
            row.code
        );
        assert!(
            row.explanation.ends_with('.') && row.explanation.lines().all(|line| line.len() <= 140),
            "{}",
            row.code
        );
    }
}

#[test]
fn functions_are_listed_with_their_names_and_sizes() {
    let bytes = plugin(
        r#"(import "env" "proxy_done" (func (result i32))) (func $small) (func $large (drop (i32.const 70000)))"#,
    );
    let all = functions(&bytes);
    let of = |name: &str| {
        all.iter()
            .find(|function| function.name.as_deref() == Some(name))
            .unwrap()
    };
    assert_eq!((of("small").index, of("small").bytes), (1, 2));
    assert_eq!((of("large").index, of("large").bytes), (2, 7));
    assert!(functions(b"\0asm\x01\0\0\0\x0a\xff").is_empty());
}

#[test]
fn sections_are_taken_out_and_the_code_stays_the_same() {
    let bytes =
        plugin(r#"(func $named) (@custom ".debug_info" "12345") (@custom "notes" "x") (@custom ".debug_line" "y")"#);
    let stripped = without_custom_sections(&bytes, |name| name.starts_with(".debug"));
    let (before, after) = (audit(&bytes).unwrap(), audit(&stripped).unwrap());
    assert_eq!(before.code_sha256, after.code_sha256);
    let names: Vec<&str> = after
        .custom_sections
        .iter()
        .map(|section| section.name.as_str())
        .collect();
    assert_eq!(names, ["notes", "name"]);
    assert_eq!(without_custom_sections(&bytes, |_| false), bytes);
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert_eq!(without_custom_sections(cut, |_| false), cut, "{length}");
    }
}
