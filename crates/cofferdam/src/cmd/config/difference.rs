//! What differs between two configurations: line by line, and in words.

use std::collections::BTreeMap;

use gate_plan::Plan;
use serde_json::Value;

/// Lines around a change that are shown with it.
const AROUND: usize = 3;
/// LIMIT: pairs of lines that are compared; beyond it what differs is shown as a whole.
const PAIRS_MAX: usize = 16_000_000;

/// A line of one of two texts, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'t> {
    Both(&'t str),
    Old(&'t str),
    New(&'t str),
}

/// The difference as `diff -u` writes it; empty when there is none.
pub(super) fn unified(old: &str, new: &str) -> String {
    let lines = lines(&old.lines().collect::<Vec<_>>(), &new.lines().collect::<Vec<_>>());
    let differs = |line: &Line<'_>| !matches!(line, Line::Both(_));
    let near: Vec<bool> = (0..lines.len())
        .map(|at| {
            let around = lines.get(at.saturating_sub(AROUND)..(at + AROUND + 1).min(lines.len()));
            around.is_some_and(|around| around.iter().any(differs))
        })
        .collect();
    let mut text = String::new();
    let (mut old_at, mut new_at, mut is_open) = (1, 1, false);
    for (line, is_near) in lines.iter().zip(near) {
        if is_near && !is_open {
            text.push_str(&format!("@@ -{old_at} +{new_at} @@\n"));
        }
        is_open = is_near;
        let (mark, words) = match line {
            Line::Both(words) => (' ', words),
            Line::Old(words) => ('-', words),
            Line::New(words) => ('+', words),
        };
        if is_near {
            text.push_str(&format!("{mark}{words}\n"));
        }
        old_at += usize::from(!matches!(line, Line::New(_)));
        new_at += usize::from(!matches!(line, Line::Old(_)));
    }
    text
}

fn lines<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let same =
        |pairs: &mut dyn Iterator<Item = (&&'t str, &&'t str)>| pairs.take_while(|(one, other)| one == other).count();
    let begin = same(&mut old.iter().zip(new));
    let (old_rest, new_rest) = (
        old.get(begin..).unwrap_or_default(),
        new.get(begin..).unwrap_or_default(),
    );
    let end = same(&mut old_rest.iter().rev().zip(new_rest.iter().rev()));
    let middle = |rest: &[&'t str]| rest.get(..rest.len() - end).unwrap_or_default().to_vec();
    let mut all: Vec<Line<'t>> = old.iter().take(begin).map(|line| Line::Both(line)).collect();
    all.extend(between(&middle(old_rest), &middle(new_rest)));
    all.extend(old_rest.iter().skip(old_rest.len() - end).map(|line| Line::Both(line)));
    all
}

/// By the longest common sequence of lines.
fn between<'t>(old: &[&'t str], new: &[&'t str]) -> Vec<Line<'t>> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > PAIRS_MAX {
        let gone = old.iter().map(|line| Line::Old(line));
        return gone.chain(new.iter().map(|line| Line::New(line))).collect();
    }
    // The length of the longest common sequence of what follows each pair of places.
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    let of = |lengths: &[u32], one: usize, other: usize| lengths.get(one * width + other).copied().unwrap_or(0);
    for (one, left) in old.iter().enumerate().rev() {
        for (other, right) in new.iter().enumerate().rev() {
            let length = if left == right {
                of(&lengths, one + 1, other + 1) + 1
            } else {
                of(&lengths, one + 1, other).max(of(&lengths, one, other + 1))
            };
            if let Some(place) = lengths.get_mut(one * width + other) {
                *place = length;
            }
        }
    }
    let (mut one, mut other, mut all) = (0, 0, Vec::new());
    loop {
        match (old.get(one), new.get(other)) {
            (Some(left), Some(right)) if left == right => {
                all.push(Line::Both(left));
                (one, other) = (one + 1, other + 1);
            }
            (Some(left), right) if right.is_none() || of(&lengths, one + 1, other) >= of(&lengths, one, other + 1) => {
                all.push(Line::Old(left));
                one += 1;
            }
            (_, Some(right)) => {
                all.push(Line::New(right));
                other += 1;
            }
            (_, None) => return all,
        }
    }
}

/// What comes, goes and changes, by name.
pub(super) fn summary(before: Option<&Plan>, after: &Plan) -> Vec<String> {
    let (before, after) = (before.map(Plan::describe), after.describe());
    let mut changes = Vec::new();
    for (part, word) in [
        ("listeners", "listener"),
        ("plugins", "plugin"),
        ("upstreams", "upstream"),
        ("routes", "route"),
    ] {
        let old = before.as_ref().map(|plan| named(plan, part)).unwrap_or_default();
        let new = named(&after, part);
        changes.extend(new.iter().filter_map(|(name, value)| match old.get(name) {
            None => Some(format!("{word} `{name}` is added")),
            Some(known) if known != value => Some(format!("{word} `{name}` changes")),
            Some(_) => None,
        }));
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        changes.extend(gone.map(|name| format!("{word} `{name}` is removed")));
    }
    changes
}

fn named<'p>(plan: &'p Value, part: &str) -> BTreeMap<&'p str, &'p Value> {
    let list = plan.get(part).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|item| Some((item.get("name")?.as_str()?, item)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_is_around_it_and_nothing_else() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\nmore\n";
        assert_eq!(
            unified(old, new),
            "@@ -2 +2 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -10 +10 @@\n 10\n 11\n 12\n+more\n"
        );
        assert_eq!(unified(old, old), "");
        assert_eq!(unified("", "a\n"), "@@ -1 +1 @@\n+a\n");
    }

    #[test]
    fn a_difference_gives_back_both_texts() {
        for (old, new) in [("a b c d", "b c x d"), ("a a a", "a"), ("", "a b"), ("x y", "y x")] {
            let (old, new): (Vec<&str>, Vec<&str>) = (old.split(' ').collect(), new.split(' ').collect());
            let all = lines(&old, &new);
            let side = |skip: fn(&Line<'_>) -> bool| {
                let kept = all.iter().filter(|line| !skip(line));
                let words = kept.map(|line| match line {
                    Line::Both(words) | Line::Old(words) | Line::New(words) => *words,
                });
                words.collect::<Vec<_>>()
            };
            assert_eq!(side(|line| matches!(line, Line::New(_))), old);
            assert_eq!(side(|line| matches!(line, Line::Old(_))), new);
        }
    }
}
