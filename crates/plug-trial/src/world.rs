//! The world outside of a tested plugin: upstreams that answer as the suite says, and what the plugin said and asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use gate_plan::document::TimeSpan;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use plug_abi::LogLevel;
use plug_host::{
    CallRefused, Caller, Fault, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, Outside, RedisClient,
    ResponseHead, Saying, Trial,
};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::matcher::Matcher;
use crate::piece::Piece;
use crate::written::{GrpcMock, HttpMock, Mocks, RedisMock, Silence, Values};

/// LIMIT: lines that are kept of one case.
const LINES_MAX: usize = 100_000;

/// An HTTP callout, as it was made.
#[derive(Debug, Clone)]
pub(crate) struct Callout {
    pub(crate) upstream: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether a mock answered it.
    pub(crate) is_known: bool,
}

/// A gRPC callout, as it was made.
#[derive(Debug, Clone)]
pub(crate) struct GrpcSeen {
    pub(crate) upstream: String,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) metadata: HeaderMap,
    /// Messages that the plugin has sent.
    pub(crate) messages: Rc<RefCell<Vec<Bytes>>>,
}

/// A Redis call, as it was made.
#[derive(Debug, Clone)]
pub(crate) struct RedisSeen {
    pub(crate) upstream: String,
    pub(crate) command: String,
}

/// A mock of HTTP with the number of callouts that it has answered.
struct Counted {
    mock: HttpMock,
    answered: Cell<usize>,
}

/// The world outside.
pub(crate) struct World {
    trial: Rc<Trial>,
    http: Vec<Counted>,
    grpc: Vec<GrpcMock>,
    redis: Vec<RedisMock>,
    pub(crate) lines: RefCell<Vec<(LogLevel, String)>>,
    /// The callback in which each line was written.
    pub(crate) written_in: RefCell<Vec<Option<&'static str>>>,
    pub(crate) faults: RefCell<Vec<Fault>>,
    pub(crate) callouts: RefCell<Vec<Callout>>,
    pub(crate) grpc_calls: RefCell<Vec<GrpcSeen>>,
    pub(crate) redis_calls: RefCell<Vec<RedisSeen>>,
    /// Callouts of other kinds that no mock answers.
    pub(crate) unanswered: RefCell<Vec<String>>,
}

impl World {
    /// A world of these mocks.
    pub(crate) fn new(trial: &Rc<Trial>, mocks: &Mocks) -> Rc<Self> {
        let counted = |mock: &HttpMock| Counted {
            mock: mock.clone(),
            answered: Cell::default(),
        };
        Rc::new(Self {
            trial: Rc::clone(trial),
            http: mocks.http.iter().map(counted).collect(),
            grpc: mocks.grpc.clone(),
            redis: mocks.redis.clone(),
            lines: RefCell::default(),
            written_in: RefCell::default(),
            faults: RefCell::default(),
            callouts: RefCell::default(),
            grpc_calls: RefCell::default(),
            redis_calls: RefCell::default(),
            unanswered: RefCell::default(),
        })
    }

    fn mock_of(&self, call: &HttpCall) -> Option<&Counted> {
        self.http.iter().find(|counted| {
            let mock = &counted.mock;
            mock.times.is_none_or(|times| counted.answered.get() < times)
                && fits(&mock.upstream, &call.upstream)
                && fits(&mock.method, call.head.method.as_str())
                && fits(&mock.path, call.head.path.as_str())
        })
    }

    fn unanswered(&self, call: String) -> CallRefused {
        self.unanswered.borrow_mut().push(call);
        CallRefused::UnknownUpstream
    }
}

impl Outside for World {
    fn say(&self, saying: Saying<'_>) {
        match saying {
            Saying::Line(line) => {
                let mut lines = self.lines.borrow_mut();
                if lines.len() < LINES_MAX {
                    lines.push((line.level, line.text.to_owned()));
                    self.written_in.borrow_mut().push(self.trial.last_callback());
                }
            }
            Saying::Fault(fault) => self.faults.borrow_mut().push(fault.clone()),
            _ => {}
        }
    }

    fn http_call(&self, call: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        let found = self.mock_of(&call);
        self.callouts.borrow_mut().push(Callout {
            upstream: call.upstream.clone(),
            method: call.head.method.to_string(),
            path: call.head.path.to_string(),
            headers: call.head.headers.clone(),
            body: call.body.clone(),
            is_known: found.is_some(),
        });
        let Some(found) = found else {
            return Err(CallRefused::UnknownUpstream);
        };
        found.answered.set(found.answered.get() + 1);
        let wait = length(&found.mock.after);
        let reply = match found.mock.fails {
            Some(Silence::Unknown) => return Err(CallRefused::UnknownUpstream),
            Some(Silence::Broken) => None,
            Some(Silence::Silent) => return Ok(timed_out(&self.trial, call.timeout)),
            None => Some(http_reply(&found.mock)),
        };
        if call.timeout.is_some_and(|timeout| wait > timeout) {
            return Ok(timed_out(&self.trial, call.timeout));
        }
        Ok(after(&self.trial, wait, reply))
    }

    fn grpc_call(
        &self,
        call: GrpcCall,
        outgoing: mpsc::UnboundedReceiver<GrpcOut>,
        events: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        let found = self.grpc.iter().find(|mock| {
            fits(&mock.upstream, &call.upstream)
                && fits(&mock.service, &call.service)
                && fits(&mock.method, &call.method)
        });
        let found = found.cloned();
        let seen = GrpcSeen {
            upstream: call.upstream.clone(),
            service: call.service.clone(),
            method: call.method.clone(),
            metadata: call.metadata.clone(),
            messages: Rc::default(),
        };
        let heard = listen(outgoing, Rc::clone(&seen.messages));
        self.grpc_calls.borrow_mut().push(seen);
        match found {
            None => Err(self.unanswered(format!("gRPC {}/{} at `{}`", call.service, call.method, call.upstream))),
            Some(mock) if mock.fails == Some(Silence::Unknown) => Err(CallRefused::UnknownUpstream),
            Some(mock) => {
                let answer = grpc_answer(Rc::clone(&self.trial), mock, call.timeout, events);
                Ok(Box::pin(async move {
                    tokio::select! {
                        // What the plugin sent before it is answered is heard first.
                        biased;
                        () = heard => {}
                        () = answer => {}
                    }
                }))
            }
        }
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        let mut mocks = self.redis.iter();
        let found = mocks.any(|mock| fits(&mock.upstream, named) && mock.fails != Some(Silence::Unknown));
        found.then(|| named.to_owned())
    }

    fn redis_call(
        &self,
        client: &RedisClient,
        query: Bytes,
        _: Caller<'_>,
    ) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        let command = words(&query).join(" ");
        self.redis_calls.borrow_mut().push(RedisSeen {
            upstream: client.upstream.clone(),
            command: command.clone(),
        });
        let found = self
            .redis
            .iter()
            .find(|mock| fits(&mock.upstream, &client.upstream) && fits(&mock.command, &command));
        let Some(mock) = found else {
            return Err(self.unanswered(format!("Redis `{command}` at `{}`", client.upstream)));
        };
        let wait = length(&mock.after);
        let reply = match (mock.fails, &mock.error) {
            (Some(Silence::Unknown), _) => return Err(CallRefused::UnknownUpstream),
            (Some(Silence::Silent), _) => return Ok(after(&self.trial, client.timeout, None)),
            (Some(Silence::Broken), _) => None,
            (None, Some(error)) => Some(Bytes::from(format!("-{error}\r\n"))),
            (None, None) => Some(redis_value(mock)),
        };
        Ok(after(&self.trial, wait, reply))
    }
}

/// Whether a mock that says nothing, or this, is meant.
fn fits(matcher: &Option<Matcher>, value: &str) -> bool {
    matcher.as_ref().is_none_or(|matcher| matcher.fits(&[value.to_owned()]))
}

fn length(span: &Option<TimeSpan>) -> Duration {
    span.as_ref().map(TimeSpan::length).unwrap_or_default()
}

fn after<T: 'static>(trial: &Rc<Trial>, wait: Duration, value: T) -> LocalFuture<T> {
    let trial = Rc::clone(trial);
    Box::pin(async move {
        trial.sleep(wait).await;
        value
    })
}

/// Keeps what the plugin sends on a gRPC callout; it does not end before the callout does.
async fn listen(mut outgoing: mpsc::UnboundedReceiver<GrpcOut>, messages: Rc<RefCell<Vec<Bytes>>>) {
    while let Some(sent) = outgoing.recv().await {
        if let GrpcOut::Message(message) = sent {
            messages.borrow_mut().push(message);
        }
    }
    std::future::pending().await
}

/// What a mock answers to a gRPC callout.
async fn grpc_answer(trial: Rc<Trial>, mock: GrpcMock, timeout: Option<Duration>, events: mpsc::Sender<GrpcEvent>) {
    match mock.fails {
        Some(Silence::Silent) => {
            match timeout {
                Some(timeout) => trial.sleep(timeout).await,
                None => std::future::pending().await,
            }
            // `DEADLINE_EXCEEDED`.
            let _ = events.send(GrpcEvent::Close(4, String::new())).await;
        }
        Some(Silence::Broken | Silence::Unknown) => {}
        None => {
            trial.sleep(length(&mock.after)).await;
            for event in grpc_events(&mock) {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// As in a gateway, the router answers for a callout that takes too long; without a timeout nobody does.
fn timed_out(trial: &Rc<Trial>, timeout: Option<Duration>) -> LocalFuture<Option<HttpReply>> {
    let Some(timeout) = timeout else {
        return Box::pin(std::future::pending());
    };
    let reply = HttpReply {
        head: ResponseHead {
            status: StatusCode::GATEWAY_TIMEOUT,
            headers: HeaderMap::new(),
        },
        body: Bytes::from_static(b"upstream request timeout"),
        trailers: HeaderMap::new(),
    };
    after(trial, timeout, Some(reply))
}

fn http_reply(mock: &HttpMock) -> HttpReply {
    let body = match (&mock.json, &mock.body) {
        (Some(json), _) => json.to_string().into(),
        (None, body) => body.as_ref().map(Piece::bytes).unwrap_or_default(),
    };
    let status = mock.status.as_ref().and_then(|status| status.0.parse::<u16>().ok());
    HttpReply {
        head: ResponseHead {
            status: status
                .and_then(|status| StatusCode::from_u16(status).ok())
                .unwrap_or(StatusCode::OK),
            headers: fields(&mock.headers),
        },
        body,
        trailers: HeaderMap::new(),
    }
}

fn grpc_events(mock: &GrpcMock) -> Vec<GrpcEvent> {
    let status = mock
        .status
        .as_ref()
        .and_then(|status| status.0.parse::<u32>().ok())
        .unwrap_or_default();
    let mut all = Vec::new();
    if !mock.initial_metadata.is_empty() {
        all.push(GrpcEvent::InitialMetadata(ResponseHead {
            status: StatusCode::OK,
            headers: fields(&mock.initial_metadata),
        }));
    }
    all.extend(mock.messages.iter().map(|message| GrpcEvent::Message(message.bytes())));
    if !mock.trailing_metadata.is_empty() {
        all.push(GrpcEvent::TrailingMetadata(fields(&mock.trailing_metadata)));
    }
    all.push(GrpcEvent::Close(status, mock.message.clone()));
    all
}

/// Headers as they were written; what is none was refused when the suite was read.
pub(crate) fn fields(written: &BTreeMap<String, Values>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in written {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        for value in values.0.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
            headers.append(name.clone(), value);
        }
    }
    headers
}

/// The words of a command in Redis's protocol: an array of bulk strings, or a line.
fn words(query: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(query);
    let mut lines = text.split("\r\n");
    match lines.next() {
        Some(first) if first.starts_with('*') => {
            let mut words = Vec::new();
            while let (Some(length), Some(word)) = (lines.next(), lines.next()) {
                if length.starts_with('$') {
                    words.push(word.to_owned());
                }
            }
            words
        }
        Some(line) => line.split(' ').map(str::to_owned).collect(),
        None => Vec::new(),
    }
}

/// What a mock of Redis gives, in Redis's protocol.
fn redis_value(mock: &RedisMock) -> Bytes {
    match &mock.bytes {
        Some(piece) => {
            let bytes = piece.bytes();
            let head = format!("${}\r\n", bytes.len());
            [head.as_bytes(), &bytes, b"\r\n"].concat().into()
        }
        None => resp(mock.reply.as_ref().unwrap_or(&Value::Null)).into(),
    }
}

/// A value in Redis's protocol.
fn resp(value: &Value) -> String {
    match value {
        Value::Null => "$-1\r\n".to_owned(),
        Value::Number(number) => format!(":{number}\r\n"),
        Value::Bool(truth) => format!(":{}\r\n", u8::from(*truth)),
        Value::String(text) => format!("${}\r\n{text}\r\n", text.len()),
        Value::Array(items) => {
            let items: String = items.iter().map(resp).collect();
            format!("*{}\r\n{items}", value.as_array().map_or(0, Vec::len))
        }
        Value::Object(_) => resp(&Value::String(value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commands_and_values_of_redis_are_read_and_written() {
        assert_eq!(words(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\nbc\r\n"), ["SET", "a", "bc"]);
        assert_eq!(words(b"PING\r\n"), ["PING"]);
        assert_eq!(resp(&json!(["a", 1, null])), "*3\r\n$1\r\na\r\n:1\r\n$-1\r\n");
    }
}
