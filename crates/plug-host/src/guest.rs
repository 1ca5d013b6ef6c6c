//! What the host keeps beside one running module: contexts, outstanding callouts, what the current callback may see.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plug_abi::tokens::{CalloutKind, Tokens};
use plug_abi::{Abi, LogLevel, Status};
use plug_grant::{CallSet, Grant};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use tokio::sync::mpsc;
use wasmtime::Memory;

use crate::allowance::Allowance;
use crate::bounds::Bounds;
use crate::budget::Budget;
use crate::engine::Process;
use crate::entry::Entry;
use crate::exchange::{Exchange, StreamContext};
use crate::expression::Expressions;
use crate::files::Files;
use crate::limit::Limit;
use crate::meter::Meter;
use crate::metrics::MetricIds;
use crate::outside::{GrpcEvent, GrpcOut, HttpReply, LocalFuture, LogLine, Outside, RedisClient, Saying};
use crate::pace::Pace;
use crate::player::Player;
use crate::plugin::Plugin;
use crate::profile::Look;
use crate::seat::Seat;
use crate::slice::Slice;
use crate::tally::add;
use crate::tape::Tape;
use crate::trace::{CalloutStep, Marks};
use crate::trail::Trail;
use crate::words::{LINE_BYTES_MAX, LastWords, Unfinished};

/// Envoy's status and message for a callout that was reset.
const RESET: (u32, &str) = (11, "reset");

/// A root context: one plugin in this instance.
pub(crate) struct Root {
    pub(crate) plugin: Arc<Plugin>,
    /// `proxy_on_done` answered false; `proxy_done` is awaited.
    pub(crate) done_pending: bool,
}

/// The context in whose name host calls are made.
#[derive(Clone)]
pub(crate) enum Current {
    /// None: the module is starting.
    Nothing,
    /// A root context.
    Root(u32),
    /// An exchange's context.
    Stream(Rc<StreamContext>),
}

impl Current {
    /// The exchange's context, if it is one.
    pub(crate) fn stream(&self) -> Option<&Rc<StreamContext>> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Nothing | Self::Root(_) => None,
        }
    }

    fn root_id(&self) -> Option<u32> {
        match self {
            Self::Nothing => None,
            Self::Root(root) => Some(*root),
            Self::Stream(stream) => Some(stream.root),
        }
    }
}

/// A callback about to be made.
pub(crate) struct Visit {
    pub(crate) entry: Entry,
    /// In whose name.
    pub(crate) current: Current,
    /// What it may read of a callout.
    pub(crate) answer: Answer,
}

impl Visit {
    /// One that no callout led to.
    pub(crate) fn new(current: Current, entry: Entry) -> Self {
        Self {
            entry,
            current,
            answer: Answer::Nothing,
        }
    }
}

/// The answer a callout's callback may read. Boxed, because every callback carries one along and hardly any has one.
#[derive(Default)]
pub(crate) enum Answer {
    /// Outside a callout's callback.
    #[default]
    Nothing,
    /// An HTTP callout; none when it failed.
    Http(Option<Box<HttpReply>>),
    /// A gRPC event.
    Grpc(Box<GrpcEvent>),
    /// A Redis reply; none when the connection failed.
    Redis(Option<Box<Bytes>>),
}

impl Answer {
    /// What `proxy_get_status` tells of it. Envoy keeps the last number for later callbacks; here they read 0, which is never stale.
    pub(crate) fn status(&self) -> (u32, &str) {
        match self {
            Self::Http(None) | Self::Redis(None) => RESET,
            Self::Grpc(event) => match &**event {
                GrpcEvent::Close(code, message) => (*code, message),
                _ => (0, ""),
            },
            _ => (0, ""),
        }
    }

    /// An HTTP callout's answer.
    pub(crate) fn reply(&self) -> Option<&HttpReply> {
        match self {
            Self::Http(Some(reply)) => Some(reply),
            _ => None,
        }
    }

    /// A gRPC callout's event.
    pub(crate) fn event(&self) -> Option<&GrpcEvent> {
        match self {
            Self::Grpc(event) => Some(event),
            _ => None,
        }
    }
}

/// An outstanding gRPC callout.
#[derive(Clone)]
pub(crate) struct GrpcState {
    pub(crate) root: u32,
    pub(crate) outgoing: mpsc::UnboundedSender<GrpcOut>,
    pub(crate) streaming: bool,
    /// The plugin sends no more messages.
    pub(crate) ended: bool,
}

impl GrpcState {
    /// Ends the plugin's half of the stream, once.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            // The peer may have ended already, which is what was asked for.
            let _ = self.outgoing.send(GrpcOut::End);
        }
    }
}

/// What a host call set going; done after the callback returned, so that nothing is re-entered.
pub(crate) enum Effect {
    Tick {
        root: u32,
        period: Duration,
    },
    Http {
        root: u32,
        token: u32,
        reply: LocalFuture<Option<HttpReply>>,
    },
    Grpc {
        token: u32,
        drive: LocalFuture<()>,
        events: mpsc::Receiver<GrpcEvent>,
    },
    Redis {
        root: u32,
        token: u32,
        reply: LocalFuture<Option<Bytes>>,
    },
    Cancel {
        token: u32,
    },
    RootDone,
    Rebuild,
}

/// A value on its way into the guest, waiting for the guest's allocator.
pub(crate) struct Delivery {
    pub(crate) value: Bytes,
    pub(crate) pointer_at: u32,
    pub(crate) length_at: u32,
}

/// What the host keeps beside one running module.
pub(crate) struct Guest {
    pub(crate) abi: Abi,
    pub(crate) memory: Option<Memory>,
    pub(crate) limits: Bounds,
    pub(crate) process: Arc<Process>,
    pub(crate) outside: Rc<dyn Outside>,
    pub(crate) trial: Option<Rc<crate::trial::Trial>>,
    /// Number of the worker.
    pub(crate) worker: usize,
    /// The first plugin; all that share the instance have its limits.
    pub(crate) first: Arc<Plugin>,
    /// What its plugins may still use, in the order of their root contexts.
    pub(crate) allowances: Rc<[Rc<Allowance>]>,
    pub(crate) roots: HashMap<u32, Root>,
    pub(crate) streams: HashMap<u32, Rc<StreamContext>>,
    pub(crate) current: Current,
    /// Whose callback it is; `current` may be changed by `proxy_set_effective_context` until the next callback.
    pub(crate) entered: Current,
    pub(crate) callback: &'static str,
    pub(crate) answer: Answer,
    pub(crate) tokens: Tokens,
    /// Callouts that have not ended.
    pub(crate) outstanding: HashSet<u32>,
    pub(crate) grpc: HashMap<u32, GrpcState>,
    pub(crate) budget: Budget,
    pub(crate) redis: HashMap<(u32, String), RedisClient>,
    pub(crate) metrics: MetricIds,
    pub(crate) expressions: Expressions,
    /// Calls that are made without asking the grant: all when there is none.
    pub(crate) free: CallSet,
    /// What its plugins may do, which is the same for all that share the instance.
    pub(crate) grant: Option<Arc<Grant>>,
    /// How often grants had been narrowed in the process when it looked at its own.
    pub(crate) narrowings: u64,
    /// Queues that it found or made by their names: of which `vm_id`, when that is not its own, and how they are called.
    pub(crate) queues: HashMap<u32, (Option<String>, Vec<u8>)>,
    /// What it has open, when it is granted folders.
    pub(crate) files: Option<Box<Files>>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) queue_listener: mpsc::Sender<(u32, u32)>,
    /// What it has begun to write to a descriptor.
    pub(crate) unfinished: Unfinished,
    pub(crate) last_words: LastWords,
    pub(crate) slice: Slice,
    pub(crate) pace: Pace,
    pub(crate) trail: Trail,
    pub(crate) tape: Tape,
    /// Answers in the host's place, when a recording runs again.
    pub(crate) player: Option<Box<Player>>,
    /// The callback that was entered last, with its arguments.
    pub(crate) entry: Option<Entry>,
    pub(crate) meter: Meter,
    pub(crate) look: Look,
    /// Its time with a debugger.
    pub(crate) debugged: Option<Arc<crate::debug::Visit>>,
    /// Its place among the instances that may live at a time, when it serves one exchange; given back with its memory.
    pub(crate) seat: Option<Seat>,
}

impl Guest {
    /// A callback begins.
    pub(crate) fn entering(&mut self, visit: Visit) {
        let Visit { entry, current, answer } = visit;
        self.keep_to_grant();
        self.end_line();
        self.last_words.begin();
        self.callback = entry.callback();
        self.tape.entry(entry);
        if let Some(trial) = &self.trial {
            trial.entering(self.callback);
        }
        self.entry = Some(entry);
        if let Current::Stream(stream) = &current {
            stream.visible.set(entry.visible(stream.visible.get()));
            if entry.creates() {
                stream.created.set(true);
                self.streams.insert(stream.id, Rc::clone(stream));
            }
            if entry.deletes() {
                stream.ended.set(true);
            }
        }
        self.entered = current.clone();
        self.current = current;
        self.count();
        self.answer = answer;
        self.slice.begin();
    }

    /// A callback has ended with this answer.
    pub(crate) fn leaving(&mut self, entry: Entry, answer: u32) {
        self.returned(answer);
        self.end_line();
        match entry {
            Entry::End { context } | Entry::EndTcp { context } => drop(self.streams.remove(&context)),
            Entry::RootDelete { root } => {
                self.roots.remove(&root);
                self.expressions.forget(root);
            }
            Entry::RootDone { root } => {
                if let Some(root) = self.roots.get_mut(&root) {
                    root.done_pending = answer == 0;
                }
            }
            _ => {}
        }
        self.rest();
    }

    /// Notes what a callback answered.
    pub(crate) fn returned(&mut self, answer: u32) {
        self.tape.returned(answer);
        if let Some(trial) = &self.trial {
            trial.leaving(answer);
        }
    }

    /// No callback is in progress.
    pub(crate) fn rest(&mut self) {
        self.end_line();
        self.current = Current::Nothing;
        self.entered = Current::Nothing;
        self.answer = Answer::Nothing;
        self.delivery = None;
    }

    /// One more callback of the current plugin.
    pub(crate) fn count(&self) {
        if let Some(stats) = self.plugin().workers.get(self.worker) {
            stats.called();
        }
    }

    /// The current plugin made a host call, or called a function of WASI, of this number.
    pub(crate) fn count_call(&self, number: usize) {
        if let Some(stats) = self.plugin().workers.get(self.worker) {
            stats.tally.called(number);
        }
    }

    /// The root context behind the current one.
    pub(crate) fn root_id(&self) -> Option<u32> {
        self.current.root_id()
    }

    /// The plugin in whose name host calls are made.
    pub(crate) fn root(&self) -> Option<&Root> {
        self.roots.get(&self.root_id()?)
    }

    /// The same, or the first one while none is running yet.
    pub(crate) fn plugin(&self) -> &Plugin {
        match &self.current {
            Current::Stream(stream) => &stream.owner,
            _ => self.root().map_or(&self.first, |root| &root.plugin),
        }
    }

    /// The current exchange's context.
    pub(crate) fn stream(&self) -> Option<&Rc<StreamContext>> {
        self.current.stream()
    }

    /// The current exchange.
    pub(crate) fn exchange(&self) -> Option<&Rc<Exchange>> {
        self.stream().map(|stream| &stream.exchange)
    }

    /// The part of a callout in the trace of the current exchange.
    pub(crate) fn step(&self, upstream: &str) -> Option<Rc<dyn CalloutStep>> {
        self.exchange().and_then(|exchange| exchange.facts.callout(upstream))
    }

    /// What the plugin of a context may still use, or the first one while none is running yet.
    pub(crate) fn allowance(&self, current: &Current) -> Option<&Rc<Allowance>> {
        let place = current.root_id().unwrap_or_default().saturating_sub(1);
        self.allowances.get(usize::try_from(place).ok()?)
    }

    /// The current plugin reached a limit.
    pub(crate) fn reached(&self, limit: Limit) {
        if let Some(allowance) = self.allowance(&self.current) {
            allowance.reached(limit);
        }
    }

    /// Whether one more callout may be outstanding.
    pub(crate) fn may_call(&self) -> bool {
        let may = self.outstanding.len() < self.first.spec.limits.callouts_max;
        if !may {
            self.reached(Limit::Callouts);
        }
        may
    }

    /// A new callout id, and one more callout outstanding.
    pub(crate) fn begin_callout(&mut self, kind: CalloutKind) -> Result<u32, Status> {
        let token = self.tokens.callout(kind, |id| self.outstanding.contains(&id));
        let token = token.ok_or(Status::InternalFailure)?;
        self.outstanding.insert(token);
        Ok(token)
    }

    /// A callout has ended; no callback for it follows.
    pub(crate) fn end_callout(&mut self, token: u32) {
        self.outstanding.remove(&token);
        self.grpc.remove(&token);
    }

    /// Arms a timer once the callback has returned; of several periods the last counts.
    pub(crate) fn set_tick(&mut self, root: u32, period: Duration) {
        self.effects
            .retain(|effect| !matches!(effect, Effect::Tick { root: known, .. } if *known == root));
        self.effects.push(Effect::Tick { root, period });
    }

    /// Asks for a fresh instance once the callback has returned.
    pub(crate) fn rebuild(&mut self) {
        if !self.effects.iter().any(|effect| matches!(effect, Effect::Rebuild)) {
            self.effects.push(Effect::Rebuild);
        }
    }

    /// Writes a piece of a line, which is there as a whole once a piece ends it, or the callback ends.
    pub(crate) fn write(&mut self, level: LogLevel, piece: &[u8]) {
        if !self.unfinished.goes_on(level) {
            self.end_line();
        }
        self.unfinished.add(level, piece);
        if piece.ends_with(b"\n") {
            self.end_line();
        }
    }

    /// No more pieces of the line come.
    pub(crate) fn end_line(&mut self) {
        if let Some((level, line)) = self.unfinished.take() {
            self.say(level, cut(&line, LINE_BYTES_MAX));
        }
    }

    /// From which level on lines of the current plugin are written now.
    pub(crate) fn log_level(&self) -> LogLevel {
        let allowance = self.allowance(&self.current);
        allowance.map_or(self.plugin().spec.log_level, |allowance| allowance.log_level())
    }

    /// Writes a line in the name of the current plugin.
    pub(crate) fn log(&mut self, level: LogLevel, text: &str) {
        self.end_line();
        self.say(level, cut(text, LINE_BYTES_MAX));
    }

    fn say(&mut self, level: LogLevel, text: &str) {
        if level >= LogLevel::Error {
            self.last_words.add(text);
            if let Some(stats) = self.plugin().workers.get(self.worker) {
                add(&stats.error_lines, 1);
            }
        }
        let plugin = &self.plugin().spec;
        let allowance = self.allowance(&self.current);
        if level < self.log_level() {
            return;
        }
        let marks = match self.exchange() {
            Some(exchange) => exchange.facts.line(&plugin.name, level),
            None => Some(Marks::NONE),
        };
        let Some(marks) = marks else { return };
        if !allowance.is_none_or(Allowance::may_write_line) {
            return;
        }
        let context = match &self.current {
            Current::Nothing => 0,
            Current::Root(root) => *root,
            Current::Stream(stream) => stream.id,
        };
        let line = LogLine {
            plugin: &plugin.name,
            level,
            context,
            text,
            marks,
        };
        self.outside.say(Saying::Line(line));
    }
}

/// The beginning of `text`, at most `bytes_max` long.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// The engine's name for what the host keeps.
pub(crate) struct OnWorker(pub(crate) Box<Guest>);

// SAFETY: the engine wants its stores' data to be `Send` because a store could be moved between threads. Ours is never moved: it is
// made by `Instance::start` on a worker and held by that worker's `Rc<Instance>` and by futures that hold one, none of them `Send`,
// until it is dropped there.
#[allow(unsafe_code)]
unsafe impl Send for OnWorker {}

/// Memory and state of the guest for the time of one host call.
pub(crate) struct Host<'a> {
    pub(crate) memory: &'a mut [u8],
    pub(crate) guest: &'a mut Guest,
}

impl Host<'_> {
    /// Bytes of the guest.
    pub(crate) fn read(&self, pointer: u32, length: u32) -> Result<&[u8], Status> {
        let from = usize::try_from(pointer).map_err(|_| Status::InvalidMemoryAccess)?;
        let length = usize::try_from(length).map_err(|_| Status::InvalidMemoryAccess)?;
        let to = from.checked_add(length).ok_or(Status::InvalidMemoryAccess)?;
        self.memory.get(from..to).ok_or(Status::InvalidMemoryAccess)
    }

    /// The beginning of a text of the guest, as much as a line of the log may hold.
    pub(crate) fn line(&self, pointer: u32, length: u32) -> Result<String, Status> {
        let bytes = self.read(pointer, length)?;
        let bytes = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Text of the guest that names something: at most `bytes_max` long; bytes that are no UTF-8 are replaced.
    pub(crate) fn name(&self, place: (u32, u32), bytes_max: usize) -> Result<String, Status> {
        let bytes = self.read(place.0, place.1)?;
        if bytes.len() > bytes_max {
            return Err(Status::BadArgument);
        }
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A copy of bytes that leave the guest, counted until they have arrived.
    pub(crate) fn copy(&self, place: (u32, u32)) -> Result<Bytes, Status> {
        let bytes = self.read(place.0, place.1)?;
        self.guest.budget.copy(bytes).ok_or(Status::InternalFailure)
    }

    /// Writes what a host call gives into the guest.
    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Status> {
        self.put(pointer, bytes)?;
        self.guest.tape.wrote(pointer, bytes);
        Ok(())
    }

    /// Writes a number into the guest.
    pub(crate) fn write_u32(&mut self, pointer: u32, value: u32) -> Result<(), Status> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Writes what follows from a host call's value, and need not be recorded beside it.
    pub(crate) fn put(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Status> {
        let from = usize::try_from(pointer).map_err(|_| Status::InvalidMemoryAccess)?;
        let to = from.checked_add(bytes.len()).ok_or(Status::InvalidMemoryAccess)?;
        let place = self.memory.get_mut(from..to).ok_or(Status::InvalidMemoryAccess)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    /// The same for a number.
    pub(crate) fn put_u32(&mut self, pointer: u32, value: u32) -> Result<(), Status> {
        self.put(pointer, &value.to_le_bytes())
    }

    /// Checks that a number can be written at `pointer`, before anything is set going whose id goes there.
    pub(crate) fn check_u32(&self, pointer: u32) -> Result<(), Status> {
        self.read(pointer, 4).map(drop)
    }
}
