//! Every third-party crate that we name has a user and a reason in deny.toml, and no reason outlives its crate.

use std::collections::BTreeMap;

use super::Problem;
use super::arrows::Package;

/// Between these lines of deny.toml, each line `# NAME: reason` is a reason.
const MARKS: (&str, &str) = ("# tidy: reasons", "# tidy: end of reasons");

/// A reason shorter than this says nothing.
const REASON_LETTERS_MIN: usize = 12;

/// Compares `[workspace.dependencies]` with the reasons.
pub(super) fn check(manifest: &str, deny: &str, packages: &[Package], problems: &mut Vec<Problem>) {
    let named = named(manifest);
    let reasons = reasons(deny);
    for (name, line) in &named {
        let reason = reasons.get(name.as_str()).map(|(_, reason)| reason.len());
        let text = if !packages.iter().any(|package| package.outside.contains(name)) {
            format!("no crate uses `{name}`: take the line out")
        } else if reason.is_none_or(|letters| letters < REASON_LETTERS_MIN) {
            format!("dependency `{name}` has no reason: add a line `# {name}: why` between the marks in deny.toml")
        } else {
            continue;
        };
        problems.push(Problem::new("Cargo.toml", *line, text));
    }
    for (name, (line, _)) in reasons.iter().filter(|(name, _)| !named.contains_key(**name)) {
        problems.push(Problem::new(
            "deny.toml",
            *line,
            format!("`{name}` has a reason and is no dependency: take the line out"),
        ));
    }
}

/// Third-party crates of the workspace, with their lines.
fn named(manifest: &str) -> BTreeMap<String, usize> {
    let section = manifest
        .lines()
        .enumerate()
        .skip_while(|(_, line)| line.trim() != "[workspace.dependencies]")
        .skip(1);
    let rows = section.take_while(|(_, line)| !line.starts_with('['));
    let outside = rows.filter(|(_, line)| !line.contains("path =") && !line.trim_start().starts_with('#'));
    outside
        .filter_map(|(index, line)| Some((line.split_once('=')?.0.trim().to_owned(), index + 1)))
        .collect()
}

fn reasons(deny: &str) -> BTreeMap<&str, (usize, &str)> {
    let inside = deny
        .lines()
        .enumerate()
        .skip_while(|(_, line)| line.trim() != MARKS.0)
        .skip(1);
    let rows = inside.take_while(|(_, line)| line.trim() != MARKS.1);
    rows.filter_map(|(index, line)| {
        let (name, reason) = line.trim_start_matches('#').split_once(':')?;
        Some((name.trim(), (index + 1, reason.trim())))
    })
    .collect()
}
