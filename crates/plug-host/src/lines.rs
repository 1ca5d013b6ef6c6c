//! How many lines a plugin may still write: so many for each second, and as many at once.

use std::time::Duration;

use tokio::time::Instant;

/// For how long unused room is kept, and how long lines that were left out wait to be told of.
pub(crate) const BURST: Duration = Duration::from_secs(1);

/// Room for lines of one plugin on one worker.
#[derive(Debug)]
pub(crate) struct Lines {
    /// What one line takes of the room; none when there is never room.
    line: Option<Duration>,
    /// Room when it was last looked at.
    room: Duration,
    seen: Option<Instant>,
    left_out: u64,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is written.
    Written,
    /// It is left out, as others were that nobody has been told of yet.
    LeftOut,
    /// It is left out, and whoever asked tells of it when [`BURST`] is over.
    FirstLeftOut,
}

impl Lines {
    /// Room for `per_s_max` lines for each second.
    pub(crate) fn new(per_s_max: u32) -> Self {
        Self {
            line: BURST.checked_div(per_s_max),
            room: BURST,
            seen: None,
            left_out: 0,
        }
    }

    /// Somebody wants to write a line.
    pub(crate) fn next(&mut self, now: Instant) -> Line {
        let since = self
            .seen
            .replace(now)
            .map_or(Duration::ZERO, |seen| now.saturating_duration_since(seen));
        self.room = self.room.saturating_add(since).min(BURST);
        match self.line.and_then(|line| self.room.checked_sub(line)) {
            Some(room) => {
                self.room = room;
                Line::Written
            }
            None => {
                self.left_out = self.left_out.saturating_add(1);
                if self.left_out == 1 {
                    Line::FirstLeftOut
                } else {
                    Line::LeftOut
                }
            }
        }
    }

    /// How many were left out since this was last asked.
    pub(crate) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(lines: &mut Lines, wanted: usize, now: Instant) -> usize {
        (0..wanted).filter(|_| lines.next(now) == Line::Written).count()
    }

    #[test]
    fn a_second_has_its_lines_and_no_more_are_saved_up() {
        let (mut lines, begin) = (Lines::new(10), Instant::now());
        assert_eq!(written(&mut lines, 100, begin), 10);
        assert_eq!(written(&mut lines, 100, begin), 0);
        assert_eq!(written(&mut lines, 100, begin + Duration::from_millis(99)), 0);
        assert_eq!(written(&mut lines, 100, begin + Duration::from_millis(100)), 1);
        assert_eq!(written(&mut lines, 100, begin + Duration::from_millis(600)), 5);
        assert_eq!(written(&mut lines, 100, begin + Duration::from_secs(3_600)), 10);
    }

    #[test]
    fn the_first_that_is_left_out_is_known_until_they_are_told_of() {
        let (mut lines, now) = (Lines::new(1), Instant::now());
        let asked = [(); 4].map(|()| lines.next(now));
        assert_eq!(asked, [Line::Written, Line::FirstLeftOut, Line::LeftOut, Line::LeftOut]);
        assert_eq!((lines.take_left_out(), lines.take_left_out()), (3, 0));
        assert_eq!(lines.next(now), Line::FirstLeftOut);
    }

    #[test]
    fn none_are_written_when_there_may_be_none() {
        let (mut lines, begin) = (Lines::new(0), Instant::now());
        assert_eq!(written(&mut lines, 5, begin), 0);
        assert_eq!(written(&mut lines, 5, begin + Duration::from_secs(60)), 0);
    }

    #[test]
    fn a_clock_that_does_not_move_or_rates_that_do_not_divide_a_second_change_nothing() {
        for per_s_max in [3, 7, 999_999, 1_000_000] {
            let (mut lines, begin) = (Lines::new(per_s_max), Instant::now());
            let wanted = per_s_max as usize + 5;
            // A second divided is rounded down, so that a line more may fit, never one less.
            let first = written(&mut lines, wanted, begin);
            assert!(
                (per_s_max as usize..=per_s_max as usize + 1).contains(&first),
                "{per_s_max}: {first}"
            );
        }
    }
}
