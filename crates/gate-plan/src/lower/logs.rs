//! Logs: what does not fit together, and names and folders that are not there or taken.

mod debug;
mod mask;
mod retention;
mod sampling;
mod shipping;
mod sink;
mod template;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use log_record::field;

pub(super) use self::shipping::{batch, queue, retry};
use super::Lowering;
use crate::findings::Draft;
use crate::nearest::nearest;
use crate::place::Span;
use crate::plan::Plugin;
use crate::plan::logs::{Field, FieldFrom, Logs, Named, Rings, Sandbox, SandboxPlugin};
use crate::route::RouteTable;
use crate::tree::{Node, Value};
use crate::wire::logs as wire;

/// Numbers of the plan's routes and plugins, and what only one may have.
pub(super) struct Numbers<'p> {
    routes: &'p RouteTable,
    plugins: &'p [Arc<Plugin>],
    /// Folders and files that a part of the logs has for itself.
    taken: HashMap<PathBuf, Span>,
}

impl<'p> Numbers<'p> {
    pub(super) fn new(routes: &'p RouteTable, plugins: &'p [Arc<Plugin>]) -> Self {
        Self {
            routes,
            plugins,
            taken: HashMap::new(),
        }
    }

    fn route(&self, name: &str) -> Option<Named> {
        named(name, self.routes.iter().position(|route| route.name == name))
    }

    fn plugin(&self, name: &str) -> Option<Named> {
        named(name, self.plugins.iter().position(|plugin| plugin.name == name))
    }
}

fn named(name: &str, number: Option<usize>) -> Option<Named> {
    Some(Named {
        name: name.to_owned(),
        number: u32::try_from(number?).ok()?,
    })
}

impl Lowering<'_> {
    pub(super) fn logs(&mut self, written: wire::Logs, numbers: &mut Numbers<'_>) -> Logs {
        let node = self.tree.at("logs");
        self.one_place_for_access_records(&written);
        let fields = self.fields(written.fields, node);
        let tenant = written.tenant.map(|wire::Tenant::RequestHeader(name)| name.word);
        let sampling = self.sampling(written.sampling, node, (numbers, tenant.is_some()));
        let debug = written
            .debug
            .map(|debug| self.debug_windows(&debug, node.at("debug"), numbers));
        let mask = self.mask(written.mask, node.at("mask"));
        let rings = self.rings(written.rings, node.at("rings"), numbers);
        let sandbox = written.sandbox.map(|sandbox| self.sandbox(sandbox, node.at("sandbox")));
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let sinks = self.sinks(written.sinks.unwrap_or_default(), node, (numbers, &names));
        if let Some(mask) = mask.as_ref().filter(|mask| mask.packs.contains(&retention::PACK)) {
            self.retention(mask, &sinks, node);
        }
        Logs {
            rings,
            level: written.level.word,
            mask,
            fields,
            tenant,
            sampling,
            debug,
            sandbox,
            sinks,
        }
    }

    fn one_place_for_access_records(&mut self, written: &wire::Logs) {
        let tree = self.tree;
        if written.sinks.is_none() || tree.get("access_log").is_none() {
            return;
        }
        let message = "access records have two places: `access_log` and `logs.sinks`";
        let draft = Draft::error(tree.key_span("access_log"), message);
        let draft = draft.related("the sinks are here", tree.at("logs").key_span("sinks"));
        self.error(draft.help("leave `access_log` out; a sink such as `{ name: out, stdout: {} }` does the same"));
    }

    fn rings(&mut self, written: wire::Rings, node: &Node, numbers: &mut Numbers<'_>) -> Rings {
        if let Some(dir) = &written.dir {
            self.taken(&dir.word.0, node.at("dir").span, numbers);
        }
        let bytes = written.bytes.word.0;
        if !bytes.is_power_of_two() {
            let message = format!("the ring of `{}` is not a power of two", written.bytes.text());
            let below = bytes.checked_ilog2().map_or(0, |bits| 1_u64 << bits);
            let help = format!(
                "write `{}` or `{}`",
                size_text(below),
                size_text(below.saturating_mul(2))
            );
            self.error(Draft::error(node.at("bytes").span, message).help(help));
        }
        Rings {
            dir: written.dir.map(|path| path.word.0),
            bytes,
        }
    }

    fn fields(&mut self, written: Vec<wire::LogField>, node: &Node) -> Vec<Field> {
        let pairs = written.into_iter().zip(node.list("fields"));
        pairs.filter_map(|(written, node)| self.field(written, node)).collect()
    }

    fn field(&mut self, written: wire::LogField, node: &Node) -> Option<Field> {
        let name = written.name.word.0;
        if field::ALL.iter().any(|known| known.name == name) {
            let message = format!("`{name}` is a field that records have anyway");
            self.error(Draft::error(node.at("name").span, message).help("give it another name"));
        }
        for part in node.list("property") {
            if part.text() == Some("") {
                self.error(Draft::error(part.span, "a part of the property's path is empty"));
            }
        }
        let given = ["request_header", "response_header", "property"];
        let mut given = given.into_iter().filter(|key| node.get(key).is_some());
        let Some(first) = given.next() else {
            let draft = Draft::error(node.span, format!("the field `{name}` has no value"));
            let help = "add one of `request_header`, `response_header` and `property`";
            self.absent(node, draft.help(help));
            return None;
        };
        if let Some(second) = given.next() {
            let message = format!("the field `{name}` has two values: `{first}` and `{second}`");
            self.error(Draft::error(node.key_span(second), message).help("keep one of them"));
        }
        let request = written.request_header.map(|name| FieldFrom::RequestHeader(name.word));
        let response = written.response_header.map(|name| FieldFrom::ResponseHeader(name.word));
        let from = request
            .or(response)
            .or_else(|| written.property.map(FieldFrom::Property))?;
        Some(Field { name, from })
    }

    fn sandbox(&mut self, written: wire::Sandbox, node: &Node) -> Sandbox {
        let plugins = written.plugins.into_iter().zip(node.list("plugins"));
        let plugins = plugins.map(|(plugin, _)| SandboxPlugin {
            name: plugin.name.word.0,
            module: plugin.module.word.0,
            config: plugin.config.map(crate::wire::Payload::into_bytes).unwrap_or_default(),
            files: plugin
                .files
                .0
                .into_iter()
                .map(|(name, path)| (name.0, path.word.0))
                .collect(),
            memory_bytes_max: plugin.memory.word.0,
        });
        Sandbox {
            plugins: plugins.collect(),
            batch_records_max: written.batch,
            slice: written.slice.word,
        }
    }

    /// Reports a folder or a file that another part of the logs has.
    pub(super) fn taken(&mut self, path: &std::path::Path, span: Span, numbers: &mut Numbers<'_>) {
        if let Some(first) = numbers.taken.get(path) {
            let draft = Draft::error(span, format!("`{}` is taken", path.display()));
            self.error(
                draft
                    .related("it is given here already", *first)
                    .help("each needs one of its own"),
            );
        } else {
            numbers.taken.insert(path.to_owned(), span);
        }
    }

    /// Reports a name that no field of records has.
    fn known_field(&mut self, name: &str, span: Span, own: &[&str]) {
        let known = || field::ALL.iter().map(|field| field.name).chain(own.iter().copied());
        if known().any(|known| known == name) {
            return;
        }
        let draft = Draft::error(span, format!("records have no field `{name}`"));
        self.error(match nearest(name, known()) {
            Some(meant) => draft.help(format!("did you mean `{meant}`?")),
            None => draft.help("docs/logs.md has their names; `logs.fields` adds further ones"),
        });
    }
}

/// A size as the configuration would write it.
fn size_text(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units
        .into_iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(
        || bytes.to_string(),
        |(name, unit)| format!("{}{name}", bytes.checked_div(unit).unwrap_or(0)),
    )
}

/// A map without a key in it, of which one is needed.
fn is_empty_map(node: &Node) -> bool {
    node.value == Value::Map(Vec::new())
}
