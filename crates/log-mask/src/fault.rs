//! What is wrong with rules.

use thiserror::Error;

/// Why rules cannot be.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// A path that leads nowhere.
    #[error("is no path: names with dots between, `*` for any, without empty parts and of 32 parts at most")]
    Path,
    /// More paths than can be followed at once.
    #[error("more than {0} paths")]
    Paths(usize),
    /// A word that would be found everywhere, or is held for too long.
    #[error("a word has 3 to {0} bytes")]
    Word(usize),
    /// More words than are compared in passing.
    #[error("more than {0} words")]
    Words(usize),
    /// Something is to be hashed, by nothing.
    #[error("`{0}` is to be hashed, and there is no key for it")]
    Unkeyed(&'static str),
}

impl Fault {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Path => "mask.path",
            Self::Paths(_) => "mask.paths",
            Self::Word(_) => "mask.word",
            Self::Words(_) => "mask.words",
            Self::Unkeyed(_) => "mask.unkeyed",
        }
    }
}
