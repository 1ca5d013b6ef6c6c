//! The map: the table of rooms in ARCHITECTURE.md, which names exactly the crates there are and their order from top to bottom.

use std::collections::BTreeSet;

use super::Problem;
use super::arrows::Package;

/// The line before the table that tidy reads.
const MARK: &str = "<!-- tidy: rooms -->";

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) may_use: Vec<String>,
}

/// The table, top room first, and what is wrong with its form.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) rooms: Vec<Room>,
    pub(super) problems: Vec<(usize, String)>,
}

/// Reads the table after the mark: `| \`room\` | \`used\` \`used\` |`.
pub(super) fn read(text: &str) -> Map {
    let mut map = Map::default();
    let mut lines = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| line.trim() != MARK)
        .skip(1)
        .peekable();
    if lines.peek().is_none() {
        map.problems.push((
            1,
            format!("the table of rooms is missing; it stands after a line `{MARK}`"),
        ));
    }
    for (index, line) in lines
        .skip_while(|(_, line)| line.trim().is_empty())
        .take_while(|(_, line)| line.starts_with('|'))
    {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let names = |cell: Option<&&str>| quoted(cell.copied().unwrap_or_default());
        if let Some(name) = names(cells.get(1)).into_iter().next() {
            map.rooms.push(Room {
                name,
                line: index + 1,
                may_use: names(cells.get(2)),
            });
        }
    }
    map
}

/// The words in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Compares the rooms on the map with the crates there are.
pub(super) fn compare(map: &Map, packages: &[Package], text: &str, problems: &mut Vec<Problem>) {
    let there: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut named = BTreeSet::new();
    for room in &map.rooms {
        let mut say = |what: String| problems.push(Problem::new("ARCHITECTURE.md", room.line, what));
        if !there.contains(room.name.as_str()) {
            say(format!(
                "the map names `{}`, and there is no such crate; a map that lies is worse than none",
                room.name
            ));
        }
        if !named.insert(room.name.as_str()) {
            say(format!("the map names `{}` twice", room.name));
        }
        if !text
            .lines()
            .any(|line| line.starts_with("### ") && quoted(line).first() == Some(&room.name))
        {
            say(format!(
                "`{}` has no door: a heading ``### `{}` `` with what lives there and its invariants",
                room.name, room.name
            ));
        }
    }
    for package in packages.iter().filter(|package| !named.contains(package.name.as_str())) {
        problems.push(Problem::new(
            &package.manifest,
            1,
            format!(
                "crate `{}` is not on the map: add its row and its door to ARCHITECTURE.md",
                package.name
            ),
        ));
    }
}
