//! Ids of exchanges: random UUIDs (RFC 9562 version 4) from a generator of the worker.

use std::cell::Cell;
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

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A new id. It is written by hand because formatting it costs ten times as much, on every exchange.
pub(crate) fn new() -> [u8; 36] {
    let high = (next() & !0xf000) | 0x4000;
    let low = (next() & !(0b11 << 62)) | (0b10 << 62);
    let mut number = (u128::from(high) << 64) | u128::from(low);
    let mut text = [b'-'; 36];
    for (place, letter) in text.iter_mut().enumerate().rev() {
        if !HYPHENS.contains(&place) {
            *letter = usize::try_from(number & 0xf)
                .ok()
                .and_then(|digit| DIGITS.get(digit))
                .copied()
                .unwrap_or(b'0');
            number >>= 4;
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::indexing_slicing)]
mod tests;
