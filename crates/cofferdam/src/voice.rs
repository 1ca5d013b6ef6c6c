//! What the process says beside its data: lines on standard error.

mod speaker;

use std::borrow::Cow;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use gate_flow::level_of;
use log_book::Sheet;
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::Class;
use plug_abi::LogLevel;

use speaker::SPEAKER;

/// LIMIT: bytes waiting beyond which lines of plugins are lost.
pub(crate) const LINES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// LIMIT: bytes waiting beyond which faults of plugins are lost too: a plugin that floods does not hide why it died.
pub(crate) const FAULTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Lines said so far, in the order of [`LogLevel::ALL`]. Of the process, as standard error is.
static LINES: [AtomicU64; LogLevel::ALL.len()] = [const { AtomicU64::new(0) }; LogLevel::ALL.len()];

/// Says what the operator may want to know.
pub(crate) fn say(line: &str) {
    say_at(LogLevel::Info, line);
}

/// Says what the gateway wrote itself to the last word: no mask takes an address on which it listens for a client's.
pub(crate) fn say_own(line: &str) {
    say_with(LogLevel::Info, line, |sheet, said| {
        sheet.own().text(&field::MESSAGE, said)
    });
}

/// Says what is off.
pub(crate) fn warn(line: &str) {
    say_at(LogLevel::Warn, line);
}

/// Says what failed.
pub(crate) fn fail(line: &str) {
    say_at(LogLevel::Error, line);
}

fn say_at(level: LogLevel, line: &str) {
    say_with(level, line, |sheet, said| {
        sheet.sent(&field::MESSAGE, Untrusted::Text(said))
    });
}

/// What the process itself says is lost last. A text of several lines counts as that many.
fn say_with(level: LogLevel, line: &str, message: impl FnOnce(&mut Sheet<'_>, &[u8])) {
    let text = ended(line);
    count(level, &text);
    crate::logs::write_down(level_of(level), Class::Gateway, |sheet| {
        message(sheet, text.trim_end().as_bytes());
    });
    SPEAKER.say(text);
}

/// What a plugin says is lost where `bytes_max` bytes wait already.
pub(crate) fn say_of_plugin(level: LogLevel, line: &str, bytes_max: usize) {
    let text = ended(line);
    let lines = lines_of(&text);
    if SPEAKER.offer(text, bytes_max) {
        count_lines(level, lines);
    }
}

fn ended(line: &str) -> String {
    let mut text = String::with_capacity(line.len() + 1);
    text.push_str(&harmless(line));
    text.push('\n');
    text
}

/// The text without what would steer a terminal: names and messages of modules and recordings are in it.
fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |character: char| character.is_control() && character != '\n';
    match text.contains(steers) {
        true => Cow::Owned(text.replace(steers, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

fn lines_of(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte == b'\n').count() as u64
}

/// Has all that was said written, as far as somebody reads it.
pub(crate) fn finish() {
    SPEAKER.finish();
}

fn count(level: LogLevel, text: &str) {
    count_lines(level, lines_of(text));
}

fn count_lines(level: LogLevel, lines: u64) {
    let counter = LogLevel::ALL.iter().zip(&LINES).find(|(known, _)| **known == level);
    if let Some((_, counter)) = counter {
        counter.fetch_add(lines, Ordering::Relaxed);
    }
}

/// Lines said so far, by the word of their level.
pub(crate) fn lines() -> impl Iterator<Item = (&'static str, u64)> {
    let levels = LogLevel::ALL.iter().zip(&LINES);
    levels.map(|(level, counter)| (level.word(), counter.load(Ordering::Relaxed)))
}

/// Prints data to standard output; false when nobody reads it.
pub(crate) fn print(text: &str) -> bool {
    std::io::stdout().lock().write_all(harmless(text).as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_steers_no_terminal() {
        assert_eq!(harmless("two\nlines, \u{20ac}"), "two\nlines, \u{20ac}");
        assert_eq!(
            harmless("\u{1b}[2J\ra\u{9b}31m\u{7f}"),
            "\u{fffd}[2J\u{fffd}a\u{fffd}31m\u{fffd}"
        );
    }

    #[test]
    fn each_line_of_a_text_counts_at_its_level() {
        let of = |wanted: &str| lines().find(|(word, _)| *word == wanted).map(|(_, count)| count);
        // No other test of this binary speaks at this level.
        assert_eq!(of("critical"), Some(0));
        say_at(LogLevel::Critical, "one\n  and two");
        say_at(LogLevel::Critical, "three");
        assert_eq!(of("critical"), Some(3));
        assert_eq!(of("trace"), Some(0));
    }
}
