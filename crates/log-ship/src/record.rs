//! What is shipped: one encoded, masked line with the little that sinks must know without reading it.

/// How grave a record is; the later, the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    pub const ALL: [Self; LEVELS] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Critical,
    ];

    /// Its place among all.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Trace => 0,
            Self::Debug => 1,
            Self::Info => 2,
            Self::Warn => 3,
            Self::Error => 4,
            Self::Critical => 5,
        }
    }

    /// Its word in labels and texts.
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

    pub(crate) fn byte(self) -> u8 {
        u8::try_from(self.index()).unwrap_or(0)
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// How many levels there are.
pub(crate) const LEVELS: usize = 6;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Access,
        Self::Plugin,
        Self::Fault,
        Self::Control,
        Self::Call,
        Self::Gateway,
        Self::Audit,
    ];

    /// Its place among all.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Access => 0,
            Self::Plugin => 1,
            Self::Fault => 2,
            Self::Control => 3,
            Self::Call => 4,
            Self::Gateway => 5,
            Self::Audit => 6,
        }
    }

    /// Its word in labels and texts.
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
        }
    }

    pub(crate) fn byte(self) -> u8 {
        u8::try_from(self.index()).unwrap_or(0)
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// In which order records are given up when there is no room: by level, and what is for an auditor last.
pub(crate) const RANKS: usize = LEVELS + 1;

/// LIMIT: what one record costs beside its line, as it is counted against a queue's bytes.
const OVERHEAD_BYTES: usize = 96;

/// One record, shared by all sinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1: each record that the giver gives has a greater one than the record before it, whichever ring it came from.
    pub sequence: u64,
    /// When it was, in nanoseconds since 1970, UTC.
    pub time_ns: u64,
    /// How grave.
    pub level: Level,
    /// About what.
    pub class: Class,
    /// One JSON object without a line end, masked.
    pub line: Box<[u8]>,
}

impl Record {
    pub(crate) fn rank(&self) -> usize {
        match self.class {
            Class::Audit => LEVELS,
            _ => self.level.index(),
        }
    }

    /// Bytes that it counts for in a queue.
    pub(crate) fn cost(&self) -> usize {
        self.line.len().saturating_add(OVERHEAD_BYTES)
    }
}

/// Which records something is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The lowest level.
    pub level_min: Level,
    /// The highest level.
    pub level_max: Level,
    /// The classes; all when empty.
    pub classes: Vec<Class>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            level_min: Level::Trace,
            level_max: Level::Critical,
            classes: Vec::new(),
        }
    }
}

impl Selection {
    /// Whether this one belongs to it.
    #[must_use]
    pub fn takes(&self, level: Level, class: Class) -> bool {
        (self.level_min..=self.level_max).contains(&level) && (self.classes.is_empty() || self.classes.contains(&class))
    }
}
