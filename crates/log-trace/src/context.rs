//! The context of one exchange: read out of headers, begun where there is none, and written into headers again.

use crate::b3;
use crate::decision::Decision;
use crate::id::{Ids, SpanId, TraceId};
use crate::parent;
use crate::state::{MEMBERS_MAX, State};
use crate::text::Text;
use crate::threshold::Randomness;

/// What whoever called wants to become of the trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// It left that to us.
    Nothing,
    /// It keeps the trace.
    Kept,
    /// It dropped the trace.
    Dropped,
    /// A person wants to see it (B3's debug flag).
    Debug,
}

/// Which headers a context came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// None had one: the trace begins here.
    Here,
    /// `traceparent`.
    Traceparent,
    /// `b3`.
    B3Single,
    /// `x-b3-traceid` and its like.
    B3Several,
}

/// What a listener believes of those who call it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Nothing: the trace begins here, and what came is kept only as [`Trace::before`]. For strangers, who could else
    /// choose which of their requests leave a record.
    Nobody,
    /// The ids and the decision.
    Callers,
}

/// The headers of a request that concern traces, collected in one pass over all of them, in any order.
///
/// Which counts, where several do: a valid `traceparent`; a valid `b3`; the `x-b3-` headers. A `traceparent` that is not valid or there twice is as none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrived<'a> {
    parent: Option<&'a [u8]>,
    parents: usize,
    single: Option<&'a [u8]>,
    several: b3::Several<'a>,
    // LIMIT: each has a member at least, or says nothing.
    states: [Option<&'a [u8]>; MEMBERS_MAX],
    states_count: usize,
}

impl<'a> Arrived<'a> {
    /// Takes a header in if it is one of ours; names may come in any case.
    pub fn push(&mut self, name: &[u8], value: &'a [u8]) {
        // Most headers are told apart by the length of their names alone.
        let is = |ours: &str| name.eq_ignore_ascii_case(ours.as_bytes());
        match name.len() {
            2 if is("b3") => first(&mut self.single, value),
            10 if is("tracestate") => self.push_state(value),
            10 if is("x-b3-flags") => first(&mut self.several.flags, value),
            11 if is("traceparent") => {
                first(&mut self.parent, value);
                self.parents = self.parents.saturating_add(1);
            }
            11 if is("x-b3-spanid") => first(&mut self.several.span, value),
            12 if is("x-b3-traceid") => first(&mut self.several.trace, value),
            12 if is("x-b3-sampled") => first(&mut self.several.sampled, value),
            _ => {}
        }
    }

    fn push_state(&mut self, value: &'a [u8]) {
        if parent::trimmed(value).is_empty() {
            return;
        }
        if let Some(place) = self.states.get_mut(self.states_count) {
            *place = Some(value);
        }
        self.states_count = self.states_count.saturating_add(1);
    }

    /// What came: ids, flags of `traceparent`, what is asked, and from where.
    fn read(&self) -> Came {
        let parent = self.parent.filter(|_| self.parents == 1).and_then(parent::read);
        if let Some(parent) = parent {
            let asked = if parent.flags & parent::SAMPLED == 0 {
                Asked::Dropped
            } else {
                Asked::Kept
            };
            return Came {
                ids: Some((parent.trace, parent.span)),
                is_random: parent.flags & parent::RANDOM != 0,
                asked,
                origin: Origin::Traceparent,
            };
        }
        let single = self.single.and_then(b3::read_single).map(|b3| (b3, Origin::B3Single));
        let b3 = single.or_else(|| self.several.read().map(|b3| (b3, Origin::B3Several)));
        b3.map_or(Came::NOTHING, |(b3, origin)| Came {
            ids: b3.ids,
            is_random: false,
            asked: b3.asked,
            origin,
        })
    }

    fn state(&self) -> State {
        match self.states.get(..self.states_count) {
            Some([]) | None => State::EMPTY,
            Some(states) => State::read(states.iter().flatten().copied()),
        }
    }
}

/// Of a header that may be there once, the first counts.
fn first<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) {
    if place.is_none() {
        *place = Some(value);
    }
}

struct Came {
    ids: Option<(TraceId, SpanId)>,
    is_random: bool,
    asked: Asked,
    origin: Origin,
}

impl Came {
    const NOTHING: Self = Self {
        ids: None,
        is_random: false,
        asked: Asked::Nothing,
        origin: Origin::Here,
    };
}

/// The trace that an exchange belongs to.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The exchange's own span.
    pub context: Context,
    /// The caller's span; none where the trace begins.
    pub parent: Option<SpanId>,
    /// The context that came from somebody who is not trusted: for the record, as a link.
    pub before: Option<(TraceId, SpanId)>,
    /// What the caller asked for; nothing where it is not trusted.
    pub asked: Asked,
    /// Where the context came from, trusted or not.
    pub origin: Origin,
    /// The members of `tracestate`; none without a valid `traceparent`.
    pub state: State,
}

impl Trace {
    /// The trace of an exchange. Its own span is new; it is marked as dropped until a decision says otherwise.
    pub fn begin(arrived: &Arrived<'_>, trust: Trust, ids: &mut Ids) -> Self {
        let came = arrived.read();
        let believed = match trust {
            Trust::Callers => came.ids,
            Trust::Nobody => None,
        };
        let (trace, is_random, state) = match believed {
            // What a `tracestate` says without its `traceparent` is of no trace.
            Some((trace, _)) if came.origin == Origin::Traceparent => (trace, came.is_random, arrived.state()),
            Some((trace, _)) => (trace, came.is_random, State::EMPTY),
            None => (ids.trace(), true, State::EMPTY),
        };
        Self {
            context: Context {
                trace,
                span: ids.span(),
                is_random,
                is_sampled: false,
            },
            parent: believed.map(|(_, span)| span),
            before: came.ids.filter(|_| believed.is_none()),
            asked: if trust == Trust::Callers {
                came.asked
            } else {
                Asked::Nothing
            },
            origin: came.origin,
            state,
        }
    }

    /// Marks the trace as the decision about it says, for whoever is told of it.
    pub const fn decided(&mut self, decision: &Decision) {
        self.context.is_sampled = decision.is_sampled();
    }

    /// The random bits that all services of the trace decide by.
    #[must_use]
    pub fn randomness(&self) -> Randomness {
        self.state.randomness().unwrap_or(Randomness::of(self.context.trace))
    }
}

/// One span of a trace, as it is told to whoever is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span that calls.
    pub span: SpanId,
    /// The low 56 bits of the trace's id are random. This is handed on as it came.
    pub is_random: bool,
    /// The trace is kept.
    pub is_sampled: bool,
}

impl Context {
    /// The same trace, seen from another span.
    #[must_use]
    pub const fn at(self, span: SpanId) -> Self {
        Self { span, ..self }
    }

    /// The flags of `traceparent`, as records have them.
    #[must_use]
    pub const fn flags(self) -> u8 {
        let sampled = if self.is_sampled { parent::SAMPLED } else { 0 };
        let random = if self.is_random { parent::RANDOM } else { 0 };
        sampled | random
    }

    /// The value of `traceparent`.
    #[must_use]
    pub fn traceparent(self) -> [u8; 55] {
        parent::write(self.trace, self.span, self.flags())
    }

    /// The value of `b3`, with the debug flag where the caller set it.
    #[must_use]
    pub fn b3(self, parent: Option<SpanId>, asked: Asked) -> Text<68> {
        b3::write_single(self.trace, self.span, parent, self.b3_state(asked))
    }

    /// The value of `x-b3-traceid`: 16 digits where the first 64 bits are zero, else 32. `x-b3-spanid` and `x-b3-parentspanid` are [`SpanId::digits`].
    #[must_use]
    pub fn b3_trace(self) -> Text<32> {
        b3::trace_text(self.trace)
    }

    /// `1`, `0` or `d`. The last is `x-b3-flags: 1` without `x-b3-sampled`; the others are the value of `x-b3-sampled`.
    #[must_use]
    pub fn b3_state(self, asked: Asked) -> u8 {
        match (asked, self.is_sampled) {
            (Asked::Debug, true) => b'd',
            (_, true) => b'1',
            (_, false) => b'0',
        }
    }
}
