//! `cofferdam logs`: what a killed gateway left is brought back, chains are verified, masks are tried.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::gateway::Gateway;
use testkit::place;
use testkit::port::free_port;
use testkit::process::DEADLINE;

use crate::setting::{Ended, finish, gateway, get};

/// `cofferdam logs WORDS` beside a gateway, with its rings.
async fn logs(gateway: &Gateway, words: &[&str]) -> Result<Ended> {
    let mut command = Command::new(place::cofferdam().await?);
    command.arg("logs").args(words);
    finish(&mut command, gateway.folder()).await
}

/// A gateway whose records wait in its rings for a collector that is not there.
async fn waiting(folder: &Path) -> Result<Gateway> {
    gateway(json!({
        "workers": 1,
        "logs": {
            "rings": {"dir": folder},
            "sinks": [{"name": "away", "durable": true, "http": {"url": format!("http://127.0.0.1:{}/", free_port()?)}}],
        },
        "routes": [{"name": "fixed", "respond": {"status": 200, "body": "ok"}}],
    }))
    .await
}

#[tokio::test]
async fn what_a_killed_gateway_wrote_down_is_brought_back() -> Result<()> {
    let rings = tempfile::tempdir()?;
    let mut gateway = waiting(rings.path()).await?;
    for number in 0..5 {
        assert_eq!(get(&gateway, &format!("/asked/{number}")).await?.status, 200);
    }
    let file = gateway.file().to_string_lossy().into_owned();
    let alive = logs(&gateway, &["recover", &file]).await?;
    assert_eq!((alive.code, &*alive.out), (Some(0), ""), "{}", alive.err);
    assert!(alive.err.contains("left alone, its process is alive"), "{}", alive.err);
    gateway.process.signal(Signal::KILL)?;
    gateway.process.wait_for_exit(DEADLINE).await?;
    let kept = logs(&gateway, &["recover", &file, "--keep"]).await?;
    let out = gateway.folder().join("recovered.jsonl");
    let to_file = logs(&gateway, &["recover", &file, "--out", &out.to_string_lossy()]).await?;
    assert_eq!(
        (kept.code, to_file.code),
        (Some(0), Some(0)),
        "{}{}",
        kept.err,
        to_file.err
    );
    assert_eq!(to_file.out, "");
    let folder = gateway.folder().to_string_lossy().into_owned();
    assert_eq!(fs::read_to_string(&out)?.replace(&folder, "FOLDER"), kept.out);
    let lines: Result<Vec<Value>, _> = kept.out.lines().map(serde_json::from_str).collect();
    let lines = lines?;
    let paths: Vec<&str> = lines.iter().filter_map(|line| line["url.path"].as_str()).collect();
    assert_eq!(paths, ["/asked/0", "/asked/1", "/asked/2", "/asked/3", "/asked/4"]);
    assert!(
        lines.iter().all(|line| line["cofferdam.recovered"] == true),
        "{lines:?}"
    );
    let process = format!("process {}, started 20", gateway.process.pid());
    assert!(to_file.err.contains(&process), "{}", to_file.err);
    let nothing = logs(&gateway, &["recover", "--rings", &rings.path().to_string_lossy()]).await?;
    assert_eq!((nothing.code, &*nothing.out), (Some(0), ""));
    assert!(
        nothing.err.contains("no ring of a process that is gone"),
        "{}",
        nothing.err
    );
    Ok(())
}

#[tokio::test]
async fn recovering_says_what_it_cannot_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let run = async |words: &[&str]| {
        let mut command = Command::new(place::cofferdam().await?);
        finish(command.arg("logs").args(words), folder.path()).await
    };
    assert_eq!(run(&["recover"]).await?.code, Some(2));
    let missing = run(&["recover", "/nowhere/gateway.yaml"]).await?;
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("hint: `--rings DIR` needs no configuration"),
        "{}",
        missing.err
    );
    let missing = run(&["recover", "--rings", "/nowhere"]).await?;
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("`/nowhere` cannot be looked through"),
        "{}",
        missing.err
    );
    Ok(())
}

#[tokio::test]
async fn verifying_says_whether_a_chain_is_whole() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let run = async |words: &[&str]| {
        let mut command = Command::new(place::cofferdam().await?);
        finish(
            command.args(["logs", "verify"]).args(words).arg(folder.path()),
            folder.path(),
        )
        .await
    };
    let nothing = run(&[]).await?;
    assert_eq!((nothing.code, &*nothing.out), (Some(1), ""), "{}", nothing.err);
    assert_eq!(run(&["--head", "12"]).await?.code, Some(2));
    let zeros = "0".repeat(64);
    // As `printf` of the part before the comma of the hash and `sha256sum` have it.
    let open = format!(
        "{{\"chain.segment\":1,\"chain.digest\":\"sha256\",\"chain.sequence\":1,\"chain.previous\":\"{zeros}\""
    );
    let hash = sha256(open.as_bytes());
    fs::write(
        folder.path().join("audit.00000001.log"),
        format!("{open},\"chain.hash\":\"{hash}\"}}\n"),
    )?;
    fs::write(folder.path().join("head"), format!("1 {hash} 0\n"))?;
    let head = format!("1:{hash}");
    let whole = run(&["--head", &head]).await?;
    assert_eq!(whole.code, Some(0), "{}{}", whole.out, whole.err);
    assert!(whole.out.contains(&format!("\nhead {head}\n")), "{}", whole.out);
    let other = run(&["--head", &format!("1:{zeros}"), "--format", "json"]).await?;
    let said: Value = serde_json::from_str(&other.out)?;
    assert_eq!((other.code, &said["findings"][0]["kind"]), (Some(1), &json!("cut")));
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn masks_are_tried_on_a_file_and_on_what_is_piped() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a.log");
    fs::write(&file, "a\ncall 13812345678\n")?;
    let mut command = Command::new(place::cofferdam().await?);
    command.args(["logs", "mask", "--pack", "mlps3", "--format", "json"]);
    let ended = finish(command.arg(&file), folder.path()).await?;
    let said: Value = serde_json::from_str(&ended.out)?;
    assert_eq!((ended.code, &said["total"]), (Some(0), &json!(1)));
    assert_eq!(
        said["places"],
        json!([{"class": "phone_cn", "line": 2, "offset": 7, "length": 11}])
    );
    assert!(!ended.out.contains("1234"), "{}", ended.out);
    let mut shows = Command::new(place::cofferdam().await?);
    shows.args(["logs", "mask", "--pack", "mlps3", "--show"]);
    let mut child = shows
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no input")?.write_all(&fs::read(&file)?)?;
    let shown = child.wait_with_output()?;
    assert_eq!(String::from_utf8(shown.stdout)?, "a\ncall 138****5678\n");
    assert!(String::from_utf8(shown.stderr)?.contains("1 places would be masked"));
    let mut without = Command::new(place::cofferdam().await?);
    assert_eq!(
        finish(without.args(["logs", "mask"]), folder.path()).await?.code,
        Some(2)
    );
    Ok(())
}
