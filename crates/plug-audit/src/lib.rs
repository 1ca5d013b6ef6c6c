//! Reads a `.wasm` file before anything of it runs and says what it is, or everything that is wrong with it.
//!
//! Lives here: telling modules from other files, comparing imports and exports with the tables of `plug-abi`, and the
//! sentences in which a person learns what to change.
//! Never enters: an engine, a file system, a network, a decision of policy (how much memory, which host calls): only what is true
//! of the module for every configuration.
//! From: the bytes of a file that anybody may have written.
//! To: `plug-host`, which compiles what passed and links by the facts, and the commands that show them.

mod container;
mod disguise;
pub use disguise::Disguise;
mod outline;
mod imports;
mod elsewhere;
pub use elsewhere::Owner;
mod exports;
mod toolchain;
pub use toolchain::Toolchain;
mod facts;
pub use facts::{
    Allocator, CustomSection, Entry, Export, ExportKind, Exported, Import, Main, MemoryFacts, ModuleFacts, Producer,
    Target,
};
mod fault;
pub use fault::{AuditFault, Problem};
mod note;
pub use note::Note;
mod functions;
pub use functions::{Function, functions};
mod strip;
pub use strip::without_custom_sections;
mod broken;
mod check;
pub use check::{Checked, Finding, Policy, Severity, check};
mod codes;
pub use codes::{CODES, Code, explain};

use outline::{Outline, Trust};

/// LIMIT: bytes of a module. The largest plugin we know of has 10 MB.
pub const MODULE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Audits a module: reads it, validates it, and compares it with what this gateway provides and calls.
///
/// # Errors
/// With every problem that was found, if the module must not be loaded.
pub fn audit(bytes: &[u8]) -> Result<ModuleFacts, AuditFault> {
    examine(bytes, Trust::None)
}

/// Audits a module like [`audit`], but leaves out the validation, which takes nearly all of the time. For bytes that an engine has
/// compiled before, and whose compiled code was kept.
///
/// # Errors
/// With every problem that was found, if the module must not be loaded.
pub fn audit_compiled(bytes: &[u8]) -> Result<ModuleFacts, AuditFault> {
    examine(bytes, Trust::Compiled)
}

fn examine(bytes: &[u8], trust: Trust) -> Result<ModuleFacts, AuditFault> {
    container::check(bytes)?;
    let outline = Outline::read(bytes, trust);
    let mut problems: Vec<Problem> = outline.invalid.iter().cloned().collect();
    let imports = imports::check(&outline, &mut problems);
    let exports = exports::check(&outline, &mut problems);
    match AuditFault::of(problems) {
        None => Ok(facts::gather(outline, imports, exports)),
        Some(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests;
