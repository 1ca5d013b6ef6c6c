//! Takes custom sections out of a module: what is left runs in the same way, and its code has the same hash.

use anyhow::{Context, Result, ensure};

/// Magic number and version.
const PREAMBLE_BYTES: usize = 8;
const CUSTOM: u8 = 0;

/// The module without the custom sections whose name `unwanted` says.
pub(super) fn without(module: &[u8], unwanted: impl Fn(&str) -> bool) -> Result<Vec<u8>> {
    let (preamble, mut rest) = module
        .split_at_checked(PREAMBLE_BYTES)
        .context("no module: too short")?;
    let mut kept = preamble.to_vec();
    while let Some((kind, after_kind)) = rest.split_first() {
        let (size, content) = number(after_kind)?;
        let (content, next) = content.split_at_checked(size).context("a section is cut off")?;
        if *kind != CUSTOM || !unwanted(&name(content)?) {
            let length = rest.len() - next.len();
            kept.extend(rest.iter().take(length));
        }
        rest = next;
    }
    Ok(kept)
}

fn name(custom: &[u8]) -> Result<String> {
    let (size, content) = number(custom)?;
    let name = content.get(..size).context("a section's name is cut off")?;
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// A number of at most 32 bits in LEB128, and what follows it.
fn number(bytes: &[u8]) -> Result<(usize, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        ensure!(at < 5, "a number has more than 32 bits");
        number |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((number, bytes.get(at + 1..).unwrap_or_default()));
        }
    }
    anyhow::bail!("a number is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0\x00\x06\x04nameX\x01\x01\x00\x00\x08\x06.debugY";

    #[test]
    fn only_what_is_unwanted_is_left_out() {
        let stripped = without(MODULE, |name| name.starts_with(".debug")).unwrap();
        assert_eq!(stripped, b"\0asm\x01\0\0\0\x00\x06\x04nameX\x01\x01\x00");
        assert_eq!(without(MODULE, |_| true).unwrap(), b"\0asm\x01\0\0\0\x01\x01\x00");
        assert_eq!(without(MODULE, |_| false).unwrap(), MODULE);
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        // Behind the preamble and behind each of the sections a module may end.
        let ends = [8, 16, 19];
        for length in 0..MODULE.len() {
            let cut = without(MODULE.get(..length).unwrap(), |_| false);
            assert_eq!(cut.is_ok(), ends.contains(&length), "{length}");
        }
    }
}
