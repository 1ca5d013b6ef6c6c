//! Cutting streams into messages, however they arrive.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Pushes the pieces one by one and takes every message that becomes complete.
fn decode(pieces: &[&[u8]], message_bytes_max: usize) -> Result<Vec<Bytes>, FrameFault> {
    let mut decoder = Decoder::new(message_bytes_max);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(message) = decoder.message()? {
            messages.push(message);
        }
    }
    decoder.finish()?;
    Ok(messages)
}

#[test]
fn a_message_has_a_prefix_of_five_bytes() {
    assert_eq!(encode(b"hello").unwrap(), b"\0\0\0\0\x05hello".as_slice());
    assert_eq!(encode(b"").unwrap(), b"\0\0\0\0\0".as_slice());
}

#[test]
fn an_empty_message_is_a_message() {
    assert_eq!(decode(&[b"\0\0\0\0\0"], 10).unwrap(), [Bytes::new()]);
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let frame = encode(b"abc").unwrap();
    let pieces: Vec<&[u8]> = frame.chunks(1).collect();
    assert_eq!(decode(&pieces, 3).unwrap(), [Bytes::from_static(b"abc")]);
}

#[test]
fn one_piece_may_hold_several_messages() {
    let frames = [encode(b"one").unwrap(), encode(b"two").unwrap()].concat();
    assert_eq!(
        decode(&[&frames], 3).unwrap(),
        [Bytes::from_static(b"one"), Bytes::from_static(b"two")]
    );
}

#[test]
fn a_larger_message_is_refused_when_it_is_announced() {
    let mut decoder = Decoder::new(4);
    decoder.push(&[0, 0xff, 0xff, 0xff, 0xff]);
    let found = usize::try_from(u32::MAX).unwrap();
    assert_eq!(decoder.message(), Err(FrameFault::TooLarge { found, allowed: 4 }));
}

#[test]
fn a_compressed_message_is_refused_at_its_first_byte() {
    let mut decoder = Decoder::new(4);
    decoder.push(&[1]);
    assert_eq!(decoder.message(), Err(FrameFault::Compressed));
}

#[test]
fn what_is_no_grpc_is_refused_at_its_first_byte() {
    assert_eq!(decode(&[b"<html>"], 100), Err(FrameFault::Flags { found: b'<' }));
}

#[test]
fn a_stream_that_ends_within_a_message_is_truncated() {
    assert_eq!(
        decode(&[b"\0\0\0\0\x05he"], 10),
        Err(FrameFault::Truncated { missing: 3 })
    );
    assert_eq!(decode(&[b"\0\0"], 10), Err(FrameFault::Truncated { missing: 3 }));
}

proptest! {
    #[test]
    fn messages_survive_any_cutting(messages in vec(vec(any::<u8>(), 0..50), 0..8), cut in 1_usize..20) {
        let stream: Vec<u8> = messages.iter().flat_map(|message| encode(message).unwrap()).collect();
        let pieces: Vec<&[u8]> = stream.chunks(cut).collect();
        prop_assert_eq!(decode(&pieces, 50).unwrap(), messages);
    }
}
