//! Any bytes as a gRPC stream.

use plug_abi::grpc_frame::{Decoder, FrameFault};

/// LIMIT: bytes of a message.
const MESSAGE_BYTES_MAX: usize = 64;

/// Decodes the bytes whole and in pieces as long as the first byte says; both must come to the same.
pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let cut = usize::from(*cut).max(1);
    assert_eq!(decode(stream.chunks(cut)), decode(std::iter::once(stream)));
}

/// Every message up to the end or the first fault.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), FrameFault>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.message() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(fault) => return (messages, Err(fault)),
            }
        }
    }
    assert!(messages.iter().all(|message| message.len() <= MESSAGE_BYTES_MAX));
    (messages, decoder.finish())
}
