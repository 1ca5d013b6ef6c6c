//! Chance with a seed, so that a failing run can be had again.

use crate::{Arrived, Ids, Trace, Trust};

/// Numbers in a row that look random (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        crate::id::mix(self.0)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The trace of a request with these headers, from a caller who is trusted.
pub(super) fn trace(headers: &[(&str, &str)]) -> Trace {
    begin(headers, Trust::Callers)
}

pub(super) fn begin(headers: &[(&str, &str)], trust: Trust) -> Trace {
    let mut arrived = Arrived::default();
    for (name, value) in headers {
        arrived.push(name.as_bytes(), value.as_bytes());
    }
    Trace::begin(&arrived, trust, &mut Ids::new([7, 8, 9, 10]))
}
