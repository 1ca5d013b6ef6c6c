//! Grants out of a file of their own, or out of whatever place delivers such a text.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use plug_grant::Grant;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::findings::{Draft, Findings, Lines, Report};
use crate::tree::Node;
use crate::{lower, schema, shape, tree, wire};

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12();
    let schema = settings.into_generator().into_root_schema_for::<wire::GrantFile>();
    schema::finished(schema, "Grants")
});

/// Reads a text of grants: `grants:` with one under each name. `origin` is what messages call it, usually the file's path. Beside the grants
/// come findings that are no errors.
///
/// # Errors
/// Everything that is wrong with the text, sorted by position.
pub fn check_grants(text: &str, origin: &str) -> Result<(BTreeMap<String, Arc<Grant>>, Findings), Findings> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut report = Report::default();
    let tree = tree::read(text, "grants", &mut report);
    let grants = tree.as_ref().and_then(|tree| read(tree, &mut report));
    let findings = report.seal(origin, &Lines::new(text, Vec::new()));
    match grants {
        Some(grants) if !findings.has_errors() => Ok((grants, findings)),
        _ => Err(findings),
    }
}

fn read(tree: &Node, report: &mut Report) -> Option<BTreeMap<String, Arc<Grant>>> {
    shape::check(tree, &SCHEMA, report);
    if report.has_errors() {
        return None;
    }
    let read = serde_json::from_value::<wire::GrantFile>(tree.to_json());
    let read = read.map_err(|why| report.add(Draft::error(tree.span, format!("the grants cannot be read: {why}"))));
    let nodes = tree.at("grants");
    let grants = read.ok()?.grants.0.into_iter().map(|(name, grant)| {
        let grant = lower::grant_of(grant, nodes.at(&name.0), report);
        (name.0, Arc::new(grant))
    });
    Some(grants.collect())
}
