//! What is on its way is counted until it has arrived.

#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn bytes_count_until_their_last_reader_lets_go() {
    let budget = Budget::default();
    let piece = budget.copy(b"abc").unwrap();
    let part = piece.slice(1..2);
    drop(piece);
    assert_eq!(budget.used(), 3 + PIECE_BYTES);
    drop(part);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_would_be_too_much_is_refused_and_does_not_count() {
    let budget = Budget::default();
    let big = vec![0; BYTES_MAX / 2];
    let _first = budget.copy(&big).unwrap();
    assert!(budget.copy(&big).is_none());
    assert!(budget.copy(b"").is_some(), "small things still pass");
}
