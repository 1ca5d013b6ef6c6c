//! The text of an inspection.

use std::fmt::Write;

use plug_audit::{Export, Import};

use super::{Inspected, hex, makers};

/// Characters after which a list of names goes on in the next line.
const LINE_CHARACTERS: usize = 110;

/// Where the second column begins.
const COLUMN: usize = 20;

/// The whole text.
pub(super) fn of(module: &Inspected<'_>) -> String {
    let mut text = format!("{}: {}\n", module.file.display(), bytes(module.bytes.len()));
    for (name, value) in head(module) {
        let _ = writeln!(text, "  {name:<width$}{value}", width = COLUMN - 2);
    }
    text.push_str("\nwhat its imports let it do\n");
    for (capability, imports) in module.capabilities() {
        let _ = writeln!(
            text,
            "  {:<width$}{}",
            capability.word(),
            capability.summary(),
            width = COLUMN - 2
        );
        text.push_str(&listed(imports.iter().map(|import| import.name())));
    }
    text.push_str("\ncallbacks\n");
    text.push_str(&listed(
        module.facts.callbacks.iter().map(|exported| exported.callback.name),
    ));
    let others: Vec<&Export> = module
        .facts
        .exports
        .iter()
        .filter(|export| !is_of_abi(export))
        .collect();
    if !others.is_empty() {
        text.push_str("\nother exports\n");
        text.push_str(&listed(others.iter().map(|export| export.name.as_str())));
    }
    if !module.facts.custom_sections.is_empty() {
        text.push_str("\ncustom sections\n");
        for section in &module.facts.custom_sections {
            let _ = writeln!(text, "  {:>12}  {}", grouped(section.bytes), section.name);
        }
    }
    let code = module.code_bytes();
    let _ = writeln!(
        text,
        "\ncode: {} functions, {}",
        grouped(module.functions.len()),
        bytes(code)
    );
    for (name, size) in &module.largest {
        let _ = writeln!(text, "  {:>12}  {:>5}  {name}", grouped(*size), percent(*size, code));
    }
    text
}

fn head(module: &Inspected<'_>) -> Vec<(&'static str, String)> {
    let facts = &module.facts;
    let makers = makers(facts);
    let made_by = match makers.is_empty() {
        true => facts.toolchain.name().to_owned(),
        false => format!("{}: {}", facts.toolchain.name(), makers.join(", ")),
    };
    let most = match facts.memory.pages_max {
        Some(pages) => format!("at most {}", memory(pages)),
        None => "no bound of its own".to_owned(),
    };
    let names = match (facts.has_names, facts.has_dwarf, module.debug_file) {
        (_, true, _) => "in the module",
        (_, false, true) => "in a file beside it",
        (true, false, false) => "names in the module, no lines",
        (false, false, false) => "none",
    };
    let outside = facts.imports.iter().filter(|import| !import.is_standard());
    let odd: Vec<&str> = outside.map(Import::name).collect();
    let mut rows = vec![
        ("made by", made_by),
        ("SHA-256", plug_host::digest(module.bytes)),
        ("code SHA-256", hex(&facts.code_sha256)),
        ("ABI", facts.abi.as_str().to_owned()),
        ("entry", module.entry().to_owned()),
        ("allocator", facts.allocator.export().to_owned()),
        ("memory", format!("{} at first, {most}", memory(facts.memory.pages_min))),
        ("names and lines", names.to_owned()),
    ];
    if facts.has_start_section {
        rows.push((
            "start section",
            "yes: it runs when the module is instantiated".to_owned(),
        ));
    }
    if !odd.is_empty() {
        rows.push(("imported otherwise", odd.join(", ")));
    }
    rows
}

/// What every plugin exports, or the list of callbacks shows.
fn is_of_abi(export: &Export) -> bool {
    plug_abi::callback(&export.name).is_some()
        || export.name == "memory"
        || export.name.starts_with(plug_abi::Abi::MARKER_PREFIX)
}

/// Names, as many in a line as there is room for, under the second column.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let indent = " ".repeat(COLUMN);
    let mut text = String::new();
    let mut line = String::new();
    for name in names {
        if !line.is_empty() && line.len() + name.len() + 2 > LINE_CHARACTERS - COLUMN {
            let _ = writeln!(text, "{indent}{line},");
            line.clear();
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(name);
    }
    if line.is_empty() {
        text
    } else {
        format!("{text}{indent}{line}\n")
    }
}

/// As in `1,234,567 bytes`.
pub(in crate::cmd::plugin) fn bytes(count: usize) -> String {
    format!("{} bytes", grouped(count))
}

fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of pages of 64 KiB.
fn memory(pages: u64) -> String {
    let noun = if pages == 1 { "page" } else { "pages" };
    let tenths = pages.saturating_mul(10) / 16;
    match pages {
        0..16 => format!("{} KiB ({pages} {noun})", pages * 64),
        _ => format!("{}.{} MiB ({pages} {noun})", tenths / 10, tenths % 10),
    }
}

fn percent(part: usize, whole: usize) -> String {
    let tenths = part.saturating_mul(1_000).checked_div(whole).unwrap_or_default();
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(12_345_678)],
            ["0", "999", "1,000", "12,345,678"]
        );
        assert_eq!([memory(1), memory(17)], ["64 KiB (1 page)", "1.0 MiB (17 pages)"]);
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(1, 0), "0.0 %");
    }
}
