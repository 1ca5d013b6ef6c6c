//! Checks the house rules: the map, the arrows, first sentences, sizes, bans, and the reason of each dependency.

mod map;
mod arrows;
mod sizes;
mod bans;
mod dependencies;
mod security;
mod source;
mod tree;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

use crate::place;
use tree::File;

/// A broken rule: where, and what to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    file: String,
    line: usize,
    text: String,
}

impl Problem {
    fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Checks the work tree and prints every broken rule.
pub(crate) fn run() -> Result<()> {
    let problems = check(&place::root())?;
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("{} broken rules", problems.len());
    }
    println!("tidy: the house is in order");
    Ok(())
}

fn check(root: &Path) -> Result<Vec<Problem>> {
    let files = tree::read(root)?;
    let packages = arrows::packages(root)?;
    let text_of = |path: &str| {
        files
            .iter()
            .find(|file| file.path == path)
            .map_or("", |file| file.text.as_str())
    };
    let map = map::read(text_of("ARCHITECTURE.md"));
    let mut problems = map
        .problems
        .iter()
        .map(|(line, text)| Problem::new("ARCHITECTURE.md", *line, text))
        .collect();
    map::compare(&map, &packages, text_of("ARCHITECTURE.md"), &mut problems);
    arrows::check(&map, &packages, &mut problems);
    dependencies::check(text_of("Cargo.toml"), text_of("deny.toml"), &packages, &mut problems);
    let rust: Vec<&File> = files.iter().filter(|file| file.path.ends_with(".rs")).collect();
    sizes::check(&rust, text_of(sizes::RATCHET), &mut problems);
    for page in security::PAGES {
        security::check((page, text_of(page)), &rust, &mut problems);
    }
    for file in &files {
        bans::check(file, &mut problems);
    }
    problems.sort();
    Ok(problems)
}
