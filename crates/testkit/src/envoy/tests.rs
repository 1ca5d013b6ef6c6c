//! Plugin lines are told from Envoy's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Instant;

use super::*;
use crate::process::Source;

#[test]
fn a_text_of_several_lines_is_one_plugin_line() {
    let said = [
        "7|info|wasm|wasm log p.1 root: one",
        "two",
        "7|info|main|starting",
        "three",
        "8|warn|wasm|wasm log q: x: y",
    ];
    let line = |text: &&str| Line {
        at: Instant::now(),
        source: Source::Stderr,
        text: (*text).to_owned(),
    };
    let found = plugin_lines(&said.iter().map(line).collect::<Vec<_>>());
    let shown: Vec<_> = found
        .iter()
        .map(|line| (line.thread.as_str(), line.plugin.as_str(), line.text.as_str()))
        .collect();
    assert_eq!(shown, [("7", "p.1 root", "one\ntwo"), ("8", "q", "x: y")]);
}
