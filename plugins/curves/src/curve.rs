//! The curves y² = x³ - 3x + b of a prime order, and what is verified on them: one code for all.
//!
//! As a is -3 and the order a prime, the complete formulas of Renes, Costello and Batina (2016, algorithms 4 and 6) add any two points without a special case.

use std::sync::LazyLock;

use crate::montgomery::{Modulus, Residue, Words, from_bytes, plus};

/// A curve y² = x³ - 3x + b over a prime field of `W` words.
pub(crate) struct Curve<const W: usize> {
    /// Bytes of a number of a signature.
    bytes: usize,
    field: Modulus<W>,
    order: Modulus<W>,
    b: Residue<W>,
    generator: Point<W>,
}

/// A curve's numbers in hex (SEC 2, GB/T 32918.5).
struct Numbers {
    bytes: usize,
    prime: &'static str,
    order: &'static str,
    b: &'static str,
    generator: [&'static str; 2],
}

/// A point in projective coordinates; z = 0 is the point at infinity.
#[derive(Clone, Copy)]
pub(crate) struct Point<const W: usize> {
    x: Residue<W>,
    y: Residue<W>,
    z: Residue<W>,
}

pub(crate) static P256: LazyLock<Curve<8>> = LazyLock::new(|| {
    Curve::new(&Numbers {
        bytes: 32,
        prime: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        generator: [
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ],
    })
});

pub(crate) static P384: LazyLock<Curve<12>> = LazyLock::new(|| {
    Curve::new(&Numbers {
        bytes: 48,
        prime: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
        order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
        generator: [
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        ],
    })
});

pub(crate) static P521: LazyLock<Curve<17>> = LazyLock::new(|| {
    Curve::new(&Numbers {
        bytes: 66,
        prime: "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        order: "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        b: "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
        generator: [
            "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
            "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
        ],
    })
});

pub(crate) static SM2: LazyLock<Curve<8>> = LazyLock::new(|| {
    Curve::new(&Numbers {
        bytes: 32,
        prime: "fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff",
        order: "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123",
        b: "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
        generator: [
            "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
            "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
        ],
    })
});

/// What of the curve an SM2 signature is over: a, b and the generator.
pub(crate) const SM2_SIGNED: [&str; 4] = [
    "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc",
    "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93",
    "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7",
    "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0",
];

/// Digits in hex as bytes; what is no digit counts as 0, and the numbers above have none.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            pair.iter()
                .fold(0, |byte, digit| byte << 4 | value(*digit).unwrap_or(0))
        })
        .collect()
}

impl<const W: usize> Curve<W> {
    fn new(numbers: &Numbers) -> Self {
        let number = |digits| from_bytes(&hex(digits)).unwrap_or([0; W]);
        let field = Modulus::new(number(numbers.prime));
        let [x, y] = numbers.generator.map(|digits| field.residue(&number(digits)));
        Self {
            bytes: numbers.bytes,
            order: Modulus::new(number(numbers.order)),
            b: field.residue(&number(numbers.b)),
            generator: Point { x, y, z: field.one() },
            field,
        }
    }

    /// The point of these coordinates; none when it is not on the curve.
    pub(crate) fn point_at(&self, x: &[u8], y: &[u8]) -> Option<Point<W>> {
        let coordinate = |bytes| Some(self.field.residue(&below(&self.field, bytes)?));
        let point = Point {
            x: coordinate(x)?,
            y: coordinate(y)?,
            z: self.field.one(),
        };
        self.holds(&point).then_some(point)
    }

    /// y² = x³ - 3x + b. With a prime order every such point is in the group of the generator.
    fn holds(&self, point: &Point<W>) -> bool {
        let field = &self.field;
        let cube = field.multiply(&field.multiply(&point.x, &point.x), &point.x);
        let three = field.add(&field.add(&point.x, &point.x), &point.x);
        let right = field.add(&field.subtract(&cube, &three), &self.b);
        field.multiply(&point.y, &point.y) == right
    }

    /// ECDSA (FIPS 186-5 section 6.4.2) over a digest that is no longer than the order, r and s one after the other.
    pub(crate) fn verify_ecdsa(&self, point: &Point<W>, digest: &[u8], signature: &[u8]) -> bool {
        let Some([r, s]) = self.pair(signature) else {
            return false;
        };
        let order = &self.order;
        let Some(digest) = from_bytes(digest) else { return false };
        let digest = order.residue(&order.reduced(digest, false));
        let inverted = order.invert(&order.residue(&s));
        let first = order.number(&order.multiply(&digest, &inverted));
        let second = order.number(&order.multiply(&order.residue(&r), &inverted));
        self.sum(&first, &second, point).is_some_and(|x| x == r)
    }

    /// SM2 (GB/T 32918.2 section 7.1) over a digest of the signer's and the message's, r and s one after the other.
    pub(crate) fn verify_sm2(&self, point: &Point<W>, digest: &[u8], signature: &[u8]) -> bool {
        let Some([r, s]) = self.pair(signature) else {
            return false;
        };
        let Some(digest) = from_bytes(digest) else { return false };
        let modulo = |(sum, carry): (Words<W>, bool)| self.order.reduced(sum, carry);
        let both = modulo(plus(&r, &s));
        if both == [0; W] {
            return false;
        }
        let Some(x) = self.sum(&s, &both, point) else {
            return false;
        };
        let digest = self.order.reduced(digest, false);
        modulo(plus(&digest, &x)) == r
    }

    /// The two numbers of a signature, each from 1 to below the order.
    fn pair(&self, signature: &[u8]) -> Option<[Words<W>; 2]> {
        let (r, s) = signature.split_at_checked(self.bytes)?;
        let number = |bytes: &[u8]| below(&self.order, bytes).filter(|number| *number != [0; W]);
        (s.len() == self.bytes).then_some(())?;
        Some([number(r)?, number(s)?])
    }

    /// The x of `first` times the generator and `second` times a point, modulo the order; none at infinity.
    fn sum(&self, first: &Words<W>, second: &Words<W>, point: &Point<W>) -> Option<Words<W>> {
        let sum = self.multiples(first, second, point);
        let field = &self.field;
        if sum.z == Modulus::zero() {
            return None;
        }
        let x = field.number(&field.multiply(&sum.x, &field.invert(&sum.z)));
        // The field is less than twice the order on each of the four curves (Hasse).
        Some(self.order.reduced(x, false))
    }

    /// Both multiples at once, two bits of each in a step.
    fn multiples(&self, first: &Words<W>, second: &Words<W>, point: &Point<W>) -> Point<W> {
        let table = self.table(point);
        let mut sum = self.infinity();
        for (one, other) in first.iter().zip(second).rev() {
            for bit in (0..32).step_by(2).rev() {
                sum = self.double(&self.double(&sum));
                let place = (one >> bit & 3) << 2 | (other >> bit & 3);
                let entry = usize::try_from(place).ok().and_then(|place| table.get(place));
                if let Some(entry) = entry.filter(|_| place != 0) {
                    sum = self.add(&sum, entry);
                }
            }
        }
        sum
    }

    /// i times the generator and j times the point, at 4 i + j.
    fn table(&self, point: &Point<W>) -> Vec<Point<W>> {
        let mut table = Vec::with_capacity(16);
        let mut row = self.infinity();
        for _ in 0..4 {
            let mut entry = row;
            for _ in 0..4 {
                table.push(entry);
                entry = self.add(&entry, point);
            }
            row = self.add(&row, &self.generator);
        }
        table
    }

    const fn infinity(&self) -> Point<W> {
        Point {
            x: Modulus::zero(),
            y: self.field.one(),
            z: Modulus::zero(),
        }
    }

    /// Algorithm 4 of Renes, Costello and Batina.
    fn add(&self, p: &Point<W>, q: &Point<W>) -> Point<W> {
        let field = &self.field;
        let add = |one: &Residue<W>, other: &Residue<W>| field.add(one, other);
        let subtract = |one: &Residue<W>, other: &Residue<W>| field.subtract(one, other);
        let multiply = |one: &Residue<W>, other: &Residue<W>| field.multiply(one, other);
        let thrice = |one: &Residue<W>| field.add(&field.add(one, one), one);
        let xx = multiply(&p.x, &q.x);
        let yy = multiply(&p.y, &q.y);
        let zz = multiply(&p.z, &q.z);
        let xy = subtract(&multiply(&add(&p.x, &p.y), &add(&q.x, &q.y)), &add(&xx, &yy));
        let yz = subtract(&multiply(&add(&p.y, &p.z), &add(&q.y, &q.z)), &add(&yy, &zz));
        let xz = subtract(&multiply(&add(&p.x, &p.z), &add(&q.x, &q.z)), &add(&xx, &zz));
        let outer = thrice(&subtract(&xz, &multiply(&self.b, &zz)));
        let low = subtract(&yy, &outer);
        let high = add(&yy, &outer);
        let zz = thrice(&zz);
        let inner = thrice(&subtract(&subtract(&multiply(&self.b, &xz), &zz), &xx));
        let xx = subtract(&thrice(&xx), &zz);
        Point {
            x: subtract(&multiply(&high, &xy), &multiply(&yz, &inner)),
            y: add(&multiply(&high, &low), &multiply(&xx, &inner)),
            z: add(&multiply(&yz, &low), &multiply(&xy, &xx)),
        }
    }

    /// Algorithm 6 of Renes, Costello and Batina.
    fn double(&self, p: &Point<W>) -> Point<W> {
        let field = &self.field;
        let add = |one: &Residue<W>, other: &Residue<W>| field.add(one, other);
        let subtract = |one: &Residue<W>, other: &Residue<W>| field.subtract(one, other);
        let multiply = |one: &Residue<W>, other: &Residue<W>| field.multiply(one, other);
        let twice = |one: &Residue<W>| field.add(one, one);
        let thrice = |one: &Residue<W>| field.add(&field.add(one, one), one);
        let xx = multiply(&p.x, &p.x);
        let yy = multiply(&p.y, &p.y);
        let zz = multiply(&p.z, &p.z);
        let xy = twice(&multiply(&p.x, &p.y));
        let xz = twice(&multiply(&p.x, &p.z));
        let outer = thrice(&subtract(&multiply(&self.b, &zz), &xz));
        let low = subtract(&yy, &outer);
        let high = add(&yy, &outer);
        let zz = thrice(&zz);
        let inner = thrice(&subtract(&subtract(&multiply(&self.b, &xz), &zz), &xx));
        let xx = subtract(&thrice(&xx), &zz);
        let yz = twice(&multiply(&p.y, &p.z));
        Point {
            x: subtract(&multiply(&low, &xy), &multiply(&yz, &inner)),
            y: add(&multiply(&high, &low), &multiply(&xx, &inner)),
            z: twice(&twice(&multiply(&yz, &yy))),
        }
    }
}

/// A number below a modulus.
fn below<const W: usize>(modulus: &Modulus<W>, bytes: &[u8]) -> Option<Words<W>> {
    let number = from_bytes(bytes)?;
    (number.iter().rev().lt(modulus.words().iter().rev())).then_some(number)
}
