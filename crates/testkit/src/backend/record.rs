//! What a backend remembers of a request.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::fields::{Fields, text, value};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordEnd {
    /// It has not ended yet.
    Open,
    /// As its framing says.
    Complete,
    /// Closed or reset before its end, or before its answer.
    Broken,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number of the connection, from 1.
    pub connection: usize,
    /// Address of the caller.
    pub peer: SocketAddr,
    /// `HTTP/1.1` or `HTTP/2`; `bytes` for a connection that carries no HTTP.
    pub version: String,
    /// Method.
    pub method: String,
    /// Target of the first line, or `:path`.
    pub target: String,
    /// Fields in order, as written; over HTTP/2 `:authority` and `:scheme` are the first.
    pub fields: Fields,
    /// The body, in the pieces in which it came.
    pub pieces: Vec<Bytes>,
    /// Trailers.
    pub trailers: Fields,
    /// How it ended.
    pub end: RecordEnd,
}

impl Record {
    /// The whole body as text, each byte the character of the same number.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.pieces.concat())
    }

    /// First value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        value(&self.fields, name)
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) connection: usize,
    pub(super) peer: SocketAddr,
}

impl Caller {
    pub(super) fn record(self, version: &str, method: &str, target: &str, fields: Fields) -> Record {
        Record {
            connection: self.connection,
            peer: self.peer,
            version: version.to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            fields,
            pieces: Vec::new(),
            trailers: Fields::new(),
            end: RecordEnd::Open,
        }
    }
}
