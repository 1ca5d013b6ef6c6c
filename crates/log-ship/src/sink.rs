//! One sink: its queue, the thread that carries, the thread that fills its spool, and what can be asked of it at any time.

mod carrying;
mod spooling;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backoff::Backoff;
use crate::carrier::Carrier;
use crate::fault::ShipFault;
use crate::format::Format;
use crate::queue::{BatchLimits, Queue, QueueLimits};
use crate::record::{Record, Selection};
use crate::spool::{Spool, SpoolSettings};
use crate::talk::{Kind, Listener, Talk};
use crate::tally::Tally;

use self::carrying::Carrying;
use self::spooling::Spooling;

/// How often the end of a thread is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What every sink has, whatever its other side is.
#[derive(Clone)]
pub struct Frame {
    /// Its name, for threads, notices and counts.
    pub name: String,
    /// Which records it is for.
    pub selection: Selection,
    /// In which form its lines go out. OTLP, Loki, chains and arrays take JSON alone.
    pub format: Format,
    /// How much it holds in memory.
    pub queue: QueueLimits,
    /// How much goes at once.
    pub batch: BatchLimits,
    /// The shortest and the longest wait before another try.
    pub retry: (Duration, Duration),
    /// Where records wait for an other side that does not take them.
    pub spool: Option<SpoolSettings>,
    /// Whether the giver must keep a record until this sink has it.
    pub durable: bool,
    /// Who hears what it has to say.
    pub listener: Listener,
}

impl Frame {
    /// A mistake where another form than JSON is set.
    pub(crate) fn only_json(&self, what: &str) -> Result<(), ShipFault> {
        if self.format == Format::Json {
            return Ok(());
        }
        Err(ShipFault::Setting {
            sink: self.name.clone(),
            why: format!("{what} takes JSON alone"),
        })
    }
}

/// A running sink.
pub struct Sink {
    name: String,
    key: String,
    durable: bool,
    spool: Option<PathBuf>,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Sink {
    pub(crate) fn start(frame: Frame, carrier: Box<dyn Carrier>) -> Result<Self, ShipFault> {
        let has_spool = frame.spool.is_some();
        let queue = Arc::new(Queue::new(frame.selection, frame.queue, frame.batch, has_spool));
        let mut spool = None;
        if let Some(settings) = frame.spool.clone() {
            let (opened, found) = Spool::open(settings)?;
            queue.found(found, opened.bytes());
            if found.aside > 0 {
                let text = format!(
                    "{} files of the spool cannot be read and are set aside as `*.aside`",
                    found.aside
                );
                Talk::new(&frame.name, Arc::clone(&frame.listener)).say(Kind::Spool, &text);
            }
            spool = Some(Arc::new(Mutex::new(opened)));
        }
        let backoff = Backoff::new(frame.retry.0, frame.retry.1);
        let mut sink = Self {
            name: frame.name.clone(),
            key: frame.name.clone(),
            spool: frame.spool.as_ref().map(|spool| spool.folder.clone()),
            durable: frame.durable,
            queue: Arc::clone(&queue),
            threads: Vec::new(),
        };
        if let Some(spool) = &spool {
            let spooling = Spooling {
                queue: Arc::clone(&queue),
                spool: Arc::clone(spool),
                backoff: backoff.clone(),
                talk: Talk::new(&frame.name, Arc::clone(&frame.listener)),
            };
            sink.spawn("spool", move || spooling.run())?;
        }
        let carrying = Carrying {
            queue,
            spool,
            batch: frame.batch,
            carrier,
            backoff,
            talk: Talk::new(&frame.name, frame.listener),
        };
        sink.spawn("log", move || carrying.run())?;
        Ok(sink)
    }

    fn spawn(&mut self, what: &str, run: impl FnOnce() + Send + 'static) -> Result<(), ShipFault> {
        let builder = Builder::new().name(format!("{what}-{}", self.name));
        match builder.spawn(run) {
            Ok(thread) => {
                self.threads.push(thread);
                Ok(())
            }
            Err(source) => {
                self.queue.carrier_gone();
                self.queue.stop(Instant::now());
                let sink = self.name.clone();
                Err(ShipFault::Thread { sink, source })
            }
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same with what its settings are known by, which is its name unless it is said.
    #[must_use]
    pub fn keyed(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// What its settings are known by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The folder of its spool.
    pub(crate) fn spool(&self) -> Option<&Path> {
        self.spool.as_deref()
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether its threads have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Whether the giver must keep a record until this sink has it.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Takes records that are for it. Never waits for the other side: what does not fit is dropped, the lowest level first, and counted.
    pub fn give(&self, records: &[Arc<Record>]) {
        self.queue.give(records);
    }

    /// The greatest number up to which this sink has no more need of the giver: arrived, on its disk, or dropped and counted.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.queue.acknowledged()
    }

    /// What has become of records so far, exact at this moment.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.queue.tally()
    }

    /// Has files opened anew, after somebody has renamed them.
    pub fn reopen(&self) {
        self.queue.reopen();
    }

    /// Says the end without waiting for it: what is held may still be carried until then, and goes to the spool when there is one.
    pub fn finish(&self, until: Instant) {
        self.queue.stop(until);
    }

    /// Waits for the end until then; says whether it came. What is held then is in the spool, or was never acknowledged.
    pub fn ended(&mut self, until: Instant) -> bool {
        self.queue.stop(until);
        while !self.has_ended() && Instant::now() < until {
            std::thread::park_timeout(LOOK_EVERY);
        }
        let (ended, running): (Vec<_>, Vec<_>) = self.threads.drain(..).partition(JoinHandle::is_finished);
        for thread in ended {
            // The thread catches what panics in it.
            let _ = thread.join();
        }
        self.threads = running;
        self.threads.is_empty()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Nobody waits: the threads end by themselves, and the spool keeps what it has.
        self.queue.stop(Instant::now());
    }
}

#[cfg(test)]
mod tests;
