//! A set of keys (RFC 7517 section 5), and which of them a token may have been signed with.

use guest_kit::json::Json;

use crate::algorithm::{Algorithm, KeyKind};
use crate::key::Key;

/// LIMIT: keys of a set. A token without a `kid` is tried with each of its kind.
const KEYS_MAX: usize = 64;

/// LIMIT: keys that one token is tried with.
const TRIED_MAX: usize = 8;

/// Where a set came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    Configuration,
    /// Who answers a request for it without asking who wants it may not give secrets away: those are left out.
    Fetched,
}

/// The keys that can be used.
pub(crate) struct Jwks {
    keys: Vec<Key>,
    /// For the operator: which keys are not used, and why. As RFC 7517 wants, they spoil none of the others.
    pub(crate) left_out: Vec<String>,
}

impl Jwks {
    /// Reads a set.
    pub(crate) fn read(set: &Json, origin: Origin) -> Result<Self, String> {
        let Some(Json::List(members)) = set.get("keys") else {
            return Err(String::from("has no list `keys`"));
        };
        if members.len() > KEYS_MAX {
            return Err(format!("has {} keys, more than {KEYS_MAX}", members.len()));
        }
        let mut jwks = Self {
            keys: Vec::new(),
            left_out: Vec::new(),
        };
        for (place, member) in members.iter().enumerate() {
            match Key::read(member) {
                Ok(key) if origin == Origin::Fetched && key.kind() == KeyKind::Secret => {
                    jwks.left_out.push(format!("key {place} is a secret, and was fetched"));
                }
                Ok(key) => jwks.keys.push(key),
                Err(why) => jwks.left_out.push(format!("key {place} {why}")),
            }
        }
        if jwks.keys.is_empty() {
            return Err(format!("has no key that can be used: {}", jwks.left_out.join(", ")));
        }
        Ok(jwks)
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a key has that name.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys to try: those of the token's `kid`, else all of the algorithm's kind that have none; of a token without `kid`, all of the kind.
    pub(crate) fn candidates(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<&Key> {
        let fitting = || self.keys.iter().filter(|key| key.is_for(algorithm));
        let named: Vec<&Key> = match id {
            Some(id) => fitting()
                .filter(|key| key.id.as_deref() == Some(id))
                .take(TRIED_MAX)
                .collect(),
            None => Vec::new(),
        };
        if !named.is_empty() {
            return named;
        }
        fitting()
            .filter(|key| id.is_none() || key.id.is_none())
            .take(TRIED_MAX)
            .collect()
    }
}
