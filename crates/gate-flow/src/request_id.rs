//! Ids of exchanges: random UUIDs (RFC 9562 version 4) from a generator of the worker.

use std::cell::Cell;
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    /// An id need not be secret, only unlike all others, so the system's randomness is asked once for each worker.
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one("request id"));
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014).
fn next() -> u64 {
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A new id.
pub(crate) fn new() -> String {
    let high = (next() & !0xf000) | 0x4000;
    let low = (next() & !(0b11 << 62)) | (0b10 << 62);
    let mut text = String::with_capacity(36);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
    text
}
