//! Envoy and Cofferdam are given the same plugins, configuration and requests, and must do the same.
//!
//! `PARITY_CASE=word` plays only the cases whose name contains the word; `PARITY_SHOW=1` prints what was seen of each;
//! `PARITY_SIDE=envoy` plays them with Envoy alone and compares nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod case;
mod cases;
mod sides;
mod drive;
mod seen;
mod normal;
mod compare;
mod wanted;
mod page;

use std::collections::BTreeSet;
use std::env;

use anyhow::Result;

use case::Case;
use compare::{Difference, compare, outcome};
use drive::{play, unplayable};
use normal::normalise;
use seen::Seen;
use sides::{Certificates, Side};

/// Fewest cases that this test is worth anything with.
const CASES_MIN: usize = 60;

#[tokio::test]
async fn envoy_and_cofferdam_do_the_same() -> Result<()> {
    let word = env::var("PARITY_CASE").unwrap_or_default();
    let cases: Vec<Case> = cases::all()
        .into_iter()
        .filter(|case| case.name.contains(&word))
        .collect();
    if env::var("PARITY_SIDE").is_ok_and(|side| side == "envoy") {
        return show_envoy(&cases).await;
    }
    let certificates = Certificates::issue()?;
    let (mut envoy, mut ours) = tokio::try_join!(
        Side::envoy(&cases, &certificates),
        Side::cofferdam(&cases, &certificates)
    )?;
    let mut differences = Vec::new();
    for case in &cases {
        let (one, other) = tokio::try_join!(observe(&envoy, case), observe(&ours, case))?;
        show(case, "envoy", &one);
        show(case, "ours", &other);
        differences.extend(match wanted::whole(case.name, &outcome(&one), &outcome(&other)) {
            Some(difference) => vec![difference],
            None => compare(case.name, &one, &other),
        });
        // A case may kill a gateway; that is a difference, and the next case needs a living one.
        if one.dead {
            envoy = Side::envoy(&cases, &certificates).await?;
        }
        if other.dead {
            ours = Side::cofferdam(&cases, &certificates).await?;
        }
    }
    judge(&differences, word.is_empty());
    Ok(())
}

#[test]
fn there_are_enough_cases_and_each_has_a_name_of_its_own() {
    let cases = cases::all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
}

#[test]
fn every_table_row_has_its_reason() {
    assert!(wanted::all().all(|row| !row.reason.is_empty()));
    assert!(
        normal::TABLE
            .iter()
            .all(|row| !row.reason.is_empty() && !row.what.is_empty())
    );
}

#[test]
fn the_page_of_differences_says_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parity.md");
    let page = page::page();
    if env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page);
}

async fn observe(side: &Side, case: &Case) -> Result<Seen> {
    let (mut seen, addresses) = play(side, case).await.map_err(|error| unplayable(case, &error))?;
    normalise(&mut seen, &addresses);
    Ok(seen)
}

async fn show_envoy(cases: &[Case]) -> Result<()> {
    let certificates = Certificates::issue()?;
    let mut envoy = Side::envoy(cases, &certificates).await?;
    for case in cases {
        let seen = observe(&envoy, case).await?;
        println!("{} · envoy\n{}", case.name, seen.show());
        if seen.dead {
            envoy = Side::envoy(cases, &certificates).await?;
        }
    }
    Ok(())
}

fn show(case: &Case, side: &str, seen: &Seen) {
    if env::var_os("PARITY_SHOW").is_some() {
        println!(
            "{} · {side} · {:?} · {}\n{}",
            case.name,
            seen.took,
            outcome(seen),
            seen.show()
        );
    }
}

/// Fails for each difference that no row wants and, when all cases were played, for each row that fits no difference.
fn judge(differences: &[Difference], all: bool) {
    let unwanted: Vec<String> = differences
        .iter()
        .filter(|difference| !wanted::all().any(|row| row.fits(difference)))
        .map(ToString::to_string)
        .collect();
    let idle: Vec<String> = wanted::all()
        .filter(|row| all && !row.sometimes && !differences.iter().any(|difference| row.fits(difference)))
        .map(|row| format!("{} · {} · {}", row.case, row.field, row.envoy))
        .collect();
    assert!(
        unwanted.is_empty() && idle.is_empty(),
        "{} differences that no row wants:\n{}\n{} rows without a difference:\n{}",
        unwanted.len(),
        unwanted.join("\n"),
        idle.len(),
        idle.join("\n")
    );
}
