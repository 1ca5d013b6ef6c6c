//! The way from the root of the configuration to a value, for messages.

use std::fmt;

use crate::tree::{Entry, Home, Node};

/// One step of the way, with those before it.
#[derive(Clone, Copy)]
pub(super) struct Trail<'t> {
    parent: Option<&'t Trail<'t>>,
    step: Step<'t>,
    home: Option<Home>,
}

#[derive(Clone, Copy)]
enum Step<'t> {
    Root,
    Key(&'t str),
    Index(usize),
}

impl<'t> Trail<'t> {
    pub(super) const ROOT: Self = Self {
        parent: None,
        step: Step::Root,
        home: None,
    };

    pub(super) fn key<'n>(&'n self, entry: &'n Entry) -> Trail<'n> {
        Trail {
            parent: Some(self),
            step: Step::Key(&entry.key),
            home: Some(entry.home()),
        }
    }

    pub(super) fn item<'n>(&'n self, index: usize, item: &Node) -> Trail<'n> {
        Trail {
            parent: Some(self),
            step: Step::Index(index),
            home: Some(item.home()),
        }
    }

    /// The entry or item that is to be left out when its value is wrong.
    pub(super) fn home(&self) -> Option<Home> {
        self.home
    }

    /// Of a key: in what it stands.
    pub(super) fn whereabouts(&self) -> String {
        match self.parent {
            Some(Trail { step: Step::Root, .. }) | None => " at the top level".to_owned(),
            Some(parent) => format!(" in {parent}"),
        }
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.write(out)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) => {
                let first = self.parent.is_none_or(|parent| matches!(parent.step, Step::Root));
                write!(out, "{}{key}", if first { "" } else { "." })
            }
            Step::Index(index) => write!(out, "[{index}]"),
        }
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.step, Step::Root) {
            return out.write_str("the configuration");
        }
        out.write_str("`")?;
        self.write(out)?;
        out.write_str("`")
    }
}
