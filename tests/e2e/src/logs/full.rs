//! A full disk under a file of the log, in namespaces of the gateway's own: traffic goes on, and no record is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;
use testkit::gateway::Gateway;

use super::files::{each_once, many};
use super::{accesses, answering, counted, file_sink, until};
use crate::setting::{complete, get};

/// Bytes of the disk, and of what stands on it until it is freed.
const DISK: &str = "1m";
const BALLAST: &str = "960k";

/// Has the command run where a small disk, nearly full, is mounted for itself alone.
fn on_a_small_disk(command: &mut Command, disk: &Path) {
    let script = format!(
        "mount -t tmpfs -o size={DISK} none \"$0\" && head -c {BALLAST} /dev/zero > \"$0/ballast\" && exec \"$@\""
    );
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    wrapped.arg(disk).arg(command.get_program()).args(command.get_args());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    *command = wrapped;
}

#[tokio::test]
async fn a_full_disk_holds_up_no_exchange_and_loses_no_record() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = folder.path().to_owned();
    let mut sink = file_sink("file", &disk.join("all.log"));
    sink["retry"] = json!({"wait": "5ms", "wait_max": "50ms"});
    let configuration = complete(answering(json!({"sinks": [sink]}))).to_string();
    let gateway = Gateway::start_with(&configuration, |command| on_a_small_disk(command, &disk)).await?;
    // The disk is seen by the gateway alone, and through it.
    let seen = PathBuf::from(format!("/proc/{}/root", gateway.process.pid())).join(disk.strip_prefix("/")?);
    many(&gateway, 0..600).await?;
    until("a sink that cannot write", || {
        let lines = gateway.process.lines_from(0);
        Ok(lines
            .iter()
            .any(|line| line.text.contains("log sink=file") && line.text.contains("No space left"))
            .then_some(()))
    })
    .await?;
    ensure!(get(&gateway, "/600").await?.status == 200);
    fs::remove_file(seen.join("ballast"))?;
    each_once(&accesses(&seen.join("all.log"), 601).await?, 0..601)?;
    ensure!(counted(&gateway, "cofferdam_log_sink_dropped_records_total", &["sink=\"file\""]).await? == 0);
    Ok(())
}
