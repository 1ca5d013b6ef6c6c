//! Server-sent events (the HTML standard, section 9.2.6): the data of each line is JSON or text.

use crate::json::Json;
use crate::scan::{Form, Scan, Work};

/// LIMIT: bytes of a field's name; no field of the standard has more.
const NAME_BYTES_MAX: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The field's name is coming.
    Name,
    /// Data has begun; a space may be first.
    Data {
        had_space: bool,
    },
    Json,
    Text,
    /// What the protocol itself needs: `id`, `event`, `retry`.
    Raw,
}

/// Events that go by.
#[derive(Debug)]
pub(crate) struct Events {
    state: State,
    name: Vec<u8>,
    json: Json,
    text: Scan,
    /// The last byte was a carriage return, so that a line feed ends no line.
    is_after_return: bool,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Name,
            name: Vec::new(),
            json: Json::new(),
            text: Scan::new(Form::Plain),
            is_after_return: false,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8], work: &mut Work<'_>) {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            let was_after_return = std::mem::replace(&mut self.is_after_return, *byte == b'\r');
            if *byte == b'\n' && was_after_return {
                work.out.push(b'\n');
                rest = after;
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                self.end_line(work);
                work.out.push(*byte);
                rest = after;
                continue;
            }
            rest = match self.state {
                State::Name => {
                    self.name(*byte, work);
                    after
                }
                State::Data { had_space: false } if *byte == b' ' => {
                    work.out.push(b' ');
                    self.state = State::Data { had_space: true };
                    after
                }
                State::Data { .. } => {
                    // The lines of one event may be one value.
                    let is_json = self.json.is_open() || b"{[\"".contains(byte);
                    self.state = if is_json { State::Json } else { State::Text };
                    rest
                }
                State::Json | State::Text | State::Raw => self.payload(rest, work),
            };
        }
        self.text.settle(false, work);
    }

    pub(crate) fn finish(&mut self, work: &mut Work<'_>) {
        self.end_line(work);
        self.json.finish(work);
        self.text.settle(true, work);
    }

    fn name(&mut self, byte: u8, work: &mut Work<'_>) {
        self.name.push(byte);
        if byte == b':' {
            work.out.extend_from_slice(&self.name);
            self.state = match self.name.as_slice() {
                b"data:" => State::Data { had_space: false },
                b"id:" | b"event:" | b"retry:" => State::Raw,
                _ => State::Text,
            };
            self.name.clear();
        } else if self.name.len() > NAME_BYTES_MAX {
            self.text.push(&self.name);
            self.name.clear();
            self.state = State::Text;
        }
    }

    /// Takes the rest of a line; gives what follows.
    fn payload<'a>(&mut self, bytes: &'a [u8], work: &mut Work<'_>) -> &'a [u8] {
        let length = bytes.iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count();
        let (line, rest) = bytes.split_at(length);
        match self.state {
            State::Json => self.json.push(line, work),
            State::Raw => work.out.extend_from_slice(line),
            _ => self.text.push(line),
        }
        rest
    }

    fn end_line(&mut self, work: &mut Work<'_>) {
        match self.state {
            // An empty line ends an event.
            State::Name if self.name.is_empty() => self.json.finish(work),
            State::Name => {
                self.text.push(&self.name);
                self.name.clear();
                self.text.settle(true, work);
            }
            State::Json => self.json.end_line(work),
            State::Text => self.text.settle(true, work),
            State::Data { .. } | State::Raw => {}
        }
        self.state = State::Name;
    }
}
