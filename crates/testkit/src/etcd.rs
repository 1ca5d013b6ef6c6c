//! A real etcd on ports of its own, with its data in a folder from which it can be started again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::place::peer;
use crate::port::free_port;
use crate::process::{DEADLINE, Process};
use crate::tls::Identity;

/// Times that other ports are tried when the first were taken meanwhile.
// LIMIT: two losses of the race in a row are rare, five do not happen by chance.
const TRIES_MAX: usize = 5;

/// One member of a cluster; alone, it is the cluster.
#[derive(Debug)]
pub struct Etcd {
    /// Where it listens for clients.
    pub address: SocketAddr,
    /// The program.
    pub process: Process,
    words: Vec<String>,
    scheme: &'static str,
    _folder: TempDir,
}

/// Starts one alone.
///
/// # Errors
/// When it cannot be started.
pub async fn etcd() -> Result<Etcd> {
    etcd_with(&[]).await
}

/// Starts one alone with these further command-line words, for example `["--auth-token-ttl", "1"]`.
///
/// # Errors
/// When it cannot be started.
pub async fn etcd_with(words: &[&str]) -> Result<Etcd> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match cluster_of(1, None, words).await {
            Ok(mut members) => return members.pop().context("no member"),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

/// Starts one that speaks TLS alone and wants clients to show a certificate of this authority.
///
/// # Errors
/// When it cannot be started.
pub async fn etcd_with_tls(authority: &Path, identity: &Identity) -> Result<Etcd> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match cluster_of(1, Some((authority, identity)), &[]).await {
            Ok(mut members) => return members.pop().context("no member"),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

/// Starts a cluster.
///
/// # Errors
/// When it cannot be started.
pub async fn cluster(members: usize) -> Result<Vec<Etcd>> {
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match cluster_of(members, None, &[]).await {
            Ok(members) => return Ok(members),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no try was made")?)
}

async fn cluster_of(count: usize, tls: Option<(&Path, &Identity)>, more: &[&str]) -> Result<Vec<Etcd>> {
    let ports: Vec<(u16, u16)> = (0..count)
        .map(|_| Ok((free_port()?, free_port()?)))
        .collect::<Result<_>>()?;
    let names: Vec<String> = ports
        .iter()
        .enumerate()
        .map(|(at, (_, peer))| format!("m{at}=http://127.0.0.1:{peer}"))
        .collect();
    let names = names.join(",");
    let mut members = Vec::new();
    for (at, (client, own)) in ports.iter().enumerate() {
        members.push(begin((at, &names), (*client, *own), tls, more)?);
    }
    for member in &members {
        member.ready(0).await?;
    }
    Ok(members)
}

fn begin(
    (at, names): (usize, &str),
    (client, own): (u16, u16),
    tls: Option<(&Path, &Identity)>,
    more: &[&str],
) -> Result<Etcd> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (client_url, own_url) = (
        format!("{scheme}://127.0.0.1:{client}"),
        format!("http://127.0.0.1:{own}"),
    );
    let data = folder.path().display().to_string();
    let name = format!("m{at}");
    let mut words: Vec<String> = [
        ["--name", &name],
        ["--data-dir", &data],
        ["--listen-client-urls", &client_url],
        ["--advertise-client-urls", &client_url],
        ["--listen-peer-urls", &own_url],
        ["--initial-advertise-peer-urls", &own_url],
        ["--initial-cluster", names],
        // So that a lost leader is missed soon.
        ["--heartbeat-interval", "50"],
        ["--election-timeout", "500"],
        ["--logger", "zap"],
        ["--log-outputs", "stderr"],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect();
    words.extend(more.iter().map(|word| (*word).to_owned()));
    if let Some((authority, identity)) = tls {
        let authority = authority.display().to_string();
        let (chain, key) = (identity.chain.display().to_string(), identity.key.display().to_string());
        words.extend(["--client-cert-auth", "--trusted-ca-file", &authority].map(str::to_owned));
        words.extend(["--cert-file", &chain, "--key-file", &key].map(str::to_owned));
    }
    let process = Process::start("etcd", Command::new(peer("etcd")?).args(&words))?;
    Ok(Etcd {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, client)),
        process,
        words,
        scheme,
        _folder: folder,
    })
}

impl Etcd {
    async fn ready(&self, from: usize) -> Result<()> {
        let wanted = |line: &crate::process::Line| {
            line.text.contains("ready to serve client requests")
                || line.text.contains("serving insecure client requests")
                || line.text.contains("serving client traffic")
        };
        self.process.wait_for_line(from, DEADLINE, wanted).await.map(|_| ())
    }

    /// Kills it, without a chance to say goodbye.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.signal(Signal::KILL)?;
        self.process.wait_for_exit(DEADLINE).await.map(|_| ())
    }

    /// Starts it again where it was, on its data.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = Process::start("etcd", Command::new(peer("etcd")?).args(&self.words))?;
        self.ready(0).await
    }

    /// Runs `etcdctl` against it; gives what it wrote.
    ///
    /// # Errors
    /// When it fails; the error shows what it said.
    pub fn ctl(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(peer("etcdctl")?);
        command.env("ETCDCTL_API", "3");
        command
            .arg("--endpoints")
            .arg(format!("{}://{}", self.scheme, self.address));
        let output = command.args(words).output().context("cannot start `etcdctl`")?;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(output.status.success(), "etcdctl {words:?} failed\n{out}{err}");
        Ok(out.into_owned())
    }
}
