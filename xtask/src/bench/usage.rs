//! What a process has used, as the kernel counts it.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::output;

/// CPU time of a process with all its threads, in seconds.
pub(super) fn cpu_seconds(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).context("the server is gone")?;
    Ok(ticks(&text).context("/proc/PID/stat has another form")? as f64 / ticks_per_second()?)
}

/// User and system ticks: the 14th and 15th field. The second is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11);
    Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
}

fn ticks_per_second() -> Result<f64> {
    output(Command::new("getconf").arg("CLK_TCK"))?
        .trim()
        .parse()
        .context("`getconf CLK_TCK` said no number")
}

/// Calls of `write` and its like, and bytes of pages that the disk gets.
pub(super) fn written(process: u32) -> Result<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/io")).context("the server's writes are not to be seen")?;
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok())
            .with_context(|| format!("/proc/PID/io has no {name}"))
    };
    Ok((number("syscw:")?, number("write_bytes:")?))
}

/// Resident memory in MB (10^6 bytes).
pub(super) fn resident_mb(process: u32) -> Result<f64> {
    memory_mb(process, "VmRSS:")
}

/// The most that was resident since [`forget_peak`], in MB.
pub(super) fn peak_mb(process: u32) -> Result<f64> {
    memory_mb(process, "VmHWM:")
}

/// What is resident now is the most from now on.
pub(super) fn forget_peak(process: u32) -> Result<()> {
    // proc(5): 5 resets the peak resident set size to what is resident now.
    fs::write(format!("/proc/{process}/clear_refs"), "5").context("cannot reset the peak of the server's memory")
}

fn memory_mb(process: u32, name: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).context("the server is gone")?;
    memory_kib(&text, name)
        .map(|kib| kib as f64 * 1024.0 / 1e6)
        .with_context(|| format!("/proc/PID/status has no {name}"))
}

fn memory_kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 120 35 0 0 20 0 3 0 5 6 7";
        assert_eq!(ticks(stat), Some(155));
        assert_eq!(ticks("42 (short) S 1"), None);
    }

    #[test]
    fn our_own_usage_can_be_read() {
        let process = std::process::id();
        assert!(cpu_seconds(process).unwrap() >= 0.0);
        assert!(written(process).is_ok());
        assert!(resident_mb(process).unwrap() > 0.5);
        forget_peak(process).unwrap();
        assert!(peak_mb(process).unwrap() > 0.5);
        assert!(memory_mb(process, "VmNone:").is_err());
    }
}
