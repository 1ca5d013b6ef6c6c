//! The steps of our own way of a record, and records through the sandbox: programs that measure themselves.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};

use super::{LogsOptions, loggers};
use crate::bench::goal::median;
use crate::command::{cargo, output};
use crate::{guests, place};

/// What the guest is told: the program of a client is looked up.
const ENRICH: &str = r#"{"user_agent":true}"#;

/// Medians of the figures, by their names.
pub(super) fn measure(options: &LogsOptions) -> Result<BTreeMap<String, f64>> {
    let program = loggers::build_rust()?;
    let folder = place::cargo_target().join("bench/logs");
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in 1..=options.rounds {
        let mut command = Command::new(&program);
        command
            .args(["--records", &options.records.to_string(), "--folder"])
            .arg(&folder);
        let text = output(&mut command)?;
        let figures: BTreeMap<String, f64> =
            serde_json::from_str(&text).with_context(|| format!("the steps printed `{}`", text.trim()))?;
        for (name, figure) in figures {
            all.entry(name).or_default().push(figure);
        }
        println!("round {round}/{}  steps by themselves", options.rounds);
    }
    let medians = all
        .into_iter()
        .filter_map(|(name, figures)| Some((name, median(figures)?)));
    Ok(medians.collect())
}

/// What the example of the host says of records through the guest `log-enrich`.
pub(super) fn sandbox() -> Result<String> {
    guests::run(&guests::Options::default())?;
    let mut command = cargo();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "plug-host",
        "--example",
        "records",
        "--",
    ]);
    command.arg(place::guests().join("log-enrich.wasm")).arg(ENRICH);
    let said = output(&mut command)?;
    let lines = said.lines().filter(|line| line.starts_with("batches of"));
    Ok(lines.map(|line| format!("{line}\n")).collect())
}
