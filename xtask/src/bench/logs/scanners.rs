//! Our mask beside scanners of others, on the same texts and with the same rules; one process for each measurement.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result};

use super::{LogsOptions, loggers};
use crate::bench::goal::{median, ratio};
use crate::command::output;
use crate::{peers, place};

/// Who is measured by the program in Rust: its name there, and who that is.
const RUST: [(&str, &str); 5] = [
    (OURS, "cofferdam, all classes: checked and replaced"),
    (SET, "`RegexSet`: which rules match, not where"),
    ("regex-each", "`regex`, rule by rule: found"),
    ("sds", "dd-sensitive-data-scanner: some checked, replaced"),
    ("vrl", "VRL, `redact`: replaced"),
];
const OURS: &str = "cofferdam";
const SET: &str = "regex-set";
const HYPERSCAN: (&str, &str) = ("hyperscan", "Hyperscan: where a match ends");

/// Figures by their names.
pub(super) type Figures = BTreeMap<String, f64>;

/// Medians of all of them, by their names.
pub(super) fn measure(
    options: &LogsOptions,
    versions: &mut BTreeMap<String, String>,
) -> Result<Vec<(&'static str, Figures)>> {
    let program = loggers::build("masks")?;
    loggers::note_crates("masks", &["dd-sensitive-data-scanner", "regex", "vrl"], versions);
    let (modules, version) = peers::hyperscan()?;
    versions.insert(String::from("hyperscan (PyPI)"), version.to_owned());
    let folder = place::cargo_target().join("bench/masks");
    output(
        Command::new(loggers::build("logs")?)
            .args(["--texts", "--folder"])
            .arg(&folder),
    )?;
    let ours = place::root().join("bench/masks");
    let rules = ours.join("rules.json");
    let mut rounds: Vec<(&'static str, Vec<Figures>)> = Vec::new();
    for round in 1..=options.rounds {
        for (name, _) in RUST {
            let mut command = Command::new(&program);
            command.args(["--scanner", name, "--rules"]).arg(&rules);
            note(name, command.arg("--folder").arg(&folder), &mut rounds)?;
        }
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", &modules).arg(ours.join("hyperscan_scan.py"));
        note(HYPERSCAN.0, command.args([&rules, &folder]), &mut rounds)?;
        println!("round {round}/{}  scanners", options.rounds);
    }
    Ok(rounds.into_iter().map(|(name, all)| (name, medians(&all))).collect())
}

fn note(name: &'static str, command: &mut Command, rounds: &mut Vec<(&'static str, Vec<Figures>)>) -> Result<()> {
    let text = output(command)?;
    let figures = serde_json::from_str(&text).with_context(|| format!("{name} printed `{}`", text.trim()))?;
    match rounds.iter_mut().find(|(known, _)| *known == name) {
        Some((_, all)) => all.push(figures),
        None => rounds.push((name, vec![figures])),
    }
    Ok(())
}

fn medians(all: &[Figures]) -> Figures {
    let names = all.first().into_iter().flat_map(Figures::keys);
    let of = |name: &String| median(all.iter().filter_map(|figures| figures.get(name).copied()).collect());
    names.filter_map(|name| Some((name.clone(), of(name)?))).collect()
}

/// What ours is, by what a peer is.
pub(super) fn ours_by(scanners: &[(&'static str, Figures)], peer: &str, figure: &str) -> Option<f64> {
    let of = |name: &str| {
        let (_, figures) = scanners.iter().find(|(known, _)| *known == name)?;
        figures.get(figure).copied()
    };
    Some(of(OURS)? / of(peer)?)
}

/// How much more slowly than ours the set of regular expressions is, and how much faster Hyperscan may be: the lower of clean texts and others.
pub(super) fn ratios(scanners: &[(&'static str, Figures)]) -> (Option<f64>, Option<f64>) {
    let lowest = |peer: &str, kind: &str| {
        let clean = ours_by(scanners, peer, &format!("clean_{kind}_mb_per_s"))?;
        let secrets = ours_by(scanners, peer, &format!("secrets_{kind}_mb_per_s"))?;
        Some(clean.min(secrets))
    };
    (lowest(SET, "lines"), lowest(HYPERSCAN.0, "whole"))
}

/// Bytes in a second, what was found, and what a record takes.
pub(super) fn table(scanners: &[(&'static str, Figures)], record_ns: Option<f64>) -> String {
    let mut text = String::from(
        "\nScanners, one thread, the same texts and rules; *line* has some 400 bytes, *whole* all of them at once:\n\n\
         | scanner | clean, line, MB/s | clean, whole, MB/s | a find each 200 B, line, MB/s | the same, whole, MB/s | found in clean | found | record of 400 B to JSON, ns | ours by it: clean | ours by it: finds |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, figures) in scanners {
        let shown = RUST.iter().chain([&HYPERSCAN]).find(|(known, _)| known == name);
        let of = |figure: &str| figures.get(figure).copied();
        let record = if *name == OURS { record_ns } else { of("record_ns") };
        let kind = if *name == HYPERSCAN.0 { "whole" } else { "lines" };
        let by = |text: &str| ratio(ours_by(scanners, name, &format!("{text}_{kind}_mb_per_s")), Some(1.0));
        writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {} |",
            shown.map_or(*name, |(_, shown)| *shown),
            of("clean_lines_mb_per_s").unwrap_or(f64::NAN),
            of("clean_whole_mb_per_s").unwrap_or(f64::NAN),
            of("secrets_lines_mb_per_s").unwrap_or(f64::NAN),
            of("secrets_whole_mb_per_s").unwrap_or(f64::NAN),
            of("clean_found").unwrap_or(f64::NAN),
            of("secrets_found").unwrap_or(f64::NAN),
            record.map_or_else(|| String::from("–"), |ns| format!("{ns:.0}")),
            by("clean"),
            by("secrets"),
        )
        .ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(clean: f64, secrets: f64) -> Figures {
        let all = ["lines", "whole"].map(|kind| {
            [
                (format!("clean_{kind}_mb_per_s"), clean),
                (format!("secrets_{kind}_mb_per_s"), secrets),
            ]
        });
        all.into_iter().flatten().collect()
    }

    #[test]
    fn the_worse_of_both_kinds_of_text_counts() {
        let all = [
            (OURS, figures(1000.0, 400.0)),
            (SET, figures(100.0, 100.0)),
            (HYPERSCAN.0, figures(4000.0, 800.0)),
        ];
        assert_eq!(ratios(&all), (Some(4.0), Some(0.25)));
        assert_eq!(ratios(&all[..2]), (Some(4.0), None));
    }

    #[test]
    fn medians_are_of_each_figure_by_itself() {
        let all = [figures(1.0, 9.0), figures(2.0, 8.0), figures(3.0, 7.0)];
        assert_eq!(medians(&all), figures(2.0, 8.0));
    }
}
