//! Any bytes as a module.

use plug_audit::{audit, audit_compiled};

/// Audits the bytes with validation and without; what passes the one must pass the other, and every text keeps to its lines.
pub(crate) fn run(bytes: &[u8]) {
    let quick = audit_compiled(bytes);
    match audit(bytes) {
        Ok(facts) => {
            let quick = quick.expect("what is valid passes without validation");
            assert_eq!(quick.imports.len(), facts.imports.len());
            assert_eq!(quick.code_sha256, facts.code_sha256);
            assert!(facts.notes.iter().all(|note| is_plain(&note.to_string())));
        }
        Err(fault) => {
            assert!(fault.problems().count() > 0);
            assert!(fault.problems().all(|problem| is_plain(&problem.to_string())));
            assert!(fault.to_string().lines().count() <= 2 * 50 + 2);
        }
    }
}

/// Whether a text is one line without control characters.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
