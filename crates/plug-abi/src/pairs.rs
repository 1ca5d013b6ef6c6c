//! Header maps as bytes: a count, the sizes of all keys and values, then every key and value with a zero byte behind it.

use thiserror::Error;

/// LIMIT: bytes of a map that a guest hands over; proxy-wasm-cpp-host has the same.
pub const MAP_BYTES_MAX: usize = 1024 * 1024;

/// LIMIT: pairs of a map that a guest hands over; proxy-wasm-cpp-host has the same.
pub const MAP_PAIRS_MAX: usize = 1024;

/// Bytes before and around the text of one pair: two sizes in front, two zero bytes behind.
const PAIR_OVERHEAD_BYTES: usize = 4 + 4 + 1 + 1;

/// A map whose keys and values lie in the bytes that were decoded.
pub type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Why bytes of a guest are no map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PairsFault {
    /// The bytes are more than a map may have.
    #[error("map of {found} bytes is larger than the {MAP_BYTES_MAX} that are allowed")]
    TooLarge {
        /// How many there are.
        found: usize,
    },
    /// The count at the front is more than a map may have.
    #[error("map of {found} pairs has more than the {MAP_PAIRS_MAX} that are allowed")]
    TooMany {
        /// What the count says.
        found: u32,
    },
    /// The bytes end before what the count and the sizes promise.
    #[error("map ends at byte {length}, before the end of what its sizes promise")]
    Truncated {
        /// How many bytes there are.
        length: usize,
    },
    /// A key or value does not end with a zero byte.
    #[error("no zero byte ends the text at byte {offset}")]
    Unterminated {
        /// Where the zero byte should be.
        offset: usize,
    },
    /// There are bytes behind the last value.
    #[error("{count} bytes follow the last pair")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// Encodes pairs for a guest. No pairs are no bytes: the host then hands over a null pointer, since the deserialisers of the
/// Rust and Go SDKs read four bytes from whatever else they get.
pub fn encode<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(&mut bytes, pairs);
    bytes
}

/// Encodes pairs for a guest behind what `bytes` already holds; like [`encode`], adds nothing if there are no pairs.
///
/// A guest addresses 4 GiB, so sizes of 32 bits suffice. What would not fit is left out, whole pairs from the end, rather than
/// given a wrong size.
pub fn encode_into<'a>(bytes: &mut Vec<u8>, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) {
    let (count, size) = measure(pairs.clone());
    if count == 0 {
        return;
    }
    let kept = usize::try_from(count).unwrap_or(usize::MAX);
    bytes.reserve(size);
    bytes.extend_from_slice(&count.to_le_bytes());
    for (key, value) in pairs.clone().take(kept) {
        bytes.extend_from_slice(&size_of_text(key).to_le_bytes());
        bytes.extend_from_slice(&size_of_text(value).to_le_bytes());
    }
    for (key, value) in pairs.take(kept) {
        bytes.extend_from_slice(key);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
}

/// How many pairs fit into what a guest can address, and how many bytes they take.
fn measure<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> (u32, usize) {
    let mut count = 0_u32;
    let mut size = 4_usize;
    for (key, value) in pairs {
        let grown = size
            .saturating_add(key.len())
            .saturating_add(value.len())
            .saturating_add(PAIR_OVERHEAD_BYTES);
        // LIMIT: the whole map stays within the 32 bits in which a guest counts its own memory.
        if u32::try_from(grown).is_err() {
            break;
        }
        size = grown;
        count = count.saturating_add(1);
    }
    (count, size)
}

/// The size of a text that [`measure`] has let pass, hence of 32 bits.
fn size_of_text(text: &[u8]) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

/// Decodes a map that a guest handed over. Nothing, one zero byte (the specification's empty map) and a count of zero are all
/// the empty map.
///
/// # Errors
/// Whenever the bytes are not exactly one map within the limits. proxy-wasm-cpp-host reads such bytes as the empty map and says
/// nothing.
pub fn decode(bytes: &[u8]) -> Result<Pairs<'_>, PairsFault> {
    if bytes.len() > MAP_BYTES_MAX {
        return Err(PairsFault::TooLarge { found: bytes.len() });
    }
    if matches!(bytes, [] | [0]) {
        return Ok(Vec::new());
    }
    let mut reader = Reader { bytes, offset: 0 };
    let found = reader.number()?;
    let count = usize::try_from(found).unwrap_or(usize::MAX);
    if count > MAP_PAIRS_MAX {
        return Err(PairsFault::TooMany { found });
    }
    // The sizes are walked again beside the texts, so that a claimed count never decides how much is allocated before the bytes
    // behind it were seen to be there.
    let mut sizes = Reader {
        bytes,
        offset: reader.offset,
    };
    reader.skip(count.saturating_mul(8))?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (key_size, value_size) = (sizes.number()?, sizes.number()?);
        pairs.push((reader.text(key_size)?, reader.text(value_size)?));
    }
    match reader.left() {
        0 => Ok(pairs),
        count => Err(PairsFault::Trailing { count }),
    }
}

/// A place in the bytes of a guest.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.offset)
    }

    fn skip(&mut self, length: usize) -> Result<&'a [u8], PairsFault> {
        let truncated = PairsFault::Truncated {
            length: self.bytes.len(),
        };
        let end = self.offset.checked_add(length).ok_or(truncated)?;
        let skipped = self.bytes.get(self.offset..end).ok_or(truncated)?;
        self.offset = end;
        Ok(skipped)
    }

    fn number(&mut self) -> Result<u32, PairsFault> {
        let truncated = PairsFault::Truncated {
            length: self.bytes.len(),
        };
        let number = self.skip(4)?.first_chunk::<4>().ok_or(truncated)?;
        Ok(u32::from_le_bytes(*number))
    }

    fn text(&mut self, size: u32) -> Result<&'a [u8], PairsFault> {
        let truncated = PairsFault::Truncated {
            length: self.bytes.len(),
        };
        let text = self.skip(usize::try_from(size).map_err(|_| truncated)?)?;
        let offset = self.offset;
        match self.skip(1)? {
            [0] => Ok(text),
            _ => Err(PairsFault::Unterminated { offset }),
        }
    }
}

#[cfg(test)]
mod tests;
