//! The worker threads: how they start, what control threads may ask of them, how listeners come and go, how they end.

use std::error::Error;
use std::future::Future;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gate_plan::{Limits, Listener};

use crate::bind::{BindFault, BoundListener, bind, settings};
use crate::door::{Door, Doors};
use crate::service::Service;
use crate::tls::{CertificateNews, CertificateWatch};

mod mailbox;
mod thread;

pub use crate::door::ListenerReport;
use mailbox::Letter;
pub use mailbox::{Answer, Mailbox, MailboxFault};

/// LIMIT: how long a worker's service may take over its goodbye, after its connections have ended.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
/// LIMIT: how long a worker may take to begin to listen.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// What a factory answers for each worker.
pub type Made<S> = Result<Rc<S>, Box<dyn Error + Send + Sync>>;

/// Why workers do not start or do not follow.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFault {
    /// The system gives no thread or no event queue.
    #[error("worker {worker} does not start: {source}")]
    Thread {
        /// Which one.
        worker: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// The factory failed.
    #[error("worker {worker} has no service: {source}")]
    Service {
        /// Which one.
        worker: usize,
        /// What the factory said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The thread ended before it was ready, or does not answer.
    #[error("worker {worker} does not answer")]
    Silent {
        /// Which one.
        worker: usize,
    },
    /// A socket does not go into the worker's event queue.
    #[error("worker {worker} does not listen: {source}")]
    Listen {
        /// Which one.
        worker: usize,
        /// What the system said.
        source: std::io::Error,
    },
    /// A new listener does not open.
    #[error(transparent)]
    Bind(#[from] BindFault),
}

/// The worker threads of the process.
///
/// Dropped without [`Self::stop`], the workers end their connections at once and are not waited for.
pub struct Workers<S> {
    hands: Vec<Hand<S>>,
    doors: Arc<Doors>,
}

struct Hand<S> {
    mailbox: Mailbox<S>,
    thread: JoinHandle<()>,
    panics: Arc<AtomicU64>,
    /// Gets the number of aborted connections when the worker has ended.
    ended: Receiver<usize>,
}

/// What a change of listeners did, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Relistened {
    /// Newly opened.
    pub opened: Vec<String>,
    /// Kept, with the settings of the new plan.
    pub kept: Vec<String>,
    /// Closed; their connections drain.
    pub closed: Vec<String>,
}

/// How the workers ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stopped {
    /// Connections that had to be aborted.
    pub aborted: usize,
    /// Workers that did not end in time, or had ended before.
    pub lost: Vec<usize>,
}

impl<S: Service> Workers<S> {
    /// Starts `count` threads named `worker-0`, `worker-1`, …; each calls the factory with its number and keeps what it makes.
    ///
    /// The factory's future runs on the worker itself, so the service may be made of what never leaves a thread. Returns when every
    /// worker is ready; when one fails, the others end.
    pub fn start<F, M>(count: NonZeroUsize, factory: F) -> Result<Self, WorkerFault>
    where
        F: Fn(usize) -> M + Send + Sync + 'static,
        M: Future<Output = Made<S>> + 'static,
    {
        let factory = Arc::new(factory);
        let mut starting = Vec::new();
        for worker in 0..count.get() {
            starting.push(thread::start(worker, count, Arc::clone(&factory))?);
        }
        let mut hands = Vec::new();
        for (worker, (hand, ready)) in starting.into_iter().enumerate() {
            match ready.recv() {
                Ok(Ok(())) => hands.push(hand),
                Ok(Err(fault)) => return Err(fault),
                Err(_) => return Err(WorkerFault::Silent { worker }),
            }
        }
        Ok(Self {
            hands,
            doors: Arc::default(),
        })
    }

    /// Number of workers.
    pub fn count(&self) -> usize {
        self.hands.len()
    }

    /// The ways to reach the workers, by number.
    pub fn mailboxes(&self) -> impl Iterator<Item = &Mailbox<S>> {
        self.hands.iter().map(|hand| &hand.mailbox)
    }

    /// Begins to accept on bound listeners. They must have been bound for this number of workers.
    pub fn open(&mut self, listeners: Vec<BoundListener>) -> Result<(), WorkerFault> {
        let mut doors = Vec::clone(&self.doors.load());
        let mut waiting = Vec::new();
        for BoundListener { door, sockets } in listeners {
            doors.push(Arc::clone(&door));
            for ((worker, hand), socket) in self.hands.iter().enumerate().zip(sockets) {
                let (answer, answered) = sync_channel(1);
                let letter = Letter::Open {
                    door: Arc::clone(&door),
                    socket,
                    answer,
                };
                hand.mailbox
                    .send(letter, OPEN_MAX)
                    .map_err(|_| WorkerFault::Silent { worker })?;
                waiting.push((worker, answered));
            }
        }
        for (worker, answered) in waiting {
            let answer = answered
                .recv_timeout(OPEN_MAX)
                .map_err(|_| WorkerFault::Silent { worker })?;
            answer.map_err(|source| WorkerFault::Listen { worker, source })?;
        }
        self.doors.store(Arc::new(doors));
        Ok(())
    }

    /// Goes over to the listeners of a new plan.
    ///
    /// A listener at an address where one stands keeps its sockets and connections; connections that come from now on get the new
    /// settings. New addresses are bound and new TLS files read before anything changes, so a fault leaves everything as it was.
    /// Listeners that are gone stop accepting, and their connections drain for at most `wait`, in the background.
    pub fn relisten(
        &mut self,
        listeners: &[Arc<Listener>],
        limits: Limits,
        wait: Duration,
    ) -> Result<Relistened, WorkerFault> {
        let doors = self.doors.load_full();
        let mut done = Relistened::default();
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for spec in listeners {
            match doors.iter().find(|door| door.is_for(spec)) {
                Some(door) => {
                    done.kept.push(spec.name.clone());
                    kept.push((Arc::clone(door), settings(spec, limits, Some(&door.settings()))?));
                }
                None => {
                    done.opened.push(spec.name.clone());
                    new.push(Arc::clone(spec));
                }
            }
        }
        let workers = NonZeroUsize::new(self.hands.len()).unwrap_or(NonZeroUsize::MIN);
        let bound = bind(&new, limits, workers)?;
        let stays = |door: &&Arc<Door>| kept.iter().any(|(other, _)| other.id() == door.id());
        let (stay, gone): (Vec<_>, Vec<_>) = doors.iter().partition(stays);
        self.doors.store(Arc::new(stay.into_iter().cloned().collect()));
        for (door, settings) in kept {
            door.set(settings);
        }
        self.open(bound)?;
        for door in gone {
            done.closed.push(door.settings().spec().name.clone());
            self.close(door.id(), wait)?;
        }
        Ok(done)
    }

    fn close(&self, door: u64, wait: Duration) -> Result<(), WorkerFault> {
        for (worker, hand) in self.hands.iter().enumerate() {
            let letter = Letter::Close { door, wait };
            hand.mailbox
                .send(letter, OPEN_MAX)
                .map_err(|_| WorkerFault::Silent { worker })?;
        }
        Ok(())
    }

    /// What was counted at each listener, in the order in which they were opened.
    pub fn listeners(&self) -> Vec<ListenerReport> {
        self.doors.load().iter().map(|door| door.report()).collect()
    }

    /// Contained panics by worker.
    pub fn panics(&self) -> Vec<u64> {
        self.hands
            .iter()
            .map(|hand| hand.panics.load(Ordering::Relaxed))
            .collect()
    }

    /// Letters that each worker's full mailbox refused, by worker.
    pub fn mailbox_refusals(&self) -> Vec<u64> {
        self.hands.iter().map(|hand| hand.mailbox.refusals()).collect()
    }

    /// Workers whose thread has ended although nobody stopped it.
    pub fn lost(&self) -> Vec<usize> {
        let lost = self
            .hands
            .iter()
            .enumerate()
            .filter(|(_, hand)| hand.thread.is_finished());
        lost.map(|(worker, _)| worker).collect()
    }

    /// Looks at all certificate files now, and takes over those that changed.
    pub fn refresh_certificates(&self) -> Vec<CertificateNews> {
        crate::tls::refresh(&self.doors.load())
    }

    /// Starts a thread that does so every `period`. It ends when the watch is dropped, or with the workers.
    pub fn watch_certificates(
        &self,
        period: Duration,
        report: impl Fn(CertificateNews) + Send + 'static,
    ) -> std::io::Result<CertificateWatch> {
        CertificateWatch::start(Arc::downgrade(&self.doors), period, report)
    }

    /// Ends all workers: they stop accepting, tell their clients, let exchanges end for at most `wait`, then abort what is left.
    ///
    /// Waits for them, a few seconds beyond `wait` at most; not to be called on a worker.
    pub fn stop(self, wait: Duration) -> Stopped {
        let mut stopped = Stopped::default();
        let deadline = Instant::now() + wait + GOODBYE_MAX + Duration::from_secs(1);
        for hand in &self.hands {
            // A worker that takes no letter is found out below.
            let _ = hand.mailbox.send(Letter::Stop { wait }, Duration::from_millis(100));
        }
        for (worker, hand) in self.hands.into_iter().enumerate() {
            match hand
                .ended
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(aborted) => {
                    stopped.aborted += aborted;
                    // It has said its last word: the thread ends now.
                    let _ = hand.thread.join();
                }
                Err(_) => stopped.lost.push(worker),
            }
        }
        stopped
    }
}

#[cfg(test)]
mod tests;
