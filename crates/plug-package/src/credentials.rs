//! Who we are to a registry: docker's and podman's files of credentials, and the helpers that they name.

use std::collections::HashMap;
use std::env;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::fault::{PackageFault, Result};
use crate::package::read_file;

/// LIMIT: bytes of a file of credentials.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// LIMIT: bytes that a helper may say.
const HELPER_BYTES_MAX: u64 = 64 * 1024;
/// LIMIT: how long a helper may take.
const HELPER_WAIT_MAX: Duration = Duration::from_secs(10);

/// What Docker Hub is called in files of credentials.
const DOCKER_HUB_KEYS: [&str; 3] = ["https://index.docker.io/v1/", "index.docker.io", "docker.io"];
/// The user under whose name a helper gives a token instead of a password.
const TOKEN_USER: &str = "<token>";

/// Who we are.
#[derive(Clone, PartialEq, Eq)]
pub enum Identity {
    /// Nobody.
    Anonymous,
    /// A user.
    User {
        /// Name.
        name: String,
        /// Password.
        password: String,
    },
    /// Who has this token, with which others are had.
    Token(String),
}

/// Never shows a secret.
impl std::fmt::Debug for Identity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::User { .. } => "User",
            Self::Token(_) => "Token",
        })
    }
}

/// Where credentials are looked up.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    files: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    username: String,
    secret: String,
}

impl Credentials {
    /// Those of one file.
    #[must_use]
    pub fn of_file(file: PathBuf) -> Self {
        Self { files: vec![file] }
    }

    /// Those of the user: `REGISTRY_AUTH_FILE`, else podman's `containers/auth.json` in `XDG_RUNTIME_DIR` and then docker's
    /// `config.json` in `DOCKER_CONFIG` or `~/.docker`.
    #[must_use]
    pub fn of_user() -> Self {
        let folder = |name: &str| env::var_os(name).map(PathBuf::from);
        if let Some(file) = folder("REGISTRY_AUTH_FILE") {
            return Self::of_file(file);
        }
        let podman = folder("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json"));
        let docker = folder("DOCKER_CONFIG").or_else(|| Some(folder("HOME")?.join(".docker")));
        let docker = docker.map(|folder| folder.join("config.json"));
        let files = podman.into_iter().chain(docker).filter(|file| file.exists());
        Self { files: files.collect() }
    }

    /// Who we are to this registry, for this repository. Blocks for as long as a helper takes.
    ///
    /// # Errors
    /// When a file or a helper says what cannot be understood. That it knows nothing is no error.
    pub fn find(&self, host: &str, repository: &str) -> Result<Identity> {
        for file in &self.files {
            let bytes = read_file(file, FILE_BYTES_MAX)?;
            let config: Config = serde_json::from_slice(&bytes).map_err(|why| {
                // Only the place: the text around it may be a secret.
                let place = format!("line {} column {}", why.line(), why.column());
                PackageFault::Credentials(format!("`{}` is not understood at {place}", file.display()))
            })?;
            match config.find(host, repository)? {
                Identity::Anonymous => {}
                found => return Ok(found),
            }
        }
        Ok(Identity::Anonymous)
    }
}

impl Config {
    fn find(&self, host: &str, repository: &str) -> Result<Identity> {
        let hosts: Vec<&str> = match host {
            "docker.io" => DOCKER_HUB_KEYS.to_vec(),
            host => vec![host],
        };
        for host in &hosts {
            if let Some(helper) = self.cred_helpers.get(*host) {
                return ask(helper, host);
            }
        }
        if let Some(entry) = self.entry(&hosts, repository) {
            match entry.identity()? {
                // Docker leaves an empty entry for what its store keeps.
                Identity::Anonymous => {}
                found => return Ok(found),
            }
        }
        match (&self.creds_store, hosts.first()) {
            (Some(helper), Some(host)) => ask(helper, host),
            _ => Ok(Identity::Anonymous),
        }
    }

    /// The entry whose key says most of `HOST/REPOSITORY`. Docker's keys may look like URLs.
    fn entry(&self, hosts: &[&str], repository: &str) -> Option<&Entry> {
        let bare = |key: &str| {
            let key = key.trim_start_matches("https://").trim_start_matches("http://");
            let key = key.trim_end_matches('/');
            let versions = ["/v1", "/v2"].iter().find_map(|end| key.strip_suffix(end));
            versions.unwrap_or(key).to_owned()
        };
        let fits = |key: &str| {
            hosts.iter().any(|host| {
                let rest = key.strip_prefix(bare(host).as_str());
                rest.is_some_and(|rest| {
                    let path = rest.strip_prefix('/').unwrap_or_default();
                    let beneath = repository.strip_prefix(path);
                    rest.is_empty()
                        || rest.starts_with('/') && beneath.is_some_and(|more| more.is_empty() || more.starts_with('/'))
                })
            })
        };
        let fitting = self
            .auths
            .iter()
            .map(|(key, entry)| (bare(key), entry))
            .filter(|(key, _)| fits(key));
        fitting.max_by_key(|(key, _)| key.len()).map(|(_, entry)| entry)
    }
}

impl Entry {
    fn identity(&self) -> Result<Identity> {
        if let Some(token) = self.identitytoken.clone().filter(|token| !token.is_empty()) {
            return Ok(Identity::Token(token));
        }
        if let (Some(name), Some(password)) = (&self.username, &self.password) {
            return Ok(Identity::User {
                name: name.clone(),
                password: password.clone(),
            });
        }
        let Some(auth) = self.auth.as_deref().filter(|auth| !auth.is_empty()) else {
            return Ok(Identity::Anonymous);
        };
        let wrong = || {
            PackageFault::Credentials(String::from(
                "an `auth` is not the base64 of a name, a colon and a password",
            ))
        };
        let bytes = STANDARD.decode(auth).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (name, password) = text.trim_end_matches('\0').split_once(':').ok_or_else(wrong)?;
        Ok(Identity::User {
            name: name.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// Asks a helper of docker, which is a program of the operator.
fn ask(helper: &str, host: &str) -> Result<Identity> {
    let program = format!("docker-credential-{helper}");
    let wrong = |why: String| PackageFault::Credentials(format!("`{program}` {why}"));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if helper.is_empty() || !helper.chars().all(plain) {
        return Err(wrong(String::from("is no name of a program")));
    }
    let mut child = Command::new(Path::new(&program))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| wrong(format!("cannot be started: {why}")))?;
    let said = listen(&mut child, host).ok_or_else(|| wrong(format!("said nothing within {HELPER_WAIT_MAX:?}")));
    // It has said all that it had to say, or is too late.
    let _ = child.kill();
    let ended = child.wait();
    let said = said?;
    // In this way the helpers' own protocol says that it knows nothing, beside an exit code that the kill may have hidden.
    if String::from_utf8_lossy(&said).contains("credentials not found") {
        return Ok(Identity::Anonymous);
    }
    if ended.is_ok_and(|status| status.code().is_some_and(|code| code != 0)) {
        return Err(wrong(String::from("failed")));
    }
    let said: Said =
        serde_json::from_slice(&said).map_err(|_| wrong(String::from("did not answer as docker's helpers do")))?;
    Ok(match said.username.as_str() {
        TOKEN_USER => Identity::Token(said.secret),
        _ => Identity::User {
            name: said.username,
            password: said.secret,
        },
    })
}

/// All that a helper says; none when it takes too long.
fn listen(child: &mut Child, host: &str) -> Option<Vec<u8>> {
    if let Some(mut input) = child.stdin.take() {
        // One that does not want to know is asked in vain, which its answer shows.
        let _ = input.write_all(host.as_bytes());
    }
    let output = child.stdout.take()?;
    let (heard, hears) = sync_channel(1);
    std::thread::Builder::new()
        .name(String::from("credentials"))
        .spawn(move || {
            let mut bytes = Vec::new();
            let read = output.take(HELPER_BYTES_MAX).read_to_end(&mut bytes);
            // Who asked may have given up.
            let _ = heard.send(read.map(|_| bytes));
        })
        .ok()?;
    hears.recv_timeout(HELPER_WAIT_MAX).ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> Identity {
        Identity::User {
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }

    fn config(text: &str) -> Config {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_entry_that_says_most_of_the_name_is_taken() {
        let auth = |text: &str| STANDARD.encode(text);
        let text = format!(
            r#"{{"auths": {{
                "r.example": {{"auth": "{}"}},
                "r.example/team": {{"auth": "{}"}},
                "https://old.example/v1/": {{"auth": "{}"}},
                "https://index.docker.io/v1/": {{"auth": "{}"}},
                "token.example": {{"identitytoken": "secret"}},
                "empty.example": {{}},
                "plain.example:5000": {{"username": "u", "password": "p"}}
            }}, "HttpHeaders": {{}}}}"#,
            auth("a:1"),
            auth("b:2:3"),
            auth("c:"),
            auth("d:4")
        );
        let config = config(&text);
        for (host, repository, wanted) in [
            ("r.example", "x", user("a", "1")),
            ("r.example", "team", user("b", "2:3")),
            ("r.example", "team/x", user("b", "2:3")),
            ("r.example", "teams/x", user("a", "1")),
            ("old.example", "x", user("c", "")),
            ("docker.io", "library/x", user("d", "4")),
            ("token.example", "x", Identity::Token(String::from("secret"))),
            ("empty.example", "x", Identity::Anonymous),
            ("plain.example:5000", "x", user("u", "p")),
            ("plain.example", "x", Identity::Anonymous),
            ("r.example.evil", "x", Identity::Anonymous),
        ] {
            assert!(config.find(host, repository).unwrap() == wanted, "{host}/{repository}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_without_the_secret() {
        for auth in ["!!", "c2VjcmV0", "/w=="] {
            let config = config(&format!(r#"{{"auths": {{"r.example": {{"auth": "{auth}"}}}}}}"#));
            let fault = config.find("r.example", "x").unwrap_err().to_string();
            assert!(fault.contains("base64") && !fault.contains("secret"), "{fault}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, r#"{"auths": {"r.example": "secret"}}"#).unwrap();
        let fault = Credentials::of_file(file)
            .find("r.example", "x")
            .unwrap_err()
            .to_string();
        assert!(fault.contains("line 1") && !fault.contains("secret"), "{fault}");
        let config = config(r#"{"credsStore": "../../bin/sh"}"#);
        assert!(config.find("r.example", "x").is_err());
        assert_eq!(format!("{:?}", user("name", "secret")), "User");
    }

    #[test]
    fn a_helper_that_is_not_there_is_an_error_and_not_nobody() {
        let config = config(r#"{"credHelpers": {"r.example": "that-is-not-there"}}"#);
        let fault = config.find("r.example", "x").unwrap_err();
        assert!(
            fault.to_string().contains("docker-credential-that-is-not-there"),
            "{fault}"
        );
        assert!(config.find("other.example", "x").unwrap() == Identity::Anonymous);
    }
}
