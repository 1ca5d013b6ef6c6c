//! Arithmetic modulo an odd number, for public values only: it takes longer or shorter with them.
//!
//! Its three operations are functions of their own, as each point of a curve needs dozens of them and a guest is to be small.

/// A number of `W` words of 32 bits, the least first. A module for `wasm32` multiplies 32 bits by 32 in one instruction, and 64 by 64 in a call.
pub(crate) type Words<const W: usize> = [u32; W];

/// A residue in Montgomery's form: times 2^(32 W).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Residue<const W: usize>(Words<W>);

/// An odd modulus.
#[derive(Debug)]
pub(crate) struct Modulus<const W: usize> {
    words: Words<W>,
    /// -1 / modulus, modulo 2^32.
    inverse: u32,
    /// 2^(64 W), by which a number gets into Montgomery's form.
    square: Residue<W>,
    one: Residue<W>,
}

/// The low half of what is a sum of at most 64 bits, and its high half as the carry.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn halves(sum: u64) -> (u32, u64) {
    (sum as u32, sum >> 32)
}

impl<const W: usize> Modulus<W> {
    pub(crate) fn new(words: Words<W>) -> Self {
        let lowest = words.first().copied().unwrap_or(1);
        // Newton: each step doubles the bits that are right, from the three that an odd number is right in.
        let mut inverse = lowest;
        for _ in 0..4 {
            inverse = inverse.wrapping_mul(2_u32.wrapping_sub(lowest.wrapping_mul(inverse)));
        }
        let mut modulus = Self {
            words,
            inverse: inverse.wrapping_neg(),
            square: Residue([0; W]),
            one: Residue([0; W]),
        };
        let mut power = [0; W];
        if let Some(first) = power.first_mut() {
            *first = 1;
        }
        let mut power = Residue(power);
        for _ in 0..32 * W {
            power = modulus.add(&power, &power);
        }
        modulus.one = power;
        for _ in 0..32 * W {
            power = modulus.add(&power, &power);
        }
        modulus.square = power;
        modulus
    }

    pub(crate) const fn words(&self) -> &Words<W> {
        &self.words
    }

    pub(crate) const fn one(&self) -> Residue<W> {
        self.one
    }

    pub(crate) const fn zero() -> Residue<W> {
        Residue([0; W])
    }

    /// A number below the modulus, in Montgomery's form.
    pub(crate) fn residue(&self, number: &Words<W>) -> Residue<W> {
        self.multiply(&Residue(*number), &self.square)
    }

    /// The number that a residue stands for.
    pub(crate) fn number(&self, residue: &Residue<W>) -> Words<W> {
        let mut one = [0; W];
        if let Some(first) = one.first_mut() {
            *first = 1;
        }
        self.multiply(residue, &Residue(one)).0
    }

    #[inline(never)]
    pub(crate) fn add(&self, one: &Residue<W>, other: &Residue<W>) -> Residue<W> {
        let (sum, carry) = plus(&one.0, &other.0);
        Residue(self.reduced(sum, carry))
    }

    #[inline(never)]
    pub(crate) fn subtract(&self, one: &Residue<W>, other: &Residue<W>) -> Residue<W> {
        let (difference, borrowed) = minus(&one.0, &other.0);
        Residue(if borrowed {
            plus(&difference, &self.words).0
        } else {
            difference
        })
    }

    /// Montgomery's product: the words of one factor one by one, each followed by a reduction by one word.
    #[expect(
        clippy::indexing_slicing,
        reason = "each list has `W` words, and no place is beyond them"
    )]
    #[inline(never)]
    pub(crate) fn multiply(&self, one: &Residue<W>, other: &Residue<W>) -> Residue<W> {
        let (other, modulus) = (&other.0, &self.words);
        let mut sum = [0; W];
        let mut over = 0;
        for word in one.0.map(u64::from) {
            let (low, mut carry) = halves(u64::from(sum[0]) + word * u64::from(other[0]));
            // By its choice the lowest word becomes 0, and all go one place down.
            let factor = u64::from(low.wrapping_mul(self.inverse));
            let (_, mut reduce) = halves(u64::from(low) + factor * u64::from(modulus[0]));
            for place in 1..W {
                let (low, high) = halves(u64::from(sum[place]) + word * u64::from(other[place]) + carry);
                carry = high;
                (sum[place - 1], reduce) = halves(u64::from(low) + factor * u64::from(modulus[place]) + reduce);
            }
            (sum[W - 1], over) = halves(over + carry + reduce);
        }
        Residue(self.reduced(sum, over != 0))
    }

    /// To the power of a number, by squaring.
    pub(crate) fn power(&self, base: &Residue<W>, exponent: &Words<W>) -> Residue<W> {
        let mut power = self.one;
        for word in exponent.iter().rev() {
            for bit in (0..32).rev() {
                power = self.multiply(&power, &power);
                if word >> bit & 1 == 1 {
                    power = self.multiply(&power, base);
                }
            }
        }
        power
    }

    /// 1 divided by it, modulo a prime (Fermat); 0 for 0.
    pub(crate) fn invert(&self, residue: &Residue<W>) -> Residue<W> {
        let mut two = [0; W];
        if let Some(first) = two.first_mut() {
            *first = 2;
        }
        self.power(residue, &minus(&self.words, &two).0)
    }

    /// A number of less than twice the modulus, with its carry, brought below it.
    pub(crate) fn reduced(&self, number: Words<W>, carry: bool) -> Words<W> {
        let (difference, borrowed) = minus(&number, &self.words);
        if borrowed && !carry { number } else { difference }
    }
}

/// The sum and whether a carry is left.
pub(crate) fn plus<const W: usize>(one: &Words<W>, other: &Words<W>) -> (Words<W>, bool) {
    let mut sum = *one;
    let mut carry = 0;
    for (word, other) in sum.iter_mut().zip(other) {
        (*word, carry) = halves(u64::from(*word) + u64::from(*other) + carry);
    }
    (sum, carry != 0)
}

/// The difference and whether it is below 0.
pub(crate) fn minus<const W: usize>(one: &Words<W>, other: &Words<W>) -> (Words<W>, bool) {
    let mut difference = *one;
    let mut borrowed = false;
    for (word, other) in difference.iter_mut().zip(other) {
        let (rest, first) = word.overflowing_sub(*other);
        let (rest, second) = rest.overflowing_sub(u32::from(borrowed));
        *word = rest;
        borrowed = first || second;
    }
    (difference, borrowed)
}

/// A number from bytes, the highest first; none when it has more bits than fit.
pub(crate) fn from_bytes<const W: usize>(bytes: &[u8]) -> Option<Words<W>> {
    let mut words = [0; W];
    let mut groups = bytes.rchunks(4);
    for word in &mut words {
        let group = groups.next().unwrap_or_default();
        *word = group.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    groups.all(|group| group.iter().all(|byte| *byte == 0)).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2^61 - 1, a prime: products modulo it fit 128 bits.
    const PRIME: u64 = (1 << 61) - 1;

    fn words(number: u64) -> Words<2> {
        from_bytes(&number.to_be_bytes()).unwrap()
    }

    fn number(words: Words<2>) -> u64 {
        u64::from(words[1]) << 32 | u64::from(words[0])
    }

    proptest! {
        #[test]
        fn it_counts_as_128_bits_do(one in 0..PRIME, other in 0..PRIME) {
            let modulus = Modulus::new(words(PRIME));
            let (left, right) = (modulus.residue(&words(one)), modulus.residue(&words(other)));
            let (wide_one, wide_other, prime) = (u128::from(one), u128::from(other), u128::from(PRIME));
            let told = |residue: &Residue<2>| u128::from(number(modulus.number(residue)));
            prop_assert_eq!(told(&modulus.add(&left, &right)), (wide_one + wide_other) % prime);
            prop_assert_eq!(told(&modulus.subtract(&left, &right)), (wide_one + prime - wide_other) % prime);
            prop_assert_eq!(told(&modulus.multiply(&left, &right)), wide_one * wide_other % prime);
            if one != 0 {
                let inverted = modulus.invert(&left);
                prop_assert_eq!(told(&modulus.multiply(&inverted, &left)), 1);
            }
        }

        #[test]
        fn a_modulus_that_fills_its_words_carries(one: u64, other: u64) {
            // 2^64 - 59, a prime: sums and products need the carry.
            let prime = u64::MAX - 58;
            let (one, other) = (one % prime, other % prime);
            let modulus = Modulus::new(words(prime));
            let (left, right) = (modulus.residue(&words(one)), modulus.residue(&words(other)));
            let wide = u128::from(prime);
            let sum = u128::from(number(modulus.number(&modulus.add(&left, &right))));
            let product = u128::from(number(modulus.number(&modulus.multiply(&left, &right))));
            prop_assert_eq!(sum, (u128::from(one) + u128::from(other)) % wide);
            prop_assert_eq!(product, u128::from(one) * u128::from(other) % wide);
        }
    }

    #[test]
    fn bytes_that_do_not_fit_are_no_number() {
        assert_eq!(from_bytes::<1>(&[0, 0, 1, 2, 3, 4]), Some([0x0102_0304]));
        assert_eq!(from_bytes::<1>(&[1, 0, 0, 0, 0]), None);
        assert_eq!(from_bytes::<2>(&[]), Some([0, 0]));
    }
}
