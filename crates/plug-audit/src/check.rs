//! Everything that an author or an operator should know of a module before it runs, worst first.

use std::collections::BTreeMap;
use std::fmt;

use plug_abi::{Abi, Capability, Hosts};

use crate::broken::{self, Evidence};
use crate::note::Note;
use crate::outline::{Outline, Trust};
use crate::{
    AuditFault, Export, ExportKind, ModuleFacts, Problem, Target, Toolchain, container, exports, facts, functions,
    imports,
};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The module is refused, or cannot work.
    Error,
    /// It works, and will hurt.
    Warning,
    /// It works.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The code under which [`crate::explain`] and scripts know it.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in one line.
    pub message: String,
    /// The next step, if one is known.
    pub hint: Option<String>,
    /// Where this is known from, if not from the module itself.
    pub source: Option<&'static str>,
}

/// What a house allows its plugins. Everything is allowed that is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Capabilities that a plugin may have; all when there is no list.
    pub capabilities: Option<Vec<Capability>>,
    /// Capabilities that it may not have.
    pub forbidden_capabilities: Vec<Capability>,
    /// Names of exports that it may have beside what the ABI knows; a `*` at the end stands for any rest. All when there is no list.
    pub exports: Option<Vec<String>>,
    /// Hosts on which it has to run as well.
    pub hosts: Option<Hosts>,
    /// Bytes of memory that it will have.
    pub memory_bytes_max: Option<u64>,
    /// Bytes of its file.
    pub file_bytes_max: Option<usize>,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What was found, worst first.
    pub findings: Vec<Finding>,
    /// The facts, when it may be loaded.
    pub facts: Option<ModuleFacts>,
}

/// Bytes of a page of memory.
const PAGE_BYTES: u64 = 64 * 1024;

/// Checks a module as far as that is possible without running it. `has_debug_file` says whether there is a file with its names and lines.
#[must_use]
pub fn check(bytes: &[u8], policy: &Policy, has_debug_file: bool) -> Checked {
    if let Err(fault) = container::check(bytes) {
        return Checked {
            findings: AuditFault::from(fault).problems().map(Finding::of_problem).collect(),
            facts: None,
        };
    }
    let outline = Outline::read(bytes, Trust::None);
    let mut problems: Vec<Problem> = outline.invalid.iter().cloned().collect();
    let is_valid = problems.is_empty();
    let imports = imports::check(&outline, &mut problems);
    let exports = exports::check(&outline, &mut problems);
    let is_refused = !problems.is_empty();
    let facts = facts::gather(outline, imports, exports);
    let mut findings: Vec<Finding> = problems.iter().map(Finding::of_problem).collect();
    if is_valid {
        let functions = functions(bytes);
        let is_told = |note: &&Note| {
            let is_of_sdk = facts.toolchain == Toolchain::AssemblyScript && note.is_misnamed_by_assemblyscript();
            let has_names = has_debug_file && **note == Note::NoNames;
            !is_of_sdk && !has_names
        };
        let notes = facts.notes.iter().filter(is_told);
        findings.extend(notes.map(Finding::of_note));
        let evidence = Evidence {
            facts: &facts,
            functions: &functions,
        };
        findings.extend(broken::findings(&evidence));
        findings.extend(policy.findings(&facts, bytes.len()));
    }
    findings.sort_by_key(|finding| finding.severity);
    Checked {
        findings,
        facts: (!is_refused).then_some(facts),
    }
}

impl Finding {
    fn of_problem(problem: &Problem) -> Self {
        Self {
            code: problem.code(),
            severity: Severity::Error,
            message: problem.to_string(),
            hint: problem.hint(),
            source: None,
        }
    }

    fn of_note(note: &Note) -> Self {
        Self {
            code: note.code(),
            severity: note.severity(),
            message: note.to_string(),
            hint: note.hint().map(str::to_owned),
            source: None,
        }
    }

    fn forbidden(code: &'static str, message: String, hint: &str) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message,
            hint: Some(hint.to_owned()),
            source: None,
        }
    }
}

impl Policy {
    fn findings(&self, facts: &ModuleFacts, file_bytes: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.size(facts, file_bytes));
        let names: BTreeMap<&str, Capability> = facts
            .imports
            .iter()
            .map(|import| (import.name(), import.capability()))
            .collect();
        let forbidden = names.into_iter().filter(|(_, capability)| !self.allows(*capability));
        findings.extend(forbidden.map(|(name, capability)| {
            Finding::forbidden(
                "policy.capability",
                format!(
                    "`{name}` lets it {}, and the policy does not allow `{capability}`",
                    capability.summary()
                ),
                "build it without, or allow the capability in the policy",
            )
        }));
        findings.extend(facts.exports.iter().filter(|export| !self.allows_export(export)).map(|export| {
            Finding::forbidden(
                "policy.export",
                format!("{} `{}` is exported, and the policy does not allow that", export.kind, export.name),
                "export less (in Rust no `#[no_mangle]` on it, in C++ no `EMSCRIPTEN_KEEPALIVE`), or allow it in the policy",
            )
        }));
        findings.extend(self.portability(facts));
        findings
    }

    fn size(&self, facts: &ModuleFacts, file_bytes: usize) -> Vec<Finding> {
        let mut findings = Vec::new();
        let memory_bytes = facts.memory.pages_min.saturating_mul(PAGE_BYTES);
        if let Some(most) = self.memory_bytes_max.filter(|most| memory_bytes > *most) {
            findings.push(Finding::forbidden(
                "policy.memory",
                format!("it begins with {memory_bytes} bytes of memory, and its limit is {most}"),
                "raise `limits.memory`, or link with less: `--initial-memory`, in Emscripten `-sINITIAL_MEMORY`",
            ));
        }
        if let Some(most) = self.file_bytes_max.filter(|most| file_bytes > *most) {
            findings.push(Finding::forbidden(
                "policy.file_size",
                format!("the file has {file_bytes} bytes, and the policy allows {most}"),
                "build with optimisation, and let `cofferdam plugin build` split the debug information off",
            ));
        }
        findings
    }

    fn allows(&self, capability: Capability) -> bool {
        let is_listed = self
            .capabilities
            .as_ref()
            .is_none_or(|allowed| allowed.contains(&capability));
        is_listed && !self.forbidden_capabilities.contains(&capability)
    }

    fn allows_export(&self, export: &Export) -> bool {
        let Some(allowed) = &self.exports else { return true };
        let is_of_abi = plug_abi::callback(&export.name).is_some()
            || export.name.starts_with(Abi::MARKER_PREFIX)
            || (export.kind == ExportKind::Memory && export.name == "memory");
        is_of_abi
            || allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => export.name.starts_with(beginning),
                None => export.name == *pattern,
            })
    }

    /// Host calls that not every host provides on which it has to run; without such hosts, those that are one host's alone.
    fn portability(&self, facts: &ModuleFacts) -> Vec<Finding> {
        let mut calls: Vec<&plug_abi::HostCall> = Vec::new();
        for import in &facts.imports {
            if let Target::Host(call) = import.target
                && !calls.iter().any(|seen| seen.name == call.name)
            {
                calls.push(call);
            }
        }
        // Calls that the same hosts provide are one finding.
        let mut groups: Vec<(Hosts, Severity, Vec<String>)> = Vec::new();
        for call in calls {
            let severity = match self.hosts {
                Some(hosts) if !call.providers.contains(hosts) => Severity::Error,
                None if call.providers.names().count() == 1 => Severity::Note,
                _ => continue,
            };
            let name = format!("`{}`", call.name);
            match groups.iter_mut().find(|(hosts, ..)| *hosts == call.providers) {
                Some((.., names)) => names.push(name),
                None => groups.push((call.providers, severity, vec![name])),
            }
        }
        if facts.abi == Abi::V0_2_100 {
            let is_wanted_elsewhere = self.hosts.is_some_and(|hosts| !Hosts::HIGRESS.contains(hosts));
            let severity = if is_wanted_elsewhere {
                Severity::Error
            } else {
                Severity::Note
            };
            if is_wanted_elsewhere || self.hosts.is_none() {
                groups.push((Hosts::HIGRESS, severity, vec!["ABI 0.2.100".to_owned()]));
            }
        }
        let found = groups.into_iter().map(|(hosts, severity, names)| Finding {
            code: "module.not_portable",
            severity,
            message: format!("provided here, and elsewhere only by {hosts}: {}", names.join(", ")),
            hint: Some("all other hosts refuse a module that imports one of them".to_owned()),
            source: None,
        });
        found.collect()
    }
}
