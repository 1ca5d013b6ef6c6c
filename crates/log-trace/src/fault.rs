//! What is wrong with settings.

use thiserror::Error;

/// Why settings cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Fault {
    /// A ratio that is no probability.
    #[error("a ratio is more than 0, by 2 to the power of -56 at least, and at most 1")]
    Ratio,
    /// A rate of nothing, or in no time.
    #[error("a rate has a count, a time and a burst of 1 at least")]
    Rate,
    /// More rules than are looked through for each line.
    #[error("more than {0} rules")]
    Rules(usize),
    /// More keys than a worker has memory for.
    #[error("keys of rates are 8 to {0}")]
    Keys(usize),
    /// More levels with an end than are looked through for each line.
    #[error("more than {0} plugins have a level for a time")]
    Floors(usize),
    /// A level for a time that does not end in good time.
    #[error("a level holds for more than 0 s and at most {0} s")]
    Lasts(u64),
    /// A burst that is seen over no time or for too long.
    #[error("a burst is looked for over 1 to {0} s")]
    Sight(u64),
    /// A window that does not end in good time.
    #[error("a debug window lasts for more than 0 s and at most {0} s")]
    Window(u64),
    /// More windows than an hour shall have.
    #[error("debug windows are 1 to {0} in an hour")]
    Windows(usize),
    /// Calm above the trigger, or a share above all.
    #[error("a share is at most 1000000 parts per million, and calm begins below the share that opens")]
    Share,
    /// More bytes before a window than a worker has memory for.
    #[error("what is kept for a debug window has 1 to {0} bytes")]
    Before(usize),
}

impl Fault {
    /// Its code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ratio => "trace.ratio",
            Self::Rate => "trace.rate",
            Self::Rules(_) => "trace.rules",
            Self::Keys(_) => "trace.keys",
            Self::Floors(_) => "trace.floors",
            Self::Lasts(_) => "trace.lasts",
            Self::Sight(_) => "trace.sight",
            Self::Window(_) => "trace.window",
            Self::Windows(_) => "trace.windows",
            Self::Share => "trace.share",
            Self::Before(_) => "trace.before",
        }
    }
}
