//! The module as LLDB sees it: the file with the debug information, whose code may lie elsewhere than in the file that runs.

use std::sync::Arc;

/// A module as LLDB sees it.
#[derive(Clone)]
pub struct Image {
    name: String,
    bytes: Arc<[u8]>,
    /// Where the code section begins in the module that runs.
    code_at: u32,
    /// Where it begins in `bytes`.
    shown_at: u32,
}

impl Image {
    /// `bytes` hold the same code as the module that runs, from `shown_at` on; there it begins at `code_at`.
    #[must_use]
    pub fn new(name: &str, bytes: impl Into<Arc<[u8]>>, code_at: u32, shown_at: u32) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.into(),
            code_at,
            shown_at,
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where LLDB sees a place of the module that runs.
    pub(crate) fn shown(&self, place: u32) -> u32 {
        place.wrapping_sub(self.code_at).wrapping_add(self.shown_at)
    }

    /// The place that LLDB sees there, if it is one of code.
    pub(crate) fn place(&self, shown: u32) -> Option<u32> {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let into = shown.checked_sub(self.shown_at).filter(|_| shown < length)?;
        into.checked_add(self.code_at)
    }
}
