//! Writes a point in time as RFC 3339, in UTC, with microseconds.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-10-29T07:08:09.123456Z`, as records have it.
#[must_use]
pub fn text(time: SystemTime) -> String {
    let mut out = Vec::with_capacity(32);
    write(time, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends `2026-10-29T07:08:09.123456Z`. A clock before 1970 reads as 1970.
pub(crate) fn write(time: SystemTime, out: &mut Vec<u8>) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let second = seconds % 86_400;
    digits::<4>(year, out);
    out.push(b'-');
    digits::<2>(month, out);
    out.push(b'-');
    digits::<2>(day, out);
    out.push(b'T');
    digits::<2>(second / 3600, out);
    out.push(b':');
    digits::<2>(second / 60 % 60, out);
    out.push(b':');
    digits::<2>(second % 60, out);
    out.push(b'.');
    digits::<6>(u64::from(since.subsec_micros()), out);
    out.push(b'Z');
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts from 0000-03-01, so that the leap day is the last day of a year and of each 400-year era of 146 097 days.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day.saturating_add(719_468);
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = shifted / 146_097 * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_month)
}

/// Appends the lowest `COUNT` decimal digits, with leading zeros.
pub(crate) fn digits<const COUNT: usize>(number: u64, out: &mut Vec<u8>) {
    let mut text = [b'0'; COUNT];
    let mut rest = number;
    for place in text.iter_mut().rev() {
        let [digit, ..] = (rest % 10).to_le_bytes();
        *place = b'0' + digit;
        rest /= 10;
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests;
