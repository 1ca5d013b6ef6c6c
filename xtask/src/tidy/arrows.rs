//! The arrows between rooms: only those on the map, and only downwards.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;
use super::map::{Map, Room};
use crate::command::{cargo, output};

/// The room that every other may use in its tests.
const FOR_TESTS: &str = "testkit";

/// A crate of the workspace and the crates of the workspace that it uses.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Path of its Cargo.toml from the root.
    pub(super) manifest: String,
    pub(super) uses: Vec<Use>,
    /// Third-party crates that it names.
    pub(super) outside: Vec<String>,
}

/// A dependency.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) name: String,
    pub(super) in_tests: bool,
}

/// Asks cargo which crates there are.
pub(super) fn packages(root: &Path) -> Result<Vec<Package>> {
    let text = output(
        cargo()
            .current_dir(root)
            .args(["metadata", "--no-deps", "--offline", "--format-version=1"]),
    )?;
    let told: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    Ok(items(&told, "packages").map(|package| read(package, root)).collect())
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn read(package: &Value, root: &Path) -> Package {
    let manifest = text(package, "manifest_path");
    let manifest = Path::new(&manifest)
        .strip_prefix(root)
        .map_or(manifest.clone(), |path| path.display().to_string());
    let (inside, outside): (Vec<_>, Vec<_>) =
        items(package, "dependencies").partition(|dependency| dependency.get("path").is_some_and(Value::is_string));
    let arrow = |dependency: &Value| Use {
        name: text(dependency, "name"),
        in_tests: text(dependency, "kind") == "dev",
    };
    Package {
        name: text(package, "name"),
        manifest,
        uses: inside.into_iter().map(arrow).collect(),
        outside: outside.into_iter().map(|dependency| text(dependency, "name")).collect(),
    }
}

/// Checks the arrows there are against those on the map, and the map's own against its order.
pub(super) fn check(map: &Map, packages: &[Package], problems: &mut Vec<Problem>) {
    let height = |name: &str| map.rooms.iter().position(|room| room.name == name);
    for room in &map.rooms {
        for used in &room.may_use {
            if height(used).is_none_or(|below| Some(below) <= height(&room.name)) {
                let text = format!(
                    "the arrow `{}` to `{used}` does not point down: a room uses only rooms below it in the table",
                    room.name
                );
                problems.push(Problem::new("ARCHITECTURE.md", room.line, text));
            }
        }
    }
    for package in packages {
        let Some(room) = map.rooms.iter().find(|room| room.name == package.name) else {
            continue;
        };
        check_uses(package, room, problems);
    }
}

fn check_uses(package: &Package, room: &Room, problems: &mut Vec<Problem>) {
    for arrow in &package.uses {
        let allowed = room.may_use.contains(&arrow.name) || (arrow.in_tests && arrow.name == FOR_TESTS);
        if !allowed {
            let text = format!(
                "the arrow `{}` to `{}` is not on the map; a new arrow between rooms needs a decision record in docs/decisions and its cell in ARCHITECTURE.md",
                package.name, arrow.name
            );
            problems.push(Problem::new(&package.manifest, 1, text));
        }
    }
    for unused in room
        .may_use
        .iter()
        .filter(|name| !package.uses.iter().any(|arrow| arrow.name == **name))
    {
        let text = format!(
            "the map has an arrow `{}` to `{unused}` that the crate does not use: take it out",
            package.name
        );
        problems.push(Problem::new("ARCHITECTURE.md", room.line, text));
    }
}
