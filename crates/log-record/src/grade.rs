//! How grave a record is and what it is about: one pair of words for rings, sinks, sampling and labels.

/// How grave a record is; the later, the graver. The levels of Proxy-Wasm, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Steps of the code.
    Trace,
    /// For whoever looks for a mistake.
    Debug,
    /// What happens all day.
    Info,
    /// What should not happen often.
    Warn,
    /// What failed.
    Error,
    /// What threatens the whole.
    Critical,
}

impl Level {
    /// All of them, the lowest first.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Critical,
    ];

    /// Its place in [`Level::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its place as it is written down.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The one at that place.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its word in configurations, labels and texts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// One exchange that has ended.
    Access,
    /// A line that a plugin wrote.
    Plugin,
    /// A fault, of a plugin or of ours.
    Fault,
    /// What was done to the gateway: a plan, a swap, a step of a rollout.
    Control,
    /// A call to a system behind us.
    Call,
    /// What the gateway says of itself, gaps included.
    Gateway,
    /// What an auditor is shown: dropped after everything else.
    Audit,
    /// A connection from which no exchange came.
    Connection,
    /// What a debug window shows of an exchange.
    Debug,
    /// A stage of an exchange.
    Span,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Access,
        Self::Plugin,
        Self::Fault,
        Self::Control,
        Self::Call,
        Self::Gateway,
        Self::Audit,
        Self::Connection,
        Self::Debug,
        Self::Span,
    ];

    /// Its place in [`Class::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its place as it is written down.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The one at that place.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its word in configurations, labels and texts.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Plugin => "plugin",
            Self::Fault => "fault",
            Self::Control => "control",
            Self::Call => "call",
            Self::Gateway => "gateway",
            Self::Audit => "audit",
            Self::Connection => "connection",
            Self::Debug => "debug",
            Self::Span => "span",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_read_again() {
        for level in Level::ALL {
            assert_eq!(Level::from_number(level.number()), Some(level));
        }
        for class in Class::ALL {
            assert_eq!(Class::from_number(class.number()), Some(class));
        }
        assert_eq!((Level::from_number(6), Class::from_number(10)), (None, None));
    }
}
