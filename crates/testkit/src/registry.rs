//! A real registry (`docker-registry`) on a port of its own, with its images in a folder that goes away with it, and the tools beside
//! it: `skopeo`, ORAS for Python, Sigstore's libraries for JavaScript, and `openssl`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::place::peer;
use crate::port::free_port;
use crate::process::{DEADLINE, Process};

/// Times that another port is tried when the first was taken meanwhile.
// LIMIT: two losses of the race in a row are rare, five do not happen by chance.
const TRIES_MAX: usize = 5;

/// A running registry. Dropped, it is killed, and its images are gone.
#[derive(Debug)]
pub struct Registry {
    /// Where it listens.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
    folder: TempDir,
}

/// Starts a registry; with a line of an htpasswd file (bcrypt), it wants to know who asks.
///
/// # Errors
/// When it cannot be started.
pub async fn registry(htpasswd: Option<&str>) -> Result<Registry> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match start(htpasswd).await {
            Ok(registry) => return Ok(registry),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

async fn start(htpasswd: Option<&str>) -> Result<Registry> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let mut configuration = serde_json::json!({
        "version": 0.1,
        "log": { "accesslog": { "disabled": true } },
        "storage": { "filesystem": { "rootdirectory": folder.path().join("images") }, "delete": { "enabled": true } },
        "http": { "addr": address.to_string() },
    });
    if let Some(line) = htpasswd {
        let file = folder.path().join("htpasswd");
        fs::write(&file, format!("{line}\n"))?;
        let wanted = serde_json::json!({ "htpasswd": { "realm": "registry", "path": file } });
        configuration
            .as_object_mut()
            .map(|keys| keys.insert(String::from("auth"), wanted));
    }
    // JSON is YAML.
    let file = folder.path().join("registry.yaml");
    fs::write(&file, configuration.to_string())?;
    let mut command = Command::new(peer("docker_registry")?);
    let process = Process::start("docker-registry", command.arg("serve").arg(&file))?;
    process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("listening on"))
        .await?;
    Ok(Registry {
        address,
        process,
        folder,
    })
}

impl Registry {
    /// The name of an image in it.
    #[must_use]
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    /// The file that holds the bytes of a digest's hexadecimal digits.
    #[must_use]
    pub fn blob(&self, hex: &str) -> PathBuf {
        let blobs = self.folder.path().join("images/docker/registry/v2/blobs/sha256");
        blobs.join(hex.get(..2).unwrap_or_default()).join(hex).join("data")
    }
}

/// Runs `skopeo` to its end; gives what it wrote.
///
/// # Errors
/// When it is not there or fails; the error shows what it said.
pub fn skopeo(words: &[&str]) -> Result<String> {
    let mut command = Command::new(peer("skopeo")?);
    // What the machine trusts in general does not matter here.
    run(command.arg("--insecure-policy").args(words))
}

/// Runs a script of Python that may use `oras`, in a folder.
///
/// # Errors
/// When Python or ORAS is not there, or the script fails; the error shows what it said.
pub fn oras(script: &str, folder: &Path) -> Result<String> {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", peer("oras_dir")?).current_dir(folder);
    run(command.args(["-c", script]))
}

/// Runs a script of JavaScript that may use Sigstore's libraries, in a folder.
///
/// # Errors
/// When node or the libraries are not there, or the script fails; the error shows what it said.
pub fn sigstore_js(script: &str, words: &[&str], folder: &Path) -> Result<String> {
    let mut command = Command::new(peer("node")?);
    command.env("NODE_PATH", peer("sigstore_js_dir")?).current_dir(folder);
    run(command.args(["-e", script, "--"]).args(words))
}

/// Runs `openssl` to its end, in a folder.
///
/// # Errors
/// When it is not there or fails; the error shows what it said.
pub fn openssl(words: &[&str], folder: &Path) -> Result<String> {
    let mut command = Command::new(peer("openssl")?);
    run(command.current_dir(folder).args(words))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "{command:?} failed\n{out}{err}");
    Ok(out.into_owned())
}
