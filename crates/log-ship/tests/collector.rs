//! Logs and spans are sent to a collector that others wrote: Python's gRPC with the messages of OpenTelemetry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use log_ship::{
    BatchLimits, Class, Format, Frame, Level, OtlpSettings, QueueLimits, Reason, Record, Selection, ShipFault, Sink,
    SpanSettings, Target, Tls, start_otlp_grpc, start_otlp_http, start_otlp_spans_grpc, start_otlp_spans_http,
};
use serde_json::{Value, json};
use testkit::tls::Authority;

const PATIENCE: Duration = Duration::from_secs(30);

/// The collector, which ends with it.
struct Collector {
    child: Child,
    lines: Receiver<String>,
    port: u16,
}

impl Collector {
    fn start(words: &[&str]) -> Self {
        let python = testkit::place::peer("guests_python").unwrap();
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/collector.py"))
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (give, lines) = sync_channel(100);
        std::thread::spawn(move || {
            let mut given = BufReader::new(out).lines().map_while(Result::ok);
            given.all(|line| give.send(line).is_ok())
        });
        let port = lines.recv_timeout(PATIENCE).unwrap().parse().unwrap();
        Self { child, lines, port }
    }

    fn target(&self, scheme: &str, path: &str) -> Target {
        Target {
            uri: format!("{scheme}://localhost:{}{path}", self.port).parse().unwrap(),
            tls: Tls::default(),
            login: None,
            headers: Vec::new(),
            gzip: true,
            answer_wait_max: Duration::from_secs(10),
        }
    }

    fn next(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(PATIENCE).unwrap()).unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn frame() -> Frame {
    Frame {
        name: String::from("collector"),
        selection: Selection::default(),
        format: Format::Json,
        queue: QueueLimits::default(),
        batch: BatchLimits {
            linger: Duration::from_millis(1),
            ..BatchLimits::default()
        },
        retry: (Duration::from_millis(1), Duration::from_millis(50)),
        spool: None,
        durable: true,
        listener: Arc::new(|_| {}),
    }
}

fn named(name: &str) -> String {
    name.to_owned()
}

fn span_settings() -> SpanSettings {
    SpanSettings {
        resource: vec![(named("service.name"), named("gate"))],
        scope: named("cofferdam"),
        trace_id: named("trace_id"),
        span_id: named("span_id"),
        parent_span_id: named("parent"),
        trace_state: named("state"),
        flags: named("flags"),
        name: named("name"),
        kind: named("kind"),
        start: named("start"),
        end: named("end"),
        status: named("status"),
        status_message: named("why"),
        attributes_dropped: named("dropped"),
        left_out: vec![named("level")],
    }
}

fn log_settings() -> OtlpSettings {
    OtlpSettings {
        resource: vec![(named("service.name"), named("gate"))],
        scope: named("cofferdam"),
        trace_id: named("trace_id"),
        span_id: named("span_id"),
        trace_flags: named("flags"),
        body: named("message"),
        left_out: Vec::new(),
    }
}

fn record(sequence: u64, class: Class, line: &Value) -> Arc<Record> {
    Arc::new(Record {
        sequence,
        time_ns: 1_795_437_296_123_456_789,
        level: Level::Info,
        class,
        line: line.to_string().into_bytes().into(),
    })
}

/// Spans with everything and with next to nothing, and records that are none.
fn spans() -> Vec<Arc<Record>> {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let lines = [
        json!({
            "level": "info", "trace_id": trace, "span_id": "b7ad6b7169203331", "parent": "00f067aa0ba902b7", "state": "a=1,b=2", "flags": "01",
            "name": "GET /", "kind": "server", "start": 1_795_437_296_123_456_789_u64, "end": "1795437296123456791", "status": "error",
            "why": "503", "dropped": 2, "http.response.status_code": 503, "tries": [{"at": "x", "ms": 1.5}, null, true],
        }),
        json!({"trace_id": trace, "span_id": "b7ad6b7169203332"}),
        json!({"trace_id": trace, "span_id": "b7ad6b7169203333", "kind": 3, "status": "odd", "start": -1, "end": 1, "parent": "x"}),
        json!({"trace_id": "0".repeat(32), "span_id": "b7ad6b7169203334"}),
        json!(["no object"]),
    ];
    lines
        .iter()
        .zip(1..)
        .map(|(line, number)| record(number, Class::Span, line))
        .collect()
}

/// What the collector must have understood of them.
fn understood() -> Value {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let bare = |span: &str| {
        json!({
            "trace_id": trace, "span_id": span, "parent_span_id": "", "trace_state": "", "flags": 0, "name": "", "kind": 0,
            "start_time_unix_nano": 1_795_437_296_123_456_789_u64, "end_time_unix_nano": 1_795_437_296_123_456_789_u64,
            "status": null, "attributes": {}, "dropped_attributes_count": 0,
        })
    };
    let mut odd = bare("b7ad6b7169203333");
    odd["kind"] = json!(3);
    odd["attributes"] = json!({"status": "odd", "start": -1, "parent": "x"});
    let whole = json!({
        "trace_id": trace, "span_id": "b7ad6b7169203331", "parent_span_id": "00f067aa0ba902b7", "trace_state": "a=1,b=2", "flags": 1,
        "name": "GET /", "kind": 2, "start_time_unix_nano": 1_795_437_296_123_456_789_u64,
        "end_time_unix_nano": 1_795_437_296_123_456_791_u64, "status": [2, "503"], "dropped_attributes_count": 2,
        "attributes": {"http.response.status_code": 503, "tries": [{"at": "x", "ms": 1.5}, null, true]},
    });
    json!({"resource": {"service.name": "gate"}, "scope": "cofferdam", "records": [whole, bare("b7ad6b7169203332"), odd]})
}

fn until(what: &str, mut comes: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !comes() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::yield_now();
    }
}

fn end(mut sink: Sink) {
    assert!(sink.ended(Instant::now() + PATIENCE));
    let tally = sink.tally();
    assert_eq!(
        tally.accepted,
        tally.delivered + tally.dropped() + tally.held,
        "{tally:?}"
    );
}

fn spans_arrive(sink: Sink, collector: &Collector) {
    sink.give(&spans());
    until("all", || sink.acknowledged() == 5);
    assert_eq!(collector.next(), understood());
    let tally = sink.tally();
    // Two are no spans; one the collector refused. It was busy the first time.
    assert_eq!(
        (
            tally.delivered,
            tally.dropped_for(Level::Info, Reason::Refused),
            tally.retries
        ),
        (2, 3, 1)
    );
    end(sink);
}

fn logs_arrive(sink: Sink, collector: &Collector) {
    let line = json!({
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "flags": 1, "message": "hi", "a": [1, {"b": null}], "c": 0.5,
    });
    sink.give(&[record(1, Class::Access, &line), record(2, Class::Access, &line)]);
    until("all", || sink.acknowledged() == 2);
    let log = json!({
        "time_unix_nano": 1_795_437_296_123_456_789_u64, "severity_number": 9, "severity_text": "info", "flags": 1,
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "body": "hi",
        "attributes": {"a": [1, {"b": null}], "c": 0.5},
    });
    let expected = json!({"resource": {"service.name": "gate"}, "scope": "cofferdam", "records": [log, log]});
    assert_eq!(collector.next(), expected);
    assert_eq!(
        (sink.tally().delivered, sink.tally().dropped(), sink.tally().retries),
        (1, 1, 1)
    );
    end(sink);
}

#[test]
fn spans_over_http_are_what_they_were() {
    let collector = Collector::start(&["http"]);
    let target = collector.target("http", "/v1/traces");
    spans_arrive(
        start_otlp_spans_http(frame(), target, span_settings()).unwrap(),
        &collector,
    );
}

#[test]
fn spans_over_grpc_are_what_they_were() {
    let collector = Collector::start(&["grpc"]);
    let target = collector.target("http", "");
    spans_arrive(
        start_otlp_spans_grpc(frame(), target, span_settings()).unwrap(),
        &collector,
    );
}

#[test]
fn logs_over_http_are_what_they_were() {
    let collector = Collector::start(&["http"]);
    let target = collector.target("http", "/v1/logs");
    logs_arrive(start_otlp_http(frame(), target, log_settings()).unwrap(), &collector);
}

#[test]
fn grpc_over_tls_takes_whom_its_authority_knows_and_shows_who_we_are() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path()).unwrap();
    let server = authority.issue("localhost", &["localhost"]).unwrap();
    let client = authority.issue("gate", &["gate"]).unwrap();
    let files = [&server.chain, &server.key, &authority.file].map(|path| path.to_str().unwrap());
    let collector = Collector::start(&[&["grpc"], files.as_slice()].concat());
    let mut target = collector.target("https", "");
    let refused = |target: Target| {
        let sink = start_otlp_grpc(frame(), target, log_settings()).unwrap();
        sink.give(&[record(1, Class::Access, &json!({}))]);
        until("some tries", || sink.tally().retries > 2);
        assert_eq!((sink.tally().delivered, sink.tally().held), (0, 1));
        end(sink);
    };
    let other = tempfile::tempdir().unwrap();
    let stranger = Authority::new(other.path()).unwrap();
    target.tls.identity = Some((client.chain.clone(), client.key.clone()));
    target.tls.authorities = Some(stranger.file.clone());
    refused(target.clone());
    target.tls.authorities = Some(authority.file.clone());
    target.tls.identity = None;
    refused(target.clone());
    let unknown = stranger.issue("gate", &["gate"]).unwrap();
    target.tls.identity = Some((unknown.chain, unknown.key));
    refused(target.clone());
    target.tls.identity = Some((client.chain, client.key));
    logs_arrive(start_otlp_grpc(frame(), target, log_settings()).unwrap(), &collector);
}

#[test]
fn another_form_than_json_is_refused_where_it_makes_no_sense() {
    let target = Target {
        uri: "http://127.0.0.1:1/".parse().unwrap(),
        tls: Tls::default(),
        login: None,
        headers: Vec::new(),
        gzip: false,
        answer_wait_max: PATIENCE,
    };
    let logfmt = || Frame {
        format: Format::Logfmt,
        ..frame()
    };
    let spans = start_otlp_spans_grpc(logfmt(), target.clone(), span_settings());
    assert!(matches!(spans, Err(ShipFault::Setting { .. })));
    let array = log_ship::start_json(logfmt(), target, log_ship::Shape::Array);
    let why = array.err().unwrap().to_string();
    assert_eq!(
        why,
        "the sink `collector` cannot be as it is set: an array takes JSON alone"
    );
}
