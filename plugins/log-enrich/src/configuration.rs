//! What an operator wants of the records.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The configuration.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct Configuration {
    /// Databases in the format MMDB, by their paths in granted folders; of what several know, the first counts.
    pub databases: Vec<String>,
    /// Whether a `User-Agent` becomes fields of its own.
    pub user_agent: bool,
    /// Members that are taken out of records.
    pub drop: Vec<String>,
    /// What is added because of what the gateway says.
    pub tables: Vec<Table>,
}

/// Members for each value of a field.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The field whose value decides.
    pub field: Key,
    /// What is added, by value.
    pub values: BTreeMap<String, BTreeMap<String, String>>,
}

/// A field that can decide: what the gateway says in words of its configuration.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    #[serde(rename = "cofferdam.listener")]
    Listener,
    #[serde(rename = "cofferdam.route")]
    Route,
    #[serde(rename = "cofferdam.upstream")]
    Upstream,
}

impl Configuration {
    /// Reads one; empty bytes are one that wants nothing.
    ///
    /// # Errors
    /// A sentence with what is wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes).map_err(|error| format!("the configuration is not understood: {error}"))
    }
}
