//! The house is in order, and every check can fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::arrows::{Package, Use};
use super::source::{Function, cut, functions, lines_without_tests};
use super::tree::File;
use super::{Problem, arrows, bans, dependencies, map, security, sizes};
use crate::place;

#[test]
fn the_house_is_in_order() {
    let problems = super::check(&place::root()).expect("the work tree can be read");
    let shown: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert!(
        problems.is_empty(),
        "{} broken rules:\n{}",
        shown.len(),
        shown.join("\n")
    );
}

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// What the bans say about a file of Rust whose first sentence is in order.
fn said_of(path: &str, code: &str) -> Vec<String> {
    let mut problems = Vec::new();
    bans::check(&file(path, &format!("//! A file.\n{code}\n")), &mut problems);
    problems.into_iter().map(|problem| problem.text).collect()
}

/// Asserts that a line of code breaks exactly one rule, whose text has these words.
fn refused(path: &str, code: &str, words: &str) {
    let said = said_of(path, code);
    assert_eq!(said.len(), 1, "`{code}` in {path}: {said:?}");
    assert!(said[0].contains(words), "`{code}` in {path}: {said:?}");
}

fn accepted(path: &str, code: &str) {
    assert_eq!(said_of(path, code), Vec::<String>::new(), "`{code}` in {path}");
}

const PLAIN: &str = "crates/gate-plan/src/route.rs";
const HOST: &str = "crates/plug-host/src/engine.rs";

#[test]
fn a_glob_re_export_is_refused() {
    refused(PLAIN, "pub use inner::*;", "no `pub use x::*`");
    refused(PLAIN, "pub(crate) use inner::*;", "no `pub use x::*`");
    accepted(PLAIN, "pub use inner::Thing;");
    accepted(PLAIN, "use super::*;");
}

#[test]
fn ignored_and_panicking_tests_are_refused() {
    refused(PLAIN, "#[ignore]", "#[ignore]");
    refused(PLAIN, "#[ignore = \"slow\"]", "#[ignore]");
    refused(PLAIN, "#[should_panic(expected = \"x\")]", "#[should_panic]");
    accepted(PLAIN, "let text = \"#[ignore]\"; // #[should_panic]");
}

#[test]
fn what_is_not_done_is_refused() {
    refused(PLAIN, "todo!()", "no `todo!`");
    refused(PLAIN, "// TODO", "TODO");
    refused(PLAIN, "// TODO: later", "TODO");
    refused(PLAIN, "// FIXME: this is wrong on big machines", "TODO");
    accepted(PLAIN, "// TODO: HTTP/3, when the h3 crate has a release");
}

#[test]
fn names_that_say_nothing_are_refused() {
    refused(PLAIN, "mod utils;", "says nothing");
    refused(PLAIN, "pub mod helpers {}", "says nothing");
    refused("crates/gate-plan/src/common.rs", "", "says nothing");
    refused("crates/gate-plan/src/misc/thing.rs", "", "says nothing");
    refused("crates/gate-plan/src/route/mod.rs", "", "no `mod.rs`");
    accepted(PLAIN, "mod common_prefix;");
}

#[test]
fn unsafe_code_is_refused_outside_its_rooms() {
    refused(PLAIN, "// SAFETY: it is\nunsafe { go() }", "unsafe only in");
    accepted(HOST, "// SAFETY: it is\nunsafe { go() }");
    accepted("plugins/probe/src/host.rs", "// SAFETY: it is\nunsafe { go() }");
    accepted(PLAIN, "#![forbid(unsafe_code)]");
}

#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    refused(HOST, "let x = unsafe { go() };", "SAFETY");
    refused(
        HOST,
        "// SAFETY: of another statement\nlet y = 1;\nlet x = unsafe { go() };",
        "SAFETY",
    );
    refused(HOST, "unsafe impl Send for Thing {}", "SAFETY");
    accepted(
        HOST,
        "// SAFETY: the pointer is live\n// and aligned\nlet x =\n    unsafe { go() };",
    );
    accepted(HOST, "/// A thing.\n#[allow(unsafe_code)]\nunsafe fn go() {}");
}

#[test]
fn every_file_opens_with_a_sentence() {
    let said = |text: &str| {
        let mut problems = Vec::new();
        bans::check(&file(PLAIN, text), &mut problems);
        problems.len()
    };
    assert_eq!(said("use std::fmt;\n"), 1);
    assert_eq!(said("//! Not a sentence\nuse std::fmt;\n"), 1);
    assert_eq!(said("\n//! Too late.\n"), 1);
    assert_eq!(said("//! A sentence over\n//! two lines.\n//!\n//! more\n"), 0);
}

#[test]
fn white_space_and_machines_are_refused_in_every_text() {
    let said = |path: &str, text: &str| {
        let mut problems = Vec::new();
        bans::check(&file(path, text), &mut problems);
        problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    assert!(said("README.md", "a \n")[0].contains("white space"));
    assert!(said("README.md", "a\tb\n")[0].contains("tabs"));
    assert!(said("plugins/a/main.go", "a\tb\n").is_empty());
    assert!(said("plugins/a/Makefile", "a:\n\tb\n").is_empty());
    assert!(said("README.md", "no end")[0].contains("line break"));
    let home = ["/home", "/somebody"].concat();
    assert!(said("docs/run.md", &format!("cd {home}\n"))[0].contains("belongs to one machine"));
    let host = ["https://pypi", ".org/simple"].concat();
    assert!(
        said(
            "xtask/src/peers.rs",
            &format!("//! A file.\nconst A: &str = \"{host}\";\n")
        )[0]
        .contains("registry")
    );
    assert_eq!(
        said("crates/gate-plan/tests/golden/tab.txt", "a\tb \n"),
        Vec::<String>::new()
    );
}

#[test]
fn large_files_and_functions_are_refused() {
    let long_file = file(PLAIN, &format!("//! A file.\n{}", "const A: u8 = 1;\n".repeat(600)));
    let long_function = file(
        HOST,
        &format!("//! A file.\nfn tall() {{\n{}}}\n", "    go();\n".repeat(69)),
    );
    let mut problems = Vec::new();
    sizes::check(&[&long_file, &long_function], "", &mut problems);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].text.contains("601 lines"), "{problems:?}");
    assert!(problems[1].text.contains("`tall` has 71 lines"), "{problems:?}");
}

#[test]
fn tests_do_not_count_as_size() {
    let inside = format!(
        "//! A file.\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        "    const A: u8 = 1;\n".repeat(700)
    );
    let beside = format!("//! Tests.\n{}", "const A: u8 = 1;\n".repeat(700));
    let mut problems = Vec::new();
    sizes::check(
        &[
            &file(PLAIN, &inside),
            &file("crates/gate-plan/src/route/tests.rs", &beside),
        ],
        "",
        &mut problems,
    );
    assert_eq!(problems, Vec::new());
    assert_eq!(lines_without_tests(&cut(&inside)), 1);
}

#[test]
fn cases_of_a_suite_are_tables_of_data() {
    let text = format!("//! Cases.\nfn tall() {{\n{}}}\n", "    go();\n".repeat(80));
    let said = |path: &str| {
        let mut problems = Vec::new();
        sizes::check(&[&file(path, &text)], "", &mut problems);
        problems.len()
    };
    assert_eq!(said("tests/parity/src/cases/body.rs"), 0);
    assert_eq!(said("tests/parity/src/drive.rs"), 1);
    assert_eq!(said("crates/gate-plan/src/cases/body.rs"), 1);
}

#[test]
fn the_ratchet_only_goes_down() {
    let tall = file(
        HOST,
        &format!("//! A file.\nfn tall() {{\n{}}}\n", "    go();\n".repeat(80)),
    );
    let said = |ratchet: &str| {
        let mut problems = Vec::new();
        sizes::check(&[&tall], ratchet, &mut problems);
        problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    let row = |lines: usize| format!("# why\nfunction {HOST} tall {lines}\n");
    assert_eq!(said(&row(82)), Vec::<String>::new());
    assert!(said(&row(81))[0].contains("grew from 81 to 82"));
    assert!(said(&row(90))[0].contains("lower 90 to 82"));
    assert!(said(&(row(82) + "file gone.rs 700\n"))[0].contains("take the line out"));
    assert!(said(&(row(82) + "nonsense\n"))[0].contains("a row is"));
}

const MAP: &str = "\
# Map
<!-- tidy: rooms -->

| room | may use |
|---|---|
| `top` | `low` |
| `low` | |

### `top`
### `low` — the bottom
";

fn package(name: &str, uses: &[(&str, bool)]) -> Package {
    Package {
        name: name.to_owned(),
        manifest: format!("crates/{name}/Cargo.toml"),
        uses: uses
            .iter()
            .map(|(name, in_tests)| Use {
                name: (*name).to_owned(),
                in_tests: *in_tests,
            })
            .collect(),
        outside: vec![String::from("bytes")],
    }
}

/// What the map's checks say about these crates.
fn map_says(text: &str, packages: &[Package]) -> Vec<String> {
    let map = map::read(text);
    let mut problems = Vec::new();
    map::compare(&map, packages, text, &mut problems);
    arrows::check(&map, packages, &mut problems);
    map.problems
        .into_iter()
        .map(|(_, text)| text)
        .chain(problems.into_iter().map(|problem| problem.text))
        .collect()
}

#[test]
fn a_map_that_tells_the_truth_is_accepted() {
    let packages = [
        package("top", &[("low", false), ("testkit", true)]),
        package("low", &[]),
    ];
    assert_eq!(map_says(MAP, &packages), Vec::<String>::new());
}

#[test]
fn a_map_names_exactly_the_crates_there_are() {
    let top = || package("top", &[("low", false)]);
    let gone = map_says(MAP, &[top()]);
    assert!(
        gone.iter()
            .any(|text| text.contains("names `low`, and there is no such crate")),
        "{gone:?}"
    );
    let new = map_says(MAP, &[top(), package("low", &[]), package("attic", &[])]);
    assert!(
        new.iter().any(|text| text.contains("crate `attic` is not on the map")),
        "{new:?}"
    );
    let twice = map_says(
        &MAP.replace("| `low` | |", "| `low` | |\n| `low` | |"),
        &[top(), package("low", &[])],
    );
    assert!(twice.iter().any(|text| text.contains("names `low` twice")), "{twice:?}");
    let closed = map_says(&MAP.replace("### `low`", "### low"), &[top(), package("low", &[])]);
    assert!(
        closed.iter().any(|text| text.contains("`low` has no door")),
        "{closed:?}"
    );
    assert!(map_says("# No map\n", &[])[0].contains("the table of rooms is missing"));
}

#[test]
fn an_arrow_that_is_not_on_the_map_is_refused() {
    let new = map_says(
        MAP,
        &[package("top", &[("low", false)]), package("low", &[("top", false)])],
    );
    assert!(
        new.iter()
            .any(|text| text.contains("the arrow `low` to `top` is not on the map")),
        "{new:?}"
    );
    let in_tests = map_says(
        MAP,
        &[package("top", &[("low", false)]), package("low", &[("top", true)])],
    );
    assert!(
        in_tests.iter().any(|text| text.contains("is not on the map")),
        "{in_tests:?}"
    );
    let unused = map_says(MAP, &[package("top", &[]), package("low", &[])]);
    assert!(
        unused
            .iter()
            .any(|text| text.contains("arrow `top` to `low` that the crate does not use")),
        "{unused:?}"
    );
}

#[test]
fn an_arrow_on_the_map_points_down() {
    let up = MAP.replace("| `low` | |", "| `low` | `top` |");
    let said = map_says(
        &up,
        &[package("top", &[("low", false)]), package("low", &[("top", false)])],
    );
    assert!(
        said.iter()
            .any(|text| text.contains("`low` to `top` does not point down")),
        "{said:?}"
    );
}

#[test]
fn every_dependency_has_a_user_and_a_reason() {
    let manifest = "[workspace.dependencies]\nlow = { path = \"low\" }\nbytes = \"1\"\n[profile.dev]\nopt-level = 1\n";
    let deny = |row: &str| format!("# tidy: reasons\n{row}\n# tidy: end of reasons\n");
    let said = |deny: &str, packages: &[Package]| {
        let mut problems = Vec::new();
        dependencies::check(manifest, deny, packages, &mut problems);
        problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    let used = [package("low", &[])];
    assert_eq!(
        said(&deny("# bytes: bodies are handed on without a copy"), &used),
        Vec::<String>::new()
    );
    assert!(said(&deny(""), &used)[0].contains("`bytes` has no reason"));
    assert!(said(&deny("# bytes: needed"), &used)[0].contains("`bytes` has no reason"));
    let old = deny("# bytes: bodies are handed on without a copy\n# left: a crate that we used to have");
    assert!(said(&old, &used)[0].contains("`left` has a reason and is no dependency"));
    let unused = said(&deny("# bytes: bodies are handed on without a copy"), &[]);
    assert!(unused[0].contains("no crate uses `bytes`"), "{unused:?}");
}

#[test]
fn source_is_cut_into_code_and_comments() {
    let text = "let a = \"// {\"; // } one\nlet b = r#\"\" { \"#; /* { /* nested */ */ let c = '{';\nlet d = '\\''; let e: &'a str = b\"x\\\"{\";\n\"over\nlines {\" }";
    let lines = cut(text);
    let code: Vec<&str> = lines.iter().map(|line| line.code.trim()).collect();
    assert_eq!(
        code,
        [
            "let a = \"\";",
            "let b = \"\";  let c = ';",
            "let d = '; let e: &'a str = b\"\";",
            "\"",
            "\" }"
        ]
    );
    assert_eq!(lines[0].comment, "// } one");
}

#[test]
fn functions_are_measured_from_signature_to_brace() {
    let text = "trait T {\n    fn none(&self) -> [u8; 3];\n}\nfn one<const N: usize>(\n    a: [u8; 4],\n) -> u8\nwhere\n    u8: Copy,\n{\n    fn two() {}\n    3\n}\n";
    let found = functions(&cut(text));
    let row = |name: &str, line, lines| Function {
        name: name.to_owned(),
        line,
        lines,
    };
    assert_eq!(found, [row("one", 4, 9), row("two", 10, 1)]);
}

#[test]
fn a_row_of_the_security_table_without_its_test_is_refused() {
    let tests = file("crates/a/src/tests.rs", "fn it_holds() {}");
    let said = |rows: &str| {
        let page = format!("| bug | escape | denial | neither | held by |\n|---|---|---|---|---|\n{rows}\n");
        let mut problems = Vec::new();
        security::check(("SECURITY.md", &page), &[&tests], &mut problems);
        problems.into_iter().map(|problem| problem.text).collect::<Vec<_>>()
    };
    assert_eq!(
        said("| a | ✔ | | | `it_holds` |\n| b | | | ✔ | |"),
        Vec::<String>::new()
    );
    assert_eq!(said("| a | ✔ | | | `it_is_gone` |"), ["there is no test `it_is_gone`"]);
    assert_eq!(
        said("| a | | ✔ | | |"),
        ["no test holds this row: name one in its last column"]
    );
    let mut problems = Vec::new();
    security::check(("SECURITY.md", ""), &[], &mut problems);
    assert_eq!(problems.len(), 1, "a table that is not found is no table in order");
}
