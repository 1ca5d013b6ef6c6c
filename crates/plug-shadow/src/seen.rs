//! What one generation made of an exchange, as far as it is compared.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;

/// What became of an exchange at a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// It went on.
    #[default]
    GoesOn,
    /// The plugin answered the request with this status.
    AnswersRequest(u16),
    /// The plugin put an answer with this status in place of the response.
    AnswersResponse(u16),
    /// The plugin held it and did not let it go on.
    Holds,
    /// The plugin ended the stream.
    Ends,
}

impl Verdict {
    /// The words for it.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::GoesOn => String::from("goes on"),
            Self::AnswersRequest(status) => format!("answers {status}"),
            Self::AnswersResponse(status) => format!("answers {status} in place of the response"),
            Self::Holds => String::from("holds it"),
            Self::Ends => String::from("ends the stream"),
        }
    }
}

/// A body, of which the beginning is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// The beginning.
    pub kept: Vec<u8>,
    /// Its length, in bytes.
    pub bytes: u64,
}

impl Body {
    /// Adds a piece, of which no more is kept than makes `kept_max` bytes together.
    pub fn push(&mut self, piece: &[u8], kept_max: usize) {
        let room = kept_max.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(piece.get(..room).unwrap_or_default());
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
    }
}

/// A request or response as it left a plugin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Message {
    /// What is no header field: method, path, status and so on, under the ABI's names.
    pub pseudo: Vec<(&'static str, Bytes)>,
    /// The head's fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// The trailers.
    pub trailers: HeaderMap,
    /// Whether all of it was seen: of one that broke off, the head alone is compared.
    pub is_whole: bool,
}

/// What one generation made of an exchange.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// What became of the exchange.
    pub verdict: Verdict,
    /// The request behind the plugin; none when it did not come so far.
    pub request: Option<Message>,
    /// The response behind the plugin; none when it did not come so far.
    pub response: Option<Message>,
    /// Properties that it set.
    pub properties: BTreeMap<Vec<u8>, Bytes>,
    /// Code of the fault by which it ended.
    pub fault: Option<&'static str>,
    /// Upstreams of callouts that the other generation did not make so.
    pub strange_callouts: Vec<String>,
}
