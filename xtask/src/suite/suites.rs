//! The test suites of the workspace: those with a step of their own, and the rest.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{cargo, output, run};

/// Suites that need guests or peers and have a step of their own.
const OWN_STEP: &[&str] = &["conformance", "parity", "higress", "e2e", "deaths", "chaos"];

/// Test targets of the workspace.
pub(super) struct Suites {
    targets: BTreeSet<String>,
}

impl Suites {
    /// Asks cargo.
    pub(super) fn find() -> Result<Self> {
        let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
        let told: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        let targets = items(&told, "packages").flat_map(tests).collect();
        Ok(Self { targets })
    }

    /// Runs all tests but those of suites with a step of their own.
    ///
    /// Every step names the whole workspace and chooses among its targets: for one package alone cargo would choose other features of the
    /// dependencies, and compile the WebAssembly compiler once more.
    pub(super) fn unit(&self) -> Result<()> {
        let mut command = whole();
        command.args(["--lib", "--bins", "--examples"]);
        for target in self.targets().filter(|target| !OWN_STEP.contains(target)) {
            command.args(["--test", target]);
        }
        run(&mut command)?;
        run(whole().arg("--doc"))
    }

    /// Runs the test target of that name.
    pub(super) fn named(&self, suite: &str) -> Result<()> {
        if !self.targets().any(|target| target == suite) {
            bail!("there is no test target `{suite}` in the workspace");
        }
        run(whole().args(["--test", suite]))
    }

    fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str)
    }
}

fn whole() -> Command {
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn name(value: &Value) -> String {
    value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn tests(package: &Value) -> Vec<String> {
    let is_test = |target: &&Value| items(target, "kind").any(|kind| kind == "test");
    items(package, "targets").filter(is_test).map(name).collect()
}
