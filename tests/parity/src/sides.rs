//! The two gateways, each with upstreams of its own, started with the same cases.

mod cofferdam;
mod envoy;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use std::rc::Rc;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;
use testkit::backend::{Backend, Speaks};
use testkit::client::{Request, Version, send};
use testkit::envoy::Envoy;
use testkit::gateway::Gateway;
use testkit::process::{DEADLINE, Line, Process};
use testkit::tls::{Authority, Identity, in_front_of};
use tokio::net::TcpSocket;

use crate::case::{API, AUX, BRIEF, Case, DEAD, GRPC, NAMELESS, RAW, SAFE};

/// A listener whose plugin says that everything before it is done.
const SCOUT: &str = "scout";

/// What the scout is asked for.
pub(crate) const SCOUT_PATH: &str = "/scout";

/// The name that the certificate of TLS listeners is for.
pub(crate) const SERVER_NAME: &str = "gateway.example";

/// Time that [`BRIEF`] has to answer.
pub(crate) const BRIEF_MS: u32 = 300;

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// Name of the plugin.
    pub(crate) plugin: String,
    /// Level.
    pub(crate) level: String,
    /// What it said.
    pub(crate) text: String,
}

/// What TLS listeners and their clients show.
pub(crate) struct Certificates {
    pub(crate) authority: Authority,
    pub(crate) server: Identity,
    pub(crate) client: Identity,
    _folder: TempDir,
}

impl Certificates {
    /// Issues them into a temporary folder.
    pub(crate) fn issue() -> Result<Rc<Self>> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new(folder.path())?;
        let server = authority.issue("gateway", &[SERVER_NAME, "also.example", "spiffe://example/gateway"])?;
        let client = authority.issue("client", &["client.example", "spiffe://example/client"])?;
        Ok(Rc::new(Self {
            authority,
            server,
            client,
            _folder: folder,
        }))
    }
}

/// One of the two gateways with its upstreams.
pub(crate) struct Side {
    /// Its upstreams, by name.
    pub(crate) backends: BTreeMap<&'static str, Backend>,
    /// The upstream that is none: a port that is taken and does not listen, so that nobody else comes to listen on it.
    pub(crate) dead: TcpSocket,
    /// What `x-forwarded-for` says of a client on loopback: Envoy names its own machine there.
    pub(crate) client_seen_as: String,
    /// What TLS listeners and their clients show.
    pub(crate) certificates: Rc<Certificates>,
    program: Program,
}

enum Program {
    Envoy {
        envoy: Envoy,
        worker: String,
        roots: BTreeMap<String, String>,
    },
    Cofferdam(Gateway),
}

impl Side {
    /// Starts Envoy with all cases.
    pub(crate) async fn envoy(cases: &[Case], certificates: &Rc<Certificates>) -> Result<Self> {
        let (backends, dead) = upstreams()?;
        let envoy = Envoy::start(envoy::resources(
            &with_scout(cases),
            &addresses(&backends, &dead, certificates).await?,
            certificates,
        )?)
        .await?;
        let worker = envoy::worker_thread(&envoy).await?;
        let scouted = backends.get(API).map(Backend::records).unwrap_or_default();
        let client_seen_as = scouted.first().and_then(|record| record.field("x-forwarded-for"));
        let client_seen_as = client_seen_as.context("the scout was not forwarded")?.to_owned();
        Ok(Self {
            backends,
            dead,
            client_seen_as,
            certificates: Rc::clone(certificates),
            program: Program::Envoy {
                envoy,
                worker,
                roots: envoy::root_names(&with_scout(cases)),
            },
        })
    }

    /// Starts Cofferdam with all cases.
    pub(crate) async fn cofferdam(cases: &[Case], certificates: &Rc<Certificates>) -> Result<Self> {
        let (backends, dead) = upstreams()?;
        let text = cofferdam::configuration(
            &with_scout(cases),
            &addresses(&backends, &dead, certificates).await?,
            certificates,
        )?
        .to_string();
        let program = Program::Cofferdam(
            Gateway::start_with(&text, |command| {
                command.args(["--plugin-log-level", "debug"]);
            })
            .await?,
        );
        Ok(Self {
            backends,
            dead,
            client_seen_as: "127.0.0.1".to_owned(),
            certificates: Rc::clone(certificates),
            program,
        })
    }

    /// Address of a case's listener.
    pub(crate) fn listener(&self, case: &str) -> Result<SocketAddr> {
        match &self.program {
            Program::Envoy { envoy, .. } => envoy.listener(case),
            Program::Cofferdam(gateway) => gateway.listener(case),
        }
    }

    /// An upstream's backend; some are [`API`] by another name.
    pub(crate) fn backend(&self, upstream: &str) -> Result<&Backend> {
        let name = match upstream {
            BRIEF | SAFE | NAMELESS => API,
            other => other,
        };
        self.backends
            .get(name)
            .with_context(|| format!("no upstream is called `{upstream}`"))
    }

    /// Number of lines that the program has said.
    pub(crate) fn line_count(&self) -> usize {
        self.process().line_count()
    }

    /// What the plugins of a case logged from line `start` on, on the thread that serves.
    pub(crate) fn log_from(&self, start: usize, case: &str) -> Vec<LogLine> {
        self.pick(&self.process().lines_from(start), case)
    }

    /// What the plugins of a case logged before line `end`, on the thread that serves.
    pub(crate) fn log_before(&self, end: usize, case: &str) -> Vec<LogLine> {
        let mut lines = self.process().lines_from(0);
        lines.truncate(end);
        self.pick(&lines, case)
    }

    /// Waits until `judge` makes something of the log of a case from line `start` on.
    pub(crate) async fn wait_for_log<T>(
        &self,
        start: usize,
        case: &str,
        judge: impl Fn(&[LogLine]) -> Option<T>,
    ) -> Result<T> {
        self.process()
            .wait_for(start, DEADLINE, |lines| judge(&self.pick(lines, case)))
            .await
    }

    /// Waits until the one worker has done everything that was to be done before: it serves a request of its own then.
    pub(crate) async fn settle(&self) -> Result<()> {
        let start = self.line_count();
        send(self.listener(SCOUT)?, Version::Http1, &Request::get(SCOUT_PATH)).await?;
        let deleted = |lines: &[LogLine]| lines.iter().any(|line| line.text.starts_with("delete(")).then_some(());
        self.wait_for_log(start, SCOUT, deleted).await
    }

    fn process(&self) -> &Process {
        match &self.program {
            Program::Envoy { envoy, .. } => &envoy.process,
            Program::Cofferdam(gateway) => &gateway.process,
        }
    }

    fn pick(&self, lines: &[Line], case: &str) -> Vec<LogLine> {
        let mut found = match &self.program {
            Program::Envoy { worker, roots, .. } => envoy::log_lines(lines, worker, roots),
            Program::Cofferdam(_) => cofferdam::log_lines(lines),
        };
        found.retain(|line| line.plugin.strip_prefix(case).is_some_and(|rest| rest.starts_with('.')));
        found
    }
}

/// The cases and the scout.
fn with_scout(cases: &[Case]) -> Vec<&Case> {
    static SCOUT_CASE: OnceLock<Case> = OnceLock::new();
    let scout = SCOUT_CASE.get_or_init(|| Case::new(SCOUT, json!({})));
    cases.iter().chain([scout]).collect()
}

fn upstreams() -> Result<(BTreeMap<&'static str, Backend>, TcpSocket)> {
    let mut backends = BTreeMap::new();
    for (name, speaks) in [
        (API, Speaks::Http1),
        (AUX, Speaks::Http1),
        (GRPC, Speaks::Http2),
        (RAW, Speaks::Bytes),
    ] {
        backends.insert(name, Backend::start(name, speaks)?);
    }
    let dead = TcpSocket::new_v4()?;
    dead.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok((backends, dead))
}

async fn addresses(
    backends: &BTreeMap<&'static str, Backend>,
    dead: &TcpSocket,
    certificates: &Certificates,
) -> Result<BTreeMap<&'static str, SocketAddr>> {
    let mut addresses: BTreeMap<_, _> = backends
        .iter()
        .map(|(name, backend)| (*name, backend.address))
        .collect();
    addresses.insert(DEAD, dead.local_addr()?);
    let api = backends.get(API).context("no upstream answers by default")?.address;
    addresses.insert(BRIEF, api);
    for name in [SAFE, NAMELESS] {
        addresses.insert(name, in_front_of(&certificates.server, api, &[]).await?);
    }
    Ok(addresses)
}
