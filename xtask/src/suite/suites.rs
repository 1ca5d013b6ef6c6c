//! The test suites of the workspace: those with a step of their own, and the rest.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{cargo, output, run};

/// Suites that need guests or peers and have a step of their own.
const OWN_STEP: &[&str] = &["conformance", "parity", "higress", "e2e"];

/// Packages of the workspace with their test targets.
pub(super) struct Suites {
    packages: Vec<(String, Vec<String>)>,
}

impl Suites {
    /// Asks cargo.
    pub(super) fn find() -> Result<Self> {
        let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
        let told: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
        let packages = items(&told, "packages")
            .map(|package| (name(package), tests(package)))
            .collect();
        Ok(Self { packages })
    }

    /// Runs all tests but those of suites with a step of their own.
    pub(super) fn unit(&self) -> Result<()> {
        let mut command = cargo();
        command.args(["test", "--workspace", "--no-fail-fast"]);
        for (package, _) in self
            .packages
            .iter()
            .filter(|(package, _)| OWN_STEP.contains(&package.as_str()))
        {
            command.args(["--exclude", package]);
        }
        run(&mut command)
    }

    /// Runs one suite: the package of that name, or the test target of that name in any package.
    pub(super) fn named(&self, suite: &str) -> Result<()> {
        let mut command = cargo();
        command.args(["test", "--no-fail-fast"]);
        if self.packages.iter().any(|(package, _)| package == suite) {
            return run(command.args(["--package", suite]));
        }
        let holder = self
            .packages
            .iter()
            .find(|(_, targets)| targets.iter().any(|target| target == suite));
        let Some((package, _)) = holder else {
            bail!("there is no package and no test target `{suite}` in the workspace");
        };
        run(command.args(["--package", package, "--test", suite]))
    }
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
