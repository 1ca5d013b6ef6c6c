//! Consistent probability sampling of OpenTelemetry: 56 random bits of a trace against a threshold of rejection.

use crate::fault::Fault;
use crate::hex;
use crate::id::TraceId;
use crate::text::Text;

/// All traces.
const WHOLE: u64 = 1 << 56;
/// Digits of 56 bits.
const DIGITS: usize = 14;
/// What the specification recommends: digits behind the leading `f`.
const PRECISION: u32 = 4;

/// The 56 bits of a trace that every service on its way decides by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Randomness(u64);

impl Randomness {
    /// The low 56 bits of the trace's id. They are presumed random also where the flag of level 2 does not say so, as SDKs do.
    #[must_use]
    pub const fn of(trace: TraceId) -> Self {
        Self(trace.low() & (WHOLE - 1))
    }

    /// Reads the value of `rv`: 14 digits.
    pub(crate) fn read(digits: &[u8]) -> Option<Self> {
        (digits.len() == DIGITS).then(|| read(digits).map(Self)).flatten()
    }
}

/// How many of 2^56 traces are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Threshold(u64);

impl Threshold {
    /// Nothing is dropped.
    pub const NONE_DROPPED: Self = Self(0);

    /// The threshold of a ratio, rounded to four digits behind the leading `f`, so that `tracestate` stays short.
    ///
    /// # Errors
    /// A ratio is more than 0, by 2^-56 at least, and at most 1; to keep nothing is no ratio.
    pub fn of_ratio(ratio: f64) -> Result<Self, Fault> {
        let whole = WHOLE as f64;
        if !(1.0 / whole..=1.0).contains(&ratio) {
            return Err(Fault::Ratio);
        }
        // 1 to 2^56, by the line above.
        let exact = WHOLE - (ratio * whole).round() as u64;
        let leading = (exact << 8).leading_ones() / 4;
        let rounded_bits = 56_u32.saturating_sub((leading + PRECISION) * 4);
        let half = (1 << rounded_bits) >> 1;
        let rounded = (exact + half) >> rounded_bits << rounded_bits;
        Ok(Self(if rounded < WHOLE { rounded } else { exact }))
    }

    /// Whether a trace is kept.
    #[must_use]
    pub const fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// How many traces each kept one stands for.
    #[must_use]
    pub fn factor(self) -> f64 {
        WHOLE as f64 / (WHOLE - self.0) as f64
    }

    /// Reads the value of `th`: 1 to 14 digits, of either case, with zeros behind them left out.
    pub(crate) fn read(digits: &[u8]) -> Option<Self> {
        let missing = DIGITS.checked_sub(digits.len())?;
        let number = (!digits.is_empty()).then(|| read(digits)).flatten()?;
        let shift = u32::try_from(missing).ok()?.checked_mul(4)?;
        Some(Self(number.checked_shl(shift)?))
    }

    /// The value of `th`.
    pub(crate) fn text(self) -> Text<DIGITS> {
        let mut text = Text::new();
        let digits = hex::write(self.0);
        let digits = digits.last_chunk::<DIGITS>().copied().unwrap_or_default();
        let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        // `0` says that nothing is dropped.
        let length = DIGITS.saturating_sub(zeros).max(1);
        let _ = text.push(digits.get(..length).unwrap_or_default());
        text
    }
}

/// At most 14 digits, for what others wrote also in upper case.
fn read(digits: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for digit in digits {
        let value = char::from(*digit).to_digit(16)?;
        number = number << 4 | u64::from(value);
    }
    Some(number)
}
