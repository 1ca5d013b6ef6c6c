//! Whether a module is what the configuration's `audit` wants modules to be.

use std::time::SystemTime;

use gate_plan::{Audit, AuditToolchain, Source};
use plug_abi::call_number;
use plug_audit::{ModuleFacts, Policy, Toolchain, check};

use crate::sources::Had;

/// Codes of findings that come of the policy alone.
const OF_POLICY: [&str; 4] = [
    "policy.capability",
    "policy.export",
    "policy.memory",
    "policy.file_size",
];

/// Lets a module through, or says everything that speaks against it.
pub(crate) fn judge(plugin: &gate_plan::Plugin, had: &Had, audit: Option<&Audit>) -> Result<(), String> {
    let Some(audit) = audit else { return Ok(()) };
    let mut wrong = Vec::new();
    let digest = |allowed: &[u8; 32]| hex(allowed) == had.digest;
    if audit
        .digests
        .as_ref()
        .is_some_and(|allowed| !allowed.iter().any(digest))
    {
        wrong.push(format!("its SHA-256 `{}` is not listed", had.digest));
    }
    let checked = check(&had.bytes, &policy(audit), true);
    let of_policy = checked
        .findings
        .iter()
        .filter(|finding| OF_POLICY.contains(&finding.code));
    wrong.extend(of_policy.map(|finding| finding.message.clone()));
    if let Some(facts) = &checked.facts {
        wrong.extend(of_facts(audit, facts));
    }
    wrong.extend(age(plugin, had, audit));
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("`audit` does not let it be loaded: {}", wrong.join("; "))),
    }
}

/// Whether it may run because of this signer, whom `signatures` let.
pub(crate) fn signer(audit: Option<&Audit>, signer: &str) -> Result<(), String> {
    let signers = audit.and_then(|audit| audit.signers.as_ref());
    match signers {
        Some(signers) if !signers.iter().any(|known| known == signer) => Err(format!(
            "`audit` does not let it be loaded: `{signer}` signed it, and it has to be one of {}",
            signers.join(", ")
        )),
        _ => Ok(()),
    }
}

/// Whether it may run although no signature of it holds, as `signatures` only warns: who is not verified is none of the signers.
pub(crate) fn unsigned(audit: Option<&Audit>, why: &str) -> Result<(), String> {
    match audit.and_then(|audit| audit.signers.as_ref()) {
        None => Ok(()),
        Some(signers) => Err(format!(
            "`audit` does not let it be loaded: one of {} has to have signed it, and {why}",
            signers.join(", ")
        )),
    }
}

fn policy(audit: &Audit) -> Policy {
    Policy {
        capabilities: audit.capabilities.clone(),
        forbidden_capabilities: audit.forbidden_capabilities.clone(),
        exports: audit.exports.clone(),
        file_bytes_max: audit
            .file_bytes_max
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        ..Policy::default()
    }
}

fn of_facts(audit: &Audit, facts: &ModuleFacts) -> Vec<String> {
    let mut wrong: Vec<String> = facts
        .imports
        .iter()
        .filter(|import| audit.forbidden_imports.has(call_number(import.name())))
        .map(|import| format!("it imports `{}`", import.name()))
        .collect();
    let exports = facts.exports.iter();
    let forbidden = exports.filter(|export| audit.forbidden_exports.has(export.name.as_bytes()));
    wrong.extend(forbidden.map(|export| format!("it exports `{}`", export.name.escape_debug())));
    wrong.dedup();
    let built_by = toolchain(facts.toolchain);
    if audit
        .toolchains
        .as_ref()
        .is_some_and(|allowed| !allowed.contains(&built_by))
    {
        wrong.push(format!("{} built it", facts.toolchain.name()));
    }
    wrong
}

/// Why it is too old. Where its age cannot be known, that is said.
fn age(plugin: &gate_plan::Plugin, had: &Had, audit: &Audit) -> Option<String> {
    let age_max = audit.age_max?;
    let Some(made) = had.made else {
        crate::voice::warn(&format!(
            "warning: plugin `{}`: nobody knows when its module was made, so that `audit.age` lets it pass",
            plugin.name
        ));
        return None;
    };
    let age = SystemTime::now().duration_since(made).unwrap_or_default();
    let what = match &plugin.source {
        Source::File { .. } => "its file was written",
        Source::Oci { .. } | Source::Http { .. } => "its image was made",
    };
    (age > age_max).then(|| format!("{what} {} days ago", age.as_secs() / 86_400))
}

fn toolchain(found: Toolchain) -> AuditToolchain {
    match found {
        Toolchain::Rust => AuditToolchain::Rust,
        Toolchain::Go => AuditToolchain::Go,
        Toolchain::TinyGo => AuditToolchain::TinyGo,
        Toolchain::Cpp => AuditToolchain::Cpp,
        Toolchain::AssemblyScript => AuditToolchain::AssemblyScript,
        Toolchain::Unknown => AuditToolchain::Unknown,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
