//! Segments that were sent again stand in the record of their exchange, with their times where the kernel lets us see them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use testkit::gateway::Gateway;
use testkit::place;

use super::{accesses, file_sink, until};
use crate::setting::{complete, finish, get};

/// Linux' number for a connection whose SYN is not answered yet, in `/proc/net/tcp`.
const SYN_SENT: &str = "02";
/// All powers are taken away, those of who is nobody's administrator.
const POWERLESS: [&str; 4] = [
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
    "--no-new-privs",
];

/// An upstream whose backlog is full, so that whoever connects must send the SYN again.
struct Crowded {
    listener: Socket,
    address: SocketAddr,
    _first: TcpStream,
}

impl Crowded {
    fn start() -> Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        // Room for one, which the first connection takes.
        listener.listen(0)?;
        let address = listener.local_addr()?.as_socket().context("no address")?;
        let first = TcpStream::connect(address)?;
        Ok(Self {
            listener,
            address,
            _first: first,
        })
    }

    /// Whether somebody waits whose SYN was sent again.
    fn is_waited_for(&self) -> Result<bool> {
        let port = format!(":{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        Ok(table.lines().any(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let is_ours = words.get(2).is_some_and(|remote| remote.ends_with(&port)) && words.get(3) == Some(&SYN_SENT);
            is_ours
                && words
                    .get(6)
                    .is_some_and(|again| u64::from_str_radix(again, 16).is_ok_and(|again| again > 0))
        }))
    }

    /// Makes room, and answers whoever comes then.
    fn answer(self) -> Result<()> {
        let _crowd = self.listener.accept()?;
        let mut stream: TcpStream = self.listener.accept()?.0.into();
        let mut bytes = [0; 4096];
        ensure!(stream.read(&mut bytes)? > 0, "nothing was asked");
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?)
    }
}

/// The record of an exchange whose upstream is reached at the second or third try.
async fn record(crowded: Crowded, prepare: impl FnOnce(&mut Command)) -> Result<Value> {
    let configuration = json!({
        "workers": 1,
        "upstreams": [{"name": "up", "endpoints": [crowded.address.to_string()], "timeouts": {"connect": "15s"}}],
        "routes": [{"name": "all", "upstream": "up"}],
        "logs": {"sinks": [file_sink("file", Path::new("all.log"))]},
    });
    let gateway = Gateway::start_with(&complete(configuration).to_string(), prepare).await?;
    let asking = async { get(&gateway, "/a").await };
    let answering = async {
        until("a SYN that was sent again", || {
            Ok(crowded.is_waited_for()?.then_some(()))
        })
        .await?;
        tokio::task::spawn_blocking(|| crowded.answer()).await?
    };
    let (asked, answered) = tokio::join!(asking, answering);
    answered?;
    ensure!(asked?.status == 200);
    Ok(accesses(&gateway.folder().join("all.log"), 1).await?.swap_remove(0))
}

/// What doctor says of retransmits.
async fn doctor(powerless: bool) -> Result<Value> {
    let program = place::cofferdam().await?;
    let mut command = Command::new(program);
    command.args(["doctor", "--format", "json"]);
    if powerless {
        without_powers(&mut command);
    }
    let said: Value = serde_json::from_str(&finish(&mut command, Path::new("/nowhere")).await?.out)?;
    let mut findings = said["findings"].as_array().context("no findings")?.iter();
    let own = findings.find(|finding| finding["topic"] == "retransmits");
    own.cloned().context("nothing about retransmits")
}

/// Has the command run by `setpriv`, which takes all capabilities away first.
fn without_powers(command: &mut Command) {
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(POWERLESS)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    *command = wrapped;
}

fn counts(record: &Value) -> Result<u64> {
    let count = record["cofferdam.upstream_retransmits"].as_u64();
    let count = count.with_context(|| format!("none are counted: {record}"))?;
    ensure!(
        count > 0 && record["cofferdam.upstream_retransmits_new"] == count,
        "{record}"
    );
    Ok(count)
}

#[tokio::test]
async fn what_was_sent_again_to_an_upstream_stands_in_the_record_with_its_times() -> Result<()> {
    let finding = doctor(false).await?;
    let record = record(Crowded::start()?, |_| {}).await?;
    let count = counts(&record)?;
    let times = &record["cofferdam.upstream_retransmitted_at"];
    if finding["grade"] != "good" {
        // The kernel lets nobody look here; the number is there all the same, and doctor says what to do.
        ensure!(
            times.is_null() && finding["found"].is_string() && finding["next"].is_string(),
            "{finding}: {record}"
        );
        return Ok(());
    }
    let times = times.as_array().with_context(|| format!("no times: {record}"))?;
    ensure!(
        u64::try_from(times.len())? == count,
        "TCP_INFO counts {count}: {times:?}"
    );
    let texts: Vec<&str> = times.iter().filter_map(Value::as_str).collect();
    let end = record["timestamp"].as_str().context("no time")?;
    ensure!(
        texts.len() == times.len() && texts.is_sorted() && texts[0] >= "2",
        "{times:?}"
    );
    // The record's own time is that of the exchange's beginning or end; a SYN is sent again a second after the first at the earliest.
    ensure!(
        record["cofferdam.duration_ms"].as_f64() > Some(900.0),
        "{end}: {record}"
    );
    Ok(())
}

#[tokio::test]
async fn without_powers_the_count_alone_is_there_and_doctor_says_why() -> Result<()> {
    let finding = doctor(true).await?;
    ensure!(
        finding["grade"] == "missing" && finding["next"].as_str().is_some_and(|next| next.contains("CAP_BPF")),
        "{finding}"
    );
    ensure!(
        finding["follows"]
            .as_str()
            .is_some_and(|follows| follows.contains("TCP_INFO")),
        "{finding}"
    );
    let record = record(Crowded::start()?, without_powers).await?;
    counts(&record)?;
    ensure!(record["cofferdam.upstream_retransmitted_at"].is_null(), "{record}");
    Ok(())
}
