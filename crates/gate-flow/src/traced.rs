//! One exchange in its trace: what whoever is called is told, what lines are marked with, and the one verdict when it is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use http::HeaderMap;
use log_trace::{
    Asked, Context, Decision, Level, Notice, Observation, Outcome, Place, SpanId, Spans, Stage, Subject, Trace,
    TraceId, Verdict,
};
use plug_abi::LogLevel;
use plug_host::{CalloutStep, Direction, Marks, TraceIds};

use crate::stages::{End, Stages};
use crate::trace_headers::{self, Caller};
use crate::trace_settings::{Formats, TraceHeaders, TraceSettings};
use crate::tracing::{Tracing, ids_of};

/// LIMIT: pieces that are kept of one body; each holds the buffer in which it came.
const PIECES_MAX: usize = 64;

/// The ends that are the client's own, so that they are no burst of faults.
const CLIENT_LEFT: &str = "DC";

/// One exchange in its trace.
pub(crate) struct Traced {
    worker: Rc<Tracing>,
    settings: Rc<TraceSettings>,
    trace: Trace,
    pub(crate) decision: Decision,
    pub(crate) stages: Stages,
    tenant: Option<u64>,
    began_ns: u64,
    /// The debug window that was open when it began.
    window: Option<Notice>,
    /// The forms in which the request's head tells of it.
    told: Cell<Formats>,
    /// Of the request and of the response.
    bodies: [RefCell<Captured>; 2],
    is_over: Cell<bool>,
}

/// What was kept of a body.
#[derive(Debug, Default)]
pub struct Captured {
    /// Its beginning, in pieces.
    pub pieces: Vec<Bytes>,
    /// How many bytes those are.
    pub bytes: usize,
    /// There was more.
    pub is_cut: bool,
}

/// What is known of an exchange's trace when it is over.
#[derive(Debug)]
pub struct Ended {
    /// The ids for its record; none where it is in no trace that anybody is told of.
    pub ids: Option<TraceIds>,
    /// The caller's span.
    pub parent: Option<SpanId>,
    /// The context that came from somebody who is not trusted.
    pub before: Option<(TraceId, SpanId)>,
    /// Whether its record and its spans are kept, and how many it stands for.
    pub verdict: Verdict,
    /// Its spans, where they are kept. Their clock is that of [`crate::now_ns`].
    pub spans: Option<Spans>,
    /// When it began, by that clock.
    pub began_ns: u64,
    /// The debug window that shows it.
    pub window: Option<Notice>,
    /// Whether a debug record is to be handed to [`crate::Flow::debug`].
    pub wants_debug: bool,
    /// What was kept of the bodies of request and response while a window was open; empty else.
    pub bodies: [Captured; 2],
}

/// How an exchange went.
pub(crate) struct Going<'a> {
    pub(crate) route: Option<u32>,
    pub(crate) status: Option<u16>,
    pub(crate) flags: &'a str,
    /// The code of its fault.
    pub(crate) fault: Option<&'a str>,
    pub(crate) duration_ns: u64,
}

impl Traced {
    pub(crate) fn new(
        (worker, settings): (Rc<Tracing>, Rc<TraceSettings>),
        (trace, decision): (Trace, Decision),
        stages: Stages,
    ) -> Self {
        Self {
            worker,
            settings,
            trace,
            decision,
            stages,
            tenant: None,
            began_ns: 0,
            window: None,
            told: Cell::new(Formats::NONE),
            bodies: Default::default(),
            is_over: Cell::new(false),
        }
    }

    /// With when it began, for whom, and in which window.
    pub(crate) fn begun(mut self, began_ns: u64, tenant: Option<u64>, window: Option<Notice>) -> Self {
        (self.began_ns, self.tenant, self.window) = (began_ns, tenant, window);
        self
    }

    fn headers(&self) -> Option<&TraceHeaders> {
        self.settings.headers.as_ref()
    }

    /// Tells of a span of the trace, or of the exchange's own.
    fn tell(&self, headers: &mut HeaderMap, span: Option<SpanId>, formats: Formats) {
        self.with_caller(span, |caller| caller.write(headers, formats));
    }

    fn with_caller<R>(&self, span: Option<SpanId>, use_it: impl FnOnce(Caller<'_>) -> R) -> R {
        let state = self.trace.state.text(self.decision.told());
        let own = self.trace.context.span;
        let span = span.unwrap_or(own);
        use_it(Caller {
            trace: &self.trace,
            state: state.as_bytes(),
            span,
            parent: if span == own { self.trace.parent } else { Some(own) },
        })
    }

    /// Tells the plugins, which may change what they read.
    pub(crate) fn tell_plugins(&self, headers: &mut HeaderMap) {
        if let Some(settings) = self.headers() {
            self.tell(headers, None, settings.send);
            self.told.set(settings.send);
        }
    }

    /// The forms in which the upstream is told of a try. What a plugin or a route has written goes out as it is, and what a plugin has
    /// taken out is not written again.
    pub(crate) fn for_upstream(&self, headers: &HeaderMap) -> Formats {
        let Some(settings) = self.headers() else {
            return Formats::NONE;
        };
        let was_told = self.told.get() != Formats::NONE;
        self.with_caller(None, |caller| caller.still(headers, settings.send, !was_told))
    }

    /// Tells the upstream of a try.
    pub(crate) fn tell_upstream(&self, headers: &mut HeaderMap, span: Option<SpanId>, formats: Formats) {
        if formats != Formats::NONE {
            self.tell(headers, span, formats);
        }
        self.tell_window(headers);
    }

    /// Tells the client of the debug window, where that is wanted.
    pub(crate) fn tell_client(&self, headers: &mut HeaderMap) {
        let debug = self.settings.debug.as_ref();
        if debug.is_some_and(|debug| debug.tells_clients) {
            self.tell_window(headers);
        }
    }

    fn tell_window(&self, headers: &mut HeaderMap) {
        if let Some(window) = &self.window {
            trace_headers::set(headers, trace_headers::DEBUG_ID, &window.id.digits());
        }
    }

    /// The ids for records: our own span, or where the gateway is no part of the trace, the caller's.
    pub(crate) fn ids(&self) -> Option<TraceIds> {
        let context = self.trace.context;
        match self.headers() {
            Some(_) => Some(ids_of(context)),
            None => {
                let is_sampled = matches!(self.trace.asked, Asked::Kept | Asked::Debug);
                let context = Context { is_sampled, ..context };
                self.trace.parent.map(|span| ids_of(context.at(span)))
            }
        }
    }

    /// What a line of a plugin is marked with; none when it is left out.
    pub(crate) fn line(&self, plugin: Option<u32>, route: Option<u32>, level: LogLevel) -> Option<Marks> {
        let ids = self.ids();
        let factor = Some(1.0);
        if self.is_over.get() {
            // Its rates are counted; what a candidate that runs aside says of it is heard by nobody.
            return Some(Marks { ids, factor });
        }
        let subject = Subject {
            level: level_of(level),
            route,
            tenant: self.tenant,
            plugin,
        };
        match self.worker.line(self, &subject) {
            Verdict::Kept(kept) => Some(Marks {
                ids,
                factor: kept.factor,
            }),
            Verdict::Dropped(_) => None,
        }
    }

    /// A plugin calls an upstream.
    pub(crate) fn callout(self: &Rc<Self>, upstream: u32) -> Option<Rc<dyn CalloutStep>> {
        if self.headers().is_none() || self.is_over.get() {
            return self.ids().map(|ids| Rc::new(Beside(ids)) as Rc<dyn CalloutStep>);
        }
        let place = self.stages.open(Stage::Callout, upstream);
        let traced = Rc::clone(self);
        Some(Rc::new(Call { traced, place }))
    }

    /// Whether a debug window was open when it began.
    pub(crate) const fn is_shown(&self) -> bool {
        self.window.is_some()
    }

    /// Bytes of a body go by.
    pub(crate) fn sees(&self, direction: Direction, route: Option<u32>, bytes: &Bytes) {
        let (Some(debug), Some(route)) = (&self.settings.debug, route) else {
            return;
        };
        if !debug.bodies.routes.contains(&route) {
            return;
        }
        let [request, response] = &self.bodies;
        let captured = match direction {
            Direction::Request => request,
            Direction::Response => response,
        };
        let mut captured = captured.borrow_mut();
        let has_room = captured.pieces.len() < PIECES_MAX && !bytes.is_empty();
        let taken = if has_room {
            self.worker.take_body(route, captured.bytes, bytes.len())
        } else {
            0
        };
        captured.is_cut |= taken < bytes.len();
        if taken > 0 {
            captured.bytes = captured.bytes.saturating_add(taken);
            captured.pieces.push(bytes.slice(..taken.min(bytes.len())));
        }
    }

    /// The exchange is over: one verdict for its record and its spans.
    pub(crate) fn end(&self, going: &Going<'_>) -> Ended {
        let is_again = self.is_over.replace(true);
        debug_assert!(!is_again, "an exchange ends once");
        let end_ns = self.began_ns.saturating_add(going.duration_ns);
        let spans = self.stages.finish(going, end_ns);
        let observation = Observation {
            status: going.status,
            is_fault: going.fault.is_some() && going.flags != CLIENT_LEFT,
            duration_ns: going.duration_ns,
        };
        let window = self.worker.observe(&observation, end_ns);
        let decision = match window {
            Some(_) => self.decision.shown(),
            None => self.decision,
        };
        let subject = Subject {
            level: Level::Info,
            route: going.route,
            tenant: self.tenant,
            plugin: None,
        };
        let outcome = Outcome {
            status: going.status,
            fault: going.fault,
            duration_ns: going.duration_ns,
        };
        let table = self.worker.table();
        let verdict = table.end(&mut self.worker.meters(), &decision, &subject, &outcome, end_ns);
        Ended {
            ids: self.ids(),
            parent: self.trace.parent,
            before: self.trace.before,
            verdict,
            spans,
            began_ns: self.began_ns,
            window: window.or(self.window),
            wants_debug: self.worker.wants_debug(),
            bodies: self.bodies.each_ref().map(RefCell::take),
        }
    }
}

impl Going<'_> {
    /// As OpenTelemetry has it for servers: what the client did wrong is no error of the exchange.
    pub(crate) fn is_good(&self) -> bool {
        self.fault.is_none() && self.status.is_none_or(|status| status < 500)
    }
}

impl Ended {
    /// Whether its record is written, and its spans are.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        matches!(self.verdict, Verdict::Kept(_))
    }

    /// Its spans, when they are kept.
    #[must_use]
    pub fn kept_spans(&self) -> Option<&Spans> {
        self.spans.as_ref().filter(|_| self.is_kept())
    }
}

/// A callout in the trace of an exchange.
struct Call {
    traced: Rc<Traced>,
    place: Place,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Call").finish_non_exhaustive()
    }
}

/// A callout that is no part of a trace, for an exchange that is: its record is found together with the exchange's.
#[derive(Debug)]
struct Beside(TraceIds);

impl CalloutStep for Beside {
    fn tell(&self, _: &mut HeaderMap) {}

    fn ids(&self) -> Option<TraceIds> {
        Some(self.0)
    }

    fn ends(&self, _: Option<u16>) {}
}

impl CalloutStep for Call {
    fn tell(&self, headers: &mut HeaderMap) {
        let Some(settings) = self.traced.headers() else { return };
        // A plugin that hands on what it read of the exchange means the exchange; what it made itself goes out as it is.
        let formats = self
            .traced
            .with_caller(None, |caller| caller.still(headers, settings.send, true));
        let span = self.traced.stages.id(self.place);
        self.traced.tell(headers, span, formats);
    }

    fn ids(&self) -> Option<TraceIds> {
        self.traced.ids()
    }

    fn ends(&self, status: Option<u16>) {
        let stages = &self.traced.stages;
        match status {
            Some(status) if status > 0 => {
                stages.note_code(self.place, status);
                stages.close(self.place, if status < 500 { End::Good } else { End::Failed });
            }
            Some(_) => stages.close(self.place, End::Good),
            None => stages.close(self.place, End::Failed),
        }
    }
}

/// The level of a record about what a plugin says at that level.
#[must_use]
pub const fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::Trace,
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
        LogLevel::Critical => Level::Critical,
    }
}
