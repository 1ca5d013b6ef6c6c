//! Seeds with some bytes changed, some left out, some put in.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// A seed that is damaged behind its header, or whole.
pub(crate) fn damaged(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>(), 0_u8..4), 0..4);
    (any::<Index>(), changes).prop_map(move |(seed, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        for (place, byte, kind) in changes {
            let place = place.index(bytes.len() + 1);
            match kind {
                0 => bytes.truncate(place.max(9)),
                1 => bytes.insert(place, byte),
                _ if place == bytes.len() => bytes.push(byte),
                2 => drop(bytes.remove(place)),
                _ => bytes[place] = byte,
            }
        }
        bytes
    })
}
