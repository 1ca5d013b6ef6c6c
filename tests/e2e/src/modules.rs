//! Wrong modules: refused before anything runs, with the reason and a next step.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Result;
use serde_json::json;
use testkit::place;

use crate::setting::{command, complete, golden};

/// A module in text form with the marker and the least that a module has.
fn module(body: &str) -> Result<Vec<u8>> {
    let text = format!(
        r#"(module {body}
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32)))"#
    );
    Ok(wat::parse_str(text)?)
}

/// Name of the golden file, and the module; none for a file that is not there.
type Wrong = (&'static str, Option<Vec<u8>>);

fn wrong() -> Result<Vec<Wrong>> {
    let whole = module("")?;
    Ok(vec![
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("text", Some(b"#!/bin/sh\necho no module\n".to_vec())),
        ("truncated", Some(whole[..whole.len() / 2].to_vec())),
        (
            "unknown_import",
            Some(module(
                r#"(import "env" "proxy_teleport" (func (param i32) (result i32)))"#,
            )?),
        ),
        (
            "unknown_import_module",
            Some(module(r#"(import "wasi_nn" "load" (func (param i32) (result i32)))"#)?),
        ),
        (
            "wrong_signature",
            Some(module(r#"(import "env" "proxy_log" (func (param i64) (result i32)))"#)?),
        ),
        (
            "no_marker",
            Some(wat::parse_str(r#"(module (memory (export "memory") 1))"#)?),
        ),
        (
            "unknown_marker",
            Some(wat::parse_str(
                r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_9_9_9")))"#,
            )?),
        ),
        (
            "no_memory",
            Some(wat::parse_str(r#"(module (func (export "proxy_abi_version_0_2_1")))"#)?),
        ),
        (
            "no_allocator",
            Some(wat::parse_str(
                r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
                (func (export "proxy_on_context_create") (param i32 i32)))"#,
            )?),
        ),
        (
            "trap_at_start",
            Some(module(r#"(func $start unreachable) (start $start)"#)?),
        ),
        (
            "large_memory",
            Some(wat::parse_str(
                r#"(module (memory (export "memory") 4096) (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32)))"#,
            )?),
        ),
    ])
}

fn configuration(plugin: serde_json::Value) -> Vec<u8> {
    let configuration = json!({
        "plugins": [plugin],
        "routes": [{"name": "r", "echo": true, "plugins": ["p"]}],
    });
    complete(configuration).to_string().into_bytes()
}

/// How long a module took to load differs from run to run, and its digest with the tool that made it.
fn normal(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with("plugin loaded"));
    // A digest is 64 digits among words.
    let word = |word: &str| match word.trim_end_matches(',') {
        digest if digest.len() == 64 => word.replace(digest, "DIGEST"),
        _ => word.to_owned(),
    };
    kept.map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

#[tokio::test]
async fn a_wrong_module_ends_run_with_1_and_says_why() -> Result<()> {
    let mut differences = Vec::new();
    for (name, bytes) in wrong()? {
        let mut files = BTreeMap::from([(
            "gateway.yaml",
            configuration(json!({"name": "p", "source": {"file": "p.wasm"}})),
        )]);
        if let Some(bytes) = bytes {
            files.insert("p.wasm", bytes);
        }
        let (run, check) = tokio::try_join!(command("run", &[], &files), command("check", &[], &files))?;
        if run.code != Some(1) || run.err.contains("listening") || check.code != Some(1) {
            differences.push(format!("{name}: {run:?} {check:?}"));
        }
        differences.extend(
            golden()
                .expect(&format!("module_{name}.txt"), &normal(&run.err))
                .err()
                .map(|error| error.to_string()),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_refuses_its_configuration_ends_run_with_1() -> Result<()> {
    let table = [
        ("refuses", "hello", json!({"greeting": 5})),
        ("refuses_start", "die", json!("")),
        ("dies", "die", json!("configure unreachable")),
        ("loops", "die", json!("configure loop")),
    ];
    for (name, guest, config) in table {
        let mut plugin = json!({"name": "p", "source": {"file": "p.wasm"}, "config": config});
        if name == "refuses_start" {
            plugin["vm_config"] = "refuse_vm_start".into();
        }
        let files = BTreeMap::from([
            ("gateway.yaml", configuration(plugin)),
            ("p.wasm", fs::read(place::guest(guest)?)?),
        ]);
        let ended = command("run", &[], &files).await?;
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(
            !ended.err.contains("listening"),
            "{name} is half started: {}",
            ended.err
        );
        assert!(
            ended.err.contains("`p`") && ended.err.contains("error"),
            "{name}: {}",
            ended.err
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_digest_is_said() -> Result<()> {
    let source = json!({"file": "p.wasm", "sha256": "0".repeat(64)});
    let files = BTreeMap::from([
        ("gateway.yaml", configuration(json!({"name": "p", "source": source}))),
        ("p.wasm", module("")?),
    ]);
    let ended = command("run", &[], &files).await?;
    assert_eq!(ended.code, Some(1));
    golden().expect("module_digest.txt", &normal(&ended.err))
}
