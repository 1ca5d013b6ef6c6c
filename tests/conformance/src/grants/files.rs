//! Files of a granted folder, as a guest of WASI opens, reads, lists and writes them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use plug_abi::WasiModule;
use plug_grant::{Folder, Grant};
use plug_host::{Folders, PluginSpec};
use serde_json::json;

use super::calls;
use crate::guests::load_text;
use crate::session::{play_module, spec};

/// A guest that logs the name of folder 3, opens `path` with these rights, logs the error number as a letter from `@` on, and then what it
/// reads, where the end of the file is, and what it finds in the folder; and writes `made` behind what it has read.
fn guest(module: WasiModule, path: &str, how: u32, rights: u64) -> String {
    let wasi = module.name();
    let end = if module == WasiModule::Preview1 { 2 } else { 1 };
    let length = path.len();
    format!(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "{wasi}" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
          (import "{wasi}" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
          (import "{wasi}" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "{wasi}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
          (import "{wasi}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "{wasi}" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
          (import "{wasi}" "fd_close" (func $close (param i32) (result i32)))
          (import "{wasi}" "fd_readdir" (func $list (param i32 i32 i32 i64 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 64) "{path}") (data (i32.const 256) "made")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func $say (param $at i32) (param $length i32) (drop (call $log (i32.const 2) (local.get $at) (local.get $length))))
          (func $errno (param $errno i32)
            (i32.store8 (i32.const 16) (i32.add (i32.const 64) (local.get $errno))) (call $say (i32.const 16) (i32.const 1)))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $fd i32)
            (if (i32.eqz (call $prestat (i32.const 3) (i32.const 24))) (then
              (drop (call $name (i32.const 3) (i32.const 512) (i32.load (i32.const 28))))
              (call $say (i32.const 512) (i32.load (i32.const 28)))))
            (call $errno (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const {length}) (i32.const {how}) (i64.const {rights})
              (i64.const 0) (i32.const 0) (i32.const 32)))
            (local.set $fd (i32.load (i32.const 32)))
            (i32.store (i32.const 40) (i32.const 1024)) (i32.store (i32.const 44) (i32.const 100))
            (if (i32.eqz (call $read (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48))) (then
              (call $say (i32.const 1024) (i32.load (i32.const 48)))))
            (i32.store (i32.const 40) (i32.const 256)) (i32.store (i32.const 44) (i32.const 4))
            (call $errno (call $write (local.get $fd) (i32.const 40) (i32.const 1) (i32.const 48)))
            (if (i32.eqz (call $seek (local.get $fd) (i64.const 0) (i32.const {end}) (i32.const 48))) (then
              (call $errno (i32.load (i32.const 48)))))
            (if (i32.eqz (call $list (i32.const 3) (i32.const 2048) (i32.const 1000) (i64.const 0) (i32.const 48))) (then
              (call $say (i32.const 2072) (i32.load (i32.const 2064)))))
            (call $errno (call $close (local.get $fd)))
            (i32.const 0)))"#
    )
}

fn said(text: &str, grant: Grant) -> Vec<String> {
    let folders = Folders::open(&grant).unwrap().map(Arc::new);
    let spec = PluginSpec {
        grant: Some(Arc::new(grant)),
        folders,
        ..spec(&json!({}))
    };
    play_module(load_text(text), spec, async |session| {
        session.start().await;
        session.open().await.request_headers(true).await.unwrap();
        session.said()
    })
}

fn grant(path: &Path, write: bool) -> Grant {
    let mut grant = calls(&[]);
    grant.calls.add_wasi("files").unwrap();
    grant.folders.push(Folder {
        path: path.to_owned(),
        name: "/data".to_owned(),
        write,
    });
    grant
}

const READ: u64 = 2;
const WRITE: u64 = 64;
const VERSIONS: [WasiModule; 2] = [WasiModule::Preview1, WasiModule::Unstable];

#[test]
fn files_of_a_granted_folder_are_read_in_both_versions() {
    let house = tempfile::tempdir().unwrap();
    fs::write(house.path().join("facts"), "known").unwrap();
    for module in VERSIONS {
        let lines = said(&guest(module, "facts", 0, READ), grant(house.path(), false));
        // Opened, read, not written (`H` is BADF), five bytes long, the folder listed, closed.
        assert_eq!(lines, ["/data", "@", "known", "H", "E", "facts", "@"]);
        // All rights are asked for where nothing may be written: it is read.
        let lines = said(&guest(module, "facts", 0, READ | WRITE), grant(house.path(), false));
        assert_eq!(lines[..3], ["/data", "@", "known"]);
    }
}

#[test]
fn a_file_is_written_where_that_is_granted() {
    let house = tempfile::tempdir().unwrap();
    fs::write(house.path().join("facts"), "known").unwrap();
    let lines = said(
        &guest(WasiModule::Preview1, "facts", 0, READ | WRITE),
        grant(house.path(), true),
    );
    assert_eq!(lines, ["/data", "@", "known", "@", "I", "facts", "@"]);
    assert_eq!(fs::read(house.path().join("facts")).unwrap(), b"knownmade");
    // Made anew, which a folder to read does not let.
    let make = guest(WasiModule::Preview1, "new", 1, READ | WRITE);
    let refused = said(&make, grant(house.path(), false));
    assert_eq!(refused[0], "/data");
    assert_ne!(refused[1], "@");
    assert!(!house.path().join("new").exists());
    said(&make, grant(house.path(), true));
    assert_eq!(fs::read(house.path().join("new")).unwrap(), b"made");
}

#[test]
fn without_folders_or_without_the_functions_there_are_no_files() {
    let house = tempfile::tempdir().unwrap();
    fs::write(house.path().join("facts"), "known").unwrap();
    let mut without = grant(house.path(), true);
    without.calls = calls(&[]).calls;
    let mut nowhere = grant(house.path(), true);
    nowhere.folders.clear();
    for grant in [without, nowhere] {
        let lines = said(&guest(WasiModule::Preview1, "facts", 0, READ), grant);
        // NOENT, then nothing to read.
        assert_eq!(lines[0], "l");
        assert!(!lines.iter().any(|line| line.contains("known")), "{lines:?}");
    }
    for out in ["../facts", "/etc/passwd", "a/../../b"] {
        let lines = said(&guest(WasiModule::Preview1, out, 0, READ), grant(house.path(), true));
        // NOTCAPABLE is 76.
        assert_ne!(lines[1], "@", "{out}");
        assert!(
            !lines.iter().any(|line| line.contains("root:") || line == "known"),
            "{lines:?}"
        );
    }
}
