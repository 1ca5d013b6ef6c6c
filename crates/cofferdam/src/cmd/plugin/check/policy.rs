//! A policy as a file: what a house allows its plugins.

use std::path::Path;

use gate_plan::document::{self, ByteSize, Complaint, Document, Page, Step};
use plug_abi::{Capability, Hosts};
use plug_audit::{CODES, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

/// LIMIT: bytes of a policy file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What a house allows its plugins. Everything is allowed that is not named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyFile {
    /// What plugins may import functions for.
    #[serde(default)]
    capabilities: Capabilities,
    /// Names of exports that a plugin may have beside those of the ABI; a `*` at the end stands for any rest. Default: any.
    exports: Option<Vec<String>>,
    /// Hosts on which plugins have to run as well: `envoy`, `higress`, `kong`, `mosn`, `apisix`. Default: none.
    #[serde(default)]
    hosts: Vec<String>,
    /// Memory that plugins get: one that begins with more is refused. Default: that of a gateway, 64 MiB.
    memory: Option<ByteSize>,
    /// Bytes of a module's file. Default: any.
    size: Option<ByteSize>,
    /// Codes of findings that are accepted.
    #[serde(default)]
    accept: Vec<String>,
}

/// What plugins may import functions for, in the words of `cofferdam plugin inspect`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Capabilities {
    /// These and no others. Default: all.
    allow: Option<Vec<String>>,
    /// Not these.
    forbid: Vec<String>,
}

impl Document for PolicyFile {
    const LEAST: &'static str = "capabilities";
    const TITLE: &'static str = "Cofferdam policy for plugins";
}

/// Hosts by the words of a policy.
const HOSTS: [(&str, Hosts); 5] = [
    ("envoy", Hosts::ENVOY),
    ("higress", Hosts::HIGRESS),
    ("kong", Hosts::KONG),
    ("mosn", Hosts::MOSN),
    ("apisix", Hosts::APISIX),
];

/// The JSON Schema of a policy.
pub(crate) fn schema() -> serde_json::Value {
    document::schema_of::<PolicyFile>()
}

/// Reads a policy: what it forbids, and the codes that it accepts.
pub(super) fn read(file: &Path) -> Result<(Policy, Vec<String>), String> {
    let shown = file.display();
    let unreadable = |why: std::io::Error| format!("error: policy `{shown}` cannot be read: {why}");
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!(
            "error: policy `{shown}` has {length} bytes, more than {FILE_BYTES_MAX}"
        ));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let page: Page<'_, PolicyFile> =
        document::read(&text, &shown.to_string()).map_err(|findings| findings.to_string())?;
    let complaints = complaints(&page.content);
    if !complaints.is_empty() {
        return Err(page.findings(&complaints).to_string());
    }
    Ok(lowered(page.content))
}

/// Words that do not exist.
fn complaints(file: &PolicyFile) -> Vec<Complaint<'_>> {
    let capabilities = || Capability::ALL.map(Capability::word);
    let allowed = file.capabilities.allow.as_deref().unwrap_or_default();
    let lists: [(Vec<Step<'_>>, &[String], Vec<&str>); 4] = [
        (
            vec![Step::Key("capabilities"), Step::Key("allow")],
            allowed,
            capabilities().to_vec(),
        ),
        (
            vec![Step::Key("capabilities"), Step::Key("forbid")],
            &file.capabilities.forbid,
            capabilities().to_vec(),
        ),
        (
            vec![Step::Key("hosts")],
            &file.hosts,
            HOSTS.map(|(word, _)| word).to_vec(),
        ),
        (
            vec![Step::Key("accept")],
            &file.accept,
            CODES.iter().map(|row| row.code).collect(),
        ),
    ];
    let mut complaints = Vec::new();
    for (path, words, known) in lists {
        for (at, word) in words
            .iter()
            .enumerate()
            .filter(|(_, word)| !known.contains(&word.as_str()))
        {
            complaints.push(Complaint {
                path: [path.as_slice(), &[Step::Item(at)]].concat(),
                message: format!("there is no `{word}`"),
                help: Some(nearest(word, &known)),
            });
        }
    }
    complaints
}

/// What was probably meant, or all there is.
fn nearest(word: &str, known: &[&str]) -> String {
    let likeness = |known: &&&str| strsim::jaro_winkler(word, known);
    let best = known
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match best.filter(|known| likeness(known) > 0.85) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("one of {}", known.join(", ")),
    }
}

fn lowered(file: PolicyFile) -> (Policy, Vec<String>) {
    let capabilities = |words: Vec<String>| words.iter().filter_map(|word| Capability::from_word(word)).collect();
    let named = HOSTS
        .iter()
        .filter(|(word, _)| file.hosts.iter().any(|host| host == word));
    let policy = Policy {
        capabilities: file.capabilities.allow.map(capabilities),
        forbidden_capabilities: capabilities(file.capabilities.forbid),
        exports: file.exports,
        hosts: named.map(|(_, hosts)| *hosts).reduce(Hosts::and),
        memory_bytes_max: file.memory.map(|size| size.bytes()),
        file_bytes_max: file
            .size
            .map(|size| usize::try_from(size.bytes()).unwrap_or(usize::MAX)),
    };
    (policy, file.accept)
}
