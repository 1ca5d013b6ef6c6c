//! A real rsyslogd that takes RFC 5424 over TCP, UDP and a unix socket, and says as JSON what it understood.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::place::peer;
use crate::port::free_port;
use crate::process::{DEADLINE, Process};

/// Pause between two looks at whether it listens.
const PAUSE: Duration = Duration::from_millis(20);

/// What it understood, by the name that it has here, and as rsyslog calls it.
const PARTS: &[(&str, &str)] = &[
    ("severity", "syslogseverity-text"),
    ("facility", "syslogfacility-text"),
    ("version", "protocol-version"),
    ("time", r#"timereported" dateFormat="rfc3339"#),
    ("host", "hostname"),
    ("application", "app-name"),
    ("process", "procid"),
    ("id", "msgid"),
    ("data", "structured-data"),
    ("message", "msg"),
];

/// A running rsyslogd.
#[derive(Debug)]
pub struct Rsyslog {
    /// Where it takes streams and datagrams.
    pub address: SocketAddr,
    /// Where it takes datagrams of this machine.
    pub socket: PathBuf,
    /// The program.
    pub process: Process,
    folder: TempDir,
}

impl Rsyslog {
    /// Starts one with a folder of its own, and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let file = folder.path().join("rsyslog.conf");
        let socket = folder.path().join("log");
        fs::write(&file, configuration(&folder, address)).context("cannot write the configuration of rsyslog")?;
        let mut command = Command::new(peer("rsyslogd")?);
        command.args(["-n", "-C", "-f"]).arg(&file);
        command.arg("-i").arg(folder.path().join("pid"));
        let process = Process::start("rsyslogd", &mut command)?;
        let end = Instant::now() + DEADLINE;
        while !socket.exists() || TcpStream::connect(address).is_err() {
            ensure!(
                Instant::now() < end,
                "rsyslogd does not listen: {:?}",
                process.lines_from(0)
            );
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Self {
            address,
            socket,
            process,
            folder,
        })
    }

    /// What it has understood so far of what came over `tcp`, `udp` or `unix`.
    ///
    /// # Errors
    /// When it wrote something that is no JSON.
    pub fn messages(&self, way: &str) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.path().join(way)).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}")))
            .collect()
    }
}

fn configuration(folder: &TempDir, address: SocketAddr) -> String {
    let folder = folder.path().display();
    let parts: Vec<String> = PARTS
        .iter()
        .map(|(name, property)| format!(r#"property(outname="{name}" name="{property}" format="jsonf")"#))
        .collect();
    let parts = parts.join(r#" constant(value=",") "#);
    let (host, port) = (address.ip(), address.port());
    let ways = ["udp", "tcp", "unix"];
    let rules: Vec<String> = ways
        .iter()
        .map(|way| {
            format!(r#"ruleset(name="{way}") {{ action(type="omfile" file="{folder}/{way}" template="parsed") }}"#)
        })
        .collect();
    let rules = rules.join("\n");
    format!(
        r#"global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imudp")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
template(name="parsed" type="list") {{ constant(value="{{") {parts} constant(value="}}\n") }}
{rules}
input(type="imudp" address="{host}" port="{port}" ruleset="udp")
input(type="imtcp" address="{host}" port="{port}" ruleset="tcp")
input(type="imuxsock" Socket="{folder}/log" UseSpecialParser="off" ParseHostname="on" IgnoreTimestamp="off" RateLimit.Interval="0" ruleset="unix")
"#
    )
}
