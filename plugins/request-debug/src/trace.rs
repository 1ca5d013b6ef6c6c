//! What happened to one exchange, and when; times are nanoseconds since 1970.

use std::fmt::Write as _;

use crate::discretion::Discretion;

/// LIMIT: bytes of a line in the log; a gateway cuts longer ones.
const LINE_BYTES_MAX: usize = 8_000;

/// Pieces and bytes of a body.
#[derive(Clone, Copy, Default, Debug)]
struct Volume {
    pieces: u64,
    bytes: u64,
}

impl Volume {
    fn add(&mut self, size: usize) {
        // A body's end may come with no more bytes.
        self.pieces = self.pieces.saturating_add(u64::from(size > 0));
        self.bytes = self.bytes.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
    }
}

/// What happened to one exchange.
#[derive(Clone, Copy, Default, Debug)]
pub struct Trace {
    began: u64,
    request_ended: u64,
    answered: u64,
    request: Volume,
    response: Volume,
}

/// A head's lines: name and value.
pub type Lines = [(String, Vec<u8>)];

/// The first value of that name.
#[must_use]
pub fn value<'a>(head: &'a Lines, name: &str) -> Option<&'a [u8]> {
    let found = head.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_slice())
}

/// Milliseconds from one time to another.
fn milliseconds(from: u64, to: u64) -> String {
    let tenths = to.saturating_sub(from) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Headers without pseudo-headers, as they may be told, and their bytes as they came.
fn headers(head: &Lines, discretion: &Discretion) -> String {
    let real = || head.iter().filter(|(name, _)| !name.starts_with(':'));
    let bytes: usize = real().map(|(name, value)| name.len() + value.len()).sum();
    let mut text = format!("{} headers of {bytes} bytes:", real().count());
    for (name, value) in real() {
        write!(text, " {name}={:?}", discretion.header(name, value)).ok();
    }
    let mut end = text.len().min(LINE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

impl Trace {
    /// A request came; the line that tells of it.
    pub fn begin(&mut self, head: &Lines, discretion: &Discretion, now: u64) -> String {
        self.began = now;
        self.request_ended = now;
        let text = |name: &str| {
            value(head, name)
                .map(|value| discretion.header(name, value))
                .unwrap_or_default()
        };
        format!(
            "request {} {} to {}, {}",
            text(":method"),
            text(":path"),
            text(":authority"),
            headers(head, discretion)
        )
    }

    /// A piece of the request's body came.
    pub fn request_piece(&mut self, size: usize, now: u64) {
        self.request.add(size);
        self.request_ended = now;
    }

    /// A response came; the line that tells of it.
    pub fn answer(&mut self, head: &Lines, discretion: &Discretion, now: u64) -> String {
        self.answered = now;
        let status = value(head, ":status").unwrap_or_default();
        format!(
            "response {} after {} ms, {}",
            String::from_utf8_lossy(status),
            milliseconds(self.began, now),
            headers(head, discretion)
        )
    }

    /// A piece of the response's body came.
    pub fn response_piece(&mut self, size: usize) {
        self.response.add(size);
    }

    /// The value of `server-timing`: how long the request took to come, and how long its answer.
    #[must_use]
    pub fn server_timing(&self) -> String {
        format!(
            "request;dur={}, upstream;dur={}",
            milliseconds(self.began, self.request_ended),
            milliseconds(self.request_ended.min(self.answered), self.answered)
        )
    }

    /// The exchange is over; the line that tells of it, with what else is known.
    #[must_use]
    pub fn end(&self, known: &[(&str, String)], now: u64) -> String {
        let mut text = format!(
            "done after {} ms: request {} bytes in {} pieces over {} ms, response {} bytes in {} pieces",
            milliseconds(self.began, now),
            self.request.bytes,
            self.request.pieces,
            milliseconds(self.began, self.request_ended),
            self.response.bytes,
            self.response.pieces,
        );
        if self.answered > 0 {
            let taken = milliseconds(self.answered, now);
            write!(text, " over {taken} ms").ok();
        } else {
            text.push_str(", no head of a response was seen");
        }
        for (name, value) in known.iter().filter(|(_, value)| !value.is_empty()) {
            write!(text, "; {name} {value}").ok();
        }
        text
    }
}
