//! A recording: everything that a guest saw and asked, from the start of its instance to its death, as a file that runs again offline.
//!
//! A file is one line that names the form, one line of JSON ([`Head`]), and the steps in binary form ([`Step`]).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scene::{Exchange, Frame, ModuleNote};

pub mod steps;
mod seams;
mod mask;
pub use mask::{Finder, Sensitive};

pub use steps::{Given, Input, Step, Steps};

/// First line of a file.
const FORM: &str = "cofferdam recording 1";
/// LIMIT: bytes of a file that is read.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is known of a recording beside its steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Program and version that made it.
    pub made_by: String,
    /// When its last step was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// Name of the plugin.
    pub plugin: String,
    /// The plugin's generation.
    pub generation: u64,
    /// The module.
    pub module: ModuleNote,
    /// Where the module was, on the machine that recorded.
    pub module_file: Option<String>,
    /// Bound on linear memory in bytes.
    pub memory_bytes_max: u64,
    /// Bound on entries of tables.
    pub table_entries_max: u64,
    /// Bytes of stack.
    pub stack_bytes_max: u64,
    /// Bound on frames of the guest; none when they were not counted, and in recordings of versions that could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_depth_max: Option<u32>,
    /// CPU time of one callback in microseconds.
    pub slice_us: u64,
    /// Callbacks of this instance that are no longer in the recording; what they left in the guest's memory is missing when it runs again.
    pub forgotten: u64,
    /// Whether a callback had more to tell than there was room for.
    pub is_cut: bool,
    /// Values that were left out because their headers or properties are sensitive.
    pub masked: u64,
    /// The exchange in whose name the last callback ran.
    pub exchange: Option<Exchange>,
    /// The fault with which it ends; none when it was asked for without one.
    pub fault: Option<End>,
    /// The guest's memory at the end, when it was small enough to be hashed by a worker.
    pub memory: Option<MemoryNote>,
}

/// The fault with which a recording ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Its code, such as `plugin.trapped`.
    pub code: String,
    /// In one sentence.
    pub summary: String,
    /// The callback that was running.
    pub callback: String,
    /// Frames of the guest, innermost first.
    pub frames: Vec<Frame>,
}

/// Linear memory without its content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryNote {
    /// Bytes.
    pub bytes: u64,
    /// [`steps::digest`] of it.
    pub digest: u64,
}

/// A recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// What is known of it.
    pub head: Head,
    /// Its steps, in the order in which they were made.
    pub steps: Vec<u8>,
}

/// Why a file is no recording.
#[derive(Debug, Error)]
pub enum RecordingFault {
    /// It begins otherwise.
    #[error("it is no recording: it does not begin with `{FORM}`")]
    Form,
    /// Another version of this program made it.
    #[error("it is a recording in a form that this version does not know: `{0}`; this one knows `{FORM}`")]
    Version(String),
    /// Its second line is wrong.
    #[error("its second line is not what a recording says of itself: {0}")]
    Head(serde_json::Error),
    /// Its steps end in the middle, or make no sense.
    #[error("its steps are damaged at byte {0}")]
    Steps(usize),
}

impl Recording {
    /// The file's content.
    ///
    /// # Errors
    /// When the head cannot be written as JSON, which never happens.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = format!("{FORM}\n").into_bytes();
        serde_json::to_writer(&mut bytes, &self.head)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.steps);
        Ok(bytes)
    }

    /// Reads a file's content, all steps included.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(bytes: &[u8]) -> Result<Self, RecordingFault> {
        let (form, rest) = line(bytes).ok_or(RecordingFault::Form)?;
        if form != FORM.as_bytes() {
            return Err(match form.strip_prefix(b"cofferdam recording ") {
                Some(_) => RecordingFault::Version(String::from_utf8_lossy(form).into_owned()),
                None => RecordingFault::Form,
            });
        }
        let (head, steps) = line(rest).ok_or(RecordingFault::Form)?;
        let head = serde_json::from_slice(head).map_err(RecordingFault::Head)?;
        let mut all = Steps::of(steps);
        while all.next()?.is_some() {}
        Ok(Self {
            head,
            steps: steps.to_vec(),
        })
    }

    /// Whether every callback since the instance's start is in it, whole.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.head.forgotten == 0 && !self.head.is_cut
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..)?))
}

#[cfg(test)]
mod tests;
