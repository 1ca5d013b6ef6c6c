//! What came of one step.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use gate_flow::rehearsal::{Came, Halt, Way};
use http::{HeaderMap, StatusCode};
use plug_abi::LogLevel;
use plug_host::{Fault, Witnessed};

use crate::stage::Time;
use crate::world::{Callout, GrpcSeen, RedisSeen};
use crate::written::Paused;

/// LIMIT: bytes of a body that are kept.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request as the upstream got it.
#[derive(Debug, Default)]
pub(crate) struct SeenRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authority: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

/// A response as the client got it.
#[derive(Debug, Default)]
pub(crate) struct SeenResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

/// What came out of a TCP connection.
#[derive(Debug, Default)]
pub(crate) struct SeenConnection {
    pub(crate) upstream: Bytes,
    pub(crate) client: Bytes,
}

/// What came of one step.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// None when it did not reach the upstream.
    pub(crate) request: Option<SeenRequest>,
    /// None when there was none.
    pub(crate) response: Option<SeenResponse>,
    /// None when the step is none of a connection.
    pub(crate) connection: Option<SeenConnection>,
    pub(crate) details: Option<String>,
    pub(crate) paused: Option<Paused>,
    pub(crate) is_reset: bool,
    pub(crate) faults: Vec<Fault>,
    pub(crate) lines: Vec<(LogLevel, String)>,
    pub(crate) callouts: Vec<Callout>,
    pub(crate) grpc: Vec<GrpcSeen>,
    pub(crate) redis: Vec<RedisSeen>,
    /// What the suite asked for and cannot be.
    pub(crate) refused: Vec<String>,
    /// Callouts that no mock answered.
    pub(crate) unanswered: Vec<String>,
    pub(crate) callbacks: Vec<Witnessed>,
    pub(crate) metrics: BTreeMap<String, i64>,
    pub(crate) properties: BTreeMap<String, String>,
}

/// What came out of one way through the plugin.
#[derive(Default)]
pub(crate) struct Passed {
    pub(crate) head: bool,
    pub(crate) body: Bytes,
    pub(crate) halt: Option<Halt>,
    pub(crate) is_paused: bool,
}

/// Takes all that comes, as far as it comes.
pub(crate) async fn pass(way: &mut Way, time: &Time) -> Passed {
    let mut passed = Passed::default();
    let mut body = BytesMut::new();
    loop {
        let end = match time.wait_for(way.next()).await {
            None => {
                passed.is_paused = true;
                true
            }
            Some(Err(halt)) => {
                passed.halt = Some(halt);
                true
            }
            Some(Ok(Came::Head { end })) => {
                passed.head = true;
                end
            }
            Some(Ok(Came::Data { bytes, end })) => {
                if body.len().saturating_add(bytes.len()) <= BODY_BYTES_MAX {
                    body.extend_from_slice(&bytes);
                }
                end
            }
            Some(Ok(Came::Trailers)) => true,
        };
        if end {
            passed.body = body.freeze();
            return passed;
        }
    }
}
