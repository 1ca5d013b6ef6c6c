//! Headers that a route removes, sets and adds.

use std::collections::HashSet;

use crate::gateway::Edits;
use crate::ledger::Cursor;

/// The edits of `request` or `response`.
pub(super) fn edits(route: &Cursor<'_, '_>, side: &str) -> Edits {
    let mut edits = Edits::default();
    let mut known = HashSet::new();
    for option in route.maps(&format!("{side}_headers_to_add")) {
        let Some(header) = option.map("header") else { continue };
        let key = header.text("key").unwrap_or_default().to_ascii_lowercase();
        let value = header.text("value").unwrap_or_default();
        if value.contains('%') || key.starts_with(':') {
            let hint = "a plugin can set it; values of the configuration are fixed";
            option.leave_out(format!("the header `{key}` has a value that Envoy computes"), hint);
            continue;
        }
        let replaces = replaces(&option);
        // Keys of a map are unique in ours.
        if !known.insert((replaces, key.clone())) {
            option.leave_out(format!("the header `{key}` is given twice"), "the first one was kept");
        } else if replaces {
            edits.set.push((key, value.to_owned()));
        } else {
            edits.add.push((key, value.to_owned()));
        }
    }
    let removed = route.texts(&format!("{side}_headers_to_remove"));
    edits.remove = removed.iter().map(|(_, name)| (*name).to_owned()).collect();
    edits
}

/// Envoy appends unless told otherwise.
fn replaces(option: &Cursor<'_, '_>) -> bool {
    let old = option.flag("append") == Some(false);
    let Some(action) = option.get("append_action") else {
        return old;
    };
    match action.as_text() {
        Some("OVERWRITE_IF_EXISTS_OR_ADD") => true,
        Some("APPEND_IF_EXISTS_OR_ADD") | None => false,
        Some(other) => {
            action.say(
                format!("`append_action: {other}` has no counterpart"),
                "the header is set",
            );
            true
        }
    }
}
