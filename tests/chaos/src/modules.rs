//! Modules as somebody ships them in a bad week: good ones, and those that no gateway can run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use testkit::place;

/// What is wrong with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It ends in the middle.
    Torn,
    /// It is no module.
    Garbage,
    /// It asks for a host call that nobody has.
    Unknown,
    /// It dies when it is configured.
    Dies,
    /// It never ends being configured.
    Loops,
    /// It says that its configuration is wrong.
    Refuses,
}

impl Wrong {
    pub(crate) const ALL: [Self; 6] = [
        Self::Torn,
        Self::Garbage,
        Self::Unknown,
        Self::Dies,
        Self::Loops,
        Self::Refuses,
    ];
}

/// A module that adds the response header `x-mark` with its number.
pub(crate) fn mark(folder: &Path, number: usize) -> Result<PathBuf> {
    let mark = number.to_string();
    let text = format!(
        r#"(module
            (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "x-mark")
            (data (i32.const 32) "{mark}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
                (drop (call $add (i32.const 2) (i32.const 16) (i32.const 6) (i32.const 32) (i32.const {})))
                i32.const 0))"#,
        mark.len()
    );
    put(folder, "mark", number, &wat::parse_str(text)?)
}

/// A build of the guest that guards and dies, which differs from the others in a custom section.
pub(crate) fn guard(folder: &Path, number: usize) -> Result<PathBuf> {
    let mut bytes = fs::read(place::guest("die")?)?;
    let text = format!("{number:08}");
    bytes.extend([0, 14, 5]);
    bytes.extend(b"build");
    bytes.extend(text.as_bytes());
    put(folder, "guard", number, &bytes)
}

/// A module that cannot serve.
pub(crate) fn wrong(folder: &Path, number: usize, wrong: Wrong) -> Result<PathBuf> {
    let configure = |body: &str| {
        wat::parse_str(format!(
            r#"(module
                (memory (export "memory") 1)
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
                (func (export "proxy_on_context_create") (param i32 i32))
                (func (export "proxy_on_configure") (param i32 i32) (result i32) {body})
                (data (i32.const 16) "{number}"))"#
        ))
    };
    let bytes = match wrong {
        Wrong::Torn => {
            let whole = fs::read(place::guest("die")?)?;
            whole[..whole.len() / 2].to_vec()
        }
        Wrong::Garbage => format!("this is no module, and number {number} of its kind").into_bytes(),
        Wrong::Unknown => wat::parse_str(
            r#"(module (import "env" "proxy_do_what_i_mean" (func)) (func (export "proxy_abi_version_0_2_1")))"#,
        )?,
        Wrong::Dies => configure("unreachable")?,
        Wrong::Loops => configure("(loop $again br $again) i32.const 1")?,
        Wrong::Refuses => configure("i32.const 0")?,
    };
    put(folder, "wrong", number, &bytes)
}

/// LIMIT: modules that are not named any more and stay in the folder, for a gateway that reads late.
const KEPT_MAX: usize = 64;

/// Writes a module whole, and takes away the one that nobody can want any more.
fn put(folder: &Path, name: &str, number: usize, bytes: &[u8]) -> Result<PathBuf> {
    let file = |number: usize| folder.join(format!("{name}-{number}.wasm"));
    let part = folder.join("next.part");
    fs::write(&part, bytes)?;
    fs::rename(part, file(number))?;
    if let Some(old) = number.checked_sub(KEPT_MAX) {
        let _ = fs::remove_file(file(old));
    }
    Ok(file(number))
}
