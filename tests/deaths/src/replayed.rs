//! What was recorded of a death runs again offline, and dies the same way.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::place;

use crate::house::House;

/// Runs every recording of a gateway's deaths again; gives their number.
pub(crate) async fn replay_all(house: &House) -> Result<usize> {
    // What a gateway keeps in the state folder of its user.
    let folder = house.gateway.folder().join("cofferdam/crashes");
    let binary = place::cofferdam().await?;
    let mut wrong = Vec::new();
    let recordings = recordings(&folder)?;
    for file in &recordings {
        let outcome = replay(&binary, file)?;
        let says_the_same = outcome["recorded"]["fault"]["summary"] == outcome["crash"]["scene"]["summary"];
        if outcome["reproduced"] != true || !says_the_same {
            let (fault, crash) = (&outcome["recorded"]["fault"], &outcome["crash"]["scene"]);
            wrong.push(format!(
                "{}\n  recorded: {}\n  now: {} {:?}\n  same memory: {}\n  notes: {}\n  divergences: {}",
                file.display(),
                fault["summary"],
                crash["code"],
                crash["summary"],
                outcome["same_memory"],
                outcome["notes"],
                outcome["divergences"]
            ));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of {} recordings did not run again as they were:\n{}",
        wrong.len(),
        recordings.len(),
        wrong.join("\n")
    );
    Ok(recordings.len())
}

fn recordings(folder: &Path) -> Result<Vec<PathBuf>> {
    let files = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = files.flatten().map(|file| file.path());
    Ok(files
        .filter(|path| path.extension() == Some(OsStr::new("recording")))
        .collect())
}

fn replay(binary: &Path, file: &Path) -> Result<Value> {
    let mut command = Command::new(binary);
    command.args(["plugin", "replay", "--format", "json"]).arg(file);
    let ended = command.output()?;
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    let said = String::from_utf8_lossy(&ended.stderr);
    let outcome: Value = serde_json::from_str(&told).with_context(|| format!("{}: {told}{said}", file.display()))?;
    let is_reproduced = outcome["reproduced"] == true;
    ensure!(
        ended.status.code() == Some(i32::from(!is_reproduced)),
        "{}",
        ended.status
    );
    Ok(outcome)
}
