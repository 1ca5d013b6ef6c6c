//! What one worker keeps of traces: ids, rates, levels for a time, lists of spans, and the debug window with the seconds before it.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use log_trace::{
    Admission, Before, Burst, Floors, Ids, Level, Meters, Notice, Observation, Place, Spans, Subject, Table, Trace,
    Turn, Verdict,
};
use plug_abi::LogLevel;
use plug_host::TraceIds;

use crate::clock::{now_ns, ns_of};
use crate::stages::Stages;
use crate::trace_headers;
use crate::trace_settings::{DebugSettings, Formats, TraceSettings, tenant_number};
use crate::traced::{Ended, Traced};

/// LIMIT: lists of spans that wait for another exchange.
const LISTS_MAX: usize = 64;

/// What one worker keeps of traces.
pub(crate) struct Tracing {
    ids: RefCell<Ids>,
    meters: RefCell<Meters>,
    /// Who guesses neither keys of rates nor ids.
    secret: u64,
    keys: Cell<usize>,
    /// What is kept now: the configuration's, or what an operator put in its place.
    table: RefCell<Arc<Table>>,
    floors: RefCell<Vec<NamedFloor>>,
    lists: RefCell<Vec<Spans>>,
    debug: RefCell<Option<Debugging>>,
    /// What meters missed that are no more.
    by_rates: Cell<f64>,
    /// Records for which debug windows had no room.
    by_windows: Cell<u64>,
    /// What ended, for a test that asks for it.
    #[cfg(test)]
    pub(crate) witness: RefCell<Option<Vec<Ended>>>,
}

/// A level that a plugin has for a time.
struct NamedFloor {
    plugin: String,
    level: LogLevel,
    until: Instant,
}

/// The debug window of one worker.
struct Debugging {
    settings: DebugSettings,
    burst: Burst,
    before: Before,
    /// Where a record is packed that may not go out.
    packed: Vec<u8>,
    /// A window has opened, and the seconds before it have not been handed out.
    opened: Option<Notice>,
    /// The window of another worker that was seen last.
    seen: Option<Notice>,
}

/// How many records a worker dropped of which no other tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Untold {
    /// By rates, and in no factor; see [`Meters::forgotten`].
    pub by_rates: u64,
    /// For which debug windows, or the memory of the seconds before them, had no room.
    pub by_windows: u64,
}

/// Where and when an exchange begins.
pub(crate) struct Beginning<'a> {
    pub(crate) settings: &'a Rc<TraceSettings>,
    pub(crate) listener: &'a str,
    pub(crate) route: Option<u32>,
    pub(crate) clock: Instant,
    /// Whether plugins see its headers before they are sent.
    pub(crate) is_led: bool,
}

impl Tracing {
    pub(crate) fn new(settings: &TraceSettings) -> Rc<Self> {
        let random = RandomState::new();
        let tracing = Rc::new(Self {
            ids: RefCell::new(Ids::new([0, 1, 2, 3].map(|word: u64| random.hash_one(word)))),
            meters: RefCell::new(Meters::within(settings.rate_keys, random.hash_one("rates"))),
            secret: random.hash_one("rates"),
            keys: Cell::new(settings.rate_keys),
            table: RefCell::new(Arc::clone(&settings.table)),
            floors: RefCell::default(),
            lists: RefCell::default(),
            debug: RefCell::default(),
            by_rates: Cell::default(),
            by_windows: Cell::default(),
            #[cfg(test)]
            witness: RefCell::default(),
        });
        tracing.follow(settings);
        tracing
    }

    /// From now on another configuration is in force.
    pub(crate) fn follow(&self, settings: &TraceSettings) {
        self.sample(Arc::clone(&settings.table));
        if self.keys.replace(settings.rate_keys) != settings.rate_keys {
            let new = Meters::within(settings.rate_keys, self.secret);
            let missed = self.meters.replace(new).drain();
            self.by_rates.set(self.by_rates.get() + missed);
        }
        let mut debug = self.debug.borrow_mut();
        let is_same = |debug: &Debugging, new: &DebugSettings| {
            debug.settings.burst == new.burst && debug.settings.before_bytes == new.before_bytes
        };
        *debug = match (debug.take(), &settings.debug) {
            // What it has seen so far counts.
            (Some(old), Some(new)) if is_same(&old, new) => Some(Debugging {
                settings: new.clone(),
                ..old
            }),
            (_, Some(new)) => Debugging::new(new),
            (_, None) => None,
        };
    }

    /// From now on that is kept.
    pub(crate) fn sample(&self, table: Arc<Table>) {
        *self.table.borrow_mut() = table;
    }

    /// The table in force. It is borrowed and not counted, for all workers have the same one.
    pub(crate) fn table(&self) -> Ref<'_, Arc<Table>> {
        self.table.borrow()
    }

    pub(crate) fn meters(&self) -> RefMut<'_, Meters> {
        self.meters.borrow_mut()
    }

    /// Records of which no other tells, so far.
    pub(crate) fn untold(&self) -> Untold {
        let by_rates = self.by_rates.get() + self.meters.borrow().forgotten();
        Untold {
            by_rates: by_rates as u64,
            by_windows: self.by_windows.get(),
        }
    }

    fn refused(&self, records: u64) {
        self.by_windows.set(self.by_windows.get().saturating_add(records));
    }

    pub(crate) fn ids(&self) -> RefMut<'_, Ids> {
        self.ids.borrow_mut()
    }

    /// Levels of plugins for a time, by the names that they have in the plan in force.
    pub(crate) fn set_floors<'a>(&self, floors: &Floors, name_of: impl Fn(u32) -> Option<&'a str>) {
        let now_ns = now_ns();
        let named = floors.all(now_ns).filter_map(|floor| {
            Some(NamedFloor {
                plugin: name_of(floor.plugin)?.to_owned(),
                level: level_of(floor.level),
                until: crate::clock::moment_of(floor.until_ns)?,
            })
        });
        *self.floors.borrow_mut() = named.collect();
    }

    /// The level of one of them, and until when; none where it has its usual one.
    pub(crate) fn with_floor(&self, plugin: &str, give: impl FnOnce(Option<(LogLevel, tokio::time::Instant)>)) {
        let floors = self.floors.borrow();
        let floor = floors.iter().find(|floor| floor.plugin == plugin);
        give(floor.map(|floor| (floor.level, floor.until.into())));
    }

    /// An exchange begins, whose headers may change.
    pub(crate) fn begin(self: &Rc<Self>, of: &Beginning<'_>, headers: &mut HeaderMap) -> Rc<Traced> {
        let settings = of.settings;
        let accepted = settings.headers.as_ref().map_or(EVERY, |headers| headers.accept);
        let (arrived, is_any) = trace_headers::arrived(headers, accepted);
        let mut trace = Trace::begin(&arrived, settings.trust(of.listener), &mut self.ids());
        let tenant = settings.tenant.as_ref().and_then(|name| headers.get(name));
        let tenant = tenant.map(|value| tenant_number(value.as_bytes()));
        let subject = Subject {
            level: Level::Info,
            route: of.route,
            tenant,
            plugin: None,
        };
        let began_ns = ns_of(of.clock);
        let window = self.window(began_ns, headers);
        let mut decision = self.table().begin(&trace, &subject);
        if window.is_some() {
            decision = decision.shown();
        }
        trace.decided(&decision);
        let stages = Stages::new(self, self.list(settings, &trace, began_ns));
        if is_any && settings.headers.is_some() {
            trace_headers::remove(headers);
        }
        let traced = Traced::new((Rc::clone(self), Rc::clone(settings)), (trace, decision), stages);
        let traced = traced.begun(began_ns, tenant, window);
        if of.is_led {
            traced.tell_plugins(headers);
        }
        Rc::new(traced)
    }

    /// The list for the spans of one exchange, in which its own is open.
    fn list(&self, settings: &TraceSettings, trace: &Trace, began_ns: u64) -> Option<(Spans, Place)> {
        if settings.headers.is_none() || settings.spans_max == 0 {
            return None;
        }
        let kept = self.lists.borrow_mut().pop();
        let mut list = kept.unwrap_or_else(|| Spans::with_room(settings.spans_max));
        let own = list.begin(trace.context.span, trace.parent, 0, began_ns);
        Some((list, own))
    }

    /// What was said of an exchange is said: its list may be used again.
    pub(crate) fn take_back(&self, ended: Ended) {
        #[cfg(test)]
        if let Some(seen) = self.witness.borrow_mut().as_mut() {
            seen.push(ended);
            return;
        }
        let Some(mut spans) = ended.spans else { return };
        let mut lists = self.lists.borrow_mut();
        if lists.len() < LISTS_MAX && lists.first().is_none_or(|other| other.room() == spans.room()) {
            spans.clear();
            lists.push(spans);
        } else if lists.first().is_some_and(|other| other.room() != spans.room()) {
            // The number of spans was changed.
            lists.clear();
        }
    }

    /// The debug window that is open at the moment. What a client says of one is taken out.
    fn window(&self, now_ns: u64, headers: &mut HeaderMap) -> Option<Notice> {
        let mut debug = self.debug.borrow_mut();
        let debug = debug.as_mut()?;
        headers.remove(trace_headers::DEBUG_ID);
        debug.look(now_ns);
        debug.burst.window(now_ns).map(|window| *window.notice())
    }

    /// The bytes that may be kept of a body's next ones.
    pub(crate) fn take_body(&self, route: u32, kept: usize, next: usize) -> usize {
        let mut debug = self.debug.borrow_mut();
        let Some(debug) = debug.as_mut() else { return 0 };
        let bodies = &debug.settings.bodies;
        let window = debug.burst.window(now_ns());
        window.map_or(0, |window| window.take_body(bodies, route, kept, next))
    }

    /// An exchange is over, kept or not; the debug window that is open then.
    pub(crate) fn observe(&self, observation: &Observation, now_ns: u64) -> Option<Notice> {
        let mut debug = self.debug.borrow_mut();
        let debug = debug.as_mut()?;
        debug.look(now_ns);
        if let Turn::Opened(notice) = debug.burst.observe(observation, now_ns, &mut self.ids()) {
            debug.settings.windows.open(notice);
            debug.opened = Some(notice);
            debug.seen = Some(notice);
        }
        debug.burst.window(now_ns).map(|window| *window.notice())
    }

    /// Whether anybody keeps debug records.
    pub(crate) fn wants_debug(&self) -> bool {
        self.debug.borrow().is_some()
    }

    /// What is said of an exchange for a debug window: `pack` writes it, masked, and it goes to `emit` when a window is open and has room,
    /// or is kept for the next one. Before it `emit` gets what was kept when one has just opened, each in up to two pieces, with its time.
    pub(crate) fn debug(&self, pack: impl FnOnce(&mut Vec<u8>), mut emit: impl FnMut(&Notice, u64, &[u8], &[u8])) {
        let mut debug = self.debug.borrow_mut();
        let Some(debug) = debug.as_mut() else { return };
        let now_ns = now_ns();
        self.refused(debug.recall(&mut emit));
        debug.packed.clear();
        pack(&mut debug.packed);
        match debug.burst.window(now_ns) {
            Some(window) => match window.admit(debug.packed.len(), now_ns) {
                Admission::Admitted => emit(window.notice(), now_ns, &debug.packed, &[]),
                Admission::Rate | Admission::Spent => self.refused(1),
            },
            None => {
                let before = debug.before.refused();
                debug.before.push(&debug.packed, now_ns);
                self.refused(debug.before.refused().saturating_sub(before));
            }
        }
    }

    /// Looks whether another worker has opened a window: then what was kept before goes out, also where no exchange comes.
    pub(crate) fn look(&self, mut emit: impl FnMut(&Notice, u64, &[u8], &[u8])) {
        if let Some(debug) = self.debug.borrow_mut().as_mut() {
            debug.look(now_ns());
            self.refused(debug.recall(&mut emit));
        }
    }

    /// What becomes of a line of a plugin.
    pub(crate) fn line(&self, traced: &Traced, subject: &Subject) -> Verdict {
        let table = self.table();
        table.line(&mut self.meters(), &traced.decision, subject, now_ns())
    }
}

/// Where the gateway is no part of traces, a context in any form is written into records.
const EVERY: Formats = Formats {
    w3c: true,
    b3: true,
    b3_several: true,
};

impl Debugging {
    /// None where something is beyond its limits, which was looked at before.
    fn new(settings: &DebugSettings) -> Option<Self> {
        Some(Self {
            burst: Burst::new(settings.burst).ok()?,
            before: Before::with_bytes(settings.before_bytes).ok()?,
            seen: settings.windows.last(),
            settings: settings.clone(),
            packed: Vec::new(),
            opened: None,
        })
    }

    /// Joins the window of another worker.
    fn look(&mut self, now_ns: u64) {
        let last = self.settings.windows.last();
        if last == self.seen {
            return;
        }
        self.seen = last;
        if let Some(notice) = last
            && let Turn::Opened(joined) = self.burst.join(&notice, now_ns)
        {
            self.opened = Some(joined);
        }
    }

    /// Hands out the seconds before a window that has just opened; how many records had no room.
    fn recall(&mut self, emit: &mut impl FnMut(&Notice, u64, &[u8], &[u8])) -> u64 {
        let mut refused = 0;
        let Some(notice) = self.opened.take() else {
            return refused;
        };
        let before_ns = u64::try_from(self.settings.before.as_nanos()).unwrap_or(u64::MAX);
        let since_ns = notice.opened_ns.saturating_sub(before_ns);
        let Some(window) = self.burst.window(notice.opened_ns) else {
            return refused;
        };
        self.before.drain(since_ns, |time_ns, front, back| {
            match window.admit_before(front.len() + back.len()) {
                Admission::Admitted => emit(&notice, time_ns, front, back),
                Admission::Rate | Admission::Spent => refused += 1,
            }
        });
        refused
    }
}

/// The id and flags that records have.
pub(crate) fn ids_of(context: log_trace::Context) -> TraceIds {
    TraceIds {
        trace: context.trace.number(),
        span: context.span.number(),
        flags: context.flags(),
    }
}

const fn level_of(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
        Level::Critical => LogLevel::Critical,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
