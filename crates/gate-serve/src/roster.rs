//! The open connections of one worker: what each is told to do, and the sweep that ends those which take too long.
//!
//! Timeouts of a connection are looked at every [`SWEEP`], for all connections at once: a timer armed and disarmed for each request, as
//! hyper's own header timeout does, allocates each time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use crate::head_tap::HeadTap;

/// How often timeouts are looked at; each is kept to within this much.
pub(crate) const SWEEP: Duration = Duration::from_millis(250);
/// LIMIT: silence on a connection without an exchange; Envoy's default.
const IDLE_MAX: Duration = Duration::from_secs(3600);
/// LIMIT: how long an exchange goes on after the client has closed its sending side. Long enough for `printf … | nc`, short enough
/// that an upstream does not work long for a client that is gone, which looks the same until we write to it.
const HALF_CLOSED_MAX: Duration = Duration::from_secs(1);
/// LIMIT: how long a drain lets a connection live that was accepted and has not sent a byte.
const SILENT_DRAIN_MAX: Duration = Duration::from_secs(1);

/// What a connection is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Serve,
    /// End the exchanges under way, begin no other.
    Finish,
    /// Say 408 and close: the head took too long.
    HeaderTimeout,
    /// Close now.
    Abort,
}

/// One open connection, as the roster, the socket and the exchanges see it.
pub(crate) struct Presence {
    door: u64,
    header_timeout: Duration,
    clock: Rc<Cell<u32>>,
    order: Cell<Order>,
    waker: Cell<Option<Waker>>,
    in_flight: Cell<u32>,
    /// Tick of the last byte or of the end of the last exchange.
    active_at: Cell<u32>,
    /// Tick at which a head began to arrive.
    head_since: Cell<Option<u32>>,
    /// Tick at which the client closed its side during an exchange.
    half_closed_since: Cell<Option<u32>>,
    touched: Cell<bool>,
    tap: RefCell<HeadTap>,
}

impl Presence {
    fn new(door: u64, header_timeout: Duration, clock: Rc<Cell<u32>>) -> Self {
        Self {
            door,
            header_timeout,
            active_at: Cell::new(clock.get()),
            clock,
            order: Cell::new(Order::Serve),
            waker: Cell::new(None),
            in_flight: Cell::new(0),
            head_since: Cell::new(None),
            half_closed_since: Cell::new(None),
            touched: Cell::new(false),
            tap: RefCell::new(HeadTap::default()),
        }
    }

    /// What to do, for the task that drives the connection; it is woken when that changes.
    pub(crate) fn poll_order(&self, cx: &Context<'_>) -> Order {
        let waker = self.waker.take().filter(|waker| waker.will_wake(cx.waker()));
        self.waker.set(Some(waker.unwrap_or_else(|| cx.waker().clone())));
        self.order.get()
    }

    /// Runs a future until it ends or the connection is aborted.
    pub(crate) async fn unless_aborted<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match self.poll_order(cx) {
            Order::Abort => Poll::Ready(None),
            _ => future.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// Runs a future until it ends, or the connection is aborted or its head is late; says which of the two.
    pub(crate) async fn unless_told_to_end<F: Future>(&self, future: F) -> Result<F::Output, Order> {
        let mut future = std::pin::pin!(future);
        poll_fn(|cx| match self.poll_order(cx) {
            order @ (Order::Abort | Order::HeaderTimeout) => Poll::Ready(Err(order)),
            _ => future.as_mut().poll(cx).map(Ok),
        })
        .await
    }

    /// Whether a head has begun to arrive, outside of any exchange.
    pub(crate) fn is_in_head(&self) -> bool {
        self.in_flight.get() == 0 && self.head_since.get().is_some()
    }

    /// Whether no further exchange is wanted.
    pub(crate) fn finishing(&self) -> bool {
        self.order.get() == Order::Finish
    }

    fn tell(&self, order: Order) {
        self.order.set(order);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.waker.set(Some(waker));
        }
    }

    pub(crate) fn tap(&self) -> &RefCell<HeadTap> {
        &self.tap
    }

    /// Bytes arrived; `head` says whether they may belong to a request's head.
    pub(crate) fn bytes_arrived(&self, head: bool) {
        let now = self.clock.get();
        self.touched.set(true);
        self.active_at.set(now);
        if head && self.in_flight.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(now));
        }
    }

    /// Begins an exchange: its head is complete.
    pub(crate) fn begin(self: &Rc<Self>) -> InFlight {
        self.head_arrived();
        self.in_flight.set(self.in_flight.get().saturating_add(1));
        InFlight(Rc::clone(self))
    }

    /// A head is complete, be it good or bad.
    pub(crate) fn head_arrived(&self) {
        self.head_since.set(None);
    }

    /// The client has closed its side. Says whether that is to be kept from the parser for now: it would end the exchange.
    pub(crate) fn hold_half_close(&self) -> bool {
        if self.in_flight.get() == 0 || self.tap.borrow().in_body() {
            return false;
        }
        let now = self.clock.get();
        let since = self.half_closed_since.get().unwrap_or(now);
        self.half_closed_since.set(Some(since));
        !over(now, since, HALF_CLOSED_MAX)
    }

    pub(crate) fn half_closed(&self) -> bool {
        self.half_closed_since.get().is_some()
    }

    fn sweep(&self) {
        let now = self.clock.get();
        let late_head = self
            .head_since
            .get()
            .is_some_and(|since| over(now, since, self.header_timeout));
        let idle = |limit| self.in_flight.get() == 0 && over(now, self.active_at.get(), limit);
        match self.order.get() {
            Order::Abort | Order::HeaderTimeout => {}
            Order::Serve | Order::Finish if late_head => self.tell(Order::HeaderTimeout),
            Order::Finish if !self.touched.get() && idle(SILENT_DRAIN_MAX) => self.tell(Order::Abort),
            Order::Serve if idle(IDLE_MAX) => self.tell(Order::Finish),
            Order::Serve | Order::Finish => {
                if self
                    .half_closed_since
                    .get()
                    .is_some_and(|since| over(now, since, HALF_CLOSED_MAX))
                {
                    self.wake();
                }
            }
        }
    }
}

/// Whether more than `limit` has passed; ticks are whole sweeps, so one more is needed to be sure.
fn over(now: u32, since: u32, limit: Duration) -> bool {
    u128::from(now.wrapping_sub(since)) * SWEEP.as_millis() > limit.as_millis()
}

/// An exchange under way; dropped when its response body is.
pub(crate) struct InFlight(Rc<Presence>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let presence = &self.0;
        presence.in_flight.set(presence.in_flight.get().saturating_sub(1));
        presence.active_at.set(presence.clock.get());
        if presence.in_flight.get() > 0 {
            return;
        }
        if presence.half_closed() {
            presence.wake();
        }
        if presence.tap.borrow().has_partial_head() {
            presence.head_since.set(Some(presence.clock.get()));
        }
    }
}

/// The open connections of one worker.
#[derive(Default)]
pub(crate) struct Roster {
    clock: Rc<Cell<u32>>,
    open: RefCell<HashMap<u64, Rc<Presence>>>,
    left: Notify,
}

impl Roster {
    /// Enters a connection that came through a door.
    pub(crate) fn enter(self: &Rc<Self>, connection: u64, door: u64, header_timeout: Duration) -> Entry {
        let presence = Rc::new(Presence::new(door, header_timeout, Rc::clone(&self.clock)));
        self.open.borrow_mut().insert(connection, Rc::clone(&presence));
        Entry {
            roster: Rc::clone(self),
            connection,
            presence,
        }
    }

    /// Number of open connections.
    pub(crate) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// One step of the clock: ends what takes too long.
    pub(crate) fn sweep(&self) {
        self.clock.set(self.clock.get().wrapping_add(1));
        for presence in self.open.borrow().values() {
            presence.sweep();
        }
    }

    /// Ends the connections of a door, or all: politely, then, after `wait`, at once. Says how many had to be aborted.
    pub(crate) async fn drain(&self, door: Option<u64>, wait: Duration) -> usize {
        self.tell(door, Order::Finish);
        if tokio::time::timeout(wait, self.emptied(door)).await.is_ok() {
            return 0;
        }
        let aborted = self.tell(door, Order::Abort);
        self.emptied(door).await;
        aborted
    }

    fn tell(&self, door: Option<u64>, order: Order) -> usize {
        let open = self.open.borrow();
        let of_door = open
            .values()
            .filter(|presence| door.is_none_or(|door| door == presence.door));
        of_door.map(|presence| presence.tell(order)).count()
    }

    async fn emptied(&self, door: Option<u64>) {
        loop {
            let left = self.left.notified();
            let none = {
                let open = self.open.borrow();
                !open
                    .values()
                    .any(|presence| door.is_none_or(|door| door == presence.door))
            };
            if none {
                return;
            }
            left.await;
        }
    }
}

/// A connection's place in the roster, left when dropped.
pub(crate) struct Entry {
    roster: Rc<Roster>,
    connection: u64,
    presence: Rc<Presence>,
}

impl Entry {
    pub(crate) fn presence(&self) -> &Rc<Presence> {
        &self.presence
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.open.borrow_mut().remove(&self.connection);
        self.roster.left.notify_waiters();
    }
}
