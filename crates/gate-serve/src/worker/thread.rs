//! One worker's thread: its runtime, its loop over letters and ticks, its end.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::mailbox::{LETTERS_MAX, Letter, Mailbox};
use super::{GOODBYE_MAX, Hand, Made, WorkerFault};
use crate::accept::{self, Floor};
use crate::door::Door;
use crate::http::Crew;
use crate::roster::{Roster, SWEEP};
use crate::service::Service;

/// Stack of a worker. A plugin that has been quick runs on it, when what is left is more than the plugin may use.
const STACK_BYTES: usize = 4 * 1024 * 1024;

type Ready = Receiver<Result<(), WorkerFault>>;

/// Starts a worker; the receiver tells when it is ready.
pub(super) fn start<S, F, M>(
    worker: usize,
    count: NonZeroUsize,
    factory: Arc<F>,
) -> Result<(Hand<S>, Ready), WorkerFault>
where
    S: Service,
    F: Fn(usize) -> M + Send + Sync + 'static,
    M: Future<Output = Made<S>> + 'static,
{
    let (letters, mailbox) = mpsc::channel(LETTERS_MAX);
    let (ready_at, ready) = sync_channel(1);
    let (end, ended) = sync_channel(1);
    let panics = Arc::new(AtomicU64::new(0));
    let crew = Crew::new(Arc::clone(&panics));
    let body = move || {
        let made = runtime(worker).map(|runtime| {
            runtime.block_on(async {
                let service = factory(worker)
                    .await
                    .map_err(|source| WorkerFault::Service { worker, source })?;
                // Only one who waits for readiness may go away, and then the mailbox is closed too.
                let _ = ready_at.send(Ok(()));
                Worker::new(service, crew, worker, count).run(mailbox, &end).await;
                Ok(())
            })
        });
        if let Err(fault) | Ok(Err(fault)) = made {
            let _ = ready_at.send(Err(fault));
        }
    };
    let thread = std::thread::Builder::new()
        .name(format!("worker-{worker}"))
        .stack_size(STACK_BYTES)
        .spawn(body)
        .map_err(|source| WorkerFault::Thread { worker, source })?;
    Ok((
        Hand {
            mailbox: Mailbox::new(letters),
            thread,
            panics,
            ended,
        },
        ready,
    ))
}

/// A runtime whose tasks stay on this thread: `spawn_local` works everywhere, as in a `LocalSet`, without its second queue.
fn runtime(worker: usize) -> Result<LocalRuntime, WorkerFault> {
    let fault = |source| WorkerFault::Thread { worker, source };
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(fault)
}

struct Worker<S> {
    floor: Rc<Floor<S>>,
    doors: HashMap<u64, Accepting>,
}

/// An accept loop that runs.
struct Accepting {
    stop: Rc<Notify>,
    task: JoinHandle<()>,
}

impl Accepting {
    /// Ends the loop; when this is over, every connection that had reached us is on the roster.
    async fn end(self) {
        self.stop.notify_one();
        // It ends by itself or by a counted panic.
        let _ = self.task.await;
    }
}

impl<S: Service> Worker<S> {
    fn new(service: Rc<S>, crew: Crew, worker: usize, count: NonZeroUsize) -> Self {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let floor = Floor {
            service,
            roster: Rc::new(Roster::default()),
            crew,
            next_connection: Cell::new(number(worker) + 1),
            workers: number(count.get()),
        };
        Self {
            floor: Rc::new(floor),
            doors: HashMap::new(),
        }
    }

    /// Reads letters until told to stop and everything has ended.
    async fn run(mut self, mut mailbox: mpsc::Receiver<Letter<S>>, end: &SyncSender<usize>) {
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stopping, mut stopped) = (None, None);
        loop {
            tokio::select! {
                letter = mailbox.recv(), if stopping.is_none() || !mailbox.is_closed() => match letter {
                    Some(Letter::Stop { wait }) => stopping = stopping.or(Some(wait)),
                    Some(letter) => self.read(letter),
                    // Nobody is left who could ask for anything.
                    None => stopping = stopping.or(Some(Duration::ZERO)),
                },
                _ = ticks.tick() => self.floor.roster.sweep(),
                aborted = ended(&mut stopped) => {
                    let _ = end.try_send(aborted);
                    return;
                }
            }
            if let (Some(wait), None) = (stopping, &stopped) {
                stopped = Some(self.stop(wait));
            }
        }
    }

    fn read(&mut self, letter: Letter<S>) {
        match letter {
            Letter::Work(work) => self.floor.crew.run(|| work(&self.floor.service, &self.floor.crew)),
            Letter::Open { door, socket, answer } => {
                let _ = answer.try_send(self.open(door, socket));
            }
            Letter::Close { door, wait } => self.close(door, wait),
            Letter::Stop { .. } => {}
        }
    }

    fn open(&mut self, door: Arc<Door>, socket: TcpListener) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let stop = Rc::new(Notify::new());
        let id = door.id();
        let task = self
            .floor
            .crew
            .start(accept::run(Rc::clone(&self.floor), door, socket, Rc::clone(&stop)));
        self.doors.insert(id, Accepting { stop, task });
        Ok(())
    }

    fn close(&mut self, door: u64, wait: Duration) {
        let Some(accepting) = self.doors.remove(&door) else {
            return;
        };
        let roster = Rc::clone(&self.floor.roster);
        self.floor.crew.start(async move {
            accepting.end().await;
            roster.drain(Some(door), wait).await;
        });
    }

    /// Ends everything; the receiver gets the number of aborted connections.
    fn stop(&mut self, wait: Duration) -> oneshot::Receiver<usize> {
        let (done, stopped) = oneshot::channel();
        let doors = std::mem::take(&mut self.doors);
        let floor = Rc::clone(&self.floor);
        self.floor.crew.start(async move {
            for accepting in doors.into_values() {
                accepting.end().await;
            }
            let aborted = floor.roster.drain(None, wait).await;
            // A goodbye that takes too long is cut off: the process is about to end.
            let _ = tokio::time::timeout(GOODBYE_MAX, Rc::clone(&floor.service).stop()).await;
            let _ = done.send(aborted);
        });
        stopped
    }
}

/// Waits for the end of a stop that has begun; for ever when none has. A stop that panicked aborted an unknown number: 0.
async fn ended(stopped: &mut Option<oneshot::Receiver<usize>>) -> usize {
    match stopped {
        Some(stopped) => stopped.await.unwrap_or(0),
        None => std::future::pending().await,
    }
}
