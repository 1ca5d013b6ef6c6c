//! The sinks of OTLP, over HTTP and over gRPC: what a line holds becomes attributes, and what a collector refuses in part is counted.

mod messages;
mod grpc;
mod encode;

use std::sync::Arc;

use prost::Message;

use self::encode::request;
use self::grpc::Grpc;
use self::messages::{ExportLogsServiceResponse, RpcStatus};
use crate::fault::ShipFault;
use crate::json::opened;
use crate::net::Target;
use crate::net::post::{Answer, Poster};
use crate::net::posting::{Judgement, Language, Posting, by_status};
use crate::record::Record;
use crate::sink::{Frame, Sink};

/// What of a record has a place of its own in OTLP. Every other member of its line becomes an attribute.
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

/// Starts a sink that speaks OTLP over HTTP, as protobuf; the target's path is usually `/v1/logs`.
///
/// # Errors
/// When the address is none, or the spool or a thread is not to be had.
pub fn start_http(frame: Frame, target: Target, settings: OtlpSettings) -> Result<Sink, ShipFault> {
    let poster = opened(&frame, target)?;
    Sink::start(frame, Box::new(Posting::new(Box::new(OverHttp { poster, settings }))))
}

/// Starts a sink that speaks OTLP over gRPC.
///
/// # Errors
/// When the address is none, or the spool or a thread is not to be had.
pub fn start_grpc(frame: Frame, target: Target, settings: OtlpSettings) -> Result<Sink, ShipFault> {
    let grpc = Grpc::new(target, settings).map_err(|why| ShipFault::Setting {
        sink: frame.name.clone(),
        why,
    })?;
    Sink::start(frame, Box::new(Posting::new(Box::new(grpc))))
}

struct OverHttp {
    poster: Poster,
    settings: OtlpSettings,
}

impl Language for OverHttp {
    fn send(&mut self, records: &[Arc<Record>]) -> Judgement {
        let body = request(&self.settings, records).encode_to_vec();
        match self.poster.post(body, "application/x-protobuf") {
            Ok(answer) if (200..300).contains(&answer.status) => {
                // A body that is no message says nothing against the status.
                judged(&ExportLogsServiceResponse::decode(answer.body).unwrap_or_default())
            }
            Ok(answer) => by_status(&worded(answer), |status| matches!(status, 429 | 502 | 503 | 504)),
            Err(why) => Judgement::Later { why, after: None },
        }
    }
}

/// What a good answer says of those that it does not mean.
fn judged(response: &ExportLogsServiceResponse) -> Judgement {
    match &response.partial_success {
        Some(partial) if partial.rejected_log_records > 0 => Judgement::Partly {
            refused: u64::try_from(partial.rejected_log_records).unwrap_or(0),
            said: partial.error_message.clone(),
        },
        _ => Judgement::Taken,
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
