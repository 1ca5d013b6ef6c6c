//! WASI under both of its module names; the cases of a row are in a module of its name.

mod working;
mod refused;

use plug_abi::{LogLevel, ValueType, WasiModule, wasi_call};
use serde_json::json;

use crate::guests::load_text;
use crate::session::{play_module, spec};

/// Where the arguments of these tests may point: the guest gives back the 64 bytes that begin here.
const AREA: i64 = 1_024;

/// What a call did: its error number, the bytes at [`AREA`], and the lines that it logged.
struct Done {
    errno: u32,
    area: Vec<u8>,
    lines: Vec<(LogLevel, String)>,
}

/// Makes one call under each module name and checks that both do the same.
fn call(name: &str, arguments: &[i64]) -> Done {
    let mut done: Vec<Done> = [WasiModule::Preview1, WasiModule::Unstable]
        .map(|module| call_in(module, name, arguments, ""))
        .into();
    let (unstable, preview) = (done.remove(1), done.remove(0));
    assert_eq!(
        (unstable.errno, unstable.lines.len()),
        (preview.errno, preview.lines.len())
    );
    preview
}

/// Makes one call, with data in memory as WebAssembly text: the guest logs the answer, then the area as the bytes they are.
fn call_in(module: WasiModule, name: &str, arguments: &[i64], data: &str) -> Done {
    let row = wasi_call(name).unwrap();
    assert_eq!(row.params.len(), arguments.len(), "{name}");
    let types: Vec<String> = row.params.iter().map(ValueType::to_string).collect();
    let constants: Vec<String> = row
        .params
        .iter()
        .zip(arguments)
        .map(|(kind, argument)| format!("({kind}.const {argument})"))
        .collect();
    let text = format!(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (import "{}" "{name}" (func $call (param {}) (result i32)))
          (memory (export "memory") 1)
          {data}
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $at i32)
            (i32.store8 (i32.const 0) (i32.add (i32.const 32) (call $call {})))
            (drop (call $log (i32.const 0) (i32.const 0) (i32.const 1)))
            (loop $bytes
              (i32.store8 (i32.const 1) (i32.add (i32.const 48)
                (i32.shr_u (i32.load8_u (i32.add (i32.const {AREA}) (local.get $at))) (i32.const 4))))
              (i32.store8 (i32.const 2) (i32.add (i32.const 48)
                (i32.and (i32.load8_u (i32.add (i32.const {AREA}) (local.get $at))) (i32.const 15))))
              (drop (call $log (i32.const 0) (i32.const 1) (i32.const 2)))
              (br_if $bytes (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 64))))
            (i32.const 0)))"#,
        module.name(),
        types.join(" "),
        constants.join(" "),
    );
    let mut spec = spec(&json!({}));
    spec.environment = vec![("A".to_owned(), "1".to_owned()), ("KEY".to_owned(), "value".to_owned())];
    play_module(load_text(&text), spec, async |session| {
        session.start().await;
        session.open().await.request_headers(true).await.unwrap();
        read(session.world.lines.take())
    })
}

fn read(said: Vec<(LogLevel, u32, String)>) -> Done {
    let (told, lines): (Vec<_>, Vec<_>) = said.into_iter().partition(|(level, ..)| *level == LogLevel::Trace);
    let digits = |text: &str| text.bytes().fold(0, |byte, digit| byte << 4 | (digit - 48));
    Done {
        errno: u32::from(told[0].2.as_bytes()[0] - 32),
        area: told[1..].iter().map(|(_, _, text)| digits(text)).collect(),
        lines: lines.into_iter().map(|(level, _, text)| (level, text)).collect(),
    }
}

/// Pointers that no call may follow.
const NOWHERE: [i64; 3] = [65_536, 65_533, -1];

/// Error numbers of WASI.
const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const NOENT: u32 = 44;
const NOSYS: u32 = 52;
const NOTSUP: u32 = 58;
