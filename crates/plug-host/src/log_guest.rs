//! Log guests: modules that are given batches of masked records, change what others wrote in them, and forget all of it. A record whose guest fails goes
//! on with a marker in place of what others wrote: never raw, and never lost.

mod engine;
pub use engine::{LogEngine, LogModule};
mod fault;
pub use fault::LogFault;
mod instance;
mod image;
mod wire;
mod wasi;

use std::sync::Arc;
use std::time::{Duration, Instant};

use log_record::patch::{Patcher, Refused};
use plug_abi::LogLevel;

use self::instance::{IsUsedUp, Running, Snapshot, Work, after};
use crate::folders::Folders;
use crate::restart::{RestartPolicy, Restarts, Wait};

/// LIMIT: how long a batch may take. A guest knows what it is given for no longer than 120 ms: this, a tick of the engine by which it is stopped, and
/// what it takes to make its memory what it was.
pub const BATCH_TIME_MAX: Duration = Duration::from_millis(100);
/// LIMIT: records of one batch.
const RECORDS_MAX: usize = 1_024;

/// What a log guest may do, beside computing.
#[derive(Debug, Clone)]
pub struct LogGrant {
    /// Read its arguments: its name.
    pub args: bool,
    /// Read the clock.
    pub clock: bool,
    /// Write lines to the operator's log.
    pub lines: bool,
    /// Draw random bytes.
    pub random: bool,
    /// Folders whose files it may read while it is configured.
    pub folders: Option<Arc<Folders>>,
}

impl Default for LogGrant {
    fn default() -> Self {
        Self {
            args: true,
            clock: true,
            lines: true,
            random: false,
            folders: None,
        }
    }
}

/// A log guest as an operator wants it.
#[derive(Debug, Clone)]
pub struct LogGuestSpec {
    /// Its name.
    pub name: String,
    /// What its `cofferdam_log_configure` is given.
    pub configuration: Vec<u8>,
    /// What it may do.
    pub grant: LogGrant,
    /// Its linear memory.
    pub memory_bytes_max: u64,
    /// How long it may take to start and to be configured.
    pub start_time_max: Duration,
    /// How long a batch may take: at most [`BATCH_TIME_MAX`], whatever it says here.
    pub batch_time_max: Duration,
    /// Bytes of one batch. A larger record is not shown to the guest, and marked.
    pub batch_bytes_max: usize,
    /// Bytes of what may change of one record.
    pub patch_bytes_max: usize,
    /// When a guest that dies comes back.
    pub restart: RestartPolicy,
}

impl Default for LogGuestSpec {
    fn default() -> Self {
        Self {
            name: String::new(),
            configuration: Vec::new(),
            grant: LogGrant::default(),
            memory_bytes_max: 64 * 1024 * 1024,
            start_time_max: Duration::from_secs(10),
            batch_time_max: Duration::from_millis(50),
            batch_bytes_max: 256 * 1024,
            patch_bytes_max: 16 * 1024,
            restart: RestartPolicy::default(),
        }
    }
}

/// Takes the lines that a guest writes.
pub type LogSays = Arc<dyn Fn(LogLevel, &str) + Send + Sync>;

/// What became of some records: each is in exactly one of the counts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The guest left them as they were.
    pub unchanged: u64,
    /// The guest changed them.
    pub changed: u64,
    /// A marker stands in place of what others wrote.
    pub marked: u64,
    /// In how many batches the guest died: in one of them perhaps more than once, until the record is found that kills it.
    pub deaths: u64,
    /// Its last death.
    pub fault: Option<LogFault>,
    /// Why a patch was last refused.
    pub refused: Option<Refused>,
    /// It was set aside with its last death.
    pub is_quarantined: bool,
}

/// A log guest, for one thread.
pub struct LogGuest {
    module: Arc<LogModule>,
    spec: LogGuestSpec,
    says: LogSays,
    snapshot: Snapshot,
    running: Option<Running>,
    restarts: Restarts,
    /// None from a death until it is asked again: to wait is not to live.
    alive_since: Option<tokio::time::Instant>,
    patcher: Patcher,
}

impl LogGuest {
    /// Starts and configures a guest. Its thread needs 1 MiB of stack.
    ///
    /// # Errors
    /// When it dies meanwhile, takes too long, or refuses its configuration.
    pub fn start(module: &Arc<LogModule>, spec: LogGuestSpec, says: LogSays) -> Result<Self, LogFault> {
        let (running, snapshot) = Running::begin(module, &spec, &says)?;
        Ok(Self {
            module: Arc::clone(module),
            spec,
            says,
            snapshot,
            running: Some(running),
            restarts: Restarts::default(),
            alive_since: Some(tokio::time::Instant::now()),
            patcher: Patcher::default(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Leads records through the guest, each of them one JSON object on one line. Whatever the guest does, each is there afterwards, and shows what
    /// others wrote only if the guest has seen it.
    pub fn pass<L: AsMut<Vec<u8>>>(&mut self, lines: &mut [L]) -> Passed {
        let mut passed = Passed::default();
        let mut rest = lines;
        while !rest.is_empty() {
            let count = self.fitting(rest).max(1);
            let (now, later) = rest.split_at_mut(count);
            self.pass_some(now, &mut passed);
            rest = later;
        }
        passed
    }

    /// How many of the first records fit into one batch.
    fn fitting<L: AsMut<Vec<u8>>>(&self, lines: &mut [L]) -> usize {
        let mut left = self.spec.batch_bytes_max.saturating_sub(wire::NUMBER_BYTES);
        let fits = |line: &mut L| {
            let bytes = wire::bytes_of(line.as_mut());
            left.checked_sub(bytes).map(|less| left = less).is_some()
        };
        lines
            .iter_mut()
            .take(RECORDS_MAX)
            .map(fits)
            .take_while(|fits| *fits)
            .count()
    }

    fn pass_some<L: AsMut<Vec<u8>>>(&mut self, lines: &mut [L], passed: &mut Passed) {
        if self.fitting(lines) < lines.len() {
            return self.mark(lines, "too_large", passed);
        }
        match self.restarts.wait(tokio::time::Instant::now()) {
            Wait::Over => {}
            Wait::Backoff(_) => return self.mark(lines, "restarting", passed),
            Wait::Quarantine(_) => return self.mark(lines, "quarantined", passed),
        }
        let time = self.spec.batch_time_max.min(BATCH_TIME_MAX);
        let until = after(time);
        let Err(fault) = self.batch(lines, (time, until), passed) else {
            return;
        };
        // One record may have killed it: the others need not suffer for it, as long as there is time.
        if lines.len() > 1 && !matches!(fault, LogFault::NotStarted(_)) {
            for line in lines.chunks_mut(1) {
                let alone = match Instant::now() < until {
                    true => self.batch(line, (time, until), passed),
                    false => Err(fault.clone()),
                };
                if let Err(fault) = alone {
                    self.mark(line, fault.word(), passed);
                }
            }
        } else {
            self.mark(lines, fault.word(), passed);
        }
        self.died(fault, passed);
    }

    fn batch<L: AsMut<Vec<u8>>>(
        &mut self,
        lines: &mut [L],
        until: (Duration, Instant),
        passed: &mut Passed,
    ) -> Result<(), LogFault> {
        self.alive_since.get_or_insert_with(tokio::time::Instant::now);
        // A fault leaves no instance behind: what it knew goes with it.
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::again(&self.module, &self.spec, &self.says, &self.snapshot)?,
        };
        let mut work = Work {
            patcher: &mut self.patcher,
            patch_bytes_max: self.spec.patch_bytes_max,
            answer_bytes_max: self.spec.batch_bytes_max.saturating_mul(2),
            passed,
        };
        let IsUsedUp(is_used_up) = running.batch(&self.snapshot, lines, until, &mut work)?;
        if !is_used_up {
            self.running = Some(running);
        }
        Ok(())
    }

    fn died(&mut self, fault: LogFault, passed: &mut Passed) {
        let now = tokio::time::Instant::now();
        let since = self.alive_since.take().unwrap_or(now);
        let lived = now.saturating_duration_since(since);
        passed.is_quarantined |= self.restarts.fault(&self.spec.restart, lived, now);
        passed.deaths += 1;
        passed.fault = Some(fault);
    }

    fn mark<L: AsMut<Vec<u8>>>(&mut self, lines: &mut [L], why: &str, passed: &mut Passed) {
        for line in lines {
            self.patcher.mark(line.as_mut(), why);
            passed.marked += 1;
        }
    }
}

#[cfg(test)]
mod tests;
