//! Names, paths and digests.

use std::path::PathBuf;

use super::{Flaw, Word};

/// LIMIT: characters of a name; names become metric labels and log fields.
const NAME_CHARS_MAX: usize = 200;

/// A name that the operator gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) String);

impl Word for Label {
    const FORMAT: &'static str = "name";
    const WANTED: &'static str = "a name such as `api`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw::new("the name is empty").help(format!("write {}", Self::WANTED)));
        }
        if text.chars().count() > NAME_CHARS_MAX {
            return Err(Flaw::new(format!("the name has more than {NAME_CHARS_MAX} characters")));
        }
        if let Some(bad) = text.chars().position(|char| char.is_control() || char.is_whitespace()) {
            let flaw = Flaw::new("the name has white space or a control character");
            return Err(flaw
                .help("join its words with `-` or `_`")
                .part(bad, bad.saturating_add(1)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathText(pub(crate) String);

impl Word for PathText {
    const FORMAT: &'static str = "path";
    const WANTED: &'static str = "a path such as `/api`";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw::new("the path is empty").help("write `/`"));
        }
        if !text.starts_with('/') {
            return Err(
                Flaw::new(format!("the path `{text}` does not begin with `/`")).help(format!("write `/{text}`"))
            );
        }
        if let Some(at) = text.chars().position(|char| matches!(char, '?' | '#')) {
            let flaw = Flaw::new(format!("the path `{text}` has a query or a fragment"));
            return Err(flaw
                .help("a path ends before `?` and `#`; a route asks for the query under `query`")
                .part(at, at.saturating_add(1)));
        }
        if let Some(bad) = text.chars().position(|char| !char.is_ascii_graphic()) {
            let flaw = Flaw::new("the path has characters that a request does not carry");
            return Err(flaw
                .help("write them percent-encoded, for example `%20` for a space")
                .part(bad, bad.saturating_add(1)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The path of a file, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePath(pub(crate) PathBuf);

impl Word for FilePath {
    const FORMAT: &'static str = "file-path";
    const WANTED: &'static str = "the path of a file";

    fn read(text: &str) -> Result<Self, Flaw> {
        if text.is_empty() || text.contains('\0') {
            return Err(Flaw::new("the path of the file is empty or has a NUL character"));
        }
        Ok(Self(PathBuf::from(text)))
    }
}

/// A SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Word for Digest {
    const FORMAT: &'static str = "sha256";
    const WANTED: &'static str = "a SHA-256 as 64 hexadecimal digits, as `sha256sum` prints it";
    const PATTERN: Option<&'static str> = Some("^[0-9A-Fa-f]{64}$");

    fn read(text: &str) -> Result<Self, Flaw> {
        if let Some(rest) = text.strip_prefix("sha256:") {
            return Err(Flaw::new("the digest begins with `sha256:`").help(format!("write `{rest}`")));
        }
        if let Some(bad) = text.chars().position(|char| !char.is_ascii_hexdigit()) {
            let flaw = Flaw::new("this is not a SHA-256: it has a character that is no hexadecimal digit");
            return Err(flaw.part(bad, bad.saturating_add(1)));
        }
        if text.len() != 64 {
            return Err(Flaw::new(format!(
                "this is not a SHA-256: it has {} characters, not 64",
                text.len()
            )));
        }
        let digits: Vec<u32> = text.chars().filter_map(|char| char.to_digit(16)).collect();
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = pair.iter().fold(0, |value, digit| value * 16 + digit);
            *byte = u8::try_from(value).unwrap_or(0);
        }
        Ok(Self(bytes))
    }
}
