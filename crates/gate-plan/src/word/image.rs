//! Where modules are that are fetched, and what may be done with them: names of images, their digests, URLs, and capabilities.

use super::{Digest, Flaw, Word};
use crate::nearest::nearest;

/// LIMIT: characters of a name or URL.
const CHARS_MAX: usize = 2_000;

/// The name of an image, checked as far as its letters go: what is a registry in it and what a tag, the room that asks registries knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageName(pub(crate) String);

impl Word for ImageName {
    const FORMAT: &'static str = "image-name";
    const WANTED: &'static str = "the name of an image such as `registry.example.com/team/plugin:1.2`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let name = text.strip_prefix("oci://").unwrap_or(text);
        if let Some((scheme, rest)) = name.split_once("://") {
            let flaw = Flaw::new(format!("the name of the image begins with `{scheme}://`"));
            return Err(flaw.help(format!("write `{rest}`")));
        }
        plain(text, |letter| {
            letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | ':' | '/' | '@' | '[' | ']')
        })?;
        let (name, digest) = name
            .split_once('@')
            .map_or((name, None), |(name, digest)| (name, Some(digest)));
        digest.map(ImageDigest::read).transpose()?;
        let path = name.split_once('/').map_or(name, |(_, path)| path);
        let repository = path.rsplit_once(':').map_or(path, |(repository, _)| repository);
        if repository.is_empty() || repository.starts_with('/') || repository.ends_with('/') {
            return Err(Flaw::new(format!("`{text}` names no image")).help(format!("write {}", Self::WANTED)));
        }
        if repository.bytes().any(|byte| byte.is_ascii_uppercase()) && name.contains('/') {
            let flaw = Flaw::new(format!("the repository `{repository}` has upper-case letters"));
            return Err(flaw.help(format!("registries know it as `{}`", repository.to_ascii_lowercase())));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The digest of an image's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageDigest(pub(crate) [u8; 32]);

impl Word for ImageDigest {
    const FORMAT: &'static str = "image-digest";
    const WANTED: &'static str =
        "a digest such as `sha256:` and 64 hexadecimal digits, as `cofferdam plugin push` prints it";
    const PATTERN: Option<&'static str> = Some("^sha256:[0-9a-f]{64}$");

    fn read(text: &str) -> Result<Self, Flaw> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            let flaw = Flaw::new("the digest of an image begins with `sha256:`");
            return Err(match Digest::read(text) {
                Ok(_) => flaw.help(format!("write `sha256:{text}`")),
                Err(_) => flaw,
            });
        };
        if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let flaw = Flaw::new("the digest of an image has upper-case letters");
            return Err(flaw.help(format!("write `sha256:{}`", digits.to_ascii_lowercase())));
        }
        Digest::read(digits).map(|digest| Self(digest.0))
    }
}

/// A URL that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebAddress(pub(crate) String);

impl WebAddress {
    /// Whether it goes to another machine without TLS.
    pub(crate) fn is_open(&self) -> bool {
        let Some(rest) = self.0.strip_prefix("http://") else {
            return false;
        };
        let host = host(rest);
        let host = host
            .rsplit_once(':')
            .map_or(host, |(name, port)| if port.contains(']') { host } else { name });
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>();
        let here =
            address.is_ok_and(|address| address.is_loopback()) || host == "localhost" || host.ends_with(".localhost");
        !here
    }
}

impl Word for WebAddress {
    const FORMAT: &'static str = "web-address";
    const WANTED: &'static str = "a URL such as `https://example.com/plugin.wasm`";

    fn read(text: &str) -> Result<Self, Flaw> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let Some(rest) = rest else {
            return Err(Flaw::new("the URL does not begin with `https://` or `http://`")
                .help(format!("write {}", Self::WANTED)));
        };
        plain(text, |letter| letter.is_ascii_graphic())?;
        let host = host(rest);
        if host.is_empty() {
            return Err(Flaw::new("the URL has no host").help(format!("write {}", Self::WANTED)));
        }
        if host.contains('@') {
            return Err(Flaw::new("the URL has credentials in it"));
        }
        if text.contains('#') {
            return Err(Flaw::new("the URL has a fragment, which no server sees"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Repositories, one or all below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePattern {
    text: String,
}

impl ImagePattern {
    /// Whether it means this repository, given with its host.
    #[must_use]
    pub fn matches(&self, repository: &str) -> bool {
        match self.text.strip_suffix('*') {
            Some(folder) => repository.strip_prefix(folder).is_some_and(|rest| !rest.is_empty()),
            None => repository == self.text,
        }
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Word for ImagePattern {
    const FORMAT: &'static str = "image-pattern";
    const WANTED: &'static str =
        "repositories such as `registry.example.com/team/plugin` or `registry.example.com/team/*`";

    fn read(text: &str) -> Result<Self, Flaw> {
        plain(text, |letter| {
            letter.is_ascii_lowercase()
                || letter.is_ascii_digit()
                || matches!(letter, '.' | '_' | '-' | ':' | '/' | '[' | ']' | '*')
        })?;
        let folder = text.strip_suffix("/*").unwrap_or(text);
        if folder.contains('*') {
            let at = text.find('*').unwrap_or_default();
            let flaw = Flaw::new("`*` stands only at the end, behind `/`").part(at, at.saturating_add(1));
            return Err(flaw.help(format!("write {}", Self::WANTED)));
        }
        let (host, path) = folder.split_once('/').unwrap_or((folder, ""));
        if !host.contains(['.', ':']) && host != "localhost" {
            let flaw = Flaw::new(format!("`{text}` does not begin with a registry"));
            return Err(flaw.help(format!(
                "images of Docker Hub are below `docker.io/`; write {}",
                Self::WANTED
            )));
        }
        if path.contains(':') {
            return Err(
                Flaw::new("a pattern of repositories has no tag").help("leave it out: a signature is one of a digest")
            );
        }
        Ok(Self { text: text.to_owned() })
    }
}

/// What a plugin can do, by its word.
impl Word for plug_abi::Capability {
    const FORMAT: &'static str = "capability";
    const WANTED: &'static str =
        "a capability such as `headers` or `http_call`, as `cofferdam plugin inspect` shows them";

    fn read(text: &str) -> Result<Self, Flaw> {
        if let Some(known) = Self::ALL.into_iter().find(|known| known.word() == text) {
            return Ok(known);
        }
        let flaw = Flaw::new(format!("there is no capability `{text}`"));
        Err(match nearest(text, Self::ALL.iter().map(|known| known.word())) {
            Some(meant) => flaw.help(format!("did you mean `{meant}`?")),
            None => flaw,
        })
    }
}

/// What stands in front of the path.
fn host(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

fn plain(text: &str, good: impl Fn(char) -> bool) -> Result<(), Flaw> {
    if text.chars().count() > CHARS_MAX {
        return Err(Flaw::new(format!("it has more than {CHARS_MAX} characters")));
    }
    match text.chars().position(|letter| !good(letter)) {
        Some(bad) => Err(Flaw::new("it has a character that does not belong there").part(bad, bad.saturating_add(1))),
        None => Ok(()),
    }
}
