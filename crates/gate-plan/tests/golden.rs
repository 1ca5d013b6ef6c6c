//! What a person reads: the texts of findings, the schema, and whether the examples are good. `UPDATE=1` writes what is expected.

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

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn texts(folder: &str) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(here(folder)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// Holds `found` against the file, or writes the file.
fn expect(path: &Path, found: &str) -> Result<(), String> {
    if env::var_os("UPDATE").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "{} differs (UPDATE=1 writes it):\n--- expected\n{expected}\n--- found\n{found}",
        path.display()
    ))
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn all_as_expected(results: impl Iterator<Item = Result<(), String>>) {
    let differences: Vec<String> = results.filter_map(Result::err).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

#[test]
fn a_wrong_configuration_says_everything_that_is_wrong_with_it() {
    let texts = texts("tests/wrong");
    assert!(texts.len() >= 40, "{}", texts.len());
    all_as_expected(texts.iter().map(|(path, text)| {
        let findings = gate_plan::check(text, name(path))
            .err()
            .ok_or(format!("{} has no error", path.display()))?;
        expect(&path.with_extension("txt"), &format!("{findings}\n"))
    }));
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    all_as_expected(texts("tests/warned").iter().map(|(path, text)| {
        let plan = gate_plan::check(text, name(path)).map_err(|findings| findings.to_string())?;
        expect(&path.with_extension("txt"), &format!("{}\n", plan.warnings))
    }));
}

#[test]
fn programs_get_the_same_findings_without_the_text_of_the_file() {
    let (_, text) = texts("tests/wrong")
        .into_iter()
        .find(|(path, _)| name(path).starts_with("text_secrets"))
        .unwrap();
    let found = gate_plan::check(&text, "gateway.yaml").unwrap_err().to_json();
    expect(&here("tests/findings.json"), &format!("{found:#}\n")).unwrap();
    assert!(!found.to_string().contains("s3cret"));
}

#[test]
fn every_example_and_the_first_configuration_are_good_and_without_warnings() {
    let examples = texts("../../examples");
    assert!(examples.len() >= 5, "{}", examples.len());
    let good = texts("tests/good");
    assert!(!good.is_empty());
    for (path, text) in examples.into_iter().chain(good) {
        if let Some(bootstrap) = gate_plan::bootstrap(&text, name(&path)) {
            bootstrap.unwrap_or_else(|findings| panic!("{findings}"));
            continue;
        }
        let plan = gate_plan::check(&text, name(&path)).unwrap_or_else(|findings| panic!("{findings}"));
        assert!(plan.warnings.is_empty(), "{}", plan.warnings);
    }
}

#[test]
fn the_plan_of_the_example_is_described_without_its_secrets() {
    let text = fs::read_to_string(here("../../examples/plugins.yaml")).unwrap();
    let plan = gate_plan::check(&text, "plugins.yaml").unwrap();
    expect(&here("tests/described.json"), &format!("{:#}\n", plan.describe())).unwrap();
}

#[test]
fn a_wrong_file_with_a_store_says_everything_that_is_wrong_with_it() {
    let texts = texts("tests/bootstrap");
    assert!(texts.len() >= 5, "{}", texts.len());
    all_as_expected(texts.iter().map(|(path, text)| {
        let findings = gate_plan::bootstrap(text, name(path)).unwrap().err();
        let findings = findings.ok_or(format!("{} has no error", path.display()))?;
        expect(&path.with_extension("txt"), &format!("{findings}\n"))
    }));
}

#[test]
fn a_text_out_of_a_store_leaves_the_machine_alone() {
    let machine = gate_plan::Machine {
        workers: std::num::NonZeroUsize::new(3),
        ..gate_plan::Machine::default()
    };
    let text = "listeners: [{ name: web, listen: 127.0.0.1:0 }]\nroutes: [{ name: r, respond: { status: 204 } }]\n";
    let plan = gate_plan::check_delivered(text, "store", &machine).unwrap();
    assert_eq!(plan.workers, machine.workers);
    let wrong = format!("workers: 2\nadmin: {{ listen: 127.0.0.1:0 }}\n{text}");
    let found = gate_plan::check_delivered(&wrong, "store", &machine).unwrap_err();
    let found: Vec<(usize, &str)> = found
        .iter()
        .map(|finding| (finding.line(), finding.message()))
        .collect();
    assert_eq!(
        found,
        [
            (1, "`workers` belongs to the machine, not into a store"),
            (2, "`admin` belongs to the machine, not into a store")
        ]
    );
    assert!(gate_plan::check(&wrong, "file").is_ok());
    assert!(
        gate_plan::bootstrap(&wrong, "file").is_none(),
        "without `store` it is a configuration"
    );
}

#[test]
fn the_committed_schema_is_the_one_of_the_code() {
    expect(
        &here("../../schema/store.schema.json"),
        &format!("{:#}\n", gate_plan::bootstrap_schema()),
    )
    .unwrap();
    expect(
        &here("../../schema/cofferdam.schema.json"),
        &format!("{:#}\n", gate_plan::schema()),
    )
    .unwrap();
}
