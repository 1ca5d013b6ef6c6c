//! Changes a module before it is compiled, so that it is held to what the engine cannot hold it to, and tells what the engine cannot see.
//!
//! Lives here: what is added to a module's functions, how its sections are written anew around that, and the way back from a byte of the
//! changed module to the byte of the original one.
//! Never enters: an engine, a configuration, a file, a judgement of what a module may do; debug information, which stays that of the
//! original.
//! From: `plug-host`, with the bytes of a module that somebody wrote who may mean harm.
//! To: `plug-host`, which compiles the changed bytes and speaks of the original ones.

mod fault;
pub use fault::InstrumentFault;
mod offsets;
pub use offsets::{Added, Offsets, Origin};
mod output;
mod types;
mod allocator;
pub use allocator::{Allocator, Told};
mod around;
mod frames;
mod allocations;
mod body;
mod module;
mod state;
pub use state::{Exposed, expose};

/// Name of the export by which the host reads and sets how deep the guest's calls are, where they are counted.
pub const CALL_DEPTH: &str = "cofferdam.call_depth";

/// Name of the export in which the host puts the function that is told of each allocation, where they are told: a table of one element.
///
/// The function takes five `i32` and gives nothing. The first is [`Allocator::number`], the next three and the last are what
/// [`Allocator::told`] takes. It is called when the guest is back from its allocator, so that it sees the guest's memory as it is then. While
/// the element is null nothing is told.
pub const ALLOCATIONS: &str = "cofferdam.allocations";

/// What is changed in a module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Changes {
    /// Frames of the module that may stand on its stack; one more is `unreachable`. Not counted when absent.
    pub call_depth_max: Option<u32>,
    /// Functions of the guest's allocator, by their numbers, which tell the host what they did. None are told when empty.
    ///
    /// Of functions that call one another the outermost tells. Names are only names: a function that has not the type of what it is said to
    /// be, that is imported, or that is not there stays as it is; of one that is named twice the last counts. What is in a call that traps is
    /// not told, nor what comes after it.
    pub allocators: Vec<(u32, Allocator)>,
}

impl Changes {
    /// Whether the module stays as it is.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A changed module.
#[derive(Debug, Clone)]
pub struct Instrumented {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where they come from.
    pub offsets: Offsets,
}

/// Changes a module. Takes time and memory in proportion to its bytes, whatever they are.
///
/// What comes out of a valid module is valid: functions, types, imports and exports keep their numbers, sections that say something about
/// the module are kept as they are, and what is new comes last. What comes out of an invalid module may be anything; who compiles it
/// validates it.
///
/// # Errors
/// When the module cannot be read, has something that makes the change wrong, or becomes too large.
pub fn instrument(module: &[u8], changes: &Changes) -> Result<Instrumented, InstrumentFault> {
    let output = match changes.is_none() {
        true => output::Output::same(module)?,
        false => module::changed(module, changes)?,
    };
    Ok(output.finish())
}

#[cfg(test)]
mod tests;
