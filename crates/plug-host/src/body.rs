//! Body bytes held for a plugin: parts as they came, joined only when the plugin reads or edits.

use std::mem;

use bytes::{Bytes, BytesMut};

/// A body or a piece of one.
#[derive(Default, Debug)]
pub struct HeldBody(Parts);

/// Small, because every plugin of every exchange has several: nearly all of them hold one part at a time.
#[derive(Default, Debug)]
enum Parts {
    #[default]
    None,
    One(Bytes),
    /// With their length together.
    Many(Vec<Bytes>, usize),
}

impl HeldBody {
    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Parts::None => 0,
            Parts::One(part) => part.len(),
            Parts::Many(_, length) => *length,
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Parts::None)
    }

    /// Appends without copying.
    pub fn push(&mut self, part: Bytes) {
        if part.is_empty() {
            return;
        }
        self.0 = match mem::take(&mut self.0) {
            Parts::None => Parts::One(part),
            Parts::One(first) => {
                let length = first.len().saturating_add(part.len());
                Parts::Many(vec![first, part], length)
            }
            Parts::Many(mut parts, length) => {
                let length = length.saturating_add(part.len());
                parts.push(part);
                Parts::Many(parts, length)
            }
        };
    }

    /// Takes everything out, as one piece.
    pub fn take(&mut self) -> Bytes {
        match mem::take(&mut self.0) {
            Parts::None => Bytes::new(),
            Parts::One(part) => part,
            Parts::Many(parts, _) => parts.concat().into(),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0 = Parts::None;
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
        let whole = self.take();
        let from = start.min(whole.len());
        let to = from.saturating_add(length).min(whole.len());
        let mut edited = BytesMut::with_capacity(whole.len().saturating_add(insert.len()));
        edited.extend_from_slice(&whole.slice(..from));
        edited.extend_from_slice(insert);
        edited.extend_from_slice(&whole.slice(to..));
        self.push(edited.freeze());
    }

    fn joined(&mut self) -> Bytes {
        let whole = self.take();
        self.push(whole.clone());
        whole
    }
}
