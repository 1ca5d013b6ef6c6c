//! What goes wrong with the file of a ring, or with what is found in one.

use std::io;

/// Why a ring is not made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum RingFault {
    /// Sizes that do not go together.
    #[error("a ring has a power of two of bytes between {bytes_min} and {bytes_max}, not {bytes}")]
    Size {
        /// What was asked for.
        bytes: u64,
        /// The least.
        bytes_min: u64,
        /// The most.
        bytes_max: u64,
    },
    /// One record would take too much of the ring.
    #[error("the longest record of a ring of {bytes} bytes has between 1 and {payload_bytes_max} bytes, not {asked}")]
    Payload {
        /// The ring.
        bytes: u64,
        /// The most.
        payload_bytes_max: u64,
        /// What was asked for.
        asked: u64,
    },
    /// A name that could be a path, or is none.
    #[error("the name of a ring has 1 to 64 letters, digits, `-` and `_`, unlike `{0}`")]
    Name(String),
    /// The system refuses something.
    #[error("the ring's {what} `{path}`: {source}")]
    System {
        /// What was done to what.
        what: &'static str,
        /// The file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Who else may write there could write our log, or make us write theirs.
    #[error(
        "`{path}` is not trusted with logs: {why}\nhint: rings lie in a folder of mode 0700 and have mode 0600, both owned by the user that runs the gateway"
    )]
    Untrusted {
        /// The file or folder.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Every name that a ring of this process could have is taken.
    #[error("`{folder}` holds {tries} rings of dead processes by this name\nhint: recover or remove them")]
    Crowded {
        /// The folder.
        folder: String,
        /// Names that were tried.
        tries: u32,
    },
    /// A living process writes it.
    #[error("`{0}` belongs to a process that is alive")]
    Alive(String),
    /// The file was never finished, or was cut, or somebody else wrote it.
    #[error("`{path}` is no ring: {why}")]
    Foreign {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What waits in the ring does not fit into memory.
    #[error("the {bytes} bytes that wait in `{path}` do not fit into memory")]
    Memory {
        /// The file.
        path: String,
        /// How many they are.
        bytes: u64,
    },
}

impl RingFault {
    /// Its name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size { .. } => "ring.size",
            Self::Payload { .. } => "ring.payload",
            Self::Name(_) => "ring.name",
            Self::System { .. } => "ring.system",
            Self::Untrusted { .. } => "ring.untrusted",
            Self::Crowded { .. } => "ring.crowded",
            Self::Alive(_) => "ring.alive",
            Self::Foreign { .. } => "ring.foreign",
            Self::Memory { .. } => "ring.memory",
        }
    }
}

/// What is wrong at the place where reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A length that leads out of the ring, or out of what was committed.
    #[error("a record's length leads out of what was committed")]
    Length,
    /// The check over a record does not hold: it was torn or changed.
    #[error("a record is torn: its check does not hold")]
    Check,
    /// A record that is whole and was not written after the one before it.
    #[error("a record's sequence does not follow the one before")]
    Sequence,
    /// A record that is whole and says something that no ring writes.
    #[error("a record says what no ring writes")]
    Content,
}
