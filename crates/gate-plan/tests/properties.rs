//! Properties: no text brings the check down, and what it says about a text is in order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;

/// Every text of a good or wrong configuration that the repository has.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        here.join("tests/wrong"),
        here.join("tests/good"),
        here.join("../../examples"),
    ];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let texts: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(texts.len() > 40, "{}", texts.len());
    texts
});

/// Words that mean something to YAML or to us; random letters alone would hardly ever get past the first line.
const WORDS: &[&str] = &[
    "\n",
    "\n  ",
    "\n- ",
    "\n  - ",
    "\n    ",
    ": ",
    ":",
    "- ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ",",
    ", ",
    "&a ",
    "*a",
    "!!str ",
    "!x ",
    "|\n",
    ">\n",
    "\"",
    "'",
    "#",
    " # ",
    "%",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "\t",
    "\r",
    "\r\n",
    "\u{FEFF}",
    "\0",
    "\u{85}",
    "é",
    "网",
    "\\",
    "\\x",
    "\\u12",
    "<<",
    "~",
    "null",
    "true",
    "0",
    "-1",
    "1e9",
    "0x1F",
    ".inf",
    "99999999999999999999",
    "listeners",
    "upstreams",
    "plugins",
    "routes",
    "name",
    "listen",
    "match",
    "path",
    "regex",
    "(",
    "(?x)",
    "hosts",
    "config",
    "127.0.0.1:80",
    "5s",
    "64MiB",
    "@",
    "`",
    "=",
    "|",
    ">-",
    "x",
    " ",
];

fn holds(text: &str) {
    match gate_plan::check(text, "t.yaml") {
        Ok(plan) => {
            assert!(!plan.warnings.has_errors());
            let _ = plan.describe().to_string();
        }
        Err(findings) => {
            assert!(findings.has_errors());
            let places: Vec<(usize, usize)> = findings
                .iter()
                .map(|finding| (finding.line(), finding.column()))
                .collect();
            assert!(places.is_sorted(), "{places:?}");
            let lines = text.split(['\n', '\r']).count();
            assert!(
                places
                    .iter()
                    .all(|(line, column)| (1..=lines + 1).contains(line) && *column >= 1),
                "{places:?}"
            );
            let shown = findings.to_string();
            assert!(
                shown.chars().all(|char| char == '\n' || !char.is_control()),
                "{shown:?}"
            );
            let _ = findings.to_json().to_string();
        }
    }
}

proptest! {
    #[test]
    fn no_text_brings_the_check_down(text in ".{0,200}") {
        holds(&text);
    }

    #[test]
    fn no_sequence_of_yaml_words_brings_the_check_down(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        holds(&words.concat());
    }

    #[test]
    fn no_mutation_of_a_configuration_brings_the_check_down(
        file in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(WORDS)), 1..6),
    ) {
        let mut chars: Vec<char> = file.get(&TEXTS).chars().collect();
        for (at, length, word) in cuts {
            let from = at.index(chars.len() + 1);
            let to = (from + length).min(chars.len());
            chars.splice(from..to, word.chars());
        }
        holds(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn no_end_of_the_file_brings_the_check_down(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let chars: Vec<char> = file.get(&TEXTS).chars().collect();
        holds(&chars.iter().take(at.index(chars.len() + 1)).collect::<String>());
    }
}
