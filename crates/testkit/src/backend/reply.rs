//! What a backend answers: a list of steps with a builder.

use bytes::Bytes;

use crate::fields::{Fields, value};

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Status and fields; framing is added when the fields do not say it.
    Head(u16, Fields),
    /// A piece of body, sent at once.
    Data(Bytes),
    /// Trailers and the end.
    Trailers(Fields),
    /// Waits for `Backend::release` of this name.
    Wait(String),
    /// Bytes as they are; HTTP/1.1 only.
    Raw(Bytes),
    /// Nothing more is sent; the connection stays.
    Hang,
    /// The connection closes (over HTTP/2 the whole of it).
    Close,
    /// The connection is reset (over HTTP/2 the stream).
    Reset,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) steps: Vec<Step>,
    pub(super) early: bool,
    pub(super) continues: bool,
}

impl Reply {
    /// An answer with this status, no further fields and no body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self::of(vec![Step::Head(status, Fields::new())])
    }

    /// An answer of any steps.
    #[must_use]
    pub fn of(steps: Vec<Step>) -> Self {
        Self {
            steps,
            early: false,
            continues: true,
        }
    }

    /// No answer at all.
    #[must_use]
    pub fn silence() -> Self {
        Self::of(vec![Step::Hang])
    }

    /// A server-sent event stream.
    #[must_use]
    pub fn events(events: &[&str]) -> Self {
        let head = Self::new(200).field("content-type", "text/event-stream");
        events
            .iter()
            .fold(head, |reply, event| reply.piece(&format!("data: {event}\n\n")))
    }

    /// A gRPC answer: messages, then `grpc-status`.
    #[must_use]
    pub fn grpc(status: u32, messages: &[&[u8]]) -> Self {
        let head = Self::new(200).field("content-type", "application/grpc");
        let body = messages.iter().fold(head, |reply, message| {
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
            reply.step(Step::Data([&[0], length.as_slice(), message].concat().into()))
        });
        body.trailer("grpc-status", &status.to_string())
    }

    /// With a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let head = self.steps.iter_mut().find_map(|step| match step {
            Step::Head(_, fields) => Some(fields),
            _ => None,
        });
        if let Some(fields) = head {
            fields.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// With a body of known length.
    #[must_use]
    pub fn body(self, body: &str) -> Self {
        self.field("content-length", &body.len().to_string()).piece(body)
    }

    /// With a further piece of body.
    #[must_use]
    pub fn piece(self, data: &str) -> Self {
        self.step(Step::Data(Bytes::copy_from_slice(data.as_bytes())))
    }

    /// With a trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        let pair = (name.to_owned(), value.to_owned());
        if let Some(Step::Trailers(trailers)) = self.steps.last_mut() {
            trailers.push(pair);
            return self;
        }
        self.step(Step::Trailers(vec![pair]))
    }

    /// Whether it ends with trailers.
    #[must_use]
    pub fn has_trailers(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Trailers(_)))
    }

    /// Waits here for `Backend::release`.
    #[must_use]
    pub fn wait(self, gate: &str) -> Self {
        self.step(Step::Wait(gate.to_owned()))
    }

    /// Waits for `Backend::release` before the head.
    #[must_use]
    pub fn wait_first(mut self, gate: &str) -> Self {
        self.steps.insert(0, Step::Wait(gate.to_owned()));
        self
    }

    /// With a further step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Answers when the head is there, not after the body.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Sends no `100 Continue`.
    #[must_use]
    pub fn without_continue(mut self) -> Self {
        self.continues = false;
        self
    }

    /// Whether anything follows the head.
    pub(super) fn has_body(&self) -> bool {
        self.steps
            .iter()
            .any(|step| !matches!(step, Step::Head(..) | Step::Wait(_)))
    }

    /// Fields with the framing that HTTP/1.1 needs.
    pub(super) fn framed(&self, status: u16, fields: &Fields) -> Fields {
        let mut framed = fields.clone();
        let given = value(fields, "content-length").is_some() || value(fields, "transfer-encoding").is_some();
        if given || matches!(status, 100..=199 | 204 | 304) {
            return framed;
        }
        framed.push(if self.has_body() {
            ("transfer-encoding".to_owned(), "chunked".to_owned())
        } else {
            ("content-length".to_owned(), "0".to_owned())
        });
        framed
    }
}
