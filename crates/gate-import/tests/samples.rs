//! What a person reads: the configuration and the notes of one real-looking sample of each format. `UPDATE=1` writes what is expected.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use gate_import::{Fault, File, Imported, import};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(here(folder)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files
        .into_iter()
        .map(|path| (name(&path), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Holds `found` against the file, or writes the file.
fn expect(name: &str, found: &str) -> Result<(), String> {
    let path = here("tests/golden").join(name);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "{name} differs (UPDATE=1 writes it):\n--- expected\n{expected}\n--- found\n{found}"
    ))
}

fn all_as_expected(results: impl Iterator<Item = Result<(), String>>) {
    let differences: Vec<String> = results.filter_map(Result::err).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

fn notes(imported: &Imported) -> String {
    imported.notes.iter().map(|note| format!("{note}\n")).collect()
}

#[test]
fn each_format_becomes_a_configuration_that_is_accepted() {
    let sources = sources("tests/sources");
    assert!(sources.len() >= 9, "{}", sources.len());
    all_as_expected(sources.iter().map(|(name, text)| {
        let file = File { origin: name, text };
        let imported = import(&[file]).map_err(|fault| format!("{name}: {fault}"))?;
        let checked = gate_plan::check(&imported.text, name);
        checked.map_err(|findings| format!("{findings}"))?;
        let read = gate_plan::documents::read(&imported.text, name).unwrap();
        assert_eq!(read.roots().next().unwrap().to_json(), imported.configuration, "{name}");
        expect(name, &imported.text).and(expect(&name.replace(".yaml", ".notes.txt"), &notes(&imported)))
    }));
}

#[test]
fn secrets_are_passed_on_and_are_in_no_note() {
    for (name, text) in sources("tests/sources") {
        let imported = import(&[File {
            origin: &name,
            text: &text,
        }])
        .unwrap();
        let notes = notes(&imported);
        assert!(
            !notes.contains("s3cret") && !notes.contains("token=abc") && !notes.contains("ok:test"),
            "{notes}"
        );
        assert_eq!(text.contains("s3cret"), imported.text.contains("s3cret"), "{name}");
    }
}

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    let sources = sources("tests/wrong");
    assert!(sources.len() >= 4, "{}", sources.len());
    all_as_expected(sources.iter().map(|(name, text)| {
        let fault = import(&[File { origin: name, text }])
            .err()
            .ok_or(format!("{name} has no fault"))?;
        let said = match &fault {
            Fault::Nothing { notes } => notes.iter().map(|note| format!("{note}\n")).collect(),
            Fault::Wrong(_) | Fault::Unfit(_) => String::new(),
        };
        assert!(!format!("{fault}{said}").contains("s3cret"), "{fault}");
        expect(
            &name.replace(".yaml", ".txt"),
            &format!("{said}{}: {fault}\n", fault.code()),
        )
    }));
}

#[test]
fn several_files_become_one_configuration() {
    let plugin = |name: &str| {
        format!(
            "{{apiVersion: extensions.istio.io/v1alpha1, kind: WasmPlugin, metadata: {{name: {name}}}, spec: {{url: 'file:///a.wasm', no: 1}}}}"
        )
    };
    let (one, two) = (plugin("same"), plugin("same"));
    let files = [
        File {
            origin: "one.yaml",
            text: &one,
        },
        File {
            origin: "two.json",
            text: &two,
        },
    ];
    let imported = import(&files).unwrap();
    assert_eq!(
        imported.configuration["routes"][0]["plugins"],
        serde_json::json!(["same", "same-2"])
    );
    let origins: Vec<&str> = imported.notes.iter().map(|note| note.origin.as_str()).collect();
    assert!(
        origins.contains(&"one.yaml") && origins.contains(&"two.json"),
        "{origins:?}"
    );
}

#[test]
fn every_key_that_nobody_reads_has_a_note() {
    // A key is put into each map that is no plugin's own configuration; each must come up.
    for (name, text) in sources("tests/sources") {
        let read = gate_plan::documents::read(&text, &name).unwrap();
        let roots: Vec<serde_json::Value> = read.roots().map(gate_plan::documents::Node::to_json).collect();
        let before = import(&[File {
            origin: &name,
            text: &text,
        }])
        .unwrap();
        for (index, root) in roots.iter().enumerate() {
            let mut changed = roots.clone();
            let mut with = root.clone();
            with.as_object_mut()
                .unwrap()
                .insert("zz_unheard_of".to_owned(), 1.into());
            changed[index] = with;
            let text: Vec<String> = changed.iter().map(ToString::to_string).collect();
            let after = import(&[File {
                origin: &name,
                text: &text.join("\n---\n"),
            }])
            .unwrap();
            let heard = after.notes.iter().any(|note| note.message.contains("zz_unheard_of"));
            // A document that is left out as a whole has its one note.
            let whole = before.notes.iter().any(|note| note.message.contains("not imported"));
            assert!(heard || whole, "{name}, document {index}");
        }
    }
}
