//! Any bytes as a line of a chain, and as a record that becomes one.

use log_ship::chain::{ChainNames, Digest, Head};
use log_ship::hostile::{chained, unchained};

/// A line that is chained is one line and reads as it was; one of its bytes changed, it is none or not whole.
pub(crate) fn run(bytes: &[u8]) {
    let name = |name: &str| format!("chain.{name}");
    let names = ChainNames {
        sequence: name("sequence"),
        previous: name("previous"),
        hash: name("hash"),
        segment: name("segment"),
        digest: name("digest"),
    };
    let digest = Digest::sha256();
    let _ = unchained(&names, &digest, bytes);
    let number = bytes
        .iter()
        .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let before = Head {
        sequence: number >> 1,
        hash: [bytes.len() as u8; 32],
    };
    let Some((line, head)) = chained(&names, &digest, bytes, before) else {
        return;
    };
    let mut line = line.strip_suffix(b"\n").expect("a line's end").to_vec();
    assert!(!line.contains(&b'\n'));
    assert_eq!(unchained(&names, &digest, &line), Some((head, before.hash, true)));
    let at = usize::try_from(number).unwrap_or(0) % line.len();
    line[at] ^= 1;
    assert!(!unchained(&names, &digest, &line).is_some_and(|(_, _, is_whole)| is_whole));
}
