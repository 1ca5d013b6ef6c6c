//! Plugins under LLDB: the real debugger, over `cofferdam plugin debug` and over a running gateway.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::client::{Request, Version, send};
use testkit::gateway::Gateway;
use testkit::lldb::lldb;
use testkit::place;
use testkit::process::{DEADLINE, Process, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setting::{ask, gateway, get, plugin};

const HOW: &str = "process connect --plugin wasm connect://";
const DEATH: &str = "request_headers outside";

/// The line of a guest's source that has this text, counted from 1.
fn line_of(file: &str, text: &str) -> Result<usize> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../plugins/die/src")
        .join(file);
    let source = std::fs::read_to_string(path)?;
    let at = source.lines().position(|line| line.contains(text));
    Ok(at.with_context(|| format!("`{text}` is not in {file}"))? + 1)
}

/// Where LLDB attaches, as the process says it.
async fn attach(process: &Process) -> Result<String> {
    let said = process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("waiting for LLDB at"))
        .await?;
    let at = said.text.find(HOW).context("it does not say how")?;
    Ok(said.text[at..].to_owned())
}

/// Stops at the line that leads to death, looks around, steps, and goes on to the death.
async fn session(how: &str) -> Result<String> {
    let stop = format!(
        "breakpoint set --file callbacks.rs --line {}",
        line_of("callbacks.rs", "plan::used(plan)")?
    );
    lldb(
        &[
            how,
            &stop,
            "continue",
            "bt",
            "frame variable context",
            "next",
            "continue",
        ],
        &["bt"],
    )
    .await
}

/// What that shows: the breakpoint's line, the frames, a local, the next line, and the line of the death.
fn has_seen_everything(seen: &str) -> Result<()> {
    let line = line_of("callbacks.rs", "plan::used(plan)")?;
    for part in [
        "stop reason = breakpoint 1.1".to_owned(),
        format!("at callbacks.rs:{line}"),
        "`proxy_on_request_headers(context=2".to_owned(),
        "(unsigned int) context = 2".to_owned(),
        "stop reason = step over".to_owned(),
        format!("at callbacks.rs:{}", line + 1),
        "stop reason = signal SIGSEGV".to_owned(),
        format!("at ways.rs:{}", line_of("ways.rs", "pointer.read_volatile()")?),
    ] {
        ensure!(seen.contains(&part), "no `{part}` in:\n{seen}");
    }
    Ok(())
}

/// `cofferdam plugin debug` of a guest, that has said where LLDB attaches.
async fn offline(guest: &str, words: &[&str]) -> Result<Process> {
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["plugin", "debug"]).arg(place::guest(guest)?).args(words);
    Process::start("cofferdam plugin debug", &mut command)
}

async fn ended(mut process: Process) -> Result<(Option<i32>, String)> {
    let status = process.wait_for_exit(DEADLINE).await?;
    // A line that never comes waits for the end of the pipes.
    let _ = process.wait_for_line(0, DEADLINE, |_| false).await;
    let out = process
        .lines_from(0)
        .into_iter()
        .filter(|line| line.source == Source::Stdout);
    Ok((status.code(), out.map(|line| line.text + "\n").collect()))
}

/// A gateway with a debuggable guest; only requests with `x-debug` are meant.
async fn debuggable(guest: &str, wait: &str) -> Result<Gateway> {
    let mut die = plugin("die", guest, json!({}))?;
    die["debug"] = json!({"match": {"headers": [{"name": "x-debug", "present": true}]}, "wait": wait});
    gateway(json!({
        "workers": 2,
        "crash_reports": {"dir": "crashes"},
        "plugins": [die],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    }))
    .await
}

fn meant() -> Request {
    Request::get("/").field("x-debug", "1")
}

/// A client of the debugger that says nothing yet.
async fn silent(gateway: &Gateway) -> Result<TcpStream> {
    let how = attach(&gateway.process).await?;
    let address = how.strip_prefix(HOW).context("no address")?;
    Ok(TcpStream::connect(address).await?)
}

/// Sends a packet of the debugger's protocol.
async fn say(client: &mut TcpStream, body: &str) -> Result<()> {
    let sum = body.bytes().fold(0_u8, u8::wrapping_add);
    Ok(client.write_all(format!("${body}#{sum:02x}").as_bytes()).await?)
}

/// The next packet, without its frame.
async fn hear(client: &mut TcpStream) -> Result<String> {
    let mut text = String::new();
    loop {
        match client.read_u8().await? {
            b'$' => text.clear(),
            b'#' => break,
            byte => text.push(char::from(byte)),
        }
    }
    client.read_u16().await?;
    client.write_all(b"+").await?;
    Ok(text)
}

#[tokio::test]
async fn a_plugin_stops_at_its_lines_and_where_it_dies() -> Result<()> {
    // Its debug information lies beside it.
    let process = offline("die-unoptimised", &["--header", &format!("x-die: {DEATH}")]).await?;
    has_seen_everything(&session(&attach(&process).await?).await?)?;
    let (code, report) = ended(process).await?;
    assert_eq!(code, Some(1));
    for part in [
        "plugin.trapped",
        "plugins/die/src/ways.rs:",
        "proxy_on_request_headers(context_id=2",
    ] {
        assert!(report.contains(part), "no {part} in {report}");
    }
    Ok(())
}

#[tokio::test]
async fn an_optimised_and_stripped_plugin_stops_at_its_lines_by_a_debug_file() -> Result<()> {
    let twin = place::guest("die.debug")?;
    let twin = twin.to_string_lossy();
    let words = ["--debug-file", &*twin, "--header", &*format!("x-die: {DEATH}")];
    let process = offline("die-stripped", &words).await?;
    let line = line_of("callbacks.rs", "        way();")?;
    let stop = format!("breakpoint set --file callbacks.rs --line {line}");
    let seen = lldb(
        &[&attach(&process).await?, &stop, "continue", "bt", "continue"],
        &["bt"],
    )
    .await?;
    for part in [
        "stop reason = breakpoint 1.1",
        &format!("at callbacks.rs:{line}"),
        "stop reason = signal SIGSEGV",
        "at ways.rs:",
    ] {
        assert!(seen.contains(part), "no `{part}` in:\n{seen}");
    }
    assert_eq!(ended(process).await?.0, Some(1));
    let other = place::guest("hello.debug")?;
    let wrong = offline("die-stripped", &["--debug-file", &other.to_string_lossy()]).await?;
    wrong
        .wait_for_line(0, DEADLINE, |line| line.text.contains("has other code than"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_ends_well_says_so_and_an_editor_knows_where_to_attach() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let launch = folder.path().join("launch.json");
    let process = offline("die-unoptimised", &["--launch-json", &launch.to_string_lossy()]).await?;
    let how = attach(&process).await?;
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&launch)?)?;
    let configuration = &written["configurations"][0];
    assert_eq!(configuration["type"], "lldb-dap");
    assert_eq!(configuration["attachCommands"], json!([how]));
    let seen = lldb(&[&how, "continue"], &[]).await?;
    assert!(seen.contains("exited with status = 0"), "{seen}");
    assert_eq!(ended(process).await?, (Some(0), String::new()));
    Ok(())
}

#[tokio::test]
async fn lldb_sees_an_exchange_of_a_running_gateway_to_its_death() -> Result<()> {
    let gateway = debuggable("die-unoptimised", "60s").await?;
    let how = attach(&gateway.process).await?;
    let request = meant().field("x-die", DEATH);
    let (answer, seen) = tokio::join!(ask(&gateway, &request), session(&how));
    has_seen_everything(&seen?)?;
    assert_eq!(answer?.status, 503);
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains("more: cofferdam crash show"))
        .await?;
    // What is debugged counts for nobody: the plugin serves.
    assert_eq!(get(&gateway, "/").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn while_one_exchange_stands_still_all_others_are_served() -> Result<()> {
    let gateway = debuggable("die", "60s").await?;
    let mut client = silent(&gateway).await?;
    let request = meant();
    let held = ask(&gateway, &request);
    let others = async {
        gateway
            .process
            .wait_for_line(0, DEADLINE, |line| line.text.contains("LLDB has an exchange"))
            .await?;
        // Enough for both workers, one of which has the exchange that stands.
        for _ in 0..20 {
            assert_eq!(get(&gateway, "/").await?.status, 200);
        }
        // One at a time is debugged.
        assert_eq!(ask(&gateway, &meant()).await?.status, 200);
        say(&mut client, "c").await?;
        anyhow::Ok(client)
    };
    let (held, client) = tokio::join!(held, others);
    assert_eq!(held?.status, 200);
    let end = "its exchange has ended; undebugged_meanwhile=1";
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains(end))
        .await?;
    let metrics = send(gateway.admin, Version::Http1, &Request::get("/metrics"))
        .await?
        .text();
    let row = "cofferdam_plugin_debugged_exchanges_total{plugin=\"die\"} 1\n";
    assert!(metrics.contains(row), "{metrics}");
    drop(client);
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_computes_without_end_is_interrupted_and_without_lldb_has_its_slice() -> Result<()> {
    let process = offline("die", &["--header", "x-die: request_headers loop"]).await?;
    let how = attach(&process).await?;
    let mut client = TcpStream::connect(how.strip_prefix(HOW).context("no address")?).await?;
    // As long as it is in no code, it stops there.
    let mut frames = String::new();
    while frames.is_empty() {
        say(&mut client, "c").await?;
        client.write_all(b"\x03").await?;
        let stop = hear(&mut client).await?;
        assert!(stop.starts_with("T02"), "{stop}");
        say(&mut client, "qWasmCallStack:1").await?;
        frames = hear(&mut client).await?;
    }
    drop(client);
    let (code, report) = ended(process).await?;
    assert_eq!(code, Some(1));
    assert!(report.contains("plugin.slice_exceeded"), "{report}");
    Ok(())
}

#[tokio::test]
async fn when_lldb_goes_the_exchange_goes_on() -> Result<()> {
    let gateway = debuggable("die", "60s").await?;
    let client = silent(&gateway).await?;
    let begun = async {
        gateway
            .process
            .wait_for_line(0, DEADLINE, |line| line.text.contains("LLDB has an exchange"))
            .await?;
        drop(client);
        anyhow::Ok(())
    };
    let request = meant();
    let (answer, begun) = tokio::join!(ask(&gateway, &request), begun);
    begun?;
    assert_eq!(answer?.status, 200);
    Ok(())
}

#[tokio::test]
async fn an_exchange_waits_for_lldb_as_long_as_it_may() -> Result<()> {
    let gateway = debuggable("die", "50ms").await?;
    assert_eq!(ask(&gateway, &meant()).await?.status, 200);
    let said = "LLDB was not there within 50ms, the exchange goes on without it";
    gateway
        .process
        .wait_for_line(0, DEADLINE, |line| line.text.contains(said))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_recorded_death_runs_again_and_stops_at_its_line() -> Result<()> {
    let gateway = gateway(json!({
        "workers": 1,
        "crash_reports": {"dir": "crashes"},
        "plugins": [plugin("die", "die-unoptimised", json!({}))?],
        "routes": [{"name": "r", "echo": true, "plugins": ["die"]}],
    }))
    .await?;
    let start = gateway.process.line_count();
    assert_eq!(
        ask(&gateway, &Request::get("/").field("x-die", DEATH)).await?.status,
        503
    );
    let how = "run it again: cofferdam plugin replay ";
    let told = gateway
        .process
        .wait_for_line(start, DEADLINE, |line| line.text.contains(how))
        .await?;
    let id = told.text.rsplit(' ').next().context("no id")?.to_owned();
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["plugin", "replay", &id, "--debug", "--dir"]);
    command.arg(gateway.folder().join("crashes"));
    let process = Process::start("cofferdam plugin replay", &mut command)?;
    has_seen_everything(&session(&attach(&process).await?).await?)?;
    let (code, out) = ended(process).await?;
    ensure!(code == Some(0), "{code:?}\n{out}");
    ensure!(out.contains("host calls, all as recorded"), "{out}");
    ensure!(out.contains("memory     the same, byte for byte"), "{out}");
    Ok(())
}
