//! What a plugin reaches outside its exchange: callouts and its log; the room above answers.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use plug_abi::LogLevel;
use plug_report::recording::Recording;
use tokio::sync::mpsc;

use crate::burst::{BurstPolicy, Trouble};
use crate::exchange::{RequestHead, ResponseHead};
use crate::fault::Fault;
use crate::trace::{CalloutStep, Marks, TraceIds};

/// A future of one thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A line a plugin wrote.
#[derive(Debug, Clone, Copy)]
pub struct LogLine<'a> {
    /// Name of the plugin.
    pub plugin: &'a str,
    /// Level.
    pub level: LogLevel,
    /// Context id in which it was written.
    pub context: u32,
    /// Text; control characters are the reader's business.
    pub text: &'a str,
    /// The trace of the exchange for which it was written, and how many lines it stands for.
    pub marks: Marks,
}

/// What is said about plugins, to the operator.
#[derive(Debug, Clone, Copy)]
pub enum Saying<'a> {
    /// A line a plugin wrote.
    Line(LogLine<'a>),
    /// Lines that a plugin wrote were left out, for it writes too many.
    LeftOut {
        /// Name of the plugin.
        plugin: &'a str,
        /// How many.
        lines: u64,
    },
    /// A plugin made a call that its grant lacks.
    Denied {
        /// Name of the plugin.
        plugin: &'a str,
        /// The call.
        call: &'static str,
        /// What it was about, where that may be shown; empty else.
        about: &'a str,
        /// How many calls, this one included, since this was last said.
        times: u64,
        /// Whether they were denied; else they were let through.
        enforced: bool,
    },
    /// The memory of an instance has grown over half of the room that it had.
    Growth {
        /// Name of the plugin.
        plugin: &'a str,
        /// Bytes now.
        bytes: u64,
        /// Bytes when the instance had started.
        bytes_at_start: u64,
        /// Bytes that it may have.
        bytes_max: u64,
        /// Exchanges that the instance has seen.
        exchanges: u32,
    },
    /// An instance died.
    Fault(&'a Fault),
    /// Faults or failed exchanges come in a burst: more is written down for a while.
    Burst {
        /// Name of the plugin.
        plugin: &'a str,
        /// What came in a burst.
        of: Trouble,
        /// What is done about it.
        policy: BurstPolicy,
    },
    /// An exchange was recorded although its plugin lives.
    Recorded(&'a Arc<Recording>),
    /// A plugin is set aside on a worker.
    Quarantine {
        /// Name of the plugin.
        plugin: &'a str,
        /// Faults in a row.
        faults: u32,
        /// For how long.
        length: Duration,
    },
    /// Exchanges stayed in an instance for as long as they may after another generation took over; it is gone.
    Retired {
        /// Name of the plugin.
        plugin: &'a str,
        /// Its generation.
        generation: u64,
        /// How many of them.
        exchanges: usize,
        /// How long they stayed.
        after: Duration,
    },
    /// Something about LLDB.
    Debug {
        /// Name of the plugin.
        plugin: &'a str,
        /// What.
        news: DebugNews,
    },
}

/// What happens around a debugged exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugNews {
    /// An exchange is debugged.
    Begins,
    /// LLDB did not come for so long; the exchange goes on without it.
    NobodyThere(Duration),
    /// It has ended; so many others matched meanwhile and were not debugged.
    Ended(u64),
}

/// An HTTP callout.
#[derive(Debug)]
pub struct HttpCall {
    /// Name of the plugin.
    pub plugin: String,
    /// Upstream as the plugin names it.
    pub upstream: String,
    /// Request head.
    pub head: RequestHead,
    /// Whole body.
    pub body: Bytes,
    /// Request trailers.
    pub trailers: HeaderMap,
    /// Longest wait; none without end.
    pub timeout: Option<Duration>,
    /// Its part in the trace of its exchange.
    pub step: Option<Rc<dyn CalloutStep>>,
}

/// An answer to an HTTP callout.
#[derive(Debug, Clone)]
pub struct HttpReply {
    /// Response head.
    pub head: ResponseHead,
    /// Whole body.
    pub body: Bytes,
    /// Response trailers.
    pub trailers: HeaderMap,
}

/// A gRPC callout, unary or streaming.
#[derive(Debug)]
pub struct GrpcCall {
    /// Name of the plugin.
    pub plugin: String,
    /// Upstream as the plugin names it.
    pub upstream: String,
    /// Full service name.
    pub service: String,
    /// Method name.
    pub method: String,
    /// Initial metadata.
    pub metadata: HeaderMap,
    /// Longest wait; none without end.
    pub timeout: Option<Duration>,
    /// Its part in the trace of its exchange.
    pub step: Option<Rc<dyn CalloutStep>>,
}

/// What a plugin sends on a gRPC stream.
#[derive(Debug)]
pub enum GrpcOut {
    /// A message.
    Message(Bytes),
    /// No more messages.
    End,
}

/// What comes back on a gRPC stream.
#[derive(Debug, Clone)]
pub enum GrpcEvent {
    /// Initial metadata.
    InitialMetadata(ResponseHead),
    /// A message.
    Message(Bytes),
    /// Trailing metadata.
    TrailingMetadata(HeaderMap),
    /// The end: status and message.
    Close(u32, String),
}

/// A Redis client of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisClient {
    /// Upstream as the plugin names it, without options.
    pub upstream: String,
    /// User name; empty for none.
    pub username: String,
    /// Password; empty for none.
    pub password: String,
    /// Database chosen after connecting.
    pub database: u32,
    /// Longest wait for a reply.
    pub timeout: Duration,
}

/// Who asks Redis.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Name of the plugin.
    pub plugin: &'a str,
    /// The ids of its exchange; none where it has no trace, or none is told of.
    pub ids: Option<TraceIds>,
}

/// Why a callout was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRefused {
    /// No upstream of that name.
    UnknownUpstream,
    /// A bound is reached.
    TooMany,
}

/// How a text is written that is to be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// As people and programs write lines; escapes of addresses and of JSON in it are read.
    Text,
    /// JSON, or as much of its beginning as there is.
    Json,
}

/// What a plugin reaches outside its exchange.
pub trait Outside {
    /// Tells the operator.
    fn say(&self, saying: Saying<'_>);
    /// A text as it may be shown by the rules of the gateway's log; none where there is no log.
    fn mask(&self, _writing: Writing, _text: &[u8]) -> Option<Bytes> {
        None
    }
    /// Begins an HTTP callout; none when it failed without an answer.
    ///
    /// # Errors
    /// When it cannot begin.
    fn http_call(&self, call: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused>;
    /// Begins a gRPC callout; the future drives it to its end.
    ///
    /// # Errors
    /// When it cannot begin.
    fn grpc_call(
        &self,
        call: GrpcCall,
        outgoing: mpsc::UnboundedReceiver<GrpcOut>,
        events: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused>;
    /// The own name of the upstream that a plugin names so; none when there is none.
    fn upstream_name(&self, named: &str) -> Option<String>;
    /// Sends raw RESP bytes and waits for one raw reply; none when the connection failed.
    ///
    /// # Errors
    /// When it cannot begin.
    fn redis_call(
        &self,
        client: &RedisClient,
        query: Bytes,
        by: Caller<'_>,
    ) -> Result<LocalFuture<Option<Bytes>>, CallRefused>;
}
