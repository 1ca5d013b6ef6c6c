//! Keeps the raw bytes of a request's head until it has been parsed, to see what the parser does not tell.
//!
//! hyper takes a request with both `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.1 lets a server do so), drops the length
//! and says nothing; httparse takes a bare line feed for a line end. Neither can be seen in the parsed request, so the bytes are copied on
//! their way in. The copy and one walk over its lines cost 40 ns for a head of two lines and 200 ns for a browser's
//! fifteen, of the 20 000 ns that a proxied request takes.
//!
//! To know where a head begins, the tap follows the framing that the parser decided on: after a head without body the next one begins at
//! once, after `Content-Length: n` it begins n bytes later. Only after a chunked body is the place lost; then a window of the last bytes is
//! kept and the next head is looked up in it by its request line, which makes the place known again. A client that writes such a body so
//! that the lookup goes wrong gets what hyper does without us: chunked framing, the length dropped, the connection closed afterwards.

use memchr::memchr;

/// LIMIT: bytes kept while the place is known. hyper reads no further than its own buffer allows before it parses.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// LIMIT: bytes kept while the place is lost: a head of usual size and the end of the body before it.
const WINDOW_BYTES_MAX: usize = 16 * 1024;
/// LIMIT: capacity that an idle connection keeps.
const IDLE_CAPACITY_MAX: usize = 4096;

/// How the body of a parsed request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body.
    Empty,
    /// As many bytes.
    Length(u64),
    /// Chunks, until the last.
    Chunked,
}

/// What the raw head shows beyond the parsed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Finding {
    /// A line feed without carriage return ends a line.
    pub(crate) bare_line_feed: bool,
    /// There is a `Content-Length` line. Looked for in chunked requests only.
    pub(crate) content_length: bool,
}

/// The raw head of an HTTP/1 connection's next request.
#[derive(Debug, Default)]
pub(crate) struct HeadTap {
    seen: Vec<u8>,
    body_left: u64,
    lost: bool,
}

impl HeadTap {
    /// Takes the bytes that were just read. Says whether any of them may belong to a head.
    pub(crate) fn feed(&mut self, fresh: &[u8]) -> bool {
        let mut head = fresh;
        if self.body_left > 0 {
            let body = usize::try_from(self.body_left).unwrap_or(usize::MAX).min(fresh.len());
            self.body_left -= length(body);
            head = fresh.get(body..).unwrap_or_default();
        }
        if head.is_empty() {
            return false;
        }
        if !self.lost && self.seen.len() + head.len() > KEPT_BYTES_MAX {
            self.lose();
        }
        if self.lost {
            self.keep_window(head);
        } else {
            self.seen.extend_from_slice(head);
        }
        true
    }

    /// The parser has taken a head: finds it in the raw bytes, looks at it, and moves to where the next one begins.
    pub(crate) fn head_parsed(&mut self, method: &str, target: &str, framing: Framing) -> Finding {
        if self.lost {
            let Some(start) = find_request_line(&self.seen, method, target) else {
                self.seen.clear();
                return Finding::default();
            };
            self.seen.drain(..start);
            self.lost = false;
        }
        let Some(walk) = walk(&self.seen) else {
            // The parser saw a whole head here and we do not: better no finding than a wrong one.
            self.lose();
            return Finding::default();
        };
        let head = self.seen.get(..walk.end).unwrap_or_default();
        let content_length = framing == Framing::Chunked && has_content_length(head);
        self.advance(walk.end, framing);
        Finding {
            bare_line_feed: walk.bare_line_feed,
            content_length,
        }
    }

    /// Whether bytes of a request are missing: a body that is still to come, or of which the end is not known.
    pub(crate) fn in_body(&self) -> bool {
        self.body_left > 0 || self.lost
    }

    /// Whether the beginning of a further head is here already.
    pub(crate) fn has_partial_head(&self) -> bool {
        !self.lost && !self.seen.is_empty()
    }

    fn advance(&mut self, head_end: usize, framing: Framing) {
        let behind = self.seen.len().saturating_sub(head_end);
        let mut taken = head_end;
        match framing {
            Framing::Empty => {}
            Framing::Length(body) => {
                let here = usize::try_from(body).unwrap_or(usize::MAX).min(behind);
                taken += here;
                self.body_left = body.saturating_sub(length(here));
            }
            Framing::Chunked => self.lost = true,
        }
        if taken >= self.seen.len() {
            self.seen.clear();
            self.seen.shrink_to(IDLE_CAPACITY_MAX);
        } else {
            self.seen.drain(..taken);
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.seen.clear();
    }

    fn keep_window(&mut self, fresh: &[u8]) {
        let fresh = fresh
            .get(fresh.len().saturating_sub(WINDOW_BYTES_MAX)..)
            .unwrap_or_default();
        let excess = (self.seen.len() + fresh.len()).saturating_sub(WINDOW_BYTES_MAX);
        self.seen.drain(..excess);
        self.seen.extend_from_slice(fresh);
    }
}

struct Walk {
    /// Just behind the empty line.
    end: usize,
    bare_line_feed: bool,
}

/// Walks the lines of a head as httparse does: empty lines in front are skipped, LF ends a line with or without CR.
fn walk(bytes: &[u8]) -> Option<Walk> {
    let mut end = 0;
    let mut bare_line_feed = false;
    let mut begun = false;
    loop {
        let rest = bytes.get(end..)?;
        let line = rest.get(..=memchr(b'\n', rest)?)?;
        end += line.len();
        let empty = matches!(line, b"\n" | b"\r\n");
        begun |= !empty;
        if begun {
            bare_line_feed |= !line.ends_with(b"\r\n");
        }
        if begun && empty {
            return Some(Walk { end, bare_line_feed });
        }
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn has_content_length(head: &[u8]) -> bool {
    let name = b"content-length:";
    lines(head).any(|line| {
        line.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    })
}

/// Where the line `METHOD TARGET HTTP/1.` begins. A head always begins at the start of a line: chunked bodies end with one.
fn find_request_line(bytes: &[u8], method: &str, target: &str) -> Option<usize> {
    let mut start = 0;
    for line in lines(bytes) {
        let rest = line
            .strip_prefix(method.as_bytes())
            .and_then(|rest| rest.strip_prefix(b" "));
        let rest = rest.and_then(|rest| rest.strip_prefix(target.as_bytes()));
        if rest.is_some_and(|rest| rest.starts_with(b" HTTP/1.")) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
