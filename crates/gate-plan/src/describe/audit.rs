//! What modules must be, as JSON.

use serde_json::{Value, json};

use crate::plan::{Audit, AuditToolchain};
use crate::word::span_text;

pub(super) fn describe(audit: &Audit) -> Value {
    let hex = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let words = |words: &Vec<plug_abi::Capability>| words.iter().map(|word| word.word()).collect::<Vec<_>>();
    let tools = |tools: &Vec<AuditToolchain>| tools.iter().map(|tool| tool.word()).collect::<Vec<_>>();
    json!({
        "digests": audit.digests.as_ref().map(|digests| digests.iter().map(hex).collect::<Vec<_>>()),
        "signers": audit.signers,
        "capabilities": {"allow": audit.capabilities.as_ref().map(words), "forbid": words(&audit.forbidden_capabilities)},
        "forbidden_imports": audit.forbidden_imports.names().collect::<Vec<_>>(),
        "exports": audit.exports,
        "forbidden_exports": audit.forbidden_exports.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "size": audit.file_bytes_max,
        "toolchains": audit.toolchains.as_ref().map(tools),
        "age": audit.age_max.map(span_text),
    })
}
