//! On which line something was found, while the text goes by.

use std::collections::VecDeque;

use log_mask::report::Finding;

/// LIMIT: bytes behind what was read in which something may still be found. A masker holds far fewer.
const BEHIND_BYTES: u64 = 256 * 1024;

/// Ends of lines that are not yet forgotten, and the lines of what was found.
#[derive(Default)]
pub(super) struct Lines {
    /// Bytes that were read.
    read: u64,
    /// Ends of lines before those that are remembered.
    before: u64,
    /// Places of ends of lines.
    ends: VecDeque<u64>,
    places: Vec<u64>,
}

impl Lines {
    /// A piece of the text is read.
    pub(super) fn take(&mut self, piece: &[u8]) {
        let ends = piece.iter().zip(self.read..).filter(|(byte, _)| **byte == b'\n');
        self.ends.extend(ends.map(|(_, at)| at));
        self.read = self.read.saturating_add(piece.len() as u64);
    }

    /// Says of all that was found on which line it begins; what was placed before stays.
    pub(super) fn place(&mut self, findings: &[Finding]) {
        for finding in findings.iter().skip(self.places.len()) {
            let ended = self.ends.partition_point(|end| *end < finding.offset_bytes);
            self.places
                .push(self.before.saturating_add(ended as u64).saturating_add(1));
        }
    }

    /// Forgets what is too far behind for anything to be found there.
    pub(super) fn forget(&mut self) {
        let floor = self.read.saturating_sub(BEHIND_BYTES);
        while self.ends.pop_front_if(|end| *end < floor).is_some() {
            self.before = self.before.saturating_add(1);
        }
    }

    /// How many were placed.
    pub(super) const fn placed(&self) -> usize {
        self.places.len()
    }

    pub(super) fn into_places(self) -> Vec<u64> {
        self.places
    }
}
