//! What a message's head says of its body: whether it is looked at, and how.

use log_mask::masker::Syntax;

use crate::configuration::{Configuration, EncodedRequest, EncodedResponse, Reading};

/// What becomes of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on as it is
    Pass,
    /// It is masked
    Mask(Syntax),
    /// The message does not go on, with that status and text for the client
    Refuse(u32, &'static str),
}

/// What of a head matters.
#[derive(Clone, Copy, Default, Debug)]
pub struct Head<'a> {
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
}

/// Charsets in which ASCII is not what it is.
const WIDE: &[&str] = &["utf-16", "utf-32", "ucs-2", "ucs-4", "utf-7", "ebcdic", "iso-10646"];

impl Head<'_> {
    /// Whether the body must be decoded before it can be read.
    fn is_encoded(&self) -> bool {
        let coding = self.content_encoding.unwrap_or_default();
        let is_coded = coding
            .split(',')
            .any(|coding| !["", "identity"].contains(&coding.trim()));
        let parameters = self.content_type.unwrap_or_default().to_ascii_lowercase();
        let charset = parameters
            .split(';')
            .skip(1)
            .find_map(|parameter| parameter.trim().strip_prefix("charset="));
        is_coded || charset.is_some_and(|charset| WIDE.iter().any(|wide| charset.trim_matches('"').starts_with(wide)))
    }
}

impl Configuration {
    /// What becomes of a request's body.
    #[must_use]
    pub fn of_request(&self, head: Head<'_>) -> Verdict {
        match self.reading(head.content_type) {
            None => Verdict::Pass,
            Some(_) if head.is_encoded() && self.encoded_request == EncodedRequest::Pass => Verdict::Pass,
            Some(_) if head.is_encoded() => {
                Verdict::Refuse(415, "a body that is compressed or in a wide charset cannot be taken")
            }
            Some(syntax) => Verdict::Mask(syntax),
        }
    }

    /// What becomes of a response's body.
    #[must_use]
    pub fn of_response(&self, head: Head<'_>) -> Verdict {
        match self.reading(head.content_type) {
            None => Verdict::Pass,
            Some(_) if head.is_encoded() && self.encoded_response == EncodedResponse::Pass => Verdict::Pass,
            Some(_) if head.is_encoded() => Verdict::Refuse(502, "the response cannot be shown"),
            Some(syntax) => Verdict::Mask(syntax),
        }
    }

    /// Headers of a request without which its response can be masked.
    #[must_use]
    pub fn unwanted(&self) -> &'static [&'static str] {
        match (self.response, self.encoded_response) {
            (false, _) => &[],
            (true, EncodedResponse::Avoid) => &["accept-encoding", "range", "if-range"],
            (true, _) => &["range", "if-range"],
        }
    }

    /// How a body of that type is looked at. One without a type may be anything, and is looked at as text.
    fn reading(&self, content_type: Option<&str>) -> Option<Syntax> {
        let Some(content_type) = content_type else {
            return Some(Syntax::Text);
        };
        let essence = content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let fits = |name: &str| match name.strip_suffix('*') {
            Some(prefix) => essence.starts_with(prefix),
            None => essence == name,
        };
        match self
            .content_types
            .iter()
            .find(|known| fits(&known.name))
            .map(|known| known.reading)
        {
            Some(Reading::Json) => return Some(Syntax::Json),
            Some(Reading::JsonLines) => return Some(Syntax::JsonLines),
            Some(Reading::Events) => return Some(Syntax::Events),
            Some(Reading::Text) => return Some(Syntax::Text),
            Some(Reading::Pass) => return None,
            None => {}
        }
        match essence.as_str() {
            "application/json" => Some(Syntax::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Some(Syntax::JsonLines)
            }
            "text/event-stream" => Some(Syntax::Events),
            "application/x-www-form-urlencoded" => Some(Syntax::Query),
            "" | "application/xml" | "application/javascript" | "application/yaml" => Some(Syntax::Text),
            other if other.ends_with("+json") => Some(Syntax::Json),
            other if other.ends_with("+xml") || other.starts_with("text/") => Some(Syntax::Text),
            _ => None,
        }
    }
}
