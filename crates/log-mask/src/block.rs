//! 64 bytes looked at together: a bit for each of them that is worth a glance, as the sieve's table says it and with more of what stands beside it.

use wide::u8x16;

/// Bytes that are looked at together, as many as a number has bits.
pub(crate) const BLOCK_BYTES: usize = 64;

/// What is sought.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sought {
    pub(crate) numbers: bool,
    /// Colons and plus signs.
    pub(crate) marks: bool,
    pub(crate) secrets: bool,
}

/// The bits of bytes that are so.
struct Block([u8x16; 4]);

impl Block {
    /// Bytes beyond the end read as zeros, of which nothing is made.
    fn at(bytes: &[u8], from: usize) -> Self {
        let rest = bytes.get(from..).unwrap_or_default();
        if let Some(whole) = rest.first_chunk() {
            return Self::of(whole);
        }
        let mut block = [0; BLOCK_BYTES];
        block.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        Self::of(&block)
    }

    #[inline(always)]
    fn of(block: &[u8; BLOCK_BYTES]) -> Self {
        let mut lanes = [u8x16::ZERO; 4];
        for (lane, part) in lanes.iter_mut().zip(block.chunks_exact(16)) {
            *lane = part.try_into().map_or(u8x16::ZERO, u8x16::new);
        }
        Self(lanes)
    }

    #[inline(always)]
    fn bits(&self, is: impl Fn(u8x16) -> u8x16) -> u64 {
        let parts = self.0.iter().rev();
        parts.fold(0, |bits, lane| bits << 16 | u64::from(is(*lane).to_bitmask()))
    }
}

#[inline(always)]
fn is(lane: u8x16, byte: u8) -> u8x16 {
    lane.simd_eq(u8x16::splat(byte))
}

#[inline(always)]
fn is_in(lane: u8x16, first: u8, last: u8) -> u8x16 {
    let offset = lane - u8x16::splat(first);
    offset.min(u8x16::splat(last - first)).simd_eq(offset)
}

#[inline(always)]
fn folded(lane: u8x16) -> u8x16 {
    lane | u8x16::splat(0x20)
}

/// For each byte, whether the one so far behind it is so; where that is not among them, it may be.
const fn behind(bits: u64, count: u32) -> u64 {
    bits >> count | !(u64::MAX >> count)
}

/// The bytes of a block that are worth a glance. A row of digits is so at its first byte alone.
pub(crate) fn worth(bytes: &[u8], from: usize, sought: Sought) -> u64 {
    let block = Block::at(bytes, from);
    let before = from
        .checked_sub(1)
        .and_then(|place| bytes.get(place))
        .copied()
        .unwrap_or(0);
    let digits = block.bits(|lane| is_in(lane, b'0', b'9'));
    let mut worth = 0;
    if sought.numbers && digits != 0 {
        worth |= numbers(&block, before, digits);
    }
    if sought.marks {
        let marks = block.bits(|lane| is(lane, b':') | is(lane, b'+'));
        if marks != 0 {
            worth |= marked(&block, marks, digits);
        }
    }
    if sought.secrets {
        worth |= secrets(&block, before);
    }
    worth
}

/// Rows of digits that are long, stand behind a letter, or go on behind a sign as numbers in groups and addresses do.
#[inline(always)]
fn numbers(block: &Block, before: u8, digits: u64) -> u64 {
    let starts = digits & !(digits << 1 | u64::from(before.is_ascii_digit()));
    let two = digits & behind(digits, 1);
    let four = two & behind(two, 2);
    let eight = four & behind(four, 4);
    let letters = block.bits(|lane| is_in(lane, b'A', b'Z') | is(lane, b'<') | is(lane, b'a'));
    let is_letter = before.is_ascii_uppercase() || before == b'<' || before == b'a';
    let mut worth = starts & (eight | letters << 1 | u64::from(is_letter));
    // A row that goes on beyond the block may be anything.
    if digits >> (BLOCK_BYTES - 1) == 1 {
        worth |= last_before(starts, BLOCK_BYTES as u32);
    }
    let ends = digits.wrapping_add(starts) & !digits & behind(digits, 1);
    if ends != 0 {
        let gaps = block.bits(|lane| is(lane, b' ') | is(lane, b'-'));
        let dots = block.bits(|lane| is(lane, b'.'));
        let second = behind(dots, 2) | behind(dots, 3) | behind(dots, 4);
        let mut groups = ends & (gaps | dots & second);
        while groups != 0 {
            worth |= last_before(starts, groups.trailing_zeros());
            groups &= groups - 1;
        }
    }
    worth
}

/// The last bit before a place; none where none is.
const fn last_before(bits: u64, place: u32) -> u64 {
    let before = match place {
        0 => 0,
        _ => bits & u64::MAX >> (BLOCK_BYTES as u32 - place),
    };
    match before {
        0 => 0,
        _ => 1 << before.ilog2(),
    }
}

/// Colons before a digit of hexadecimal or another colon, and plus signs before digits.
#[inline(always)]
fn marked(block: &Block, marks: u64, digits: u64) -> u64 {
    let pluses = block.bits(|lane| is(lane, b'+'));
    let next = block.bits(|lane| is(lane, b':') | is_in(folded(lane), b'a', b'f'));
    marks & (pluses & behind(digits, 1) | !pluses & behind(digits | next, 1))
}

/// Signs that tokens have near their beginning.
#[inline(always)]
fn secrets(block: &Block, before: u8) -> u64 {
    let worth = block.bits(|lane| is_in(lane, b'I', b'K') | is(lane, b'~') | is(lane, b'_') | is(lane, b'-'));
    let letters = block.bits(|lane| is(folded(lane), b'b'));
    if letters == 0 {
        return worth;
    }
    let bearers = letters & behind(block.bits(|lane| is(folded(lane), b'e')), 1);
    let dashes = block.bits(|lane| is(lane, b'-'));
    worth | bearers | letters & (dashes << 1 | u64::from(before == b'-'))
}
