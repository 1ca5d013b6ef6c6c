//! Body bytes held for a plugin: parts as they came, joined only when the plugin reads or edits.

use bytes::{Bytes, BytesMut};

/// A body or a piece of one.
#[derive(Default, Debug)]
pub struct HeldBody {
    parts: Vec<Bytes>,
    length: usize,
}

impl HeldBody {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends without copying.
    pub fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.length = self.length.saturating_add(part.len());
            self.parts.push(part);
        }
    }

    /// Takes everything out, as one piece.
    pub fn take(&mut self) -> Bytes {
        let whole = self.joined();
        self.parts.clear();
        self.length = 0;
        whole
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.parts.clear();
        self.length = 0;
    }

    /// Up to `length_max` bytes from `start`; empty beyond the end, as Envoy answers.
    pub fn read(&mut self, start: usize, length_max: usize) -> Bytes {
        let whole = self.joined();
        let from = start.min(whole.len());
        let to = from.saturating_add(length_max).min(whole.len());
        whole.slice(from..to)
    }

    /// Replaces `length` bytes at `start`, clipped to what there is, by `insert`.
    pub fn replace(&mut self, start: usize, length: usize, insert: &[u8]) {
        let whole = self.joined();
        let from = start.min(whole.len());
        let to = from.saturating_add(length).min(whole.len());
        let mut edited = BytesMut::with_capacity(whole.len().saturating_add(insert.len()));
        edited.extend_from_slice(&whole.slice(..from));
        edited.extend_from_slice(insert);
        edited.extend_from_slice(&whole.slice(to..));
        self.parts.clear();
        self.length = 0;
        self.push(edited.freeze());
    }

    fn joined(&mut self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [only] => only.clone(),
            many => {
                let mut whole = BytesMut::with_capacity(self.length);
                for part in many {
                    whole.extend_from_slice(part);
                }
                let whole = whole.freeze();
                self.parts = vec![whole.clone()];
                whole
            }
        }
    }
}
