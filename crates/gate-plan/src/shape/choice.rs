//! Values of which there are several kinds: fixed words, and maps with one key that says which kind.

use serde_json::Value as Schema;

use super::Walk;
use super::trail::Trail;
use crate::findings::Draft;
use crate::nearest::{enumerated, nearest};
use crate::tree::{Entry, Node, Value};

impl<'w> Walk<'w> {
    pub(super) fn choice(&mut self, node: &Node, alternatives: &'w [Schema], trail: &Trail<'_>) {
        let words: Vec<&str> = alternatives
            .iter()
            .filter_map(|schema| schema.get("const"))
            .filter_map(Schema::as_str)
            .collect();
        let kinds: Vec<(&'w str, &'w Schema)> = alternatives.iter().filter_map(kind).collect();
        match &node.value {
            Value::Text(text) if words.contains(&text.as_str()) => {}
            Value::Text(text) => self.unknown_word(node, text, (&words, &kinds), trail),
            Value::Map(entries) if !kinds.is_empty() => self.one_of(node, entries, &kinds, trail),
            value => {
                let wanted = wanted(&words, &kinds);
                let message = match value {
                    Value::Null => format!("{trail} has no value"),
                    value => format!("{trail} is {}, not {wanted}", value.kind()),
                };
                self.wrong(trail, Draft::error(node.span, message).help(format!("give {wanted}")));
            }
        }
    }

    fn unknown_word(&mut self, node: &Node, text: &str, known: (&[&str], &[(&str, &Schema)]), trail: &Trail<'_>) {
        let (words, kinds) = known;
        let draft = if kinds.iter().any(|(name, _)| *name == text) {
            let message = format!("`{text}` is not complete: it takes a value");
            Draft::error(node.span, message).help(format!("write `{{ {text}: … }}`"))
        } else if words.is_empty() {
            Draft::error(node.span, format!("{trail} is text, not {}", wanted(words, kinds))).help(example(kinds, text))
        } else {
            let meant = nearest(text, words.iter().copied());
            let help = meant.map_or(format!("it is {}", wanted(words, kinds)), |meant| {
                format!("did you mean `{meant}`?")
            });
            Draft::error(node.span, format!("{trail} cannot be `{text}`")).help(help)
        };
        self.wrong(trail, draft);
    }

    fn one_of(&mut self, node: &Node, entries: &[Entry], kinds: &[(&'w str, &'w Schema)], trail: &Trail<'_>) {
        let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
        let mut first: Option<&Entry> = None;
        for entry in entries {
            let inner = trail.key(entry);
            let Some((_, schema)) = kinds.iter().find(|(name, _)| *name == entry.key) else {
                self.unknown_key(entry, &names, &inner);
                continue;
            };
            if let Some(first) = first {
                let message = format!(
                    "{trail} takes one of {}, not two",
                    enumerated(names.iter().copied(), "and")
                );
                let draft = Draft::error(entry.key_span, message).related("the other is here", first.key_span);
                self.wrong(trail, draft.help("remove one of the two"));
            }
            first = first.or(Some(entry));
            self.node(&entry.value, schema, &inner);
        }
        entries.iter().for_each(|entry| self.inherit(entry, trail));
        if entries.is_empty() {
            let draft = Draft::error(node.span, format!("{trail} is an empty map"));
            self.wrong(
                trail,
                draft.help(format!("give one of {}", enumerated(names.iter().copied(), "and"))),
            );
        }
    }
}

/// Name and schema of the one key of an alternative that is a map.
fn kind(alternative: &Schema) -> Option<(&str, &Schema)> {
    let (name, schema) = alternative.get("properties")?.as_object()?.iter().next()?;
    Some((name, schema))
}

fn wanted(words: &[&str], kinds: &[(&str, &Schema)]) -> String {
    let names = enumerated(kinds.iter().map(|(name, _)| *name), "or");
    let words = enumerated(words.iter().copied(), "or");
    match (words.is_empty(), names.is_empty()) {
        (true, _) => format!("a map with {names}"),
        (false, true) => words,
        (false, false) => format!("{words}, or a map with {names}"),
    }
}

fn example(kinds: &[(&str, &Schema)], text: &str) -> String {
    let each: Vec<String> = kinds
        .iter()
        .map(|(name, _)| format!("`{{ {name}: {text} }}`"))
        .collect();
    format!("write one of {}", each.join(", "))
}
