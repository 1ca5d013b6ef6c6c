//! Time spans, sizes and percentages.

use std::time::Duration;

use super::{Flaw, Word};

/// Units of time with their nanoseconds, longest first.
const TIME_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Units of size with their bytes.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl Word for Duration {
    const FORMAT: &'static str = "time-span";
    const WANTED: &'static str = "a time span such as `50ms`, `1s` or `5m`";
    const PATTERN: Option<&'static str> = Some("^[0-9]+(ns|us|ms|s|m|h|d)$");

    fn read(text: &str) -> Result<Self, Flaw> {
        let (count, unit) = split(text);
        let count = whole::<Self>(text, count, unit)?;
        if unit.is_empty() {
            let help = format!("write `{count}s` for seconds or `{count}ms` for milliseconds");
            return Err(Flaw::new(format!("the time span `{text}` has no unit")).help(help));
        }
        let Some((_, nanoseconds)) = TIME_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_time_unit(text, count, unit));
        };
        let nanoseconds = count.checked_mul(*nanoseconds);
        nanoseconds
            .map(Self::from_nanos)
            .ok_or_else(|| Flaw::new(format!("the time span `{text}` is too large")))
    }

    fn measure(&self) -> Option<u128> {
        Some(self.as_nanos())
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Word for Size {
    const FORMAT: &'static str = "size";
    const WANTED: &'static str = "a size such as `64MiB`, `1MB` or a plain number of bytes";
    const PATTERN: Option<&'static str> = Some("^[0-9]+(B|kB|KB|MB|GB|KiB|MiB|GiB)?$");
    const NUMBER_TOO: bool = true;

    fn read(text: &str) -> Result<Self, Flaw> {
        let (count, unit) = split(text);
        let count = whole::<Self>(text, count, unit)?;
        let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(unknown_size_unit(text, count, unit));
        };
        count
            .checked_mul(*bytes)
            .map(Self)
            .ok_or_else(|| Flaw::new(format!("the size `{text}` is too large")))
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(self.0))
    }
}

/// A percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Percent(pub(crate) u64);

impl Word for Percent {
    const FORMAT: &'static str = "percentage";
    const WANTED: &'static str = "a percentage such as `50%`";
    const PATTERN: Option<&'static str> = Some("^[0-9]+%$");

    fn read(text: &str) -> Result<Self, Flaw> {
        let (count, unit) = split(text);
        if unit.starts_with(['.', ',']) && !count.is_empty() {
            return Err(
                Flaw::new(format!("the percentage `{text}` has a fraction")).help("write a whole number, as in `50%`")
            );
        }
        match (count.parse(), unit) {
            (Ok(count), "%") => Ok(Self(count)),
            (Ok(count), "") => {
                Err(Flaw::new(format!("the percentage `{text}` has no `%`")).help(format!("write `{count}%`")))
            }
            _ => Err(Flaw::new(format!("`{text}` is not a percentage"))),
        }
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(self.0))
    }
}

/// Kubernetes writes `64Mi`, others `64M` or `64mb`; which of them is meant shows from the letters.
fn unknown_size_unit(text: &str, count: u64, unit: &str) -> Flaw {
    let letters = unit.to_ascii_lowercase();
    let near = SIZE_UNITS.iter().map(|(name, _)| *name).filter(|name| !name.is_empty());
    let exact = near.clone().find(|name| name.eq_ignore_ascii_case(unit));
    let meant = exact.or_else(|| {
        let binary = format!("{}ib", letters.trim_end_matches('i'));
        near.clone().find(|name| name.to_ascii_lowercase() == binary)
    });
    let help = meant.map_or(
        "the units are `B`, `KiB`, `MiB`, `GiB`, `kB`, `MB` and `GB`".to_owned(),
        |name| format!("write `{count}{name}`"),
    );
    let length = text.chars().count();
    Flaw::new(format!("`{unit}` is no unit of size"))
        .help(help)
        .part(length.saturating_sub(unit.chars().count()), length)
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(digits).unwrap_or((text, ""))
}

/// The number before the unit.
fn whole<W: Word>(text: &str, count: &str, unit: &str) -> Result<u64, Flaw> {
    let kind = W::FORMAT.replace('-', " ");
    if unit.starts_with(['.', ',']) && !count.is_empty() {
        let flaw = Flaw::new(format!("the {kind} `{text}` has a fraction"));
        let example = if W::NUMBER_TOO {
            "`1536KiB` instead of `1.5MiB`"
        } else {
            "`1500ms` instead of `1.5s`"
        };
        return Err(flaw.help(format!("use a whole number with a smaller unit, for example {example}")));
    }
    if count.is_empty() {
        return Err(Flaw::new(format!("`{text}` is not a {kind}")));
    }
    count
        .parse()
        .map_err(|_| Flaw::new(format!("the {kind} `{text}` is too large")))
}

/// Units written out: what they begin with, and how we write them.
const UNITS_IN_WORDS: &[(&str, &str)] = &[
    ("mil", "ms"),
    ("mse", "ms"),
    ("mic", "us"),
    ("µs", "us"),
    ("mi", "m"),
    ("se", "s"),
    ("ho", "h"),
    ("hr", "h"),
    ("da", "d"),
];

fn unknown_time_unit(text: &str, count: u64, unit: &str) -> Flaw {
    let word = unit.trim().to_lowercase();
    let exact = TIME_UNITS.iter().map(|(name, _)| *name).find(|name| *name == word);
    let meant = exact.or_else(|| {
        UNITS_IN_WORDS
            .iter()
            .find(|(begin, _)| word.starts_with(begin))
            .map(|(_, name)| *name)
    });
    let help = meant.map_or("the units are `us`, `ms`, `s`, `m`, `h` and `d`".to_owned(), |name| {
        format!("write `{count}{name}`")
    });
    let length = text.chars().count();
    let flaw = Flaw::new(format!("`{}` is no unit of time", unit.trim()));
    flaw.help(help)
        .part(length.saturating_sub(unit.trim_start().chars().count()), length)
}

/// A time span as the configuration would write it.
pub(crate) fn span_text(span: Duration) -> String {
    let nanoseconds = span.as_nanos();
    let unit = TIME_UNITS
        .iter()
        .find(|(_, unit)| nanoseconds.is_multiple_of(u128::from(*unit)));
    let (name, unit) = unit.copied().unwrap_or(("ns", 1));
    if nanoseconds == 0 {
        "0s".to_owned()
    } else {
        format!("{}{name}", nanoseconds / u128::from(unit))
    }
}
