//! A program that a test starts: its lines with the time of each, waiting for one of them, and a sure end.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// How long a test waits for what must happen at once; long, because the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How long a program has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// How often an ended program is looked for; the system gives no other sign without `unsafe`.
const LOOK: Duration = Duration::from_millis(5);

/// Between two signals of a fault.
const AGAIN: Duration = Duration::from_millis(50);

/// Lines shown when a program does not do what it should.
// LIMIT: enough to see why, not so many that the reason scrolls away.
const SHOWN_LINES_MAX: usize = 40;

/// Where a line came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of a program.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// Where it came out.
    pub source: Source,
    /// The line without its end.
    pub text: String,
}

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Mutex<Vec<Line>>>,
    count: watch::Receiver<usize>,
}

impl Process {
    /// Starts a program; `name` is for messages.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start `{name}`"))?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let sender = Arc::new(sender);
        if let Some(stdout) = child.stdout.take() {
            collect(Source::Stdout, stdout, Arc::clone(&lines), Arc::clone(&sender));
        }
        if let Some(stderr) = child.stderr.take() {
            collect(Source::Stderr, stderr, Arc::clone(&lines), sender);
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
            count,
        })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Number of lines so far, from both outputs.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines.lock().len()
    }

    /// The lines from number `start` on, in the order in which they were read.
    #[must_use]
    pub fn lines_from(&self, start: usize) -> Vec<Line> {
        self.lines.lock().get(start..).unwrap_or_default().to_vec()
    }

    /// Waits for the first line from number `start` on for which `wanted` holds.
    ///
    /// # Errors
    /// When there is none by the deadline or the program has ended; the error shows the last lines.
    pub async fn wait_for_line(
        &self,
        start: usize,
        deadline: Duration,
        wanted: impl Fn(&Line) -> bool,
    ) -> Result<Line> {
        self.wait_for(start, deadline, |lines| lines.iter().find(|line| wanted(line)).cloned())
            .await
    }

    /// Waits until `judge` makes something of the lines from number `start` on.
    ///
    /// # Errors
    /// As [`Process::wait_for_line`].
    pub async fn wait_for<T>(
        &self,
        start: usize,
        deadline: Duration,
        judge: impl Fn(&[Line]) -> Option<T>,
    ) -> Result<T> {
        let mut count = self.count.clone();
        let search = async {
            loop {
                count.mark_unchanged();
                if let Some(found) = judge(self.lines.lock().get(start..).unwrap_or_default()) {
                    return Some(found);
                }
                if count.changed().await.is_err() {
                    return judge(self.lines.lock().get(start..).unwrap_or_default());
                }
            }
        };
        match tokio::time::timeout(deadline, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!(
                "`{}` ended without the line that was waited for\n{}",
                self.name,
                self.tail(start)
            ),
            Err(_) => bail!(
                "`{}` did not say what was waited for in {deadline:?}\n{}",
                self.name,
                self.tail(start)
            ),
        }
    }

    fn tail(&self, start: usize) -> String {
        let lines = self.lines_from(start);
        let from = lines.len().saturating_sub(SHOWN_LINES_MAX);
        let shown: Vec<&str> = lines.iter().skip(from).map(|line| line.text.as_str()).collect();
        shown.join("\n")
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid())
            .ok()
            .and_then(Pid::from_raw)
            .context("no process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal `{}`", self.name))
    }

    /// Waits for the end that something else has brought about.
    ///
    /// # Errors
    /// When it has not ended by the deadline.
    pub async fn wait_for_exit(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("`{}` did not end in {deadline:?}\n{}", self.name, self.tail(0));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a signal until the program has ended: a handler of faults gives one that was sent back to the system, which takes the next one.
    ///
    /// # Errors
    /// When it has not ended by the deadline.
    pub async fn end_with(&mut self, signal: Signal) -> Result<ExitStatus> {
        let end = Instant::now() + DEADLINE;
        let is_of_a_fault = matches!(signal, Signal::SEGV | Signal::BUS | Signal::ILL | Signal::FPE);
        let wait = if is_of_a_fault { AGAIN } else { DEADLINE };
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
                return Ok(status);
            }
            self.signal(signal)?;
            match self.wait_for_exit(wait).await {
                Err(_) if Instant::now() < end => {}
                ended => return ended,
            }
        }
    }

    /// Ends the program: SIGTERM, and SIGKILL when that does not help in time.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        if let Ok(status) = self.wait_for_exit(GRACE).await {
            return Ok(status);
        }
        self.signal(Signal::KILL)?;
        self.child.wait().context("cannot wait for a child")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Reads one output to its end on a thread of its own, so that the program never blocks on a full pipe.
fn collect(
    source: Source,
    output: impl Read + Send + 'static,
    lines: Arc<Mutex<Vec<Line>>>,
    count: Arc<watch::Sender<usize>>,
) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes)
                .trim_end_matches(['\r', '\n'])
                .to_owned();
            bytes.clear();
            let mut lines = lines.lock();
            lines.push(Line {
                at: Instant::now(),
                source,
                text,
            });
            count.send_replace(lines.len());
        }
    });
}
