//! The tests that a page says hold its rows are there.

use super::Problem;
use super::tree::File;

/// Where such tables stand.
pub(super) const PAGES: [&str; 2] = ["SECURITY.md", "docs/grants.md"];

/// Heading of the table's last column.
const COLUMN: &str = " held by |";

/// Looks for each test that the table of a page names.
pub(super) fn check((at, page): (&str, &str), rust: &[&File], problems: &mut Vec<Problem>) {
    let lines = page.lines().enumerate();
    let table = lines.skip_while(|(_, line)| !line.ends_with(COLUMN));
    let rows: Vec<(usize, &str)> = table.take_while(|(_, line)| line.starts_with('|')).collect();
    if rows.is_empty() {
        problems.push(Problem::new(
            at,
            1,
            format!("there is no table whose last column is{COLUMN}"),
        ));
    }
    // Beneath the heading stands a line of dashes.
    for (index, row) in rows.into_iter().skip(2) {
        let Some(tests) = row.trim_end_matches('|').rsplit('|').next() else {
            continue;
        };
        for name in tests.split('`').skip(1).step_by(2) {
            let function = format!("fn {name}(");
            if !rust.iter().any(|file| file.text.contains(&function)) {
                problems.push(Problem::new(at, index + 1, format!("there is no test `{name}`")));
            }
        }
        let is_bug = row.split('|').skip(2).take(2).any(|cell| cell.contains('✔'));
        if is_bug && !tests.contains('`') {
            problems.push(Problem::new(
                at,
                index + 1,
                "no test holds this row: name one in its last column",
            ));
        }
    }
}
