//! The differences as a page for people: `docs/parity.md`, written by `UPDATE=1 cargo test -p parity the_page`.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::compare::WHOLE;
use crate::wanted::{self, Row};
use crate::{cases, normal};

const HEAD: &str = "\
# Where Cofferdam differs from Envoy

`cargo xtask test --only parity` gives the same plugins, configuration and requests to Envoy 1.40 and to Cofferdam and compares status,
headers, bodies, trailers, what the upstreams saw and every line that the plugins logged. Everything that is not on this page is equal.
A difference that is not here fails the test, and so does a row here that no longer differs. Written by that test; do not edit.
";

/// A bound that ours has and no case reaches: what, Envoy, Cofferdam, why.
const BOUNDS: &[[&str; 4]] = &[[
    "headers and trailers of one message, as a plugin adds and replaces them one by one",
    "no bound; 1,024 pairs and 1 MiB in a map handed over whole",
    "1,024 pairs and 1 MiB either way; what is too much is left out, the plugin is answered `OK` and its log says so",
    "the exchange keeps them all, so that a loop in a plugin could take the process's memory",
]];

/// The page.
pub(crate) fn page() -> String {
    let mut out = HEAD.to_owned();
    let rows: Vec<&Row> = wanted::all().collect();
    let mut reasons = BTreeSet::new();
    let _ = writeln!(out, "\n{} cases.\n\n## Differences that we want", cases::all().len());
    for row in &rows {
        if !reasons.insert(row.reason) {
            continue;
        }
        let _ = writeln!(out, "\n### {}\n", sentence(row.reason));
        let _ = writeln!(out, "| case | what | Envoy | Cofferdam |\n|---|---|---|---|");
        for row in rows.iter().filter(|other| other.reason == row.reason) {
            let what = if row.field == WHOLE { "all of it" } else { row.field };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                code(row.case),
                code(what),
                code(row.envoy),
                code(row.ours) + if row.sometimes { ", or as Envoy" } else { "" }
            );
        }
    }
    let _ = writeln!(
        out,
        "\n## Bounds\n\n| what | Envoy | Cofferdam | why |\n|---|---|---|---|"
    );
    for row in BOUNDS {
        let _ = writeln!(out, "| {} |", row.map(cell).join(" | "));
    }
    let _ = writeln!(
        out,
        "\n## What is made equal before comparing\n\n| what | why |\n|---|---|"
    );
    for row in normal::TABLE {
        let _ = writeln!(out, "| {} | {} |", cell(row.what), cell(row.reason));
    }
    out
}

fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// A text as code in a cell of a table.
fn code(text: &str) -> String {
    let fence = if text.contains('`') { "``" } else { "`" };
    format!("{fence}{}{fence}", cell(text))
}
