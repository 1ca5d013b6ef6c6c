//! The ABI as a plugin meets it: at least one case for every host call, every callback and every function of WASI.
//!
//! The scripted guests of `plugins/probe*`, one for each version of the ABI, run inside the plugin host; what is outside it is a
//! double. What is asserted are the lines in which a guest says what a call answered. A case lives in a module that is named after
//! its row, and `every_row_has_a_case` compares the names of the tests with the tables.
//! Statuses were read off Envoy 1.40 through `tests/parity`; where this host wants another one, the case says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod guests;
mod session;

mod host_calls;
mod callbacks;
mod wasi;
mod grants;

use std::collections::BTreeSet;
use std::process::Command;

use plug_abi::{CALLBACKS, HOST_CALLS, WASI_CALLS};

/// The modules with tests in them: the parts before the name of the test.
fn modules() -> Vec<Vec<String>> {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    names
        .map(|name| name.split("::").map(str::to_owned).collect())
        .collect()
}

/// Rows that have a case, by the module in which their table's cases are.
fn rows_with_cases(table: &str) -> BTreeSet<String> {
    let paths = modules().into_iter().filter(|path| path[0] == table);
    paths.map(|path| path[path.len() - 2].clone()).collect()
}

fn compare<'a>(table: &str, rows: impl Iterator<Item = &'a str>) {
    // A row's name may begin with an underscore, which a module's may too.
    let rows: BTreeSet<String> = rows.map(str::to_owned).collect();
    let cases = rows_with_cases(table);
    let without: Vec<_> = rows.difference(&cases).collect();
    let nameless: Vec<_> = cases.difference(&rows).collect();
    assert!(without.is_empty(), "rows of `{table}` without a case: {without:?}");
    assert!(nameless.is_empty(), "cases of `{table}` that name no row: {nameless:?}");
}

#[test]
fn every_row_has_a_case_and_every_case_a_row() {
    compare("host_calls", HOST_CALLS.iter().map(|row| row.name));
    compare("callbacks", CALLBACKS.iter().map(|row| row.name));
    compare("wasi", WASI_CALLS.iter().map(|row| row.name));
}
