//! What a client sends and gets.

use bytes::Bytes;

use crate::fields::{Fields, text, value};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// A request, sent as it is: nothing is added but the framing that the body needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Target as in the first line: usually a path with a query.
    pub target: String,
    /// `Host` or `:authority`; not sent when empty.
    pub authority: String,
    /// Further fields, in order.
    pub fields: Fields,
    /// The body, piece by piece.
    pub pieces: Vec<Bytes>,
    /// Trailers.
    pub trailers: Fields,
    /// Whether a body follows although there are no pieces here.
    pub streamed: bool,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            authority: "example.com".to_owned(),
            fields: Fields::new(),
            pieces: Vec::new(),
            trailers: Fields::new(),
            streamed: false,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST with a body of known length.
    #[must_use]
    pub fn post(target: &str, body: &str) -> Self {
        Self::new("POST", target)
            .field("content-length", &body.len().to_string())
            .piece(body)
    }

    /// With a further field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With another authority.
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// With a further piece of body; without `content-length` the body is chunked.
    #[must_use]
    pub fn piece(mut self, data: &str) -> Self {
        self.pieces.push(Bytes::copy_from_slice(data.as_bytes()));
        self
    }

    /// With a trailer; the body is chunked.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body that the caller sends step by step.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    pub(super) fn has_body(&self) -> bool {
        self.streamed || !self.pieces.is_empty() || !self.trailers.is_empty()
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.has_body()
            && (!self.trailers.is_empty() || value(&self.fields, "content-length").is_none())
            && value(&self.fields, "upgrade").is_none()
    }
}

/// How a response ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// As its framing says.
    Complete,
    /// Broken off: closed or reset.
    Broken(String),
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Fields in order, as written.
    pub fields: Fields,
    /// The body, in the pieces in which it came.
    pub pieces: Vec<Bytes>,
    /// Trailers.
    pub trailers: Fields,
    /// How it ended.
    pub end: End,
}

impl Response {
    /// A response whose head has come.
    #[must_use]
    pub fn new(status: u16, fields: Fields) -> Self {
        Self {
            status,
            fields,
            pieces: Vec::new(),
            trailers: Fields::new(),
            end: End::Complete,
        }
    }

    /// The whole body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The whole body as text, each byte the character of the same number.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.body())
    }

    /// First value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        value(&self.fields, name)
    }
}
