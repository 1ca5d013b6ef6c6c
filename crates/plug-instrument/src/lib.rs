//! Changes a module before it is compiled, so that it is held to what the engine cannot hold it to.
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
mod results;
mod body;
mod module;

/// Name of the export by which the host reads and sets how deep the guest's calls are, where they are counted.
pub const CALL_DEPTH: &str = "cofferdam.call_depth";

/// What is changed in a module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Changes {
    /// Frames of the module that may stand on its stack; one more is `unreachable`. Not counted when absent.
    pub call_depth_max: Option<u32>,
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
    let output = match changes.call_depth_max {
        Some(frames_max) => module::with_call_depth(module, frames_max)?,
        None => output::Output::same(module)?,
    };
    Ok(output.finish())
}

#[cfg(test)]
mod tests;
