//! The steps of a recording as bytes: written on a worker without allocating, read again as if they came from an enemy.

use super::RecordingFault;

const ENTRY: u8 = 1;
const CALL: u8 = 2;
const WRITE: u8 = 3;
const VALUE: u8 = 4;
const ANSWER: u8 = 5;
const RETURNED: u8 = 6;
const CUT: u8 = 7;

/// LIMIT: words of an entry, arguments and inputs of a call; no callback or call of the ABI has as many.
const COUNT_MAX: u64 = 16;
/// LIMIT: bytes that are kept of what a guest hands over; of the rest a digest says whether it is the same.
pub const INPUT_KEPT_MAX: usize = 256;
/// LIMIT: the same for a map of headers, which is kept whole or not at all: only whole can its sensitive values be left out.
pub const MAP_KEPT_MAX: usize = 4 * 1024;

/// What a guest hands over is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Given {
    /// Bytes.
    #[default]
    Bytes,
    /// The name of a header, a property or something else that the call is about.
    Name,
    /// Headers, in the ABI's encoding.
    Map,
    /// A password, which is never kept.
    Secret,
}

impl Given {
    fn raw(self) -> u8 {
        match self {
            Self::Bytes => 0,
            Self::Name => 1,
            Self::Map => 2,
            Self::Secret => 3,
        }
    }

    fn from_raw(raw: u8) -> Option<Self> {
        [Self::Bytes, Self::Name, Self::Map, Self::Secret]
            .into_iter()
            .find(|given| given.raw() == raw)
    }
}

/// Something that a guest handed over with a host call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Input<'a> {
    /// What it is.
    pub given: Given,
    /// How long it was.
    pub length: u64,
    /// Its beginning; empty when it was left out.
    pub kept: &'a [u8],
    /// Digest of it when only its beginning was kept; 0 when it is not known.
    pub digest: u64,
}

impl<'a> Input<'a> {
    /// What is kept of `bytes`.
    #[must_use]
    pub fn of(given: Given, bytes: &'a [u8]) -> Self {
        let is_long = bytes.len() > INPUT_KEPT_MAX;
        let kept = match given {
            Given::Bytes | Given::Name => bytes.get(..INPUT_KEPT_MAX).unwrap_or(bytes),
            Given::Map if bytes.len() <= MAP_KEPT_MAX => bytes,
            Given::Map | Given::Secret => &[],
        };
        Self {
            given,
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            kept,
            digest: if is_long && given == Given::Bytes {
                digest(bytes)
            } else {
                0
            },
        }
    }

    /// Whether `now` may be the same: what was left out is compared by its length.
    #[must_use]
    pub fn matches(&self, now: &Input<'_>) -> bool {
        let is_left_out = self.kept.is_empty() && self.length > 0;
        let is_undigested = self.digest == 0;
        self.length == now.length
            && (is_left_out || (self.kept == now.kept && (is_undigested || self.digest == now.digest)))
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<'a> {
    /// The host entered the guest: the entry's code and its words.
    Entry(u8, Vec<u32>),
    /// The guest called the host.
    Call {
        /// Name of the call.
        name: &'a [u8],
        /// Its arguments as numbers.
        arguments: Vec<u64>,
        /// What it handed over.
        inputs: Vec<Input<'a>>,
    },
    /// The call wrote into the guest's memory.
    Write(u32, &'a [u8]),
    /// The value that the call gave, by way of the guest's allocator.
    Value(&'a [u8]),
    /// The call's answer.
    Answer(u32),
    /// The guest returned with this answer.
    Returned(u32),
    /// The rest of this entry was too long.
    Cut,
}

/// Writes steps one behind the other.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// The host enters the guest.
    pub fn entry(&mut self, code: u8, words: &[u32]) {
        self.0.push(ENTRY);
        self.0.push(code);
        self.number(words.len());
        for word in words {
            self.varint(u64::from(*word));
        }
    }

    /// The guest calls the host.
    pub fn call<'a>(&mut self, name: &str, arguments: &[u64], inputs: impl ExactSizeIterator<Item = Input<'a>>) {
        self.0.push(CALL);
        self.bytes(name.as_bytes());
        self.number(arguments.len());
        for argument in arguments {
            self.varint(*argument);
        }
        self.number(inputs.len());
        for input in inputs {
            self.input(&input);
        }
    }

    fn input(&mut self, input: &Input<'_>) {
        self.0.push(input.given.raw());
        self.varint(input.length);
        self.varint(input.digest);
        self.bytes(input.kept);
    }

    /// The call writes into the guest's memory.
    pub fn write(&mut self, address: u32, bytes: &[u8]) {
        self.0.push(WRITE);
        self.varint(u64::from(address));
        self.bytes(bytes);
    }

    /// The call gives a value.
    pub fn value(&mut self, bytes: &[u8]) {
        self.0.push(VALUE);
        self.bytes(bytes);
    }

    /// The call answers.
    pub fn answer(&mut self, status: u32) {
        self.0.push(ANSWER);
        self.varint(u64::from(status));
    }

    /// The guest returns.
    pub fn returned(&mut self, answer: u32) {
        self.0.push(RETURNED);
        self.varint(u64::from(answer));
    }

    /// The rest of the entry is left out.
    pub fn cut(&mut self) {
        self.0.push(CUT);
    }

    /// Any step.
    pub fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Entry(code, words) => self.entry(*code, words),
            Step::Call {
                name,
                arguments,
                inputs,
            } => self.call(&String::from_utf8_lossy(name), arguments, inputs.iter().copied()),
            Step::Write(address, bytes) => self.write(*address, bytes),
            Step::Value(bytes) => self.value(bytes),
            Step::Answer(status) => self.answer(*status),
            Step::Returned(answer) => self.returned(*answer),
            Step::Cut => self.cut(),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn number(&mut self, number: usize) {
        self.varint(u64::try_from(number).unwrap_or(u64::MAX));
    }

    /// LEB128, as WebAssembly writes its own numbers.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(low_bits(number) | 0x80);
            number >>= 7;
        }
        self.0.push(low_bits(number));
    }
}

fn low_bits(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

/// Reads steps one after the other.
#[derive(Debug, Clone)]
pub struct Steps<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Steps<'a> {
    /// The steps in `bytes`.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { all: bytes, at: 0 }
    }

    /// The next one; none at the end.
    ///
    /// # Errors
    /// When what follows is no step.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after damage")]
    pub fn next(&mut self) -> Result<Option<Step<'a>>, RecordingFault> {
        if self.at >= self.all.len() {
            return Ok(None);
        }
        let begin = self.at;
        self.step().map(Some).ok_or(RecordingFault::Steps(begin))
    }

    fn step(&mut self) -> Option<Step<'a>> {
        Some(match self.byte()? {
            ENTRY => {
                let code = self.byte()?;
                let words = self.counted(|steps| steps.small())?;
                Step::Entry(code, words)
            }
            CALL => Step::Call {
                name: self.bytes()?,
                arguments: self.counted(Self::varint)?,
                inputs: self.counted(Self::input)?,
            },
            WRITE => Step::Write(self.small()?, self.bytes()?),
            VALUE => Step::Value(self.bytes()?),
            ANSWER => Step::Answer(self.small()?),
            RETURNED => Step::Returned(self.small()?),
            CUT => Step::Cut,
            _ => return None,
        })
    }

    fn input(&mut self) -> Option<Input<'a>> {
        Some(Input {
            given: Given::from_raw(self.byte()?)?,
            length: self.varint()?,
            digest: self.varint()?,
            kept: self.bytes()?,
        })
    }

    fn counted<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.varint()?;
        if count > COUNT_MAX {
            return None;
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.all.get(self.at)?;
        self.at = self.at.checked_add(1)?;
        Some(byte)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(length)?;
        let bytes = self.all.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // Bits that do not fit would vanish in the shift.
            if bits.checked_shl(shift)? >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// A digest that tells a recording's bytes from others; fast, and no protection against anybody who wants them equal.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut words = bytes.chunks_exact(8);
    let mut state = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut fold = |word: u64| state = (state ^ word).wrapping_mul(FACTOR).rotate_left(29);
    for word in &mut words {
        fold(word.try_into().map(u64::from_le_bytes).unwrap_or_default());
    }
    for byte in words.remainder() {
        fold(u64::from(*byte));
    }
    state
}
