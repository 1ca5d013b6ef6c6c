//! Why a module cannot be changed.

use thiserror::Error;

use crate::CALL_DEPTH;

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
    #[error(
        "it uses WebAssembly exceptions (byte {0:#x}), which leave functions without their frames being counted down"
    )]
    Exceptions(usize),
    /// It exports something under the name that the change needs.
    #[error("it exports `{CALL_DEPTH}` itself, which is the name under which its frames are counted")]
    NameTaken,
    /// It becomes too large.
    #[error("it would have more than {0} bytes")]
    TooLarge(usize),
    /// It changes in too many places.
    #[error("it would change in more than {0} places")]
    TooManyPlaces(usize),
}
