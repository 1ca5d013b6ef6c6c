//! Any bytes as frames of a spool.

use log_ship::hostile::{framed, frames};

/// What is read is what was there up to where it is not whole, and reads the same when it is written again.
pub(crate) fn run(bytes: &[u8]) {
    let (records, good) = frames(bytes);
    let good = usize::try_from(good).expect("no more than there was");
    let again: Vec<u8> = records.iter().flat_map(framed).collect();
    assert_eq!(bytes.get(..good), Some(again.as_slice()));
}
