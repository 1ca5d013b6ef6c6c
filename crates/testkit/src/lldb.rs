//! LLDB, the debugger that plugin authors have: run to its end over a list of commands.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::place;
use crate::process::Process;

/// How long a session of some commands may take.
const SESSION_MAX: Duration = Duration::from_secs(60);

/// What LLDB says to `commands`, and to `after_a_death` when what it debugs has died on the way.
///
/// # Errors
/// When it is not there or does not end.
pub async fn lldb(commands: &[&str], after_a_death: &[&str]) -> Result<String> {
    let mut command = Command::new(place::peer("lldb")?);
    command.args(["--batch", "--no-lldbinit"]);
    for (flag, lines) in [("-o", commands), ("-k", after_a_death)] {
        for line in lines {
            command.args([flag, line]);
        }
    }
    let mut process = Process::start("lldb", &mut command)?;
    process.wait_for_exit(SESSION_MAX).await?;
    // The pipes are read to their end by threads of their own; a line that never comes waits for exactly that.
    let _ = process.wait_for_line(0, SESSION_MAX, |_| false).await;
    let lines = process.lines_from(0).into_iter();
    Ok(lines.map(|line| line.text + "\n").collect())
}
