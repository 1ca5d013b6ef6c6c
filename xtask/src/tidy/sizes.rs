//! Sizes: no file above 600 lines without its tests, no function above 70; what was larger before may only shrink.

use std::collections::BTreeMap;

use super::Problem;
use super::source::{Function, cut, functions, lines_without_tests};
use super::tree::File;

/// The list of what is larger than the rules allow.
pub(super) const RATCHET: &str = "xtask/ratchet.txt";

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// What is larger than a rule allows: its name in the ratchet, where it is, how large, and the rule.
struct Oversize {
    key: String,
    line: usize,
    lines: usize,
    rule: String,
}

/// Measures every file against the limits and the ratchet.
pub(super) fn check(files: &[&File], ratchet: &str, problems: &mut Vec<Problem>) {
    let mut listed = listed(ratchet, problems);
    for file in files {
        for oversize in measure(file) {
            match listed.remove(&oversize.key) {
                None => problems.push(Problem::new(&file.path, oversize.line, oversize.rule)),
                Some((_, before)) if oversize.lines > before => {
                    let text = format!(
                        "`{}` grew from {before} to {} lines; what is too large already may only shrink",
                        oversize.key, oversize.lines
                    );
                    problems.push(Problem::new(&file.path, oversize.line, text));
                }
                Some((line, before)) if oversize.lines < before => {
                    let text = format!("`{}` has shrunk: lower {before} to {}", oversize.key, oversize.lines);
                    problems.push(Problem::new(RATCHET, line, text));
                }
                Some(_) => {}
            }
        }
    }
    for (key, (line, _)) in listed {
        problems.push(Problem::new(
            RATCHET,
            line,
            format!("`{key}` is within its limit or gone: take the line out"),
        ));
    }
}

fn measure(file: &File) -> Vec<Oversize> {
    let lines = cut(&file.text);
    let mut found = Vec::new();
    let size = lines_without_tests(&lines);
    if size > FILE_LINES_MAX && !is_test(&file.path) {
        found.push(Oversize {
            key: format!("file {}", file.path),
            line: 1,
            lines: size,
            rule: format!("{size} lines without tests; a file above {FILE_LINES_MAX} wants to be two rooms"),
        });
    }
    let tall = |function: &Function| function.lines > FUNCTION_LINES_MAX && !is_table(&file.path);
    for function in functions(&lines).into_iter().filter(tall) {
        found.push(Oversize {
            key: format!("function {} {}", file.path, function.name),
            line: function.line,
            lines: function.lines,
            rule: format!(
                "`{}` has {} lines; a function says one thing in at most {FUNCTION_LINES_MAX}",
                function.name, function.lines
            ),
        });
    }
    found
}

/// Files that are tests throughout.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests")
}

/// Cases of a test suite are tables of data, whatever they are written as.
fn is_table(path: &str) -> bool {
    is_test(path) && path.split('/').any(|part| part == "cases")
}

/// Rows `file PATH LINES` and `function PATH NAME LINES`, by all but the last word, with their line in the list.
fn listed(ratchet: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, (usize, usize)> {
    let mut rows = BTreeMap::new();
    for (index, row) in ratchet
        .lines()
        .enumerate()
        .filter(|(_, row)| !row.is_empty() && !row.starts_with('#'))
    {
        match row.rsplit_once(' ').map(|(key, lines)| (key.to_owned(), lines.parse())) {
            Some((key, Ok(lines))) => {
                rows.insert(key, (index + 1, lines));
            }
            _ => problems.push(Problem::new(
                RATCHET,
                index + 1,
                "a row is `file PATH LINES` or `function PATH NAME LINES`",
            )),
        }
    }
    rows
}
