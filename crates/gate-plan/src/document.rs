//! Documents of other rooms that are written as the configuration is: read once, held against a schema, every mistake with its place.

use std::time::Duration;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::findings::{Draft, Lines, Report};
use crate::plan::PluginLimits;
use crate::tree::{self, Node};
use crate::wire::{self, Pairs};
use crate::word::{EnvironmentName, EnvironmentText, Size, Written};
use crate::{lower, schema, shape};

pub use crate::findings::Findings;

/// A document with a shape of its own. Its structs deny unknown fields, and the doc comment of a field is its reference.
pub trait Document: DeserializeOwned + JsonSchema {
    /// What the least of it has, for who reads an empty file.
    const LEAST: &'static str;
    /// What messages call it.
    const TITLE: &'static str;
}

/// A document that was read, and where its parts stand in the text.
#[derive(Debug)]
pub struct Page<'t, D> {
    /// What it says.
    pub content: D,
    tree: Node,
    text: &'t str,
    origin: String,
}

/// A step into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An item of a list, from 0.
    Item(usize),
}

/// What is wrong with the content of a document whose shape is right.
#[derive(Debug, Clone)]
pub struct Complaint<'a> {
    /// Where.
    pub path: Vec<Step<'a>>,
    /// What.
    pub message: String,
    /// What would have been right.
    pub help: Option<String>,
}

/// Reads a document. `origin` is what messages call it, usually the file's path.
///
/// # Errors
/// Everything that is wrong with its shape, sorted by position.
pub fn read<'t, D: Document>(text: &'t str, origin: &str) -> Result<Page<'t, D>, Findings> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut report = Report::default();
    let tree = tree::read(text, D::LEAST, &mut report);
    let content = tree.as_ref().and_then(|tree| {
        shape::check(tree, &schema_of::<D>(), &mut report);
        if report.has_errors() {
            return None;
        }
        let read = serde_json::from_value::<D>(tree.to_json());
        read.map_err(|why| report.add(Draft::error(tree.span, format!("{} cannot be read: {why}", D::TITLE))))
            .ok()
    });
    match tree.zip(content) {
        Some((tree, content)) => Ok(Page {
            content,
            tree,
            text,
            origin: origin.to_owned(),
        }),
        None => Err(report.seal(origin, &Lines::new(text, Vec::new()))),
    }
}

/// The JSON Schema (2020-12) of a document.
#[must_use]
pub fn schema_of<D: Document>() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12();
    schema::finished(settings.into_generator().into_root_schema_for::<D>(), D::TITLE)
}

impl<D> Page<'_, D> {
    /// The document as JSON, keys in the order in which they were written.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.tree.to_json()
    }

    /// The complaints as findings, each at its place: at the last part of its path that is there.
    #[must_use]
    pub fn findings(&self, complaints: &[Complaint<'_>]) -> Findings {
        let mut report = Report::default();
        for complaint in complaints {
            let draft = Draft::error(self.place(&complaint.path).span, complaint.message.clone());
            report.add(match &complaint.help {
                Some(help) => draft.help(help.clone()),
                None => draft,
            });
        }
        report.seal(&self.origin, &Lines::new(self.text, Vec::new()))
    }

    /// The line of a part, from 1.
    #[must_use]
    pub fn line(&self, path: &[Step<'_>]) -> usize {
        self.place(path).span.start.line
    }

    fn place(&self, path: &[Step<'_>]) -> &Node {
        let mut node = &self.tree;
        for step in path {
            let next = match step {
                Step::Key(key) => node.get(key),
                Step::Item(at) => node.items().get(*at),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}

/// What a plugin is given, as under `plugins` of a configuration, without its name, its module and what only a running gateway has.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PluginPart {
    /// What the plugin gets in `proxy_on_configure`: a map or list as JSON, its keys in the order written; a text as it is. Nothing
    /// when absent.
    config: Option<wire::Payload>,
    /// What the plugin gets in `proxy_on_vm_start`, as with `config`.
    vm_config: Option<wire::Payload>,
    /// Name of the root context inside the module, for modules that hold several.
    root_id: String,
    /// Environment variables that the module sees.
    environment: Pairs<EnvironmentName, Written<EnvironmentText>>,
    /// Bounds, as in a configuration.
    limits: wire::PluginLimits,
    /// As in a configuration: `StopIteration` from a header callback still lets the body through to the plugin.
    allow_on_headers_stop_iteration: Option<bool>,
}

/// What a plugin is given, with defaults filled in.
#[derive(Debug, Clone)]
pub struct PluginSettings {
    /// What `proxy_on_configure` gets; none when nothing was written.
    pub config: Option<Vec<u8>>,
    /// What `proxy_on_vm_start` gets.
    pub vm_config: Vec<u8>,
    /// Name of the root context.
    pub root_id: String,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Bounds.
    pub limits: PluginLimits,
    /// Whether `StopIteration` from a header callback still lets the body through.
    pub allow_on_headers_stop_iteration: Option<bool>,
}

impl PluginPart {
    /// With defaults filled in.
    #[must_use]
    pub fn settings(self) -> PluginSettings {
        let environment = self.environment.0.into_iter();
        PluginSettings {
            config: self.config.map(wire::Payload::into_bytes),
            vm_config: self.vm_config.map(wire::Payload::into_bytes).unwrap_or_default(),
            root_id: self.root_id,
            environment: environment.map(|(name, value)| (name.0, value.word.0)).collect(),
            limits: lower::plugin_limits(&self.limits),
            allow_on_headers_stop_iteration: self.allow_on_headers_stop_iteration,
        }
    }
}

/// What a plugin is configured with: a map or list as JSON, a text as it is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Payload(wire::Payload);

impl Payload {
    /// What the plugin gets.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// A number of bytes, as `64KiB`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ByteSize(Written<Size>);

impl ByteSize {
    /// How many.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.word.0
    }
}

/// A length of time, as `50ms`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct TimeSpan(Written<Duration>);

impl TimeSpan {
    /// How long.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.0.word
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::unwrap_in_result)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        size: ByteSize,
        wait: Option<TimeSpan>,
        #[serde(default)]
        list: Vec<String>,
    }

    impl Document for Sample {
        const LEAST: &'static str = "size";
        const TITLE: &'static str = "the sample";
    }

    #[test]
    fn words_of_the_configuration_are_read_and_held_against_the_schema() {
        let page = read::<Sample>("size: 64KiB\nwait: 50ms\nlist: [a]\n", "s.yaml").unwrap();
        assert_eq!(page.content.size.bytes(), 65_536);
        assert_eq!(page.content.list, ["a"]);
        assert_eq!(page.content.wait.unwrap().length(), Duration::from_millis(50));
        let wrong = read::<Sample>("size: 64 KB\nlsit: [a]\n", "s.yaml")
            .unwrap_err()
            .to_string();
        assert!(
            wrong.contains("s.yaml:1:9") && wrong.contains("did you mean `list`"),
            "{wrong}"
        );
        let empty = read::<Sample>("# nothing\n", "s.yaml").unwrap_err().to_string();
        assert!(empty.contains("it has at least `size`"), "{empty}");
    }

    #[test]
    fn a_complaint_stands_at_the_last_part_that_is_there() {
        let page = read::<Sample>("size: 1\nlist:\n  - a\n  - b\n", "s.yaml").unwrap();
        let complaint = |path| Complaint {
            path,
            message: "no".to_owned(),
            help: None,
        };
        let at = |path| {
            let findings = page.findings(&[complaint(path)]);
            let finding = findings.iter().next().unwrap();
            (finding.line(), finding.column())
        };
        assert_eq!(at(vec![Step::Key("list"), Step::Item(1)]), (4, 5));
        assert_eq!(at(vec![Step::Key("list"), Step::Item(7)]), (3, 3));
        assert_eq!(page.line(&[Step::Key("list")]), 3);
    }
}
