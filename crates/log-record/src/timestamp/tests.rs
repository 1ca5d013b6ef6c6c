//! Known dates, and a walk over four centuries of days.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::Duration;

use super::*;

fn text(micros: u64) -> String {
    let mut out = Vec::new();
    write(UNIX_EPOCH + Duration::from_micros(micros), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn known_moments_read_as_the_calendar_says() {
    assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
    assert_eq!(text(951_782_400_000_000), "2000-02-29T00:00:00.000000Z");
    assert_eq!(text(1_609_459_199_999_999), "2020-12-31T23:59:59.999999Z");
    assert_eq!(text(1_793_257_689_123_456), "2026-10-29T07:08:09.123456Z");
    assert_eq!(text(4_107_542_400_000_000), "2100-03-01T00:00:00.000000Z");
}

#[test]
fn a_clock_before_the_epoch_reads_as_the_epoch() {
    let mut out = Vec::new();
    write(UNIX_EPOCH - Duration::from_secs(5), &mut out);
    assert_eq!(out, b"1970-01-01T00:00:00.000000Z");
}

#[test]
fn days_follow_one_another_for_four_centuries() {
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let (mut year, mut month, mut day) = (1970, 1, 1);
    for number in 0..146_097 {
        assert_eq!(civil(number), (year, month, day));
        let length = match month {
            2 => 28 + u64::from(leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        day += 1;
        if day > length {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
}
