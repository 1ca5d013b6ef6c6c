//! `cofferdam plugin inspect` and `check`: what an author reads of a module, with every fault of the table, and the dry run.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::place;

use crate::setting::{Ended, finish, golden};

/// The least that a good plugin has, with names.
const LEAST: &str = r#"(memory (export "memory") 1)
    (func $abi (export "proxy_abi_version_0_2_1"))
    (func $allocate (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
    (func $headers (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)"#;

/// Modules with one fault each, in text form, and the code under which it is told.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "no_marker",
        r#"(module (memory (export "memory") 1))"#,
        "module.abi_missing",
    ),
    (
        "unknown_marker",
        r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_9_9_9")))"#,
        "module.abi_unknown",
    ),
    ("contradicted", "0_2_1 -> 0_1_0", "module.abi_contradicted"),
    (
        "nobodys_import",
        r#"(import "env" "proxy_teleport" (func))"#,
        "module.import_unknown",
    ),
    (
        "import_type",
        r#"(import "env" "proxy_log" (func (param i64) (result i32)))"#,
        "module.import_type",
    ),
    (
        "higress_import",
        r#"(import "env" "proxy_redis_call" (func (param i32 i32 i32 i32 i32) (result i32)))"#,
        "module.not_portable",
    ),
    (
        "export_typo",
        r#"(func (export "proxy_on_grpc_trailing_metadata") (param i32 i32 i32))"#,
        "module.export_never_called",
    ),
    (
        "no_allocator",
        r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#,
        "module.allocator_missing",
    ),
    (
        "two_allocators",
        r#"(func (export "malloc") (param i32) (result i32) i32.const 0)"#,
        "module.allocator_doubled",
    ),
    ("start_only", r#"(func (export "_start"))"#, "module.start_only"),
    ("stripped", "no names", "module.no_names"),
    (
        "much_memory",
        r#"(memory (export "memory") 1) -> (memory (export "memory") 4096)"#,
        "policy.memory",
    ),
    (
        "exceptions",
        "(tag $e (param i32)) (func $t (throw $e (i32.const 0)))",
        "module.feature",
    ),
    (
        "old_go",
        r#"(@producers (language "Go" "go1.22.1") (processed-by "Go cmd/compile" "go1.22.1"))"#,
        "toolchain.go_exports",
    ),
    (
        "tinygo",
        r#"(@producers (processed-by "TinyGo" "0.30.0"))"#,
        "toolchain.tinygo_collector",
    ),
    (
        "tinygo_scheduler",
        r#"(func (export "asyncify_start_unwind") (param i32)) (@producers (processed-by "TinyGo" "0.30.0"))"#,
        "toolchain.tinygo_scheduler",
    ),
    (
        "rust_unknown",
        r#"(@producers (language "Rust" "") (processed-by "rustc" "1.95.0"))"#,
        "toolchain.rust_without_wasi",
    ),
    ("trap_at_start", "(func $go unreachable) (start $go)", "plugin.trapped"),
];

/// A module: one in text form, the least with a replacement, or the least with more before it.
fn module(text: &str) -> Result<Vec<u8>> {
    let whole = if text.starts_with("(module") {
        text.to_owned()
    } else if text == "no names" {
        ["$abi ", "$allocate ", "$headers "]
            .iter()
            .fold(format!("(module {LEAST})"), |text, name| text.replace(name, ""))
    } else if let Some((from, to)) = text.split_once(" -> ") {
        format!("(module {})", LEAST.replace(from, to))
    } else {
        format!("(module {text} {LEAST})")
    };
    Ok(wat::parse_str(whole)?)
}

async fn plugin(folder: &Path, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command.arg("plugin").args(words).current_dir(folder);
    command.env("XDG_CACHE_HOME", std::env::temp_dir().join("cofferdam-e2e"));
    finish(&mut command, folder).await
}

fn json(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.out).with_context(|| format!("no JSON: {ended:?}"))
}

#[tokio::test]
async fn every_fault_of_the_table_is_found_under_its_code() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut wrong = Vec::new();
    for (name, text, code) in FAULTS {
        let file = format!("{name}.wasm");
        fs::write(folder.path().join(&file), module(text)?)?;
        let ended = plugin(folder.path(), &["check", &file, "--format", "json"]).await?;
        let outcome = json(&ended)?;
        let findings = outcome["findings"].as_array().context("no findings")?;
        let found = findings.iter().find(|finding| finding["code"] == *code);
        let is_note = found.is_some_and(|finding| finding["severity"] == "note");
        let expected = if is_note { Some(0) } else { Some(1) };
        if found.is_none() || ended.code != expected {
            wrong.push(format!("{name}: {ended:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn findings_read_as_a_compiler_writes_them() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bad = r#"(import "env" "proxy_logg" (func (param i32 i32 i32) (result i32)))
        (func (export "proxy_on_grpc_trailing_metadata") (param i32 i32 i32))
        (@producers (language "Go" "go1.22.1"))"#;
    fs::write(folder.path().join("bad.wasm"), module(bad)?)?;
    let ended = plugin(folder.path(), &["check", "bad.wasm"]).await?;
    ensure!(ended.code == Some(1) && ended.out.is_empty(), "{ended:?}");
    golden().expect("plugin_check.txt", &ended.err)?;
    fs::write(folder.path().join("good.wasm"), module("")?)?;
    let good = plugin(folder.path(), &["check", "good.wasm"]).await?;
    ensure!(good.code == Some(0), "{good:?}");
    ensure!(
        good.out == "good.wasm is good: an unknown toolchain, ABI 0.2.1; it starts\n",
        "{good:?}"
    );
    Ok(())
}

#[tokio::test]
async fn nothing_runs_before_the_static_part_has_passed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let loops = r#"(func $go (loop br 0)) (start $go)"#;
    let refused = format!(r#"(import "env" "proxy_teleport" (func)) {loops}"#);
    fs::write(folder.path().join("refused.wasm"), module(&refused)?)?;
    let outcome = json(&plugin(folder.path(), &["check", "refused.wasm", "--format", "json"]).await?)?;
    ensure!(outcome["started"] == false, "{outcome}");
    // Without that import it is started, and stopped at its slice.
    fs::write(folder.path().join("loops.wasm"), module(loops)?)?;
    let ended = plugin(folder.path(), &["check", "loops.wasm", "--format", "json"]).await?;
    ensure!(
        json(&ended)?["findings"][0]["code"] == "plugin.slice_exceeded",
        "{ended:?}"
    );
    let unrun = plugin(folder.path(), &["check", "loops.wasm", "--no-run"]).await?;
    ensure!(
        unrun.code == Some(0) && unrun.out.contains("it was not started"),
        "{unrun:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_dry_run_takes_a_configuration_and_shows_the_crash() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let guest = place::guest("die")?;
    let guest = guest.to_string_lossy();
    for (words, code) in [
        ("configure panic", Some("plugin.trapped")),
        ("configure exit", Some("plugin.exited")),
        ("harmless", None),
    ] {
        fs::write(folder.path().join("config"), words)?;
        let ended = plugin(folder.path(), &["check", &guest, "--config", "config"]).await?;
        ensure!((ended.code == Some(0)) == code.is_none(), "{words}: {ended:?}");
        if let Some(code) = code {
            ensure!(ended.err.contains(&format!("error[{code}]")), "{words}: {}", ended.err);
        }
        if words == "configure panic" {
            ensure!(
                ended.err.contains("panicked at") && ended.err.contains("die/src/"),
                "no line of source: {}",
                ended.err
            );
        }
    }
    let refused = place::guest("hello")?;
    fs::write(folder.path().join("config"), r#"{"greeting": 5}"#)?;
    let ended = plugin(
        folder.path(),
        &["check", &refused.to_string_lossy(), "--config", "config"],
    )
    .await?;
    ensure!(ended.err.contains("error[plugin.configure_refused]"), "{}", ended.err);
    Ok(())
}

#[tokio::test]
async fn a_policy_forbids_and_its_own_mistakes_have_places() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let guest = place::guest("die")?;
    let guest = guest.to_string_lossy();
    let policy = "capabilities:\n  forbid: [redis, http_call]\nhosts: [envoy]\nexports: [\"cofferdam*\"]\nmemory: 512KiB\nsize: 10KiB\n";
    fs::write(folder.path().join("policy.yaml"), policy)?;
    let ended = plugin(
        folder.path(),
        &["check", &guest, "--policy", "policy.yaml", "--format", "json"],
    )
    .await?;
    let outcome = json(&ended)?;
    let findings = outcome["findings"].as_array().context("no findings")?;
    for code in [
        "policy.capability",
        "module.not_portable",
        "policy.memory",
        "policy.file_size",
    ] {
        ensure!(
            findings.iter().any(|finding| finding["code"] == code),
            "no {code}: {outcome:#}"
        );
    }
    fs::write(
        folder.path().join("policy.yaml"),
        "capabilities:\n  forbid: [redis, telepathy]\nhosts: [nginx]\naccept: [module.nonames]\n",
    )?;
    let wrong = plugin(folder.path(), &["check", &guest, "--policy", "policy.yaml"]).await?;
    ensure!(wrong.code == Some(2), "{wrong:?}");
    golden().expect("plugin_policy.txt", &wrong.err)?;
    fs::write(folder.path().join("policy.yaml"), "capabilitys: {}\nsize: ten\n")?;
    let misshapen = plugin(folder.path(), &["check", &guest, "--policy", "policy.yaml"]).await?;
    ensure!(
        misshapen.code == Some(2) && misshapen.err.contains("did you mean `capabilities`"),
        "{misshapen:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_finding_can_be_accepted_and_every_code_explained() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("stripped.wasm"), module("no names")?)?;
    let strict = plugin(folder.path(), &["check", "stripped.wasm"]).await?;
    let lenient = plugin(
        folder.path(),
        &["check", "stripped.wasm", "--accept", "module.no_names"],
    )
    .await?;
    ensure!(
        (strict.code, lenient.code) == (Some(1), Some(0)),
        "{strict:?} {lenient:?}"
    );
    for (.., code) in FAULTS {
        let explained = plugin(folder.path(), &["check", "--explain", code]).await?;
        ensure!(
            explained.code == Some(0) && explained.out.starts_with(code),
            "{explained:?}"
        );
    }
    let unknown = plugin(folder.path(), &["check", "--explain", "module.nonames"]).await?;
    ensure!(
        unknown.code == Some(2) && unknown.err.contains("module.no_names"),
        "{unknown:?}"
    );
    ensure!(plugin(folder.path(), &["check", "gone.wasm"]).await?.code == Some(2));
    Ok(())
}

#[tokio::test]
async fn an_inspection_shows_what_a_module_is_and_can_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (import "env" "proxy_http_call" (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
        (func $_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE (drop (i32.const 100000)))
        (func (export "helper")) (@producers (processed-by "clang" "19.1.7 (a very long address)")) (@custom "notes" "12345")"#;
    fs::write(folder.path().join("sample.wasm"), module(text)?)?;
    let shown = plugin(folder.path(), &["inspect", "sample.wasm", "--functions", "2"]).await?;
    ensure!(shown.code == Some(0) && shown.err.is_empty(), "{shown:?}");
    let is_digest = |word: &str| word.len() == 64 && word.chars().all(|letter| letter.is_ascii_hexdigit());
    let word = |word| if is_digest(word) { "DIGEST" } else { word };
    let lines = shown
        .out
        .lines()
        .map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n");
    golden().expect("plugin_inspect.txt", &lines.collect::<String>())?;

    let ended = plugin(folder.path(), &["inspect", "sample.wasm", "--format", "json"]).await?;
    let facts = json(&ended)?;
    let words: Vec<&str> = facts["capabilities"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["capability"].as_str())
        .collect();
    ensure!(words == ["http_call", "log"], "{facts:#}");
    ensure!(
        facts["functions"]["largest"][0]["name"] == "core::fmt::Write::write_fmt",
        "{facts:#}"
    );
    ensure!(
        facts["exports"]
            .as_array()
            .is_some_and(|exports| exports.iter().any(|export| export["name"] == "helper"))
    );

    fs::write(folder.path().join("no.wasm"), "<html>")?;
    let refused = plugin(folder.path(), &["inspect", "no.wasm"]).await?;
    ensure!(
        refused.code == Some(1) && refused.err.contains("module.not_wasm"),
        "{refused:?}"
    );
    Ok(())
}
