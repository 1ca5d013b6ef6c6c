//! Messages of gRPC on the wire: one byte of flags, four of length, big-endian, then the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// Bytes in front of every message.
pub const PREFIX_BYTES: usize = 5;

/// Why bytes are no gRPC message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameFault {
    /// A message is announced, or was given, that is larger than allowed.
    #[error("gRPC message of {found} bytes is larger than the {allowed} that are allowed")]
    TooLarge {
        /// What the length says.
        found: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// A message is compressed, though no compression was offered.
    #[error("gRPC message is compressed, though no compression was offered")]
    Compressed,
    /// The first byte has another value than gRPC defines.
    #[error("gRPC message begins with the unknown flags {found:#04x}")]
    Flags {
        /// The byte.
        found: u8,
    },
    /// The stream ended inside a message.
    #[error("gRPC stream ended {missing} bytes before the end of a message")]
    Truncated {
        /// How many are missing, as far as is known.
        missing: usize,
    },
}

/// Puts the prefix in front of a message.
///
/// # Errors
/// If the length does not fit 32 bits.
pub fn encode(message: &[u8]) -> Result<Bytes, FrameFault> {
    let length = u32::try_from(message.len()).map_err(|_| FrameFault::TooLarge {
        found: message.len(),
        allowed: usize::try_from(u32::MAX).unwrap_or(usize::MAX),
    })?;
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES.saturating_add(message.len()));
    frame.put_u8(0);
    frame.put_u32(length);
    frame.put_slice(message);
    Ok(frame.freeze())
}

/// Cuts a stream of bytes into messages.
///
/// Push a piece, then take messages until there is none: what stays behind is then less than one message.
#[derive(Debug)]
pub struct Decoder {
    pending: BytesMut,
    message_bytes_max: usize,
}

impl Decoder {
    /// A decoder at the start of a stream. LIMIT: a message may have `message_bytes_max` bytes; a larger one is refused as soon
    /// as it is announced.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            pending: BytesMut::new(),
            message_bytes_max,
        }
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// The next message, if it is complete.
    ///
    /// # Errors
    /// If the stream is not gRPC, or a message is compressed or too large. The decoder is of no use afterwards.
    pub fn message(&mut self) -> Result<Option<Bytes>, FrameFault> {
        let Some(length) = self.announced()? else {
            return Ok(None);
        };
        if self.pending.len() < PREFIX_BYTES.saturating_add(length) {
            return Ok(None);
        }
        self.pending.advance(PREFIX_BYTES);
        Ok(Some(self.pending.split_to(length).freeze()))
    }

    /// Checks that the stream did not end inside a message; to be asked after the last message was taken.
    ///
    /// # Errors
    /// If it did.
    pub fn finish(&self) -> Result<(), FrameFault> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let wanted = PREFIX_BYTES.saturating_add(self.announced()?.unwrap_or(0));
        Err(FrameFault::Truncated {
            missing: wanted.saturating_sub(self.pending.len()),
        })
    }

    /// The length of the next message, if its prefix is complete; faults are found as early as possible.
    fn announced(&self) -> Result<Option<usize>, FrameFault> {
        match self.pending.first() {
            None | Some(0) => {}
            Some(1) => return Err(FrameFault::Compressed),
            Some(found) => return Err(FrameFault::Flags { found: *found }),
        }
        let Some([_, length @ ..]) = self.pending.first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let found = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if found > self.message_bytes_max {
            return Err(FrameFault::TooLarge {
                found,
                allowed: self.message_bytes_max,
            });
        }
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests;
