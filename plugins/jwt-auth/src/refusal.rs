//! What a client is told that may not pass (RFC 6750 section 3), and what the operator is.

use crate::claims::Unfit;
use crate::token::Malformed;

/// Why a request does not pass.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Why {
    #[error("there is no token")]
    NoToken,
    #[error("there is more than one token")]
    Several,
    #[error("the token {0}")]
    Malformed(Malformed),
    #[error("the token is of no known issuer")]
    UnknownIssuer,
    #[error("the token's algorithm is not allowed")]
    Algorithm,
    #[error("no known key fits the token")]
    NoKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("{0}")]
    Unfit(Unfit),
    #[error("the keys cannot be fetched now")]
    Unavailable,
}

/// A request that is not let through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub status: u32,
    /// For the client.
    pub challenge: Option<String>,
    pub text: String,
    /// For the operator.
    pub reason: String,
}

impl Why {
    const fn status(&self) -> u32 {
        match self {
            Self::Several => 400,
            Self::Unfit(Unfit::NotEnough) => 403,
            Self::Unavailable => 503,
            _ => 401,
        }
    }

    /// Of several providers that refuse, whose word counts: who got furthest.
    pub(crate) const fn rank(&self) -> u32 {
        match self {
            Self::Unfit(Unfit::NotEnough) => 4,
            Self::Unfit(_) => 3,
            Self::Unavailable => 2,
            Self::Signature | Self::NoKey => 1,
            _ => 0,
        }
    }

    /// The refusal, told to clients of a realm.
    pub(crate) fn refusal(&self, realm: &str, provider: Option<&str>) -> Refusal {
        let text = self.to_string();
        let error = match self {
            Self::Unavailable => None,
            // Who has sent nothing did nothing wrong yet (RFC 6750 section 3.1).
            Self::NoToken => Some(String::new()),
            Self::Several => Some(details("invalid_request", &text)),
            Self::Unfit(Unfit::NotEnough) => Some(details("insufficient_scope", &text)),
            _ => Some(details("invalid_token", &text)),
        };
        let provider = provider.map_or_else(String::new, |name| format!(" (provider `{name}`)"));
        Refusal {
            status: self.status(),
            challenge: error.map(|error| format!("Bearer realm=\"{realm}\"{error}")),
            reason: format!("refused with {}: {text}{provider}", self.status()),
            text,
        }
    }
}

/// The texts of this module and of claims are ASCII; a quote in one would end it, and backticks are for operators.
fn details(error: &str, text: &str) -> String {
    let text = text.replace(['`', '"'], "");
    format!(", error=\"{error}\", error_description=\"{text}\"")
}
