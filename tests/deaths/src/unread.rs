//! A plugin that floods the log of a gateway whose standard error nobody reads: no worker waits for a reader.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use testkit::client::{Request, Version, send};
use testkit::place;
use testkit::process::DEADLINE;

use crate::setting::dying;

/// More than may wait to be read.
const FLOODS: usize = 40;

/// A gateway whose words are read until it is ready, and no further.
struct Unread {
    child: Child,
    web: SocketAddr,
    stderr: Option<BufReader<ChildStderr>>,
}

impl Unread {
    async fn start(configuration: &str, folder: &std::path::Path) -> Result<Self> {
        let file = folder.join("gateway.yaml");
        std::fs::write(&file, configuration)?;
        let mut command = Command::new(place::cofferdam().await?);
        command
            .arg("run")
            .arg(&file)
            .env("XDG_STATE_HOME", folder)
            .env("COFFERDAM_RING_DIR", folder.join("rings"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().context("no standard error")?);
        let (mut web, mut line) = (None, String::new());
        while line != "ready\n" {
            line.clear();
            ensure!(stderr.read_line(&mut line)? > 0, "it ended");
            let address = line.strip_prefix("listening name=web address=");
            web = web.or(address.and_then(|words| words.split(' ').next()?.parse().ok()));
        }
        Ok(Self {
            child,
            web: web.context("no listener")?,
            stderr: Some(stderr),
        })
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_flood_that_nobody_reads_holds_up_no_worker() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let configuration = json!({
        "workers": 1,
        "access_log": "off",
        "listeners": [{"name": "web", "listen": "127.0.0.1:0"}],
        "plugins": [dying("p", "", "close")?],
        "routes": [
            {"name": "free", "match": {"path": {"exact": "/free"}}, "respond": {"body": "free"}},
            {"name": "all", "respond": {"body": "served"}, "plugins": ["p"]},
        ],
    });
    let mut gateway = Unread::start(&configuration.to_string(), folder.path()).await?;
    for _ in 0..FLOODS {
        let flood = Request::get("/").field("x-die", "request_headers log_storm");
        let dead = send(gateway.web, Version::Http1, &flood).await?;
        ensure!(dead.status == 503, "{dead:?}");
        ensure!(send(gateway.web, Version::Http1, &Request::get("/free")).await?.text() == "free");
    }
    let stderr = gateway.stderr.take().context("no standard error")?;
    let read = tokio::task::spawn_blocking(move || read_all(stderr));
    tokio::time::timeout(DEADLINE, read)
        .await
        .context("faults, or what was lost, are not said")??
}

/// Reads until every fault has come, and that lines were lost.
fn read_all(stderr: BufReader<ChildStderr>) -> Result<()> {
    let (mut faults, mut lost) = (0, false);
    for line in stderr.lines() {
        let line = line?;
        faults += usize::from(line.starts_with("plugin fault code=plugin.slice_exceeded"));
        lost |= line.starts_with("plugin lines lost=");
        if faults == FLOODS && lost {
            return Ok(());
        }
    }
    bail!("{faults} faults, lost: {lost}")
}
