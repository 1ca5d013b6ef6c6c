//! `cofferdam import`: makes a configuration of what others wrote for their gateways.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gate_import::{Fault, File, Imported, Note, import as import_texts};
use gate_plan::Findings;
use serde_json::{Value, json};

use crate::Format;
use crate::voice::{fail, print, say, warn};

/// LIMIT: bytes of one file; the reader of YAML refuses more.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

pub(crate) fn import(files: &[PathBuf], format: Format) -> ExitCode {
    let mut texts = Vec::new();
    for file in files {
        match read(file) {
            Ok(text) => texts.push((name(file), text)),
            Err(why) => return unread(&why, format),
        }
    }
    let files: Vec<File<'_>> = texts.iter().map(|(origin, text)| File { origin, text }).collect();
    match (import_texts(&files), format) {
        (Ok(imported), Format::Text) => {
            said(&imported);
            print(&imported.text);
            ExitCode::SUCCESS
        }
        (Ok(imported), Format::Json) => {
            print(&escaped(&imported.to_json()));
            ExitCode::SUCCESS
        }
        (Err(fault), Format::Text) => {
            notes(fault_notes(&fault));
            fail(&worded(&fault));
            ExitCode::FAILURE
        }
        (Err(fault), Format::Json) => {
            print(&escaped(&refused(&fault)));
            ExitCode::FAILURE
        }
    }
}

fn name(file: &Path) -> String {
    if file == Path::new("-") {
        return "<stdin>".to_owned();
    }
    file.display().to_string()
}

fn read(file: &Path) -> Result<String, String> {
    let shown = name(file);
    let cannot = |why: std::io::Error| format!("`{shown}` cannot be read: {why}");
    let mut source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).map_err(cannot)?)
    };
    let mut text = String::new();
    source
        .by_ref()
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("`{shown}` has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn unread(why: &str, format: Format) -> ExitCode {
    match format {
        Format::Text => fail(&format!("error: {why}")),
        Format::Json => {
            let finding = json!({ "severity": "error", "message": why });
            print(&format!(
                "{:#}\n",
                json!({ "configuration": null, "notes": [], "findings": [finding] })
            ));
        }
    }
    ExitCode::FAILURE
}

fn said(imported: &Imported) {
    notes(&imported.notes);
    if imported.notes_left_out > 0 {
        warn(&format!("and {} notes more", imported.notes_left_out));
    }
    let plugins = imported
        .configuration
        .get("plugins")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let all = imported.notes.len().saturating_add(imported.notes_left_out);
    say(&format!(
        "imported {plugins} plugins, with {all} notes; hint: `cofferdam check` reads the result as `run` does"
    ));
}

fn notes(notes: &[Note]) {
    notes.iter().for_each(|note| warn(&note.to_string()));
}

fn fault_notes(fault: &Fault) -> &[Note] {
    match fault {
        Fault::Nothing { notes } => notes,
        Fault::Wrong(_) | Fault::Unfit(_) => &[],
    }
}

/// Findings say themselves that they are errors.
fn worded(fault: &Fault) -> String {
    match fault {
        Fault::Wrong(_) => fault.to_string().trim_end().to_owned(),
        Fault::Nothing { .. } | Fault::Unfit(_) => format!("error: {fault}"),
    }
}

fn refused(fault: &Fault) -> Value {
    let findings = match fault {
        Fault::Wrong(files) => files.iter().flat_map(of_file).collect(),
        Fault::Unfit(findings) => of_file(findings),
        Fault::Nothing { .. } => vec![json!({ "severity": "error", "message": fault.to_string() })],
    };
    let notes: Vec<Value> = fault_notes(fault).iter().map(Note::to_json).collect();
    json!({ "configuration": null, "code": fault.code(), "notes": notes, "findings": findings })
}

/// The findings of a file, each with its name.
fn of_file(findings: &Findings) -> Vec<Value> {
    let whole = findings.to_json();
    let named = |finding: &gate_plan::Finding| {
        let mut finding = finding.to_json();
        if let (Some(pairs), Some(origin)) = (finding.as_object_mut(), whole.get("origin")) {
            pairs.insert("file".to_owned(), origin.clone());
        }
        finding
    };
    findings.iter().map(named).collect()
}

/// JSON in which no character steers a terminal: what is printed raw would be replaced, and a configuration be another.
fn escaped(value: &Value) -> String {
    let mut text = String::new();
    for char in format!("{value:#}\n").chars() {
        if char.is_control() && char != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            text.push(char);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_value_without_control_characters() {
        let value = json!({ "a": "one\ntwo\u{7f}\u{9b}\t" });
        let text = escaped(&value);
        assert!(!text.contains(['\u{7f}', '\u{9b}', '\t']), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
    }
}
