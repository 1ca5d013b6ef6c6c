//! One value of a file while it is read: each question is written down, and a value of the wrong kind is a finding.

use gate_plan::documents::{Kind, Node};
use serde_json::Value;

use super::{At, Ledger};

/// A value and how it is called.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'d, 'l> {
    ledger: &'l Ledger<'d>,
    node: Node<'d>,
    /// Of its key, or of itself in a list.
    pub(crate) at: At,
    name: &'d str,
}

impl<'d, 'l> Cursor<'d, 'l> {
    pub(super) fn new(ledger: &'l Ledger<'d>, node: Node<'d>, at: At, name: &'d str) -> Self {
        Self { ledger, node, at, name }
    }

    pub(crate) fn ledger(&self) -> &'l Ledger<'d> {
        self.ledger
    }

    /// Its key, or that of the list it stands in.
    pub(crate) fn name(&self) -> &'d str {
        self.name
    }

    fn child(&self, (key, spot, node): (&'d str, gate_plan::documents::Spot, Node<'d>)) -> Self {
        let file = self.at.file;
        Self::new(self.ledger, node, At { file, spot }, key)
    }

    /// Whether there is such a key, without reading it.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.peek(key).is_some()
    }

    fn peek(&self, key: &str) -> Option<Self> {
        let entry = self.node.entries().find(|(found, ..)| same(found, key));
        entry
            .filter(|(.., node)| node.kind() != Kind::Null)
            .map(|entry| self.child(entry))
    }

    /// The value of a key, in `snake_case` or `camelCase`, as the JSON form of Protocol Buffers has both. What is null is not there.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let found = self.peek(key)?;
        self.ledger.read(found.node);
        Some(found)
    }

    /// A text that is there without being read: what decides how the rest is read.
    pub(crate) fn peek_text(&self, key: &str) -> Option<&'d str> {
        match self.peek(key)?.node.kind() {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same, of a map under `key`.
    pub(crate) fn peek_in(&self, key: &str, inner: &str) -> Option<&'d str> {
        self.peek(key)?.peek_text(inner)
    }

    /// Whether there is a map under `key` that has `inner`.
    pub(crate) fn peek_any_map(&self, key: &str, inner: &str) -> bool {
        self.peek(key).is_some_and(|found| found.has(inner))
    }

    pub(crate) fn text(&self, key: &str) -> Option<&'d str> {
        self.get(key)?.as_text()
    }

    pub(crate) fn as_text(&self) -> Option<&'d str> {
        match self.node.kind() {
            Kind::Text(text) => Some(text),
            _ => self.wrong_kind("text"),
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let found = self.get(key)?;
        match found.node.kind() {
            Kind::Bool(value) => Some(value),
            _ => found.wrong_kind("`true` or `false`"),
        }
    }

    /// A whole number; the JSON form of Protocol Buffers puts large ones in quotes.
    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_integer()
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        let number = match self.node.kind() {
            Kind::Number(number) => number.as_i64(),
            Kind::Text(text) => text.parse().ok(),
            _ => None,
        };
        number.or_else(|| self.wrong_kind("a whole number"))
    }

    pub(crate) fn map(&self, key: &str) -> Option<Self> {
        self.get(key)?.as_map()
    }

    pub(crate) fn as_map(self) -> Option<Self> {
        if self.node.kind() == Kind::Map {
            return Some(self);
        }
        self.wrong_kind("a map")
    }

    /// Whether an item of a list, which is not read by this, is as asked for.
    pub(crate) fn peek_any(&self, key: &str, asked: impl Fn(&Self) -> bool) -> bool {
        let Some(list) = self.peek(key) else { return false };
        let item = |node: Node<'d>| Self::new(self.ledger, node, self.at, self.name);
        list.node.items().any(|node| asked(&item(node)))
    }

    /// Whether it is neither a map nor a list.
    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.node.kind(), Kind::Map | Kind::List)
    }

    pub(crate) fn is_map(&self) -> bool {
        self.node.kind() == Kind::Map
    }

    /// The items of a list, each of which counts as read.
    pub(crate) fn list(&self, key: &str) -> Vec<Self> {
        self.get(key).map(|found| found.as_list()).unwrap_or_default()
    }

    pub(crate) fn as_list(&self) -> Vec<Self> {
        if self.node.kind() != Kind::List {
            self.wrong_kind::<()>("a list");
        }
        let item = |node: Node<'d>| {
            self.ledger.read(node);
            let at = At {
                file: self.at.file,
                spot: node.spot(),
            };
            Self::new(self.ledger, node, at, self.name)
        };
        self.node.items().map(item).collect()
    }

    /// The maps of a list.
    pub(crate) fn maps(&self, key: &str) -> Vec<Self> {
        self.list(key).into_iter().filter_map(Self::as_map).collect()
    }

    /// The texts of a list, each with its place.
    pub(crate) fn texts(&self, key: &str) -> Vec<(Self, &'d str)> {
        let items = self.list(key).into_iter();
        items.filter_map(|item| Some((item, item.as_text()?))).collect()
    }

    /// Keys that the file's author chose, with their values, all of which count as read.
    pub(crate) fn entries(&self) -> Vec<(&'d str, Self)> {
        let read = |entry| {
            let child: Self = self.child(entry);
            self.ledger.read(child.node);
            (entry.0, child)
        };
        self.node.entries().map(read).collect()
    }

    /// A value that is passed on as it is.
    pub(crate) fn whole(&self, key: &str) -> Option<Value> {
        self.get(key).map(|found| found.json())
    }

    /// This value, passed on as it is.
    pub(crate) fn json(&self) -> Value {
        self.skip();
        self.node.to_json()
    }

    /// Nothing that is in it wants a note of its own.
    pub(crate) fn skip(&self) {
        self.ledger.take(self.node);
    }

    /// Says something about this place.
    pub(crate) fn say(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.ledger.note(self.at, message, hint);
    }

    /// Says why it is left out, with all that is in it.
    pub(crate) fn leave_out(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.skip();
        self.say(message, hint);
    }

    /// A key that is known to mean nothing here.
    pub(crate) fn without_note(&self, key: &str) {
        if let Some(found) = self.get(key) {
            found.skip();
        }
    }

    /// What makes the file wrong.
    pub(crate) fn wrong(&self, message: impl Into<String>, help: impl Into<String>) {
        let at = At {
            file: self.at.file,
            spot: self.node.spot(),
        };
        self.ledger.flaw(at, message.into(), help.into());
    }

    /// The same, pointing at the key: its value may be a secret.
    pub(crate) fn wrong_key(&self, message: impl Into<String>, help: impl Into<String>) {
        self.ledger.flaw(self.at, message.into(), help.into());
    }

    fn wrong_kind<T>(&self, wanted: &str) -> Option<T> {
        let message = format!("`{}` is {}, not {wanted}", self.name, self.node.kind());
        self.wrong_key(message, format!("give {wanted}"));
        None
    }
}

/// `pluginConfig` is `plugin_config`, `SHA256` is `sha256`.
fn same(one: &str, other: &str) -> bool {
    let letters = |word: &'_ str| -> Vec<u8> {
        let bytes = word.bytes().filter(|byte| *byte != b'_');
        bytes.map(|byte| byte.to_ascii_lowercase()).collect()
    };
    one == other || (one.len().abs_diff(other.len()) <= 16 && letters(one) == letters(other))
}
