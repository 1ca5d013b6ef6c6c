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
    /// A regular expression that is none, or whose answer might need all of a text: its place in the list, and why.
    #[error("pattern {0}: {1}")]
    Pattern(usize, String),
    /// More regular expressions than are tried at once.
    #[error("more than {0} patterns")]
    Patterns(usize),
    /// Regular expressions that are too large together.
    #[error("the patterns are too large together: {0}")]
    Automaton(String),
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
            Self::Pattern(..) => "mask.pattern",
            Self::Patterns(_) => "mask.patterns",
            Self::Automaton(_) => "mask.automaton",
            Self::Unkeyed(_) => "mask.unkeyed",
        }
    }
}
