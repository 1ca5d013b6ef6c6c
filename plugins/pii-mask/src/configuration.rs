//! The configuration, as it is written.

use log_mask::class::Class;
use log_mask::rules::{Action, Draft, Rules, SECRET_NAMES};
use serde::Deserialize;

use crate::digest::keyed;

/// What is masked, and where.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Bodies of requests are masked
    #[serde(default = "default_true")]
    pub request: bool,
    /// Bodies of responses are masked
    #[serde(default = "default_true")]
    pub response: bool,
    /// What is looked for; all but `ipv4`, `ipv6` and `passport` when absent
    #[serde(default)]
    pub classes: Option<Vec<ClassRule>>,
    /// Words of your own, of the class `word`
    #[serde(default)]
    pub words: Vec<String>,
    /// Whether `A` in a word is `a`
    #[serde(default)]
    pub ignore_case: bool,
    /// Names of members whose values are of the class `key`; a list of usual ones when absent
    #[serde(default)]
    pub secret_names: Option<Vec<String>>,
    /// More such names, beside the usual ones
    #[serde(default)]
    pub more_secret_names: Vec<String>,
    /// Paths in JSON whose values are masked whole, as those of the class `key`
    #[serde(default)]
    pub mask_paths: Vec<String>,
    /// Paths in JSON whose values stay as they are
    #[serde(default)]
    pub skip_paths: Vec<String>,
    /// How digests are made, for the action `hash`
    #[serde(default)]
    pub hash: Option<Hash>,
    /// More types of content that are looked at, or others than the usual ways to look at them
    #[serde(default)]
    pub content_types: Vec<ContentType>,
    /// A request's body that is compressed, or in another charset than one that is like ASCII
    #[serde(default)]
    pub encoded_request: EncodedRequest,
    /// The same of a response
    #[serde(default)]
    pub encoded_response: EncodedResponse,
    /// Bytes of a body that is looked at: of a longer one nothing goes on from there. No bound when absent
    #[serde(default)]
    pub body_bytes_max: Option<u64>,
}

/// A class, and what is done with it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// What is looked for
    pub class: ClassName,
    /// What is done with it; what is usual for the class when absent
    #[serde(default)]
    pub action: Option<ActionName>,
    /// The text of `redact`
    #[serde(default)]
    pub with: Option<String>,
    /// Characters that `partial` keeps at the beginning
    #[serde(default)]
    pub first: Option<u16>,
    /// Characters that `partial` keeps at the end
    #[serde(default)]
    pub last: Option<u16>,
}

/// What can be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClassName {
    Word,
    PrivateKey,
    Jwt,
    GithubToken,
    AwsAccessKey,
    ApiKey,
    CloudKey,
    Bearer,
    Email,
    Iban,
    ResidentIdCn,
    PhoneCn,
    Phone,
    Passport,
    BankCard,
    Ipv6,
    Ipv4,
    Key,
}

/// What can be done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActionName {
    /// A fixed text stands there
    Redact,
    /// Beginning and end stay
    Partial,
    /// A keyed digest stands there
    Hash,
    /// The network of an address stays
    Network,
}

/// How digests are made.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hash {
    /// The hash function
    #[serde(default)]
    pub algorithm: Algorithm,
    /// The key: a text of 16 bytes or more
    pub key: String,
}

/// Nothing prints a key.
impl std::fmt::Debug for Hash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Hash({:?})", self.algorithm)
    }
}

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    #[default]
    Sha256,
    Sm3,
}

/// A type of content.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ContentType {
    /// The type, in lower case, without parameters; `text/*` is every text
    #[serde(rename = "type")]
    pub name: String,
    /// How it is looked at
    #[serde(rename = "as")]
    pub reading: Reading,
}

/// How a body is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    Json,
    /// JSON in each line
    JsonLines,
    /// Server-sent events
    Events,
    Text,
    /// Not at all
    Pass,
}

/// What becomes of a request whose body cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EncodedRequest {
    /// It is answered with 415
    #[default]
    Refuse,
    /// It goes on as it is
    Pass,
}

/// What becomes of a response whose body cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EncodedResponse {
    /// It is not asked for (`accept-encoding` is taken out of requests), and the client gets 502 when it comes all the same
    #[default]
    Avoid,
    /// The client gets 502
    Refuse,
    /// It goes on as it is
    Pass,
}

const fn default_true() -> bool {
    true
}

impl ClassName {
    const fn class(self) -> Class {
        match self {
            Self::Word => Class::Word,
            Self::PrivateKey => Class::PrivateKey,
            Self::Jwt => Class::Jwt,
            Self::GithubToken => Class::GithubToken,
            Self::AwsAccessKey => Class::AwsAccessKey,
            Self::ApiKey => Class::ApiKey,
            Self::CloudKey => Class::CloudKey,
            Self::Bearer => Class::Bearer,
            Self::Email => Class::Email,
            Self::Iban => Class::Iban,
            Self::ResidentIdCn => Class::ResidentIdCn,
            Self::PhoneCn => Class::PhoneCn,
            Self::Phone => Class::Phone,
            Self::Passport => Class::Passport,
            Self::BankCard => Class::BankCard,
            Self::Ipv6 => Class::Ipv6,
            Self::Ipv4 => Class::Ipv4,
            Self::Key => Class::Key,
        }
    }
}

impl ClassRule {
    fn action(&self) -> Result<Action, String> {
        let class = self.class.class();
        let usual = Action::usual(class);
        let (first, last) = match usual {
            Action::Partial { first, last } => (first, last),
            _ => (0, 0),
        };
        let action = match self.action {
            None if self.with.is_some() => self.redact(),
            None if self.first.is_some() || self.last.is_some() => self.partial(first, last),
            None => usual,
            Some(ActionName::Redact) => self.redact(),
            Some(ActionName::Partial) => self.partial(first, last),
            Some(ActionName::Hash) => Action::Hash,
            Some(ActionName::Network) if matches!(class, Class::Ipv4 | Class::Ipv6) => Action::Network,
            Some(ActionName::Network) => return Err(String::from("action`: `network` is for `ipv4` and `ipv6")),
        };
        if self.with.is_some() && !matches!(action, Action::Redact(_)) {
            return Err(String::from("with`: is for the action `redact"));
        }
        if (self.first.is_some() || self.last.is_some()) && !matches!(action, Action::Partial { .. }) {
            return Err(String::from("first`: is for the action `partial"));
        }
        // Only the first line of a private key is held: what is kept of it would be its name.
        if class == Class::PrivateKey && !matches!(action, Action::Redact(_)) {
            return Err(String::from("action`: a private key can only be redacted: set `redact"));
        }
        Ok(action)
    }

    fn redact(&self) -> Action {
        Action::Redact(self.with.clone().unwrap_or_else(|| String::from("[REDACTED]")))
    }

    fn partial(&self, first: usize, last: usize) -> Action {
        Action::Partial {
            first: self.first.map_or(first, usize::from),
            last: self.last.map_or(last, usize::from),
        }
    }
}

impl Configuration {
    /// Reads it.
    ///
    /// # Errors
    /// A sentence with the path of what is wrong, without a word or key.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let configuration: Self = guest_kit::configuration::read(bytes)?;
        if !configuration.request && !configuration.response {
            return Err(String::from(
                "`request`: without this and `response`, nothing is masked",
            ));
        }
        let is_type = |name: &str| name.contains('/') && !name.contains(';') && *name == name.to_ascii_lowercase();
        if let Some(place) = configuration
            .content_types
            .iter()
            .position(|known| !is_type(&known.name))
        {
            return Err(format!(
                "`content_types[{place}].type`: must be a type in lower case, as `text/csv`"
            ));
        }
        if configuration.hash.as_ref().is_some_and(|hash| hash.key.len() < 16) {
            return Err(String::from("`hash.key`: must have 16 bytes or more"));
        }
        Ok(configuration)
    }

    /// What is looked for.
    ///
    /// # Errors
    /// As [`Configuration::read`].
    pub fn rules(&self) -> Result<Rules, String> {
        let at = |key: &str, what: &dyn std::fmt::Display| format!("`{key}`: {what}");
        let mut draft = Draft::default();
        match &self.classes {
            None => {
                let rare = [Class::Ipv4, Class::Ipv6, Class::Passport, Class::Pattern];
                let usual = |class: &Class| !rare.contains(class);
                for class in Class::ALL.into_iter().filter(usual) {
                    draft = draft.class(class, Action::usual(class));
                }
            }
            Some(classes) => {
                for (place, rule) in classes.iter().enumerate() {
                    if classes.iter().take(place).any(|before| before.class == rule.class) {
                        return Err(format!("`classes[{place}].class`: is there twice"));
                    }
                    let action = rule.action().map_err(|what| format!("`classes[{place}].{what}`"))?;
                    draft = draft.class(rule.class.class(), action);
                }
            }
        }
        draft = draft
            .words(&self.words, self.ignore_case)
            .map_err(|fault| at("words", &fault))?;
        let usual = SECRET_NAMES.iter().copied().filter(|_| self.secret_names.is_none());
        let own = self.secret_names.iter().flatten().chain(&self.more_secret_names);
        draft = draft.names(usual.chain(own.map(String::as_str)));
        for (place, path) in self.mask_paths.iter().enumerate() {
            draft = draft
                .mask_path(path)
                .map_err(|fault| at(&format!("mask_paths[{place}]"), &fault))?;
        }
        for (place, path) in self.skip_paths.iter().enumerate() {
            draft = draft
                .skip_path(path)
                .map_err(|fault| at(&format!("skip_paths[{place}]"), &fault))?;
        }
        if let Some(digest) = self.hash.as_ref().and_then(keyed) {
            draft = draft.digest(digest);
        }
        draft.finish().map_err(|fault| at("hash", &fault))
    }
}
