//! Writes random modules to its output for as long as somebody reads them: each with its number and its length before it, both of eight
//! bytes with the lowest first. `cofferdam-smith FIRST` begins with the module of that number.

use std::io::{BufWriter, Result, Write};

/// Kilobytes from which a module is made: few, for compiling takes most of the time.
const KILOBYTES_MAX: u64 = 4;

fn main() -> Result<()> {
    let first = std::env::args().nth(1).and_then(|number| number.parse().ok());
    let mut out = BufWriter::new(std::io::stdout().lock());
    for number in first.unwrap_or(0_u64).. {
        let Ok(module) = cofferdam_smith::module(&bytes(number)) else {
            continue;
        };
        out.write_all(&number.to_le_bytes())?;
        out.write_all(&(module.len() as u64).to_le_bytes())?;
        out.write_all(&module)?;
    }
    Ok(())
}

/// The bytes of that number: SplitMix64.
fn bytes(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x2545_f491_4f6c_dd1d);
    std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    })
    .take(usize::try_from(1 + number % KILOBYTES_MAX).unwrap_or(1) * 1024 / 8)
    .flatten()
    .collect()
}
