//! A server under measurement, proven to do what it is measured for.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::super::configuration::{GREETING, SIGNATURE};
use super::Bench;
use super::setting::{Guest, Party, dies_of};
use crate::http::{Answer, Connection, request};
use crate::process::{Server, free_ports};

/// A server that has not answered for so long hangs.
pub(super) const HANGS_AFTER: Duration = Duration::from_secs(5);

/// A running server. Dropping it kills it, so one that hangs is no hindrance.
pub(super) struct House {
    server: Server,
    pub(super) address: SocketAddr,
}

impl House {
    /// Starts it, and proves that `/a` works and that `/b` has the sample plugin and not the mortal one.
    pub(super) fn start(party: Party, guest: Guest, bench: &mut Bench<'_>) -> Result<Self> {
        let [address] = free_ports()?;
        bench.ground.server = address;
        let configuration = party.configuration(guest, &bench.ground, bench.peers)?;
        let server = party.kind().start(&configuration, "/b", &bench.ground, bench.peers)?;
        let house = Self { server, address };
        let a = house.connection().ask(&good("/a")).context("no answer of `/a`")?;
        let greeted = a.header("x-saw") == Some(GREETING);
        ensure!(
            a.status == 200 && a.header("x-served-by").is_none() && greeted == (guest == Guest::Transformer),
            "`/a` does not have its plugin alone:\n{}",
            a.head
        );
        let deadly = String::from_utf8_lossy(&dies_of("trap")).replace("GET /a", "GET /b");
        let b = house.connection().ask(deadly.as_bytes()).context("no answer of `/b`")?;
        ensure!(
            b.status == 200 && b.header("x-served-by") == Some(SIGNATURE) && b.header("x-saw") == Some(GREETING),
            "`/b` does not have its plugin alone:\n{}",
            b.head
        );
        Ok(house)
    }

    pub(super) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(super) fn connection(&self) -> Connection {
        Connection::new(self.address, HANGS_AFTER)
    }

    pub(super) fn stop(self) -> Result<()> {
        self.server.stop()
    }
}

/// A GET that kills nobody.
pub(super) fn good(path: &str) -> Vec<u8> {
    request("GET", path, &[], "")
}

/// The answer to a deadly request; none when the server hangs.
///
/// # Errors
/// When it killed nobody.
pub(super) fn killed_by(answer: io::Result<Answer>) -> Result<Option<Answer>> {
    match answer {
        Ok(answer) if (500..600).contains(&answer.status) => Ok(Some(answer)),
        Ok(answer) => bail!("the plugin should have died, but the answer was:\n{}", answer.head),
        Err(error) if is_late(&error) => Ok(None),
        Err(error) => Err(error).context("no answer to the request that kills the plugin"),
    }
}

/// Whether the wait for an answer was over.
pub(super) fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Asks without a pause for as long as `goes_on`; how long each answer took, in milliseconds.
///
/// # Errors
/// When an answer is not 200, or none comes while the server is not known to hang.
pub(super) fn ask_on(connection: &mut Connection, path: &str, mut goes_on: impl FnMut() -> bool) -> Result<Vec<f64>> {
    let request = good(path);
    let mut times_ms = Vec::new();
    while goes_on() {
        let began = Instant::now();
        let answer = connection
            .ask(&request)
            .with_context(|| format!("no answer of `{path}`"))?;
        times_ms.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(answer.status == 200, "`{path}` should work:\n{}", answer.head);
    }
    Ok(times_ms)
}
