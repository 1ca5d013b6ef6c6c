//! A YAML document as a tree in which every key and value knows its place.

mod read;
mod scalar;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde_json::{Map, Number};

pub(crate) use self::read::{read, stream};
use crate::place::{Place, Span};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key with its value; keys of a map are unique.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// Where something begins that can be left out. An item that is a map begins where its first entry does, so the place is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Home {
    Entry(Place),
    Item(Place),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.value)
    }

    /// The value of `key`, or the map itself, for findings about what is not there.
    pub(crate) fn at(&self, key: &str) -> &Node {
        self.get(key).unwrap_or(self)
    }

    /// The place of the word `key`, or the map's.
    pub(crate) fn key_span(&self, key: &str) -> Span {
        let entry = self.entries().iter().find(|entry| entry.key == key);
        entry.map_or(self.span, |entry| entry.key_span)
    }

    /// As an item of a list.
    pub(crate) fn home(&self) -> Home {
        Home::Item(self.span.start)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value {
            entries
        } else {
            &[]
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value {
            items
        } else {
            &[]
        }
    }

    /// The items under `key`; none when it is absent or no list.
    pub(crate) fn list(&self, key: &str) -> &[Node] {
        self.get(key).map_or(&[], Self::items)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// The place of characters `from..to` of a text, when it was written without escapes on one line; else the whole value's.
    pub(crate) fn part(&self, from: usize, to: usize) -> Span {
        let length = self.text().map_or(0, |text| text.chars().count());
        let quotes = self.span.width().and_then(|width| width.checked_sub(length));
        let shift = match quotes {
            Some(0) => 0,
            Some(2) => 1,
            _ => return self.span,
        };
        let start = self.span.start.right(from.saturating_add(shift));
        Span::of_width(start, to.saturating_sub(from).max(1))
    }

    /// Every value without a child, in order.
    pub(crate) fn leaves(&self, visit: &mut dyn FnMut(&Node)) {
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.leaves(visit)),
            Value::Map(entries) => entries.iter().for_each(|entry| entry.value.leaves(visit)),
            _ => visit(self),
        }
    }

    /// The tree without some entries and items.
    pub(crate) fn without(&self, homes: &HashSet<Home>) -> Node {
        let value = match &self.value {
            Value::List(items) => {
                let kept = items.iter().filter(|item| !homes.contains(&item.home()));
                Value::List(kept.map(|item| item.without(homes)).collect())
            }
            Value::Map(entries) => {
                let kept = entries.iter().filter(|entry| !homes.contains(&entry.home()));
                Value::Map(
                    kept.map(|entry| Entry {
                        value: entry.value.without(homes),
                        ..entry.clone()
                    })
                    .collect(),
                )
            }
            leaf => leaf.clone(),
        };
        Node { span: self.span, value }
    }

    /// The value as JSON, keys in the order in which they were written.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => serde_json::Value::String(text.clone()),
            Value::List(items) => serde_json::Value::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                let pairs = entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json()));
                serde_json::Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }
}

impl Entry {
    pub(crate) fn home(&self) -> Home {
        Home::Entry(self.key_span.start)
    }
}

impl Value {
    /// What the operator would call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(true) => "`true`",
            Self::Bool(false) => "`false`",
            Self::Number(number) if number.is_f64() => "a number with a fraction",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}
