//! Writes small guests.

use std::fmt::Write;

/// A guest on its way: it can log texts and numbers, has one page of memory and an allocator that only goes forward.
pub(crate) struct Wat {
    marker: &'static str,
    imports: String,
    body: String,
    allocator: &'static str,
    text_at: usize,
}

/// What every guest has: `$say` logs a text at level info, `$tell` a number.
const COMMON: &str = r#"
  (global $free (mut i32) (i32.const 32768))
  (func $say (param $at i32) (param $length i32)
    (drop (call $log (i32.const 2) (local.get $at) (local.get $length))))
  (func $tell (param $number i32) (local $at i32)
    (local.set $at (i32.const 16))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (br_if $digits (local.tee $number (i32.div_u (local.get $number) (i32.const 10)))))
    (call $say (local.get $at) (i32.sub (i32.const 16) (local.get $at))))"#;

const ALLOCATOR: &str = r#"
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $size))))"#;

impl Wat {
    pub(crate) fn new() -> Self {
        Self {
            marker: "proxy_abi_version_0_2_1",
            imports: String::new(),
            body: String::new(),
            allocator: ALLOCATOR,
            text_at: 1_024,
        }
    }

    pub(crate) fn marked(marker: &'static str) -> Self {
        Self { marker, ..Self::new() }
    }

    /// Gives it another allocator, or none.
    pub(crate) fn allocator(&mut self, code: &'static str) -> &mut Self {
        self.allocator = code;
        self
    }

    /// Imports a host call of `env` as `$name`, with a signature in WebAssembly text.
    pub(crate) fn import(&mut self, name: &str, signature: &str) -> &mut Self {
        self.import_from("env", name, signature)
    }

    pub(crate) fn import_from(&mut self, module: &str, name: &str, signature: &str) -> &mut Self {
        let _ = writeln!(
            self.imports,
            r#"  (import "{module}" "{name}" (func ${name} {signature}))"#
        );
        self
    }

    /// A text in memory: the two constants that a call takes for it.
    pub(crate) fn text(&mut self, text: &str) -> String {
        self.bytes(text.as_bytes())
    }

    /// Bytes in memory: the two constants that a call takes for them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> String {
        let at = self.text_at;
        self.text_at += bytes.len();
        assert!(self.text_at < 2_048, "the rest of the page belongs to the test");
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = writeln!(self.body, r#"  (data (i32.const {at}) "{escaped}")"#);
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    }

    /// Code that logs a text.
    pub(crate) fn say(&mut self, text: &str) -> String {
        format!("(call $say {})", self.text(text))
    }

    /// Exports a function.
    pub(crate) fn on(&mut self, name: &str, signature: &str, code: &str) -> &mut Self {
        let _ = writeln!(self.body, r#"  (func ${name} (export "{name}") {signature} {code})"#);
        self
    }

    /// Exports a callback that logs its name and answers 1 if it answers.
    pub(crate) fn hears(&mut self, name: &str, params: usize, results: usize) -> &mut Self {
        let say = self.say(name);
        let signature = format!("(param {}) (result {})", "i32 ".repeat(params), "i32 ".repeat(results));
        let answer = "(i32.const 1)".repeat(results);
        self.on(name, &signature, &format!("{say} {answer}"))
    }

    /// Adds anything else to the module.
    pub(crate) fn with(&mut self, code: &str) -> &mut Self {
        self.body.push_str(code);
        self
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let Self {
            marker,
            imports,
            body,
            allocator,
            ..
        } = self;
        let text = format!(
            r#"(module $guest
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
{imports}
  (memory (export "memory") 1)
  (func (export "{marker}"))
{COMMON}
{allocator}
{body})"#
        );
        ::wat::parse_str(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
    }
}
