//! How control threads, and other workers, have something done on a worker.

use std::future::Future;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::door::Door;
use crate::http::Crew;

/// LIMIT: letters that wait for one worker. A worker that is that far behind is stuck, and who writes to it must know.
pub(super) const LETTERS_MAX: usize = 1024;

/// Why a worker was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailboxFault {
    /// As many letters as fit wait already.
    #[error("the worker's mailbox is full")]
    Full,
    /// The worker has ended.
    #[error("the worker has ended")]
    Gone,
}

type Work<S> = Box<dyn FnOnce(&Rc<S>, &Crew) + Send>;

pub(super) enum Letter<S> {
    Work(Work<S>),
    Open {
        door: Arc<Door>,
        socket: TcpListener,
        answer: SyncSender<std::io::Result<()>>,
    },
    Close {
        door: u64,
        wait: Duration,
    },
    Stop {
        wait: Duration,
    },
}

/// Reaches one worker from any thread; waits only where its verb says so.
pub struct Mailbox<S> {
    letters: Sender<Letter<S>>,
    /// Letters refused because it was full. Shared by all who write; none of them is on the request path.
    refusals: Arc<AtomicU64>,
}

impl<S> Clone for Mailbox<S> {
    fn clone(&self) -> Self {
        Self {
            letters: self.letters.clone(),
            refusals: Arc::clone(&self.refusals),
        }
    }
}

impl<S: 'static> Mailbox<S> {
    pub(super) fn new(letters: Sender<Letter<S>>) -> Self {
        Self {
            letters,
            refusals: Arc::default(),
        }
    }

    pub(super) fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// Has something done on the worker, between its exchanges. Letters of one sender are read in the order in which they were sent.
    pub fn tell(&self, work: impl FnOnce(&Rc<S>) + Send + 'static) -> Result<(), MailboxFault> {
        self.try_send(Letter::Work(Box::new(move |service, _| work(service))))
            .map_err(|(fault, _)| self.refused(fault))
    }

    /// As [`Mailbox::tell`], for what must not be lost: waits up to `wait` while the mailbox is full.
    pub fn deliver(&self, work: impl FnOnce(&Rc<S>) + Send + 'static, wait: Duration) -> Result<(), MailboxFault> {
        self.send(Letter::Work(Box::new(move |service, _| work(service))), wait)
    }

    /// Has something done on the worker that may take a while, as a task of its own, and gives its answer.
    pub fn ask<A, F>(&self, work: impl FnOnce(Rc<S>) -> F + Send + 'static) -> Result<Answer<A>, MailboxFault>
    where
        A: Send + 'static,
        F: Future<Output = A> + 'static,
    {
        let (answer, answered) = sync_channel(1);
        let start = move |service: &Rc<S>, crew: &Crew| {
            let task = work(Rc::clone(service));
            crew.start(async move {
                // Who asked may have stopped waiting.
                let _ = answer.try_send(task.await);
            });
        };
        self.try_send(Letter::Work(Box::new(start)))
            .map_err(|(fault, _)| self.refused(fault))?;
        Ok(Answer { answered })
    }

    fn refused(&self, fault: MailboxFault) -> MailboxFault {
        if fault == MailboxFault::Full {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
        fault
    }

    fn try_send(&self, letter: Letter<S>) -> Result<(), (MailboxFault, Letter<S>)> {
        self.letters.try_send(letter).map_err(|fault| match fault {
            TrySendError::Full(letter) => (MailboxFault::Full, letter),
            TrySendError::Closed(letter) => (MailboxFault::Gone, letter),
        })
    }

    /// Sends what must not be lost, and waits while the mailbox is full.
    pub(super) fn send(&self, letter: Letter<S>, wait: Duration) -> Result<(), MailboxFault> {
        let deadline = Instant::now() + wait;
        let mut letter = letter;
        loop {
            match self.try_send(letter) {
                Ok(()) => return Ok(()),
                Err((MailboxFault::Full, back)) if Instant::now() < deadline => letter = back,
                Err((fault, _)) => return Err(self.refused(fault)),
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An answer that a worker will give.
#[derive(Debug)]
pub struct Answer<A> {
    answered: Receiver<A>,
}

impl<A> Answer<A> {
    /// Waits for the answer; none when it does not come in time, or the work panicked.
    pub fn wait(self, limit: Duration) -> Option<A> {
        self.answered.recv_timeout(limit).ok()
    }
}
