//! Any bytes as a record of a store: a pointer, an entry of the history, a status.

use control_store::{HistoryEntry, Pointer, RECORD_BYTES_MAX, Status};

/// What is taken for a record reads the same when it is written again, and is within its bound.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(pointer) = Pointer::parse(bytes) {
        assert!(pointer.revision > 0 && bytes.len() <= RECORD_BYTES_MAX);
        assert_eq!(Pointer::parse(pointer.write().as_bytes()), Ok(pointer));
    }
    if let Ok(entry) = HistoryEntry::parse(bytes) {
        assert!(bytes.len() <= RECORD_BYTES_MAX);
        assert!(entry.digest.starts_with("sha256:"));
    }
    if let Ok(status) = Status::parse(bytes) {
        assert!(!status.outcome.word().is_empty());
    }
}
