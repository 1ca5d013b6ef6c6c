//! A real Redis on a port of its own, without persistence.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::place::peer;
use crate::port::free_port;
use crate::process::{DEADLINE, Process};
use crate::tls::Identity;

/// Times that another port is tried when the first was taken meanwhile.
// LIMIT: two losses of the race in a row are rare, five do not happen by chance.
const TRIES_MAX: usize = 5;

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    /// Where it listens.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
    _folder: TempDir,
}

/// Starts a Redis with these further command-line words, for example `["--requirepass", "secret"]`.
///
/// # Errors
/// When it cannot be started.
pub async fn redis(words: &[&str]) -> Result<Redis> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match start(words).await {
            Ok(redis) => return Ok(redis),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

/// Starts a Redis that speaks TLS alone and wants clients to show a certificate of this authority.
///
/// # Errors
/// When it cannot be started.
pub async fn redis_with_tls(authority: &Path, identity: &Identity) -> Result<Redis> {
    let text = |path: &Path| path.display().to_string();
    let (authority, chain, key) = (text(authority), text(&identity.chain), text(&identity.key));
    let words = [
        ["--tls-ca-cert-file", &authority],
        ["--tls-cert-file", &chain],
        ["--tls-key-file", &key],
    ];
    let mut last = None;
    for _ in 0..TRIES_MAX {
        let port = free_port()?;
        // What is said last counts: no port but the encrypted one.
        let port_text = port.to_string();
        let ports = ["--port", "0", "--tls-port", &port_text];
        match start(&[&words.concat()[..], &ports[..]].concat()).await {
            Ok(redis) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                return Ok(Redis { address, ..redis });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

async fn start(words: &[&str]) -> Result<Redis> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let port = free_port()?;
    let mut command = Command::new(peer("redis_server")?);
    command.args([
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--port",
        &port.to_string(),
    ]);
    command.arg("--dir").arg(folder.path()).args(words);
    let process = Process::start("redis-server", &mut command)?;
    process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("Ready to accept connections"))
        .await?;
    Ok(Redis {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        process,
        _folder: folder,
    })
}

impl Redis {
    /// Runs `redis-cli` against it; gives what it wrote.
    ///
    /// # Errors
    /// When it fails; the error shows what it said.
    pub fn cli(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("redis-cli");
        command.arg("-p").arg(self.address.port().to_string()).args(words);
        let output = command.output().context("cannot start `redis-cli`")?;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(output.status.success(), "redis-cli {words:?} failed\n{out}{err}");
        Ok(out.trim().to_owned())
    }
}
