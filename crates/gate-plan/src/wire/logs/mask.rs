//! `logs.mask`: what is looked for in records, and what stands in its place.

use std::borrow::Cow;

use http::HeaderName;
use log_mask::class::Class as MaskClass;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::Secret;
use crate::wire::Pairs;
use crate::word::{MaskPack, Off, Word, Written};

/// Rules, or none at all.
#[derive(Debug)]
pub(crate) enum Mask {
    Off,
    Rules(Box<MaskRules>),
}

impl Default for Mask {
    fn default() -> Self {
        Self::Rules(Box::default())
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => {
                Off::read(&text).map_or_else(|flaw| Err(D::Error::custom(flaw.message)), |Off| Ok(Self::Off))
            }
            rules => serde_json::from_value(rules).map(Self::Rules).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Mask {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mask".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = MaskRules::json_schema(generator);
        schema.insert("type".to_owned(), serde_json::json!(["object", "string"]));
        schema.insert("format".to_owned(), Off::FORMAT.into());
        schema
    }
}

/// What is masked before a record rests anywhere. What the gateway made itself, such as ids, times and names of the configuration, is never
/// looked at.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MaskRules {
    /// Rules to start from, in order: `gdpr` (the European GDPR), `mlps3` (GB/T 22239 level 3, PIPL, GB/T 35273), `pci` (PCI DSS). Each looks for
    /// secrets too. Whoever starts from one still answers for what is missing.
    pub(crate) packs: Vec<Written<MaskPack>>,
    /// What is looked for beside the packs, and what is done with it: `bearer`, `jwt`, `private_key`, `github_token`, `aws_access_key`,
    /// `api_key`, `cloud_key`, `email`, `phone`, `phone_cn`, `resident_id_cn`, `passport`, `iban`, `bank_card`, `ipv4`, `ipv6`; `word` and
    /// `pattern` for those below; `key` for what is secret by its name. What is said here counts, whatever a pack says.
    pub(crate) classes: Pairs<MaskClass, MaskAction>,
    /// Names whose values are secret in JSON, headers and queries, beside the usual ones. Case, `-` and `_` make no difference.
    pub(crate) names: Vec<String>,
    /// Headers whose values are secret, beside the usual ones.
    pub(crate) headers: Vec<Written<HeaderName>>,
    /// Keys of a query whose values are secret, beside the usual ones.
    pub(crate) query: Vec<String>,
    /// Paths in JSON whose values are masked whole: names with dots between, `*` for any name or item.
    pub(crate) paths: Vec<String>,
    /// Paths in JSON whose values stay as they are.
    pub(crate) skip_paths: Vec<String>,
    /// Texts that are masked wherever they stand, of 3 to 256 bytes.
    pub(crate) words: Vec<String>,
    /// Whether the case of `words` makes a difference.
    pub(crate) match_case: bool,
    /// Regular expressions; what fits one is masked. Each fits 1 to 256 bytes: `[a-z]{1,40}`, not `[a-z]+`.
    pub(crate) patterns: Vec<String>,
    /// What makes digests, for whatever `classes` says `hash` of. Who has the key can look for a value that they know.
    pub(crate) hash: Option<Hash>,
}

/// What is done with what is found.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum MaskAction {
    /// What people share to recognise something stays: `138****1234`, `j***@example.com`, the network of an address. A secret is redacted.
    Usual,
    /// `[REDACTED]` stands there.
    Redact,
    /// This text stands there.
    Replace(String),
    /// Nothing stands there.
    Drop,
    /// Some characters stay at its beginning and its end, and each between becomes a star.
    Keep(MaskKeep),
    /// A keyed digest stands there, the same for the same value. Needs `hash`.
    Hash,
    /// Of an address, its network stays: /24 or /48.
    Network,
    /// It is not looked for, whatever a pack says.
    Off,
}

/// What stays of a value.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaskKeep {
    /// Characters at its beginning; of an e-mail address, before its `@`, and the domain stays.
    #[serde(default)]
    #[schemars(range(min = 0, max = 64))]
    pub(crate) first: u8,
    /// Characters at its end.
    #[serde(default)]
    #[schemars(range(min = 0, max = 64))]
    pub(crate) last: u8,
}

/// What makes digests.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hash {
    /// The function.
    #[serde(default)]
    pub(crate) algorithm: HashAlgorithm,
    /// Where its key stands. A digest without one would be found by trying.
    pub(crate) key: Option<Secret>,
}

/// A function that hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HashAlgorithm {
    /// SHA-256, with a key HMAC-SHA-256.
    #[default]
    Sha256,
    /// SM3, with a key HMAC-SM3.
    Sm3,
}
