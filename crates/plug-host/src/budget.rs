//! Bytes that a guest has handed to the host and that are still somewhere on their way: counted, so that they are bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// LIMIT: bytes one instance may have on their way: bodies of callouts, messages of streams, injected pieces.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// What the smallest piece is counted as, so that empty ones are bounded too.
const PIECE_BYTES: usize = 256;

/// The bytes of one instance that are on their way.
#[derive(Clone, Default)]
pub(crate) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// A copy that counts until its last reader lets go of it; none when it would be too much.
    pub(crate) fn copy(&self, bytes: &[u8]) -> Option<Bytes> {
        let size = bytes.len().saturating_add(PIECE_BYTES);
        // One thread adds; others may only take away, so the sum never exceeds the bound.
        if self.0.load(Ordering::Relaxed).saturating_add(size) > BYTES_MAX {
            return None;
        }
        self.0.fetch_add(size, Ordering::Relaxed);
        let counted = Counted {
            bytes: bytes.to_vec(),
            size,
            budget: Arc::clone(&self.0),
        };
        Some(Bytes::from_owner(counted))
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted {
    bytes: Vec<u8>,
    size: usize,
    budget: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.budget.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
