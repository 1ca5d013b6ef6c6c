//! What goes wrong between a gateway and a store.

/// A fault of a store, or of what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// No connection, or one that broke.
    #[error("the store at `{place}` cannot be reached: {why}")]
    Unreachable {
        /// Where it is.
        place: String,
        /// What the system or the library says.
        why: String,
    },
    /// It does not let us do this.
    #[error("the store at `{place}` refuses this: {why}")]
    Refused {
        /// Where it is.
        place: String,
        /// What it says.
        why: String,
    },
    /// It says something that nobody asked for.
    #[error("the store at `{place}` answers what is not understood: {why}")]
    Answer {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file or variable with a password, token, key or certificate.
    #[error("{what} cannot be read: {why}")]
    Secret {
        /// Which one.
        what: String,
        /// What the system says.
        why: String,
    },
    /// A value beyond its bound.
    #[error("`{key}` has {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Where it stands.
        key: String,
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// Somebody wrote between our look and our write; nothing was changed.
    #[error("{what}; nothing was written\nhint: look at the difference, and push again")]
    Raced {
        /// What was expected, and what was found.
        what: String,
    },
    /// What stands in the store is not taken.
    #[error("{0}")]
    Untaken(String),
    /// The system gives no thread.
    #[error("no thread for the store: {0}")]
    Thread(String),
}

/// What a call gives.
pub(crate) type Result<T> = std::result::Result<T, StoreFault>;

impl StoreFault {
    /// Its name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "store.unreachable",
            Self::Refused { .. } => "store.refused",
            Self::Answer { .. } => "store.answer",
            Self::Secret { .. } => "store.secret",
            Self::TooLarge { .. } => "store.too_large",
            Self::Raced { .. } => "store.raced",
            Self::Untaken(_) => "store.untaken",
            Self::Thread(_) => "store.thread",
        }
    }

    /// Whether the same may go well later without anybody's doing.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Answer { .. })
    }
}
