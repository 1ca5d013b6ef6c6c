//! What is masked before a record rests anywhere, and how rules are made of it.

use log_mask::class::Class;
use log_mask::pack::pack;
use log_mask::rules::{Action, Draft, QUERY_NAMES, SECRET_HEADERS, SECRET_NAMES};

pub use log_mask::fault::Fault as MaskFault;
pub use log_mask::rules::{Digest, Rules};

use super::Secret;

/// What is masked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// Names of packs, in order.
    pub packs: Vec<&'static str>,
    /// What is done with classes, whatever packs say.
    pub classes: Vec<(Class, Masking)>,
    /// Names whose values are secret in JSON, headers and queries, beside the usual ones.
    pub names: Vec<String>,
    /// The same of headers alone.
    pub headers: Vec<String>,
    /// The same of the keys of a query alone.
    pub query: Vec<String>,
    /// Paths in JSON whose values are masked whole.
    pub paths: Vec<String>,
    /// Paths in JSON whose values stay.
    pub skip_paths: Vec<String>,
    /// Texts that are masked.
    pub words: Vec<String>,
    /// Whether their case makes a difference.
    pub match_case: bool,
    /// Regular expressions.
    pub patterns: Vec<String>,
    /// What makes digests; always there, with its key, when something is to be hashed.
    pub hash: Option<Hash>,
}

/// What is done with a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Masking {
    /// This.
    Action(Action),
    /// It is not looked for.
    Off,
}

/// What makes digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    /// The function.
    pub algorithm: HashAlgorithm,
    /// Where its key stands; a plain digest without one.
    pub key: Option<Secret>,
}

/// A function that hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256, with a key HMAC-SHA-256.
    Sha256,
    /// SM3, with a key HMAC-SM3.
    Sm3,
}

impl Mask {
    /// Rules as they are asked. Workers may share them.
    ///
    /// # Errors
    /// Something is to be hashed and `digest` is none. All else was found when the configuration was checked.
    pub fn rules(&self, digest: Option<Digest>) -> Result<Rules, MaskFault> {
        let mut draft = Draft::default()
            .class(Class::Key, Action::usual(Class::Key))
            .names(SECRET_NAMES.iter().copied())
            .headers(SECRET_HEADERS.iter().copied())
            .query_names(QUERY_NAMES.iter().copied());
        for pack in self.packs.iter().filter_map(|name| pack(name)) {
            draft = draft.pack(pack);
        }
        if !self.words.is_empty() {
            draft = draft.class(Class::Word, Action::usual(Class::Word));
        }
        if !self.patterns.is_empty() {
            draft = draft.class(Class::Pattern, Action::usual(Class::Pattern));
        }
        for (class, masking) in &self.classes {
            draft = match masking {
                Masking::Action(action) => draft.class(*class, action.clone()),
                Masking::Off => draft.without(*class),
            };
        }
        draft = draft
            .names(self.names.iter().map(String::as_str))
            .headers(self.headers.iter().map(String::as_str))
            .query_names(self.query.iter().map(String::as_str))
            .words(&self.words, !self.match_case)?
            .patterns(&self.patterns)?;
        for path in &self.paths {
            draft = draft.mask_path(path)?;
        }
        for path in &self.skip_paths {
            draft = draft.skip_path(path)?;
        }
        match digest {
            Some(digest) => draft.digest(digest).finish(),
            None => draft.finish(),
        }
    }
}
