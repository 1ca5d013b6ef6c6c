//! What a guest says: lines put together from the pieces in which they are written, and the last ones for a report of its death.

use std::collections::VecDeque;

use plug_abi::LogLevel;

use crate::guest::cut;

/// LIMIT: bytes of one line of the log; the rest of it is left out.
pub(crate) const LINE_BYTES_MAX: usize = 64 * 1024;
/// LIMIT: lines of a guest's error output kept for a fault's report: a trace of Go's has that many.
const LAST_WORDS_MAX: usize = 64;
/// Of a callback that says more, so many of its first ones: the panic and the goroutine that died stand there, others behind them.
const FIRST_WORDS: usize = LAST_WORDS_MAX / 2;
/// LIMIT: of them, those that are told in one line.
const LAST_WORDS_SHOWN: usize = 8;
/// LIMIT: bytes kept of each of them.
const LAST_WORDS_BYTES_MAX: usize = 4 * 1024;

/// A line whose end is not written yet: Go writes each word of a trace by itself.
#[derive(Default)]
pub(crate) struct Unfinished {
    bytes: Vec<u8>,
    level: Option<LogLevel>,
}

impl Unfinished {
    /// Whether what is written at this level goes on in the same line.
    pub(crate) fn goes_on(&self, level: LogLevel) -> bool {
        self.level.is_none_or(|begun| begun == level)
    }

    /// Adds a piece.
    pub(crate) fn add(&mut self, level: LogLevel, piece: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or_default());
        self.level = Some(level);
    }

    /// The line, if there is one that says something.
    pub(crate) fn take(&mut self) -> Option<(LogLevel, String)> {
        let level = self.level.take()?;
        let bytes = std::mem::take(&mut self.bytes);
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = String::from_utf8_lossy(bytes).into_owned();
        (!line.is_empty()).then_some((level, line))
    }
}

/// The last lines that a guest wrote at error level or worse.
#[derive(Default)]
pub(crate) struct LastWords {
    lines: VecDeque<String>,
    /// How many of them are of the callback in progress.
    of_callback: usize,
    /// How many are missing in the middle of those.
    left_out: usize,
}

impl LastWords {
    /// A callback begins.
    pub(crate) fn begin(&mut self) {
        if self.left_out > 0 {
            self.lines.insert(FIRST_WORDS, left_out(self.left_out));
            self.left_out = 0;
        }
        self.of_callback = 0;
    }

    /// One more line. What earlier callbacks said makes room first, then the middle of what this one says.
    pub(crate) fn add(&mut self, line: &str) {
        while self.lines.len() >= LAST_WORDS_MAX {
            if self.of_callback < LAST_WORDS_MAX {
                self.lines.pop_front();
            } else {
                self.lines.remove(FIRST_WORDS);
                self.of_callback = self.of_callback.saturating_sub(1);
                self.left_out = self.left_out.saturating_add(1);
            }
        }
        self.lines.push_back(cut(line, LAST_WORDS_BYTES_MAX).to_owned());
        self.of_callback = self.of_callback.saturating_add(1);
    }

    /// All that are kept.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().cloned().collect();
        if self.left_out > 0 {
            lines.insert(FIRST_WORDS, left_out(self.left_out));
        }
        lines
    }

    /// The very last ones in one line.
    pub(crate) fn shown(&self) -> Option<String> {
        let from = self.lines.len().saturating_sub(LAST_WORDS_SHOWN);
        let words: Vec<&str> = self.lines.iter().skip(from).map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(" | "))
    }
}

fn left_out(lines: usize) -> String {
    format!("({lines} lines are left out here)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &mut LastWords, lines: std::ops::Range<usize>) {
        for line in lines {
            words.add(&line.to_string());
        }
    }

    #[test]
    fn pieces_are_one_line_of_bounded_length() {
        let mut line = Unfinished::default();
        assert_eq!(line.take(), None);
        // A letter may be cut between two pieces.
        for piece in [b"caf\xc3".as_slice(), b"\xa9", b"\n"] {
            line.add(LogLevel::Error, piece);
        }
        assert!(line.goes_on(LogLevel::Error) && !line.goes_on(LogLevel::Info));
        assert_eq!(line.take(), Some((LogLevel::Error, "café".to_owned())));
        assert!(line.goes_on(LogLevel::Info));
        line.add(LogLevel::Info, b"\n");
        assert_eq!(line.take(), None, "an empty line says nothing");
        for _ in 0..3 {
            line.add(LogLevel::Info, &[b'x'; LINE_BYTES_MAX - 1]);
        }
        assert_eq!(line.take().map(|(_, text)| text.len()), Some(LINE_BYTES_MAX));
    }

    #[test]
    fn earlier_callbacks_make_room_first() {
        let mut words = LastWords::default();
        said(&mut words, 0..70);
        words.begin();
        said(&mut words, 100..120);
        let told = words.told();
        assert_eq!(told.len(), LAST_WORDS_MAX);
        assert_eq!(
            told.iter().skip(44).cloned().collect::<Vec<_>>(),
            (100..120).map(|line| line.to_string()).collect::<Vec<_>>()
        );
        assert!(words.shown().is_some_and(|shown| shown.ends_with(" | 118 | 119")));
    }

    #[test]
    fn of_one_callback_the_first_and_the_last_words_are_kept() {
        let mut words = LastWords::default();
        said(&mut words, 0..3);
        words.begin();
        said(&mut words, 100..300);
        let kept = |told: &[String]| {
            let first: Vec<String> = (100..132).map(|line| line.to_string()).collect();
            let last: Vec<String> = (268..300).map(|line| line.to_string()).collect();
            assert_eq!(
                told,
                [first, vec!["(136 lines are left out here)".to_owned()], last].concat()
            );
        };
        kept(&words.told());
        words.begin();
        kept(&words.told());
        said(&mut words, 300..400);
        assert_eq!(words.told().first().map(String::as_str), Some("300"));
    }
}
