//! Why a module cannot be changed.

use thiserror::Error;

/// Why a module cannot be changed.
#[derive(Debug, Error)]
pub enum InstrumentFault {
    /// It is no module, or a broken one.
    #[error("it cannot be read: {0}")]
    Malformed(#[from] wasmparser::Error),
    /// It can be read and is invalid all the same.
    #[error("it is not valid: {what} (byte {offset:#x})")]
    Invalid {
        /// What is wrong.
        what: &'static str,
        /// Where.
        offset: usize,
    },
    /// It throws or catches: an exception would leave functions past what is added to their ends.
    #[error("it uses WebAssembly exceptions (byte {0:#x}), which leave functions past what is added to their ends")]
    Exceptions(usize),
    /// It exports something under the name that the change needs.
    #[error("it exports `{name}` itself, which is the name under which its {what}")]
    NameTaken {
        /// The name.
        name: &'static str,
        /// What happens under that name.
        what: &'static str,
    },
    /// It keeps something where nobody can put it back.
    #[error("what it keeps cannot be put back: {what} (byte {offset:#x})")]
    Keeps {
        /// What it does.
        what: &'static str,
        /// Where; 0 when there is no one place.
        offset: usize,
    },
    /// It has as many tables as a module may have.
    #[error("it has {0} tables already, and needs one more for its allocations to be told")]
    TablesFull(u32),
    /// It becomes too large.
    #[error("it would have more than {0} bytes")]
    TooLarge(usize),
    /// It changes in too many places.
    #[error("it would change in more than {0} places")]
    TooManyPlaces(usize),
}
