//! What goes wrong when the kernel is asked.

use std::fmt;
use std::io;

/// Why there is no `TCP_INFO`.
#[derive(Debug, thiserror::Error)]
pub enum TcpInfoFault {
    /// The kernel refused: no socket, none of TCP, or no such option.
    #[error("the socket has no `TCP_INFO`: {0}")]
    Refused(#[source] io::Error),
    /// A socket of TCP that listens, or was never connected.
    #[error("the socket is not connected")]
    NotConnected,
    /// The kernel wrote too little to know even the state.
    #[error("`TCP_INFO` has too few bytes: {0}")]
    TooShort(usize),
    /// The owner closed the socket, and nobody read it before.
    #[error("the socket was closed before it was read")]
    Closed,
}

/// Why the description of the kernel's types is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TypesFault {
    /// More bytes than any kernel has.
    #[error("there are more bytes than {0}")]
    TooLarge(usize),
    /// The header is not one of BTF, version 1, in this machine's byte order.
    #[error("the header is not that of BTF version 1")]
    Header,
    /// A part reaches beyond the end of what holds it.
    #[error("it breaks off at byte {0}")]
    BrokenOff(usize),
    /// More types than BTF may have.
    #[error("there are more types than {0}")]
    TooManyTypes(usize),
    /// A kind of type that came after this was written; what follows it cannot be found.
    #[error("a type is of unknown kind {0}")]
    Kind(u32),
    /// A structure is not there.
    #[error("there is no structure `{0}`")]
    NoStructure(&'static str),
    /// A member is not there.
    #[error("the structure `{outer}` has no member `{member}`")]
    NoMember {
        /// The outermost structure.
        outer: &'static str,
        /// The member.
        member: &'static str,
    },
    /// A member is there, and is another thing than what is read.
    #[error("`{member}` of `{outer}` is not what is expected")]
    Unexpected {
        /// The outermost structure.
        outer: &'static str,
        /// The member.
        member: &'static str,
    },
    /// Types that lead to each other without end.
    #[error("types lead in a circle at `{0}`")]
    Circle(&'static str),
}

/// One of the steps until retransmits are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The buffer through which events come.
    MakeRing,
    /// The counters of events and losses.
    MakeCounters,
    /// The buffer, seen from this process.
    MapRing,
    /// The program, which the kernel verifies.
    LoadProgram,
    /// The tracepoint that runs it.
    Attach,
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MakeRing => "making the ring buffer",
            Self::MakeCounters => "making the counters",
            Self::MapRing => "mapping the ring buffer",
            Self::LoadProgram => "loading the program",
            Self::Attach => "attaching to the tracepoint `tcp_retransmit_skb`",
        })
    }
}

/// Why retransmits are not watched.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    /// The description of the kernel's types, or the name of our network namespace, is not there or may not be read.
    #[error("`{path}` is not readable: {source}")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is there, and of no use.
    #[error("the kernel's types at `{path}` are not understood: {source}")]
    Types {
        /// The file.
        path: &'static str,
        /// What is wrong with it.
        source: TypesFault,
    },
    /// The kernel refused a step.
    #[error("{step} failed: {source}")]
    Refused {
        /// Which step.
        step: Step,
        /// What the system said, with its number.
        source: io::Error,
    },
    /// The verifier refused the program.
    #[error("the kernel's verifier refused the program: {source}; its last lines: {log}")]
    Verifier {
        /// What the system said, with its number.
        source: io::Error,
        /// The last lines of what it wrote, joined by ` / `.
        log: String,
    },
}

impl LoadFault {
    /// The number of the system's error, where it was the system that refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Unreadable { source, .. } | Self::Refused { source, .. } | Self::Verifier { source, .. } => {
                source.raw_os_error()
            }
            Self::Types { .. } => None,
        }
    }

    pub(crate) fn refused(step: Step) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Refused { step, source }
    }
}
