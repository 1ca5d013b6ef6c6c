//! What is said about a record beside its bytes: its level, its class, its time; and why one is refused.

/// LIMIT: levels that a ring tells apart.
pub const LEVELS_MAX: usize = 8;
/// LIMIT: classes that a ring tells apart.
pub const CLASSES_MAX: usize = 16;

/// How grave a record is: 0 is refused first, 7 last. What the numbers are called is not decided here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    pub(crate) const LEAST: Self = Self(0);

    /// None from [`LEVELS_MAX`] on.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < LEVELS_MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// All there are, the least grave first.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::new)
    }
}

/// What kind of thing a record is about, as its writer counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u8);

impl Class {
    pub(crate) const FIRST: Self = Self(0);

    /// None from [`CLASSES_MAX`] on.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if (number as usize) < CLASSES_MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map_while(Self::new)
    }
}

/// What is said about a record beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// How grave.
    pub level: Level,
    /// About what.
    pub class: Class,
    /// When, in nanoseconds of the clock of whoever writes; the ring has none.
    pub stamp_ns: u64,
}

/// Why a record was not taken. It is counted, and nobody waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The ring is fuller than the policy lets records of this level and class fill it.
    Policy,
    /// There is no room at all.
    Full,
    /// No record is that long here.
    TooLong,
}

impl Refusal {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Full, Self::TooLong];

    /// How it is written down.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Policy => 0,
            Self::Full => 1,
            Self::TooLong => 2,
        }
    }
}

/// Counts that a ring keeps: one for each reason, level and class.
pub(crate) const CELLS: usize = Refusal::ALL.len() * LEVELS_MAX * CLASSES_MAX;

/// Which of [`CELLS`] counts these.
pub(crate) fn cell(why: Refusal, level: Level, class: Class) -> usize {
    let grade = usize::from(why.number()) * LEVELS_MAX + usize::from(level.0);
    grade * CLASSES_MAX + usize::from(class.0)
}

/// All of [`CELLS`] in their order, with what they count.
pub(crate) fn cells() -> impl Iterator<Item = (usize, Refusal, Level, Class)> {
    let whys = Refusal::ALL.into_iter();
    let grades = whys.flat_map(|why| Level::all().map(move |level| (why, level)));
    let all = grades.flat_map(|(why, level)| Class::all().map(move |class| (why, level, class)));
    all.enumerate().map(|(at, (why, level, class))| (at, why, level, class))
}
