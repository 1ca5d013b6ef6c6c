//! Ids of traces and spans, and the generator that makes them from a seed.

use std::fmt;
use std::num::NonZero;

use crate::hex;

/// The id of a trace: 128 bits that are not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZero<u128>);

impl TraceId {
    /// None for 0, which is no id.
    #[must_use]
    pub fn new(number: u128) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// Reads 32 digits in lower case.
    #[must_use]
    pub fn read(digits: &[u8; 32]) -> Option<Self> {
        let (high, low) = (digits.first_chunk()?, digits.last_chunk()?);
        Self::new(u128::from(hex::read(high)?) << 64 | u128::from(hex::read(low)?))
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u128 {
        self.0.get()
    }

    /// 32 digits in lower case.
    #[must_use]
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        let (high, low) = digits.split_at_mut(16);
        high.copy_from_slice(&hex::write(self.high()));
        low.copy_from_slice(&hex::write(self.low()));
        digits
    }

    /// The first 64 bits; 0 where an id of B3 came in its short form.
    pub(crate) const fn high(self) -> u64 {
        (self.0.get() >> 64) as u64
    }

    /// The last 64 bits.
    pub(crate) const fn low(self) -> u64 {
        self.0.get() as u64
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.number())
    }
}

/// The id of a span: 64 bits that are not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZero<u64>);

impl SpanId {
    /// None for 0, which is no id.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZero::new(number).map(Self)
    }

    /// Reads 16 digits in lower case.
    #[must_use]
    pub fn read(digits: &[u8; 16]) -> Option<Self> {
        Self::new(hex::read(digits)?)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.get()
    }

    /// 16 digits in lower case.
    #[must_use]
    pub fn digits(self) -> [u8; 16] {
        hex::write(self.0.get())
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.number())
    }
}

/// Makes ids that are unlike all others: xoshiro256++ (Blackman and Vigna, 2019).
///
/// Its state has 256 bits, so that workers and gateways with seeds of their own never walk over each other's ids; ids need not be secret.
#[derive(Clone, Debug)]
pub struct Ids {
    state: [u64; 4],
}

impl Ids {
    /// A generator of its own for each seed. Who seeds two alike gets the same ids twice.
    #[must_use]
    pub fn new(seed: [u64; 4]) -> Self {
        // The state must not be all zero, and a seed of few bits must not show in the first ids.
        let mut before = 0;
        let state = seed.map(|word| {
            before = mix(word ^ before);
            before
        });
        Self { state }
    }

    /// The id of a new trace. All its bits are random, as the flag of Trace Context level 2 says.
    pub fn trace(&mut self) -> TraceId {
        let number = u128::from(self.next()) << 64 | u128::from(self.next());
        // 0 comes once in 2^128.
        TraceId(NonZero::new(number).unwrap_or(NonZero::<u128>::MIN))
    }

    /// The id of a new span.
    pub fn span(&mut self) -> SpanId {
        SpanId(NonZero::new(self.next()).unwrap_or(NonZero::<u64>::MIN))
    }

    fn next(&mut self) -> u64 {
        let [mut one, mut two, mut three, mut four] = self.state;
        let number = one.wrapping_add(four).rotate_left(23).wrapping_add(one);
        let shifted = two << 17;
        three ^= one;
        four ^= two;
        two ^= three;
        one ^= four;
        three ^= shifted;
        four = four.rotate_left(45);
        self.state = [one, two, three, four];
        number
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) const fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}
