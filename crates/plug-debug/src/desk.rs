//! Where the session of a client and the worker of a guest meet: orders one way, stops the other.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::guest::{Orders, Question, Why};

/// LIMIT: stops that wait to be told; a guest makes one at a time.
const EVENTS_MAX: usize = 8;

/// What the client wants of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// Nobody is there.
    Away,
    /// It shall stand still.
    Stopped,
    /// It shall run.
    Running,
}

/// What a guest tells the session.
pub(crate) enum Event {
    /// It has stopped, with its frames' places, innermost first, and who answers questions.
    Stopped(Why, Vec<u32>, mpsc::Sender<Question>),
    /// It was told to stop, and computes nothing.
    Idle,
    /// No guest comes any more.
    Exited(u8),
}

/// What both sides share.
pub(crate) struct Desk {
    sheet: Mutex<Sheet>,
    client: watch::Sender<Client>,
}

#[derive(Default)]
struct Sheet {
    orders: Orders,
    /// The client asked for a stop that has not been made.
    interrupt: bool,
    /// The guest computes.
    inside: bool,
    /// A guest has the seat.
    taken: bool,
    /// The session in progress.
    events: Option<mpsc::Sender<Event>>,
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            sheet: Mutex::default(),
            client: watch::Sender::new(Client::Away),
        })
    }

    /// A client has come; the guest stands still until it says otherwise.
    pub(crate) fn open(&self) -> mpsc::Receiver<Event> {
        let (events, told) = mpsc::channel(EVENTS_MAX);
        self.sheet.lock().events = Some(events);
        self.client.send_replace(Client::Stopped);
        told
    }

    /// The client has gone: the guest goes on as if it had never been there.
    pub(crate) fn close(&self) {
        let mut sheet = self.sheet.lock();
        sheet.events = None;
        sheet.orders = Orders::default();
        sheet.interrupt = false;
        drop(sheet);
        self.client.send_replace(Client::Away);
    }

    /// Changes the guest's orders; it follows them when it next goes on.
    pub(crate) fn order<R>(&self, change: impl FnOnce(&mut Orders) -> R) -> R {
        change(&mut self.sheet.lock().orders)
    }

    /// The guest shall run.
    pub(crate) fn resume(&self) {
        self.client.send_replace(Client::Running);
    }

    /// The client asks for a stop; true when there is nothing to wait for.
    pub(crate) fn interrupt(&self) -> bool {
        let mut sheet = self.sheet.lock();
        sheet.interrupt = sheet.inside;
        if !sheet.inside {
            self.client.send_replace(Client::Stopped);
        }
        !sheet.inside
    }

    /// The place for a guest, if it is free.
    pub(crate) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let mut sheet = self.sheet.lock();
        let free = !std::mem::replace(&mut sheet.taken, true);
        free.then(|| Seat { desk: Arc::clone(self) })
    }

    /// Waits until a client is there.
    pub(crate) async fn attached(&self) {
        // The sender is ours: it lives as long as we do.
        let _ = self.client.subscribe().wait_for(|client| *client != Client::Away).await;
    }

    /// Waits until no client is there.
    pub(crate) async fn detached(&self) {
        let _ = self.client.subscribe().wait_for(|client| *client == Client::Away).await;
    }

    /// No guest comes any more; true when a client will be told.
    pub(crate) fn exited(&self, code: u8) -> bool {
        let events = self.sheet.lock().events.clone();
        events.is_some_and(|events| events.try_send(Event::Exited(code)).is_ok())
    }
}

/// The place of the one guest that is debugged; given back when dropped.
pub struct Seat {
    desk: Arc<Desk>,
}

/// A stop that the client has been told of.
pub struct Stop {
    questions: mpsc::Receiver<Question>,
}

impl Seat {
    /// Waits while the client wants the guest to stand still; then the guest computes, by these orders.
    pub async fn may_run(&self) -> Orders {
        let mut client = self.desk.client.subscribe();
        loop {
            // The sender is held by `self`.
            let _ = client.wait_for(|client| *client != Client::Stopped).await;
            let mut sheet = self.desk.sheet.lock();
            // An interruption may have come between.
            if *self.desk.client.borrow() != Client::Stopped {
                sheet.inside = true;
                return sheet.orders.clone();
            }
        }
    }

    /// The guest computes no more, until it may run again.
    pub fn left(&self) {
        self.leave(|_| {});
    }

    fn leave(&self, more: impl FnOnce(&mut Sheet)) {
        let mut sheet = self.desk.sheet.lock();
        sheet.inside = false;
        more(&mut sheet);
        if std::mem::take(&mut sheet.interrupt) {
            self.desk.client.send_replace(Client::Stopped);
            if let Some(events) = &sheet.events {
                // A session that has so much to tell tells of a stop anyway.
                let _ = events.try_send(Event::Idle);
            }
        }
    }

    /// Whether the client asks for a stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.desk.sheet.lock().interrupt
    }

    /// Whether a client is there.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        *self.desk.client.borrow() != Client::Away
    }

    /// The guest's orders as they are now.
    #[must_use]
    pub fn orders(&self) -> Orders {
        self.desk.sheet.lock().orders.clone()
    }

    /// Tells the client that the guest has stopped, with the places of its frames, innermost first; none when nobody is there.
    #[must_use]
    pub fn stop(&self, why: Why, frames: Vec<u32>) -> Option<Stop> {
        let (ask, questions) = mpsc::channel(1);
        let mut sheet = self.desk.sheet.lock();
        let told = sheet.events.as_ref()?.try_send(Event::Stopped(why, frames, ask));
        told.ok()?;
        sheet.interrupt = false;
        self.desk.client.send_replace(Client::Stopped);
        Some(Stop { questions })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave(|sheet| sheet.taken = false);
    }
}

impl Stop {
    /// The next question; none when the guest shall go on.
    pub async fn question(&mut self) -> Option<Question> {
        self.questions.recv().await
    }
}
