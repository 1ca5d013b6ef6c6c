//! Names that a grant lists: exact ones, and beginnings with a star behind them.

use std::fmt;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// This name.
    Exact(String),
    /// Every name that begins so; every name at all when it is empty.
    Prefix(String),
}

impl Name {
    /// A name as it is written: a star at its end stands for anything.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// Whether it has every name that `other` has.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Exact(_), Self::Prefix(_)) => false,
            (Self::Prefix(own), Self::Exact(other) | Self::Prefix(other)) => other.starts_with(own.as_str()),
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_bytes()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

/// Names that are granted, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(Vec<Name>);

impl Names {
    /// Every name.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![Name::Prefix(String::new())])
    }

    /// Whether a name is granted, letter for letter.
    #[must_use]
    pub fn has(&self, name: &[u8]) -> bool {
        self.0.iter().any(|known| known.has(name))
    }

    /// Whether every name is.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0
            .iter()
            .any(|known| matches!(known, Name::Prefix(prefix) if prefix.is_empty()))
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one.
    pub fn add(&mut self, name: Name) {
        if let Err(place) = self.0.binary_search(&name) {
            self.0.insert(place, name);
        }
    }

    /// Adds those of `other`.
    pub fn join(&mut self, other: Self) {
        other.0.into_iter().for_each(|name| self.add(name));
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }
}

impl FromIterator<Name> for Names {
    fn from_iter<T: IntoIterator<Item = Name>>(names: T) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.add(name));
        all
    }
}

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        names.into_iter().map(Name::read).collect()
    }
}
