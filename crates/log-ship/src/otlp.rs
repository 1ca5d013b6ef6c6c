//! The sinks of OTLP for logs and spans, over HTTP and over gRPC: what a line holds becomes attributes, and what a collector refuses in part is counted.

mod messages;
mod encode;
mod logs;
mod spans;
mod grpc;

use std::sync::Arc;

use prost::Message;

pub use self::spans::SpanSettings;

use self::grpc::Grpc;
use self::logs::Logs;
use self::messages::RpcStatus;
use self::spans::Spans;
use crate::fault::ShipFault;
use crate::json::opened;
use crate::net::Target;
use crate::net::post::{ANSWER_BYTES_MAX, Answer, Poster};
use crate::net::posting::{Judgement, Language, Posting, by_status};
use crate::record::Record;
use crate::sink::{Frame, Sink};

/// What of a record has a place of its own in a log of OTLP. Every other member of its line becomes an attribute.
#[derive(Clone, Debug, Default)]
pub struct OtlpSettings {
    /// Attributes of the resource, such as `service.name`.
    pub resource: Vec<(String, String)>,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// The member with the trace, 32 hexadecimal digits.
    pub trace_id: String,
    /// The member with the span, 16 hexadecimal digits.
    pub span_id: String,
    /// The member with the flags of the trace: a number, or two hexadecimal digits.
    pub trace_flags: String,
    /// The member that is the body, when there is one.
    pub body: String,
    /// Members that say what the record says anyway, such as its time and level.
    pub left_out: Vec<String>,
}

/// Starts a sink that sends logs over HTTP, as protobuf; the target's path is usually `/v1/logs`.
///
/// # Errors
/// When the address is none, the frame has another form than JSON, or the spool or a thread is not to be had.
pub fn start_http(frame: Frame, target: Target, settings: OtlpSettings) -> Result<Sink, ShipFault> {
    over_http(frame, target, Logs(settings))
}

/// Starts a sink that sends logs over gRPC.
///
/// # Errors
/// When the address is none, the frame has another form than JSON, or the spool or a thread is not to be had.
pub fn start_grpc(frame: Frame, target: Target, settings: OtlpSettings) -> Result<Sink, ShipFault> {
    over_grpc(frame, target, Logs(settings))
}

/// Starts a sink that sends spans over HTTP, as protobuf; the target's path is usually `/v1/traces`. Its frame should select records that are spans.
///
/// # Errors
/// When the address is none, the frame has another form than JSON, or the spool or a thread is not to be had.
pub fn start_spans_http(frame: Frame, target: Target, settings: SpanSettings) -> Result<Sink, ShipFault> {
    over_http(frame, target, Spans(settings))
}

/// Starts a sink that sends spans over gRPC. Its frame should select records that are spans.
///
/// # Errors
/// When the address is none, the frame has another form than JSON, or the spool or a thread is not to be had.
pub fn start_spans_grpc(frame: Frame, target: Target, settings: SpanSettings) -> Result<Sink, ShipFault> {
    over_grpc(frame, target, Spans(settings))
}

fn over_http<S: Signal + 'static>(frame: Frame, target: Target, signal: S) -> Result<Sink, ShipFault> {
    frame.only_json("OTLP")?;
    let poster = opened(&frame, target)?;
    Sink::start(frame, Box::new(Posting::new(Box::new(OverHttp { poster, signal }))))
}

fn over_grpc<S: Signal + 'static>(frame: Frame, target: Target, signal: S) -> Result<Sink, ShipFault> {
    frame.only_json("OTLP")?;
    let grpc = Grpc::new(target, signal).map_err(|why| ShipFault::Setting {
        sink: frame.name.clone(),
        why,
    })?;
    Sink::start(frame, Box::new(Posting::new(Box::new(grpc))))
}

/// What records are sent as: a message with its answer, and where gRPC takes it.
trait Signal: Send {
    type Request: Message + 'static;
    type Response: Message + Default + 'static;

    const EXPORT: &'static str;

    /// The message that carries these; or those that it cannot carry.
    fn request(&self, records: &[Arc<Record>]) -> Result<Self::Request, Unfit>;

    /// How many a good answer refuses, and why.
    fn refused(response: &Self::Response) -> Option<(i64, &str)>;
}

/// Records that cannot be what they are to be sent as, by their places among those that are to be sent.
struct Unfit(Vec<usize>, &'static str);

impl From<Unfit> for Judgement {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit {
            places: unfit.0,
            said: unfit.1.to_owned(),
        }
    }
}

struct OverHttp<S> {
    poster: Poster,
    signal: S,
}

impl<S: Signal> Language for OverHttp<S> {
    fn send(&mut self, records: &[Arc<Record>]) -> Judgement {
        let message = match self.signal.request(records) {
            Ok(message) => message,
            Err(unfit) => return unfit.into(),
        };
        match self.poster.post(message.encode_to_vec(), "application/x-protobuf") {
            Ok(answer) if (200..300).contains(&answer.status) && !answer.is_whole => unread(),
            Ok(answer) if (200..300).contains(&answer.status) => {
                // A body that is no message says nothing against the status.
                judged::<S>(&S::Response::decode(answer.body).unwrap_or_default())
            }
            Ok(answer) => by_status(&worded(answer), |status| matches!(status, 429 | 502 | 503 | 504)),
            Err(why) => Judgement::Later { why, after: None },
        }
    }
}

/// What a good answer says of those that it does not mean.
fn judged<S: Signal>(response: &S::Response) -> Judgement {
    match S::refused(response) {
        Some((refused, said)) if refused > 0 => Judgement::Partly {
            refused: u64::try_from(refused).unwrap_or(0),
            said: said.to_owned(),
        },
        _ => Judgement::Taken,
    }
}

/// A good answer beyond our bound: it was sent because the records are there, and sending them again would not make it shorter.
fn unread() -> Judgement {
    Judgement::Partly {
        refused: 0,
        said: format!("the answer was not read, for it is longer than {ANSWER_BYTES_MAX} bytes: all counts as taken"),
    }
}

/// With the message out of a status of gRPC, in which a collector answers over HTTP too.
fn worded(mut answer: Answer) -> Answer {
    if let Ok(status) = RpcStatus::decode(answer.body.clone())
        && !status.message.is_empty()
    {
        answer.body = status.message.into();
    }
    answer
}

#[cfg(test)]
mod tests;
