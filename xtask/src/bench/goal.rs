//! Goals, reached or missed, and how figures are condensed and saved.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::place;

/// What, how much it may be, how much it was; none when it or a peer was not measured.
#[derive(Serialize)]
pub(super) struct Goal {
    #[serde(rename = "goal")]
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) at_most: Option<f64>,
    #[serde(rename = "measured")]
    pub(super) was: Option<f64>,
}

impl Goal {
    fn verdict(&self) -> &'static str {
        match (self.was, self.at_most) {
            (Some(was), Some(at_most)) if was <= at_most => "reached",
            (Some(_), Some(_)) => "MISSED",
            _ => "",
        }
    }

    fn shown(&self, figure: Option<f64>) -> String {
        figure.map_or_else(
            || String::from("not measured"),
            |figure| format!("{figure:.2} {}", self.unit),
        )
    }
}

/// One row for each goal.
pub(super) fn table(goals: &[Goal]) -> String {
    let mut text = String::from("| goal | at most | measured | |\n|---|---|---|---|\n");
    for goal in goals {
        let (at_most, was) = (goal.shown(goal.at_most), goal.shown(goal.was));
        writeln!(text, "| {} | {at_most} | {was} | {} |", goal.what, goal.verdict()).ok();
    }
    text
}

/// Prints a report and writes it to `NAME.md` and `NAME.json` in `target/bench`.
pub(super) fn save(name: &str, text: &str, json: &Value) -> Result<()> {
    println!("\n{text}");
    let folder = place::cargo_target().join("bench");
    fs::write(folder.join(format!("{name}.md")), text).with_context(|| format!("cannot write `{name}.md`"))?;
    let json = serde_json::to_string_pretty(json)? + "\n";
    fs::write(folder.join(format!("{name}.json")), json).with_context(|| format!("cannot write `{name}.json`"))?;
    println!("saved: {name}.md and {name}.json in {}", folder.display());
    Ok(())
}

/// The middle of several figures.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2)?;
    let lower = figures.get(figures.len().saturating_sub(1) / 2)?;
    Some((upper + lower) / 2.0)
}

/// One figure by another, as a table has it.
pub(super) fn ratio(one: Option<f64>, other: Option<f64>) -> String {
    match (one, other) {
        (Some(one), Some(other)) if other > 0.0 => format!("{:.2}", one / other),
        _ => String::new(),
    }
}

/// The figure that at most so many percent of all are above: the nearest rank, so always one of them.
pub(super) fn percentile(percent: usize, mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let rank = (figures.len() * percent).div_ceil(100);
    figures.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_an_odd_and_of_an_even_number_of_rounds() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![1.0, 2.0, 4.0, 8.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_percentile_is_one_of_the_figures() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(50, hundred.clone()), Some(50.0));
        assert_eq!(percentile(99, hundred), Some(99.0));
        assert_eq!(percentile(99, vec![7.0, 3.0]), Some(7.0));
        assert_eq!(percentile(99, Vec::new()), None);
    }
}
