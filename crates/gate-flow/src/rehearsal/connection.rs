//! A TCP connection through a plugin without sockets: bytes in and bytes out, in the lane that a gateway has.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use plug_host::{Bell, Direction, Exchange, Facts, PluginHandle};
use tokio::task::JoinHandle;

use super::chain;
use crate::tcp::nothing;
use crate::tcp_lane::TcpLane;

/// What comes from one end.
#[derive(Debug)]
pub enum Feed {
    /// Bytes.
    Bytes(Bytes),
    /// It has sent everything.
    End,
    /// Its side of the connection breaks.
    Break,
}

/// One direction.
#[derive(Default)]
struct Side {
    fed: RefCell<VecDeque<Feed>>,
    fed_bell: Bell,
    /// Something is on its way through the plugin.
    busy: Cell<bool>,
    ended: Cell<bool>,
    came: RefCell<BytesMut>,
}

/// What the connection's task and its owner share.
struct Parts {
    lane: TcpLane,
    request: Side,
    response: Side,
    /// A plugin closed the connection, or failed.
    refused: Cell<bool>,
    over: Cell<bool>,
    moved: Bell,
}

/// A connection through one plugin.
pub struct Connection {
    parts: Rc<Parts>,
    task: JoinHandle<()>,
}

/// A plugin closed the connection or failed, or one of its ends went away.
struct Broken;

impl Connection {
    /// Opens one, on the thread's `LocalSet`.
    #[must_use]
    pub fn open(plugin: &Rc<PluginHandle>, facts: Rc<dyn Facts>, body_bytes_max: u64) -> Self {
        let exchange = Exchange::new(nothing(), facts, body_bytes_max);
        let parts = Rc::new(Parts {
            lane: TcpLane::new(chain(plugin, exchange)),
            request: Side {
                busy: Cell::new(true),
                ..Side::default()
            },
            response: Side::default(),
            refused: Cell::new(false),
            over: Cell::new(false),
            moved: Bell::default(),
        });
        let task = tokio::task::spawn_local(run(Rc::clone(&parts)));
        Self { parts, task }
    }

    /// What the client sends is a request, what the upstream sends a response.
    pub fn feed(&self, direction: Direction, feed: Feed) {
        let side = self.parts.side(direction);
        side.fed.borrow_mut().push_back(feed);
        side.fed_bell.ring();
    }

    /// Waits until the plugin holds nothing up. What it gathers of a stream without an end is not held up.
    pub async fn quiet(&self) {
        let is_quiet = |side: &Side| side.ended.get() || (!side.busy.get() && side.fed.borrow().is_empty());
        poll_fn(|task| {
            loop {
                let parts = &self.parts;
                if parts.over.get() || (is_quiet(&parts.request) && is_quiet(&parts.response)) {
                    return Poll::Ready(());
                }
                if parts.moved.poll_heard(task).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// The direction in which the plugin holds something up.
    #[must_use]
    pub fn held(&self) -> Option<Direction> {
        match (self.parts.request.busy.get(), self.parts.response.busy.get()) {
            _ if self.parts.over.get() => None,
            (true, _) => Some(Direction::Request),
            (false, true) => Some(Direction::Response),
            (false, false) => None,
        }
    }

    /// What has come out since it was last taken.
    #[must_use]
    pub fn take(&self, direction: Direction) -> Bytes {
        self.parts.side(direction).came.take().freeze()
    }

    /// Whether a plugin closed the connection, or failed.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.parts.refused.get()
    }

    /// Ends what is still open, and waits until the plugin knows.
    pub async fn end(self) {
        self.feed(Direction::Request, Feed::Break);
        self.feed(Direction::Response, Feed::Break);
        // It ends by itself, or fails with the thread.
        let _ = self.task.await;
    }
}

async fn run(parts: Rc<Parts>) {
    let greeted = parts.lane.greet().await;
    parts.request.busy.set(false);
    parts.moved.ring();
    if greeted {
        let up = parts.pass(Direction::Request);
        let down = parts.pass(Direction::Response);
        // Each direction may end by itself; a broken one ends both.
        let both = async { tokio::try_join!(up, down) };
        let _ = both.await;
    } else {
        parts.refused.set(true);
    }
    parts.lane.end().await;
    parts.over.set(true);
    parts.moved.ring();
}

impl Parts {
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    async fn pass(&self, direction: Direction) -> Result<(), Broken> {
        let side = self.side(direction);
        loop {
            let (bytes, end) = match side.next().await {
                Feed::Bytes(bytes) => (bytes, false),
                Feed::End => (Bytes::new(), true),
                Feed::Break => {
                    self.lane.broke(direction);
                    return Err(Broken);
                }
            };
            let Some(bytes) = self.lane.filter(direction, bytes, end).await else {
                self.refused.set(true);
                return Err(Broken);
            };
            side.came.borrow_mut().extend_from_slice(&bytes);
            side.ended.set(end);
            side.busy.set(false);
            self.moved.ring();
            if end {
                return Ok(());
            }
        }
    }
}

impl Side {
    /// The next thing from this end, which is then on its way.
    async fn next(&self) -> Feed {
        loop {
            let next = self.fed.borrow_mut().pop_front();
            if let Some(feed) = next {
                self.busy.set(true);
                return feed;
            }
            self.fed_bell.heard().await;
        }
    }
}
