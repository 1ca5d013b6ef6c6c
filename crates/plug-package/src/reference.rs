//! Names of images, as docker and OCI read them.

use std::fmt;
use std::net::IpAddr;

use crate::digest::Digest;
use crate::fault::{PackageFault, Result};

/// What a name without a host means.
const DOCKER_HUB: &str = "docker.io";
/// Where Docker Hub answers.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// LIMIT: characters of a repository (the distribution specification's bound for host and repository together).
const REPOSITORY_CHARS_MAX: usize = 255;
/// LIMIT: characters of a tag, as the distribution specification has it.
const TAG_CHARS_MAX: usize = 128;

/// The name of an image: where, what, and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Reads `[oci://][HOST/]REPOSITORY[:TAG][@sha256:…]`. A name without a host is one of Docker Hub, one without tag and digest
    /// has the tag `latest`.
    ///
    /// # Errors
    /// When it is no such name.
    pub fn parse(name: &str) -> Result<Self> {
        read(name.strip_prefix("oci://").unwrap_or(name)).map_err(|why| PackageFault::Reference {
            name: name.chars().take(300).collect(),
            why,
        })
    }

    /// The registry's name, perhaps with a port, as it stands in files of credentials.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whom to ask, which for Docker Hub is another host.
    #[must_use]
    pub fn server(&self) -> &str {
        match self.host.as_str() {
            DOCKER_HUB => DOCKER_HUB_HOST,
            host => host,
        }
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, when it has one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, when it has one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same image by this digest alone.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self {
            tag: None,
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// What stands behind `/manifests/`: the digest, else the tag.
    pub(crate) fn which(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_else(|| String::from("latest")),
        }
    }

    /// Whether the tag is `latest`, written or not, and nothing pins it.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag.as_deref().is_none_or(|tag| tag == "latest")
    }

    /// Whether the host is this machine by its name.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(split_port(&self.host).0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether a host without its port is this machine: `localhost`, a name beneath it (RFC 6761 section 6.3), or a loopback address.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

/// Host and port apart; an IPv6 address keeps its brackets.
fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn read(name: &str) -> std::result::Result<Reference, String> {
    if name.contains("://") {
        return Err(String::from("a name has no scheme but `oci://`"));
    }
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(Digest::parse(digest).map_err(|why| why.to_string())?)),
        None => (name, None),
    };
    let (host, rest) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DOCKER_HUB, name),
    };
    let host = if host == "index.docker.io" { DOCKER_HUB } else { host };
    check_host(host)?;
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    let repository = match host == DOCKER_HUB && !path.contains('/') {
        true => format!("library/{path}"),
        false => path.to_owned(),
    };
    check_repository(&repository)?;
    tag.map_or(Ok(()), check_tag)?;
    let tag = tag.or(digest.is_none().then_some("latest"));
    Ok(Reference {
        host: host.to_owned(),
        repository,
        tag: tag.map(str::to_owned),
        digest,
    })
}

fn check_host(host: &str) -> std::result::Result<(), String> {
    let (name, port) = split_port(host);
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(format!("`{host}` has no port from 1 to 65535"));
    }
    let inside = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let good = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.len() <= 253
                && name.split('.').all(|label| {
                    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
                    edge(label.chars().next())
                        && edge(label.chars().last())
                        && label
                            .chars()
                            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
                })
        }
    };
    good.then_some(()).ok_or_else(|| format!("`{host}` is no host"))
}

/// Parts of lower-case letters and digits, joined by `.`, `_`, `__` or any number of `-`.
fn check_repository(repository: &str) -> std::result::Result<(), String> {
    if repository.len() > REPOSITORY_CHARS_MAX {
        return Err(format!(
            "the repository has more than {REPOSITORY_CHARS_MAX} characters"
        ));
    }
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    for part in repository.split('/') {
        if part.chars().any(|letter| letter.is_ascii_uppercase()) {
            return Err(format!("`{part}` has upper-case letters"));
        }
        let joints = part.split(plain).filter(|joint| !joint.is_empty());
        let joined = |joint: &str| matches!(joint, "." | "_" | "__") || joint.chars().all(|letter| letter == '-');
        let edges = part.starts_with(plain) && part.ends_with(plain);
        if !edges || !joints.into_iter().all(joined) {
            return Err(format!("`{part}` is no part of a repository"));
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> std::result::Result<(), String> {
    let first = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let good = tag.len() <= TAG_CHARS_MAX
        && tag.starts_with(first)
        && tag.chars().all(|letter| first(letter) || matches!(letter, '.' | '-'));
    good.then_some(()).ok_or_else(|| format!("`{tag}` is no tag"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let digest = Digest::of(b"");
        for (name, shown, server) in [
            ("hello", "docker.io/library/hello:latest", "registry-1.docker.io"),
            ("me/hello:1", "docker.io/me/hello:1", "registry-1.docker.io"),
            (
                "index.docker.io/me/hello",
                "docker.io/me/hello:latest",
                "registry-1.docker.io",
            ),
            ("ghcr.io/a/b__c/d-e.f:v1.0-x", "ghcr.io/a/b__c/d-e.f:v1.0-x", "ghcr.io"),
            ("oci://localhost/a", "localhost/a:latest", "localhost"),
            ("localhost:5000/a", "localhost:5000/a:latest", "localhost:5000"),
            ("[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000"),
            ("[::1]/a", "[::1]/a:latest", "[::1]"),
            (
                &format!("r.example/a@{digest}"),
                &format!("r.example/a@{digest}"),
                "r.example",
            ),
            (
                &format!("r.example/a:1@{digest}"),
                &format!("r.example/a:1@{digest}"),
                "r.example",
            ),
        ] {
            let reference = Reference::parse(name).unwrap();
            assert_eq!(
                (reference.to_string().as_str(), reference.server()),
                (shown, server),
                "{name}"
            );
            assert_eq!(Reference::parse(shown).unwrap(), reference, "{shown}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in [
            "",
            "/",
            "a//b",
            "A/b",
            "r.example/",
            "r.example/A",
            "r.example/a:",
            "r.example/a:-x",
            "r.example/a@sha256:00",
            "https://r.example/a",
            "r.example:99999/a",
            "r.example:/a",
            "-r.example/a",
            "r..example/a",
            "[::g]/a",
            "a b",
            "r.example/../a",
            "r.example/a/..",
            "r.example/a%2fb",
            "r.example/a?x",
            "r.example/a#x",
            "u@r.example/a",
            "r.example/a___b",
            "r.example/a\r\nb",
            "r.example/\u{e4}",
            &"a".repeat(300),
        ] {
            assert!(Reference::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn loopback_is_known_by_its_names() {
        for (host, is) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("a.localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(host), is, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_read_is_written_the_same(name in ".{0,80}") {
            if let Ok(reference) = Reference::parse(&name) {
                prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference);
            }
        }

        #[test]
        fn nor_does_one_of_the_letters_of_names(name in "[a-zA-Z0-9.:/@_\\[\\]-]{0,40}") {
            if let Ok(reference) = Reference::parse(&name) {
                prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference);
            }
        }
    }
}
