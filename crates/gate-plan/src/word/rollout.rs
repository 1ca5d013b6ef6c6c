//! Words of rollouts: parts of a whole, what ends a step, and how many gateways a wave has.

use std::time::Duration;

use super::{Flaw, Word};

/// Parts per million in one percent, and digits behind the point.
const PER_PERCENT: u64 = 10_000;
const DIGITS: usize = 4;

/// A part of a whole, or a multiple of it, in parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part(pub(crate) u64);

impl Word for Part {
    const FORMAT: &'static str = "part";
    const WANTED: &'static str = "a percentage such as `5%` or `0.1%`";
    const PATTERN: Option<&'static str> = Some("^[0-9]+([.][0-9]{1,4})?%$");

    fn read(text: &str) -> Result<Self, Flaw> {
        let wrong = || Flaw::new(format!("`{text}` is not a percentage")).help("write it as `5%` or `0.1%`");
        let Some(number) = text.strip_suffix('%') else {
            let is_number = text.parse::<f64>().is_ok();
            let flaw = Flaw::new(format!("the percentage `{text}` has no `%`")).help(format!("write `{text}%`"));
            return Err(if is_number { flaw } else { wrong() });
        };
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(rest) {
            return Err(wrong());
        }
        if rest.len() > DIGITS {
            let flaw = Flaw::new(format!("the percentage `{text}` is too fine"));
            return Err(flaw.help("the smallest is `0.0001%`, one in a million"));
        }
        let rest: u64 = format!("{rest:0<DIGITS$}").parse().map_err(|_| wrong())?;
        let whole: Option<u64> = whole.parse().ok();
        let parts = whole.and_then(|whole| whole.checked_mul(PER_PERCENT)?.checked_add(rest));
        parts
            .map(Self)
            .ok_or_else(|| Flaw::new(format!("the percentage `{text}` is too large")))
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(self.0))
    }
}

/// What ends a step of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Time in which it serves.
    For(Duration),
    /// An operator.
    Manual,
}

impl Word for Pause {
    const FORMAT: &'static str = "pause";
    const WANTED: &'static str = "a time span such as `1m`, or `manual`";
    const PATTERN: Option<&'static str> = Some("^([0-9]+(ns|us|ms|s|m|h|d)|manual)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        match text {
            "manual" => Ok(Self::Manual),
            text => Duration::read(text).map(Self::For),
        }
    }

    fn measure(&self) -> Option<u128> {
        match self {
            Self::For(length) => Some(length.as_nanos()),
            // It has no length that a key could bound.
            Self::Manual => None,
        }
    }
}

/// How many gateways there are in a wave and those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gateways {
    /// So many.
    Count(u32),
    /// So many of a million.
    Part(u32),
}

impl Word for Gateways {
    const FORMAT: &'static str = "gateways";
    const WANTED: &'static str = "a number of gateways such as `1`, or a percentage of them such as `25%`";
    const PATTERN: Option<&'static str> = Some("^[0-9]+([.][0-9]{1,4})?%?$");
    const NUMBER_TOO: bool = true;

    fn read(text: &str) -> Result<Self, Flaw> {
        let none = || Flaw::new(format!("`{text}` is no gateway")).help("a wave has at least one: write `1`");
        if text.ends_with('%') {
            let Part(parts) = Part::read(text)?;
            return match u32::try_from(parts) {
                Ok(0) => Err(none()),
                Ok(parts) if parts <= 1_000_000 => Ok(Self::Part(parts)),
                _ => Err(Flaw::new(format!("`{text}` is more than all gateways")).help("all are `100%`")),
            };
        }
        match text.parse() {
            Ok(0) => Err(none()),
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => Err(Flaw::new(format!("`{text}` is not a number of gateways"))),
        }
    }
}
