//! The spans of one exchange while it goes on; where none are wanted, nothing is done.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use log_trace::{Attribute, Place, SpanId, Spans, Stage, Status, Value};

use crate::clock::{now_ns, ns_of};
use crate::traced::Going;
use crate::tracing::Tracing;

/// A wait is a stage from so many nanoseconds on; a shorter one is part of whatever waited.
const WAIT_NS_MIN: u64 = 100_000;

/// The spans of one exchange.
pub(crate) struct Stages {
    worker: Rc<Tracing>,
    spans: RefCell<Option<Spans>>,
    /// The exchange's own.
    own: Place,
    /// The try of an upstream that goes on, and the wait for its connection.
    attempt: Cell<Place>,
    connecting: Cell<Place>,
    has_reached: Cell<bool>,
    /// The status of its response.
    code: Cell<Option<u16>>,
    attempts: Cell<u64>,
}

/// How a stage ended.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// As it should.
    Good,
    /// With a fault of this code.
    Fault(&'static str),
    /// With an error that has no code.
    Failed,
    /// It decided that.
    Verdict(&'static str),
    /// Something else ended first.
    Cut,
}

impl End {
    const fn status(self) -> Status {
        match self {
            Self::Good | Self::Verdict(_) => Status::Good,
            Self::Fault(_) | Self::Failed => Status::Failed,
            Self::Cut => Status::Cut,
        }
    }
}

impl Stages {
    /// None are kept where there is no list, in which the exchange's own is open already.
    pub(crate) fn new(worker: &Rc<Tracing>, spans: Option<(Spans, Place)>) -> Self {
        let (spans, own) = spans.map_or((None, Place::NONE), |(spans, own)| (Some(spans), own));
        Self {
            worker: Rc::clone(worker),
            spans: RefCell::new(spans),
            own,
            attempt: Cell::new(Place::NONE),
            connecting: Cell::new(Place::NONE),
            has_reached: Cell::default(),
            code: Cell::default(),
            attempts: Cell::default(),
        }
    }

    /// Whether anybody wants to know.
    pub(crate) fn are_on(&self) -> bool {
        self.spans.borrow().is_some()
    }

    /// Opens a stage of the exchange.
    pub(crate) fn open(&self, stage: Stage, name: u32) -> Place {
        self.open_below(Place::NONE, stage, name, now_ns)
    }

    /// The same, with the moment at which it began.
    pub(crate) fn open_since(&self, stage: Stage, name: u32, since: Instant) -> Place {
        self.open_below(Place::NONE, stage, name, || ns_of(since))
    }

    fn open_below(&self, below: Place, stage: Stage, name: u32, since_ns: impl FnOnce() -> u64) -> Place {
        match self.spans.borrow_mut().as_mut() {
            Some(spans) => spans.open(stage, name, below, since_ns(), &mut self.worker.ids()),
            None => Place::NONE,
        }
    }

    /// Closes a stage.
    pub(crate) fn close(&self, place: Place, end: End) {
        if let Some(spans) = self.spans.borrow_mut().as_mut() {
            match end {
                End::Fault(code) => spans.note(place, Attribute::Fault, Value::Word(code)),
                End::Verdict(word) => spans.note(place, Attribute::Verdict, Value::Word(word)),
                End::Good | End::Failed | End::Cut => {}
            }
            spans.close(place, end.status(), now_ns());
        }
    }

    /// Notes something of a stage.
    pub(crate) fn note(&self, place: Place, attribute: Attribute, value: Value) {
        if let Some(spans) = self.spans.borrow_mut().as_mut() {
            spans.note(place, attribute, value);
        }
    }

    /// Notes the status that a stage got.
    pub(crate) fn note_code(&self, place: Place, status: u16) {
        self.note(place, Attribute::Code, Value::Number(status.into()));
    }

    /// The id of a stage; none where no spans are kept.
    pub(crate) fn id(&self, place: Place) -> Option<SpanId> {
        self.spans.borrow().as_ref()?.id(place)
    }

    /// Something waited since then.
    pub(crate) fn waited(&self, since: Instant) {
        if !self.are_on() || now_ns().saturating_sub(ns_of(since)) < WAIT_NS_MIN {
            return;
        }
        let place = self.open_since(Stage::Wait, 0, since);
        self.close(place, End::Good);
    }

    /// An upstream is asked.
    pub(crate) fn asks(&self, upstream: impl FnOnce() -> u32) {
        if self.are_on() {
            self.begin_attempt(upstream());
        }
    }

    fn begin_attempt(&self, upstream: u32) {
        self.attempts.set(self.attempts.get().saturating_add(1));
        let attempt = self.open(Stage::Upstream, upstream);
        self.note(attempt, Attribute::Try, Value::Number(self.attempts.get()));
        self.attempt.set(attempt);
        self.has_reached.set(false);
        self.code.set(None);
        self.connecting
            .set(self.open_below(attempt, Stage::Wait, upstream, now_ns));
    }

    /// There is a connection, over which the request goes; a second one means that the try before failed. The id of the try.
    pub(crate) fn reaches(&self, endpoint: SocketAddr, upstream: impl FnOnce() -> u32) -> Option<SpanId> {
        if !self.are_on() {
            return None;
        }
        if self.has_reached.get() {
            self.close(self.attempt.get(), End::Failed);
            self.begin_attempt(upstream());
        }
        self.has_reached.set(true);
        self.close(self.connecting.replace(Place::NONE), End::Good);
        let attempt = self.attempt.get();
        self.note(attempt, Attribute::Endpoint, Value::Address(endpoint));
        self.id(attempt)
    }

    /// The head of a response is here; the try goes on until the last byte is, or the exchange is over.
    pub(crate) fn responds(&self, status: u16) {
        self.code.set(Some(status));
        self.note_code(self.attempt.get(), status);
    }

    /// The last byte of the upstream's response is here.
    pub(crate) fn answered(&self) {
        let end = self.end_of_attempt();
        self.close(self.attempt.replace(Place::NONE), end);
    }

    /// As OpenTelemetry has it for clients, but that a status below 500 is what was asked for.
    fn end_of_attempt(&self) -> End {
        match self.code.get() {
            Some(500..) => End::Failed,
            Some(_) => End::Good,
            None => End::Cut,
        }
    }

    /// No response came.
    pub(crate) fn failed(&self, code: &'static str) {
        self.close(self.connecting.replace(Place::NONE), End::Failed);
        self.close(self.attempt.replace(Place::NONE), End::Fault(code));
    }

    /// The exchange is over: all its spans. What is still open is cut, but for the try whose response came to its end with it.
    pub(crate) fn finish(&self, going: &Going<'_>, end_ns: u64) -> Option<Spans> {
        let mut spans = self.spans.borrow_mut().take()?;
        if going.fault.is_none() {
            spans.close(self.attempt.get(), self.end_of_attempt().status(), end_ns);
        }
        if let Some(status) = going.status {
            spans.note(self.own, Attribute::Code, Value::Number(status.into()));
        }
        let status = if going.is_good() { Status::Good } else { Status::Failed };
        spans.finish(status, end_ns);
        Some(spans)
    }
}
