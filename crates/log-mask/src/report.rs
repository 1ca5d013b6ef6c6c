//! What was found and where, without what it was: for a look at what rules would do.

use crate::class::{Class, Counts};

/// LIMIT: places that a report names; what is found beyond is counted alone.
pub const FINDINGS_MAX: usize = 10_000;

/// A place at which something was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What it is
    pub class: Class,
    /// Bytes of the text before it
    pub offset_bytes: u64,
    /// Bytes that it takes in the text, as they are written there
    pub length_bytes: u64,
}

/// What was found in a text.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// How often there was something of each class
    pub counts: Counts,
    /// Where, in the order of the text, and no more than [`FINDINGS_MAX`]
    pub findings: Vec<Finding>,
}

/// Where in its text a reader is. All bytes are written in their order or have something written in their place, so the place in what is read
/// follows from the place in what is written.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Bytes that were written before the buffer began.
    base: i64,
    /// Bytes that were read and not written, less those that were written and not read.
    shift: i64,
    findings: Option<Vec<Finding>>,
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Trail {
    /// One that remembers places.
    pub(crate) fn remembering() -> Self {
        Self {
            findings: Some(Vec::new()),
            ..Self::default()
        }
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        self.findings.as_deref().unwrap_or_default()
    }

    /// A buffer of which that much is filled comes to be written into, or goes when it is.
    pub(crate) fn enter(&mut self, filled: usize) {
        self.base = self.base.wrapping_sub(signed(filled));
    }

    pub(crate) fn leave(&mut self, filled: usize) {
        self.base = self.base.wrapping_add(signed(filled));
    }

    /// In place of bytes that were read, others were written, from that place of the buffer on.
    pub(crate) fn replaced(&mut self, class: Class, at: usize, (read, written): (usize, usize)) {
        let offset = self.base.wrapping_add(signed(at)).wrapping_add(self.shift);
        self.shift = self.shift.wrapping_add(signed(read)).wrapping_sub(signed(written));
        if let Some(findings) = self.findings.as_mut().filter(|findings| findings.len() < FINDINGS_MAX) {
            findings.push(Finding {
                class,
                offset_bytes: u64::try_from(offset).unwrap_or_default(),
                length_bytes: u64::try_from(read).unwrap_or_default(),
            });
        }
    }

    /// Bytes were read that belong to what was found last.
    pub(crate) fn swallowed(&mut self, read: usize) {
        self.shift = self.shift.wrapping_add(signed(read));
        if let Some(last) = self.findings.as_mut().and_then(|findings| findings.last_mut()) {
            last.length_bytes = last
                .length_bytes
                .saturating_add(u64::try_from(read).unwrap_or_default());
        }
    }

    /// Bytes were written that nobody wrote before.
    pub(crate) fn added(&mut self, written: usize) {
        self.shift = self.shift.wrapping_sub(signed(written));
    }
}
