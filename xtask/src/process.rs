//! A server that we start and that does not outlive us.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::shown;

/// Between two looks at a server.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long a server may take to stop before it is killed.
const STOP_WAIT: Duration = Duration::from_secs(35);

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    name: String,
    child: Child,
}

impl Server {
    /// Starts a server in a process group of its own, so that Ctrl-C reaches us alone and we stop it in order.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = shown(command);
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        Ok(Self {
            child: child.with_context(|| format!("cannot start `{name}`"))?,
            name,
        })
    }

    /// What it says on stderr, when that was piped; once.
    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a check holds; fails when the server ends first or the time is up.
    pub(crate) fn wait_until(&mut self, wait: Duration, check: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + wait;
        while !check() {
            if let Some(status) = self.ended()? {
                bail!("`{}` ended before it was ready ({status})", self.name);
            }
            if Instant::now() > deadline {
                bail!("`{}` was not ready after {} s", self.name, wait.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// How it ended, when it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look at `{}`", self.name))
    }

    /// Asks it to stop and waits; kills it when it does not.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(id) = i32::try_from(self.id()).ok().and_then(Pid::from_raw) {
            kill_process(id, Signal::TERM).with_context(|| format!("cannot stop `{}`", self.name))?;
        }
        let deadline = Instant::now() + STOP_WAIT;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                bail!(
                    "`{}` did not stop within {} s and was killed",
                    self.name,
                    STOP_WAIT.as_secs()
                );
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A free port of the loopback address, chosen by the system.
///
/// Several are asked for at once, because a port that is given back may be given out again.
pub(crate) fn free_ports<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let mut held = Vec::new();
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); COUNT];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port on 127.0.0.1")?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}
