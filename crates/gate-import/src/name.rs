//! Names that a configuration takes: without white space, short enough, and each once.

use std::collections::{HashMap, HashSet};

/// LIMIT: characters of a name; what makes it unique comes on top, within the 200 that the configuration takes.
const NAME_CHARS_MAX: usize = 180;

/// The names of one kind that are in use.
#[derive(Debug, Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    /// The number that is tried next.
    next: HashMap<String, usize>,
}

impl Names {
    /// A name as near to the wanted one as can be; `otherwise` when nothing is left of that.
    pub(crate) fn unique(&mut self, wanted: &str, otherwise: &str) -> String {
        let allowed = |char: char| !char.is_control() && !char.is_whitespace();
        let clean = |char: char| if allowed(char) { char } else { '-' };
        let wanted: String = wanted.trim().chars().take(NAME_CHARS_MAX).map(clean).collect();
        let base = if wanted.is_empty() {
            otherwise.to_owned()
        } else {
            wanted
        };
        let mut name = base.clone();
        while !self.taken.insert(name.clone()) {
            let number = self.next.entry(base.clone()).or_insert(2);
            name = format!("{base}-{number}");
            *number = number.saturating_add(1);
        }
        name
    }
}

/// A name that may stand in a file's name.
pub(crate) fn file_name(name: &str) -> String {
    let fits = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let clean: String = name.chars().map(|char| if fits(char) { char } else { '-' }).collect();
    let clean = clean.trim_matches(['.', '-']).to_owned();
    if clean.is_empty() { "plugin".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_unique() {
        let mut names = Names::default();
        let given = ["auth", "auth", "a b\nc", "", " ", &"x".repeat(500)].map(|name| names.unique(name, "plugin"));
        assert_eq!(
            given.get(..5),
            Some(&["auth", "auth-2", "a-b-c", "plugin", "plugin-2"].map(String::from)[..])
        );
        assert_eq!(given.get(5).map(String::len), Some(NAME_CHARS_MAX));
        assert_eq!(
            (file_name("../a/b"), file_name("漢")),
            ("a-b".to_owned(), "plugin".to_owned())
        );
    }
}
