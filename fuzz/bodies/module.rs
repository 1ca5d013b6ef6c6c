//! Any bytes as a module.

use plug_audit::{Policy, Severity, audit, audit_compiled, check, explain, functions, without_custom_sections};

/// Audits the bytes with validation and without; what passes the one must pass the other, and every text keeps to its lines. A check says the
/// same as the audit, every code of it is explained, and what is stripped of nothing stays as it is.
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
    let checked = check(bytes, &Policy::default(), false);
    let is_refused = checked.facts.is_none();
    assert_eq!(is_refused, audit(bytes).is_err());
    let has_error = checked
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    assert!(has_error || !is_refused, "refused without a reason");
    for finding in &checked.findings {
        assert!(is_plain(&finding.message) && explain(finding.code).is_some());
    }
    assert!(functions(bytes).len() <= bytes.len());
    assert_eq!(without_custom_sections(bytes, |_| false), bytes);
    let bare = without_custom_sections(bytes, |_| true);
    assert!(bare.len() <= bytes.len());
    if let (Ok(before), Ok(after)) = (audit(bytes), audit(&bare)) {
        assert_eq!(before.code_sha256, after.code_sha256);
    }
}

/// Whether a text is one line without control characters.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
