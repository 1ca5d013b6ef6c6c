//! The spans of one exchange: small records of its stages, in a list that never grows.

use std::net::SocketAddr;

use crate::id::{Ids, SpanId};

/// LIMIT: spans of one exchange, whatever a chain or a retry does.
const SPANS_MAX: usize = 256;
/// LIMIT: attributes of one span.
const ATTRIBUTES_MAX: usize = 6;

/// A stage of an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The exchange itself: what the client called.
    Exchange,
    /// The choice of a route.
    Route,
    /// One plugin's part; its name is the plugin's number.
    Plugin,
    /// One try of an upstream, with its retries as siblings; its name is the upstream's number.
    Upstream,
    /// A call that a plugin made; its name is the upstream's number.
    Callout,
    /// Time in a queue of the gateway's own.
    Wait,
}

/// How a stage ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing is said.
    Unset,
    /// As it should.
    Good,
    /// With an error.
    Failed,
    /// The exchange was over first.
    Cut,
}

/// What an attribute is about; `log-record` has the names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attribute {
    /// Status of a response.
    Code,
    /// Which try this was, counted from 1.
    Try,
    /// The endpoint that was called.
    Endpoint,
    /// What the stage decided, as a word.
    Verdict,
    /// The code of a fault.
    Fault,
    /// Bytes that went out.
    BytesOut,
    /// Bytes that came in.
    BytesIn,
    /// Nanoseconds of CPU.
    Cpu,
    /// The number of a plugin's generation.
    Generation,
}

/// The value of an attribute. What came from outside is not among them: it would have to be masked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// A count or a size.
    Number(u64),
    /// A word out of a table.
    Word(&'static str),
    /// An address.
    Address(SocketAddr),
}

/// Where a span is in its list, or that it is in none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(Option<u16>);

impl Place {
    /// No span: what is opened below it is below the first.
    pub const NONE: Self = Self(None);
}

/// One stage of an exchange.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its id.
    pub id: SpanId,
    /// The span that it is part of; none for one that begins a trace.
    pub parent: Option<SpanId>,
    /// Which stage.
    pub stage: Stage,
    /// Of which plugin or upstream, by the plan's number.
    pub name: u32,
    /// Nanoseconds of the monotonic clock.
    pub start_ns: u64,
    /// The same, not before the start.
    pub end_ns: u64,
    /// How it ended; none while it goes on.
    pub status: Option<Status>,
    attributes: [Option<(Attribute, Value)>; ATTRIBUTES_MAX],
    attributes_dropped: u16,
}

impl Span {
    /// What was noted, in the order in which it was.
    pub fn attributes(&self) -> impl Iterator<Item = (Attribute, Value)> + '_ {
        self.attributes.iter().flatten().copied()
    }

    /// How many attributes had no room.
    #[must_use]
    pub const fn attributes_dropped(&self) -> u16 {
        self.attributes_dropped
    }

    fn note(&mut self, attribute: Attribute, value: Value) {
        let free = |place: &&mut Option<(Attribute, Value)>| place.is_none_or(|(other, _)| other == attribute);
        match self.attributes.iter_mut().find(free) {
            Some(place) => *place = Some((attribute, value)),
            None => self.attributes_dropped = self.attributes_dropped.saturating_add(1),
        }
    }
}

/// The spans of one exchange. Room is made once; a worker may use a list again for another exchange.
#[derive(Debug)]
pub struct Spans {
    spans: Vec<Span>,
    room: usize,
    dropped: u32,
}

impl Spans {
    /// Room for so many spans, 256 at most. Without room nothing is reserved, and everything is counted as dropped.
    #[must_use]
    pub fn with_room(spans: usize) -> Self {
        let room = spans.min(SPANS_MAX);
        Self {
            spans: Vec::with_capacity(room),
            room,
            dropped: 0,
        }
    }

    /// For how many there is room.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.room
    }

    /// Forgets everything but the room.
    pub fn clear(&mut self) {
        self.spans.clear();
        self.dropped = 0;
    }

    /// Opens the span of the exchange itself, with the id that its context has.
    pub fn begin(&mut self, id: SpanId, parent: Option<SpanId>, name: u32, now_ns: u64) -> Place {
        self.push(id, parent, Stage::Exchange, (name, now_ns))
    }

    /// Opens the span of a stage below another.
    pub fn open(&mut self, stage: Stage, name: u32, below: Place, now_ns: u64, ids: &mut Ids) -> Place {
        let above = self.get(below).or_else(|| self.spans.first());
        let parent = above.map(|span| span.id);
        self.push(ids.span(), parent, stage, (name, now_ns))
    }

    /// The id by which a stage is told to whoever it calls. One that had no room is told as the exchange itself, so that
    /// what is called does not hang below a span that nobody has.
    #[must_use]
    pub fn id(&self, place: Place) -> Option<SpanId> {
        self.get(place).or_else(|| self.spans.first()).map(|span| span.id)
    }

    /// Notes something of a stage; what is noted twice has the later value.
    pub fn note(&mut self, place: Place, attribute: Attribute, value: Value) {
        if let Some(span) = self.get_mut(place) {
            span.note(attribute, value);
        }
    }

    /// Closes the span of a stage. The first end counts.
    pub fn close(&mut self, place: Place, status: Status, now_ns: u64) {
        if let Some(span) = self.get_mut(place).filter(|span| span.status.is_none()) {
            span.status = Some(status);
            span.end_ns = now_ns.max(span.start_ns);
        }
    }

    /// Closes what is still open, when the exchange is over: its own span as is said, others as cut.
    pub fn finish(&mut self, status: Status, now_ns: u64) {
        let open = self.spans.iter_mut().filter(|span| span.status.is_none());
        for span in open {
            let is_own = span.stage == Stage::Exchange;
            span.status = Some(if is_own { status } else { Status::Cut });
            span.end_ns = now_ns.max(span.start_ns);
        }
    }

    /// All spans, in the order in which they were opened.
    #[must_use]
    pub fn all(&self) -> &[Span] {
        &self.spans
    }

    /// How many had no room.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    fn push(&mut self, id: SpanId, parent: Option<SpanId>, stage: Stage, (name, now_ns): (u32, u64)) -> Place {
        let place = self.spans.len();
        if place >= self.room {
            self.dropped = self.dropped.saturating_add(1);
            return Place::NONE;
        }
        self.spans.push(Span {
            id,
            parent,
            stage,
            name,
            start_ns: now_ns,
            end_ns: now_ns,
            status: None,
            attributes: [None; ATTRIBUTES_MAX],
            attributes_dropped: 0,
        });
        Place(u16::try_from(place).ok())
    }

    fn get(&self, place: Place) -> Option<&Span> {
        self.spans.get(usize::from(place.0?))
    }

    fn get_mut(&mut self, place: Place) -> Option<&mut Span> {
        self.spans.get_mut(usize::from(place.0?))
    }
}
