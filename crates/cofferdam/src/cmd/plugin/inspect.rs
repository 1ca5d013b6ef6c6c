//! `cofferdam plugin inspect`: what a module is, what it can do, and what its bytes are spent on.

mod grant;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use plug_abi::Capability;
use plug_audit::{Entry, Function, Import, Main, ModuleFacts, Target, audit, functions};
use serde_json::{Value, json};

use super::{alone, replay};
use crate::Format;
use crate::debugging;
use crate::voice::{fail, print};

/// LIMIT: functions that are shown unless `--functions` says otherwise.
const FUNCTIONS_SHOWN: usize = 10;

/// What is shown of which module.
#[derive(Args)]
pub(crate) struct Options {
    /// The module
    file: PathBuf,
    /// How many of the largest functions are shown
    #[arg(long, default_value_t = FUNCTIONS_SHOWN)]
    functions: usize,
    /// Propose the least grant for it instead, as a file of grants
    #[arg(long)]
    grant: bool,
    /// Recordings of the module: the grant is narrowed to what they show
    #[arg(long, requires = "grant", num_args = 1..)]
    recording: Vec<PathBuf>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A module with all that is known of it.
struct Inspected<'a> {
    file: &'a Path,
    bytes: &'a [u8],
    facts: ModuleFacts,
    functions: Vec<Function>,
    /// The largest functions, with names as their author wrote them.
    largest: Vec<(String, usize)>,
    /// Where its names and lines are, if not in itself.
    debug_file: bool,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let bytes = match alone::read(&options.file) {
        Ok(bytes) => bytes,
        Err(why) => {
            fail(&format!("error: {why}"));
            return ExitCode::from(2);
        }
    };
    let facts = match audit(&bytes) {
        Ok(facts) => facts,
        Err(fault) => {
            fail(&format!("error: `{}`: {fault}", options.file.display()));
            fail("hint: `cofferdam plugin check` says more of each reason");
            return ExitCode::FAILURE;
        }
    };
    if options.grant {
        return propose(options, &facts);
    }
    let inspected = Inspected::of(&options.file, (&bytes, facts), options.functions);
    print(&match options.format {
        Format::Text => text::of(&inspected),
        Format::Json => format!("{:#}\n", inspected.json()),
    });
    ExitCode::SUCCESS
}

fn propose(options: &Options, facts: &ModuleFacts) -> ExitCode {
    let recordings: Result<Vec<_>, String> = options.recording.iter().map(|file| replay::read(file)).collect();
    match recordings.and_then(|recordings| grant::Proposal::of(facts, &recordings)) {
        Ok(proposal) => {
            print(&match options.format {
                Format::Text => proposal.yaml(&options.file),
                Format::Json => format!("{:#}\n", proposal.json()),
            });
            ExitCode::SUCCESS
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::from(2)
        }
    }
}

impl<'a> Inspected<'a> {
    fn of(file: &'a Path, (bytes, facts): (&'a [u8], ModuleFacts), shown_max: usize) -> Self {
        let functions = functions(bytes);
        let mut by_size: Vec<&Function> = functions.iter().collect();
        by_size.sort_by_key(|function| std::cmp::Reverse(function.bytes));
        let named = |function: &&Function| {
            let number = || format!("function {}", function.index);
            let name = function.name.as_deref().map_or_else(number, plug_report::readable);
            (printable(&name), function.bytes)
        };
        let largest = by_size.iter().take(shown_max).map(named).collect();
        let debug_file = debugging::has_names_beside(file, bytes);
        Self {
            file,
            bytes,
            facts,
            functions,
            largest,
            debug_file,
        }
    }

    /// The imports, by what they let the plugin do. A function that is imported twice, as Go does, is there once.
    fn capabilities(&self) -> BTreeMap<Capability, Vec<&Import>> {
        let mut groups: BTreeMap<Capability, Vec<&Import>> = BTreeMap::new();
        for import in &self.facts.imports {
            let group = groups.entry(import.capability()).or_default();
            if !group.iter().any(|seen| seen.name() == import.name()) {
                group.push(import);
            }
        }
        groups
    }

    fn code_bytes(&self) -> usize {
        self.functions.iter().map(|function| function.bytes).sum()
    }

    fn entry(&self) -> &'static str {
        match (self.facts.entry, self.facts.main) {
            (Entry::Initialize, Some(Main::Arguments)) => "_initialize, then main",
            (Entry::Initialize, Some(Main::Void)) => "_initialize, then __main_void",
            (Entry::Initialize, None) => "_initialize",
            (Entry::Start, _) => "_start",
            (Entry::None, _) => "none",
        }
    }

    fn json(&self) -> Value {
        let facts = &self.facts;
        let import = |import: &&Import| {
            let providers: Vec<&str> = match import.target {
                Target::Host(call) => call.providers.names().collect(),
                Target::Wasi(..) => Vec::new(),
            };
            json!({"module": import.module(), "name": import.name(), "standard": import.is_standard(), "providers": providers})
        };
        let capability = |(capability, imports): (&Capability, &Vec<&Import>)| {
            let imports: Vec<Value> = imports.iter().map(import).collect();
            json!({"capability": capability.word(), "allows": capability.summary(), "imports": imports})
        };
        let export = |export: &plug_audit::Export| json!({"name": export.name, "kind": export.kind.to_string()});
        let section = |section: &plug_audit::CustomSection| json!({"name": section.name, "bytes": section.bytes});
        let maker = |producer: &plug_audit::Producer| json!({"field": producer.field, "name": producer.name, "version": producer.version});
        let function = |(name, bytes): &(String, usize)| json!({"name": name, "bytes": bytes});
        json!({
            "file": self.file.display().to_string(),
            "bytes": self.bytes.len(),
            "sha256": plug_host::digest(self.bytes),
            "code_sha256": hex(&facts.code_sha256),
            "toolchain": facts.toolchain.name(),
            "producers": facts.producers.iter().map(maker).collect::<Vec<_>>(),
            "abi": facts.abi.as_str(),
            "entry": self.entry(),
            "allocator": facts.allocator.export(),
            "memory": {"pages_min": facts.memory.pages_min, "pages_max": facts.memory.pages_max},
            "names": facts.has_names,
            "debug_information": facts.has_dwarf,
            "debug_file": self.debug_file,
            "capabilities": self.capabilities().iter().map(capability).collect::<Vec<_>>(),
            "callbacks": facts.callbacks.iter().map(|exported| exported.callback.name).collect::<Vec<_>>(),
            "exports": facts.exports.iter().map(export).collect::<Vec<_>>(),
            "custom_sections": facts.custom_sections.iter().map(section).collect::<Vec<_>>(),
            "functions": {"count": self.functions.len(), "bytes": self.code_bytes(),
                "largest": self.largest.iter().map(function).collect::<Vec<_>>()},
        })
    }
}

/// Languages and tools that made a module, each with its number; what tools say of themselves behind that is in the JSON.
pub(super) fn makers(facts: &ModuleFacts) -> Vec<String> {
    let producers = facts.producers.iter();
    let said = producers.filter(|producer| producer.field != "language" || !producer.version.is_empty());
    let number = |version: &str| version.split(' ').next().unwrap_or_default().to_owned();
    let named = said.map(|producer| format!("{} {}", producer.name, number(&producer.version)));
    named.map(|name| name.trim_end().to_owned()).collect()
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name out of a module, fit for a terminal.
fn printable(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
