//! OTLP over both transports against a server that is a collector, as far as answers go.

use std::time::{Duration, Instant};

use super::logs::request;
use super::messages::{
    Any, Delay, Detail, ExportLogsServiceRequest, ExportLogsServiceResponse, LogRecord, PartialSuccess, RetryInfo,
};
use super::*;
use crate::record::{Class, Level};
use crate::scene::server::{Asked, Reply, Server};
use crate::scene::{assert_exact, frame, heard, record, records, until};
use crate::tally::Reason;

fn settings() -> OtlpSettings {
    let named = |name: &str| name.to_owned();
    OtlpSettings {
        resource: vec![(named("service.name"), named("gate"))],
        scope: named("cofferdam"),
        trace_id: named("trace_id"),
        span_id: named("span_id"),
        trace_flags: named("trace_flags"),
        body: named("message"),
        left_out: vec![named("timestamp")],
    }
}

fn logs(body: &[u8]) -> Vec<LogRecord> {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let resource = request.resource_logs[0].resource.as_ref().unwrap();
    assert_eq!(resource.attributes[0].key, "service.name");
    request.resource_logs[0].scope_logs[0].log_records.clone()
}

fn framed(asked: &Asked) -> &[u8] {
    let (head, message) = asked.body.split_at(5);
    assert_eq!(head[0], 0);
    assert_eq!(
        u32::from_be_bytes(head[1..].try_into().unwrap()),
        u32::try_from(message.len()).unwrap()
    );
    message
}

fn response(rejected: i64, words: &str) -> Vec<u8> {
    let partial = PartialSuccess {
        rejected_log_records: rejected,
        error_message: words.to_owned(),
    };
    ExportLogsServiceResponse {
        partial_success: Some(partial),
    }
    .encode_to_vec()
}

fn grpc(code: u32, words: &str, details: Option<Vec<u8>>) -> Reply {
    use base64::Engine;
    let mut trailers = vec![("grpc-status", code.to_string()), ("grpc-message", words.to_owned())];
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    trailers.extend(details.map(|bytes| ("grpc-status-details-bin", engine.encode(bytes))));
    Reply::Grpc(Vec::new(), trailers)
}

fn end(mut sink: Sink) -> crate::Tally {
    assert!(sink.ended(Instant::now() + Duration::from_secs(20)));
    let tally = sink.tally();
    assert_exact(&tally);
    tally
}

#[test]
fn a_line_becomes_a_record_with_its_ids_and_attributes() {
    let line = r#"{"timestamp":"x","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","trace_flags":"01","message":"hi","http.response.status_code":503,"cofferdam.duration_ms":1.5,"a":[true,null,{"k":"v"}]}"#;
    let record = Record {
        sequence: 1,
        time_ns: 77,
        level: Level::Warn,
        class: Class::Access,
        line: line.as_bytes().into(),
    };
    let mut broken = record.clone();
    broken.line = b"no json \xff".as_slice().into();
    let request = request(&settings(), &[Arc::new(record), Arc::new(broken)]);
    let records = logs(&request.encode_to_vec());
    let one = &records[0];
    assert_eq!(
        (
            one.time_unix_nano,
            one.severity_number,
            one.severity_text.as_str(),
            one.flags
        ),
        (77, 13, "warn", 1)
    );
    assert_eq!((one.trace_id.len(), one.span_id.len(), one.trace_id[0]), (16, 8, 0x0a));
    assert_eq!(one.body.as_ref().unwrap().value, Some(Any::Text(String::from("hi"))));
    let names: Vec<&str> = one.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert_eq!(names, ["http.response.status_code", "cofferdam.duration_ms", "a"]);
    let value = |index: usize| one.attributes[index].value.clone().unwrap().value;
    assert_eq!((value(0), value(1)), (Some(Any::Integer(503)), Some(Any::Double(1.5))));
    assert!(matches!(value(2), Some(Any::Array(array)) if array.values.len() == 3));
    assert_eq!(
        records[1].body.as_ref().unwrap().value,
        Some(Any::Text(String::from("no json \u{fffd}")))
    );
}

#[test]
fn ids_that_are_none_stay_attributes() {
    let line = br#"{"trace_id":"00000000000000000000000000000000","span_id":"xyz"}"#;
    let record = Record {
        sequence: 1,
        time_ns: 1,
        level: Level::Info,
        class: Class::Access,
        line: line.as_slice().into(),
    };
    let records = logs(&request(&settings(), &[Arc::new(record)]).encode_to_vec());
    assert_eq!((records[0].trace_id.len(), records[0].attributes.len()), (0, 2));
}

#[test]
fn over_http_what_may_be_retried_is_and_what_was_refused_in_part_is_counted() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Status(
            503,
            Vec::new(),
            RpcStatus {
                message: String::from("busy"),
                ..RpcStatus::default()
            }
            .encode_to_vec(),
        ),
        1 => Reply::Status(502, Vec::new(), Vec::new()),
        2 => Reply::Status(200, Vec::new(), response(3, "three are too old")),
        3 => Reply::Status(200, Vec::new(), b"\xff\xff garbage".to_vec()),
        4 => Reply::Status(500, Vec::new(), b"not to be retried".to_vec()),
        _ => Reply::Status(200, Vec::new(), response(0, "only a warning")),
    });
    let (frame, heard) = heard(frame("otlp"));
    let sink = start_http(frame, server.target("/v1/logs"), settings()).unwrap();
    sink.give(&[
        record(1, Level::Debug),
        record(2, Level::Error),
        record(3, Level::Debug),
        record(4, Level::Info),
        record(5, Level::Error),
    ]);
    until("the first", || sink.acknowledged() == 5);
    let tally = sink.tally();
    assert_eq!(
        (
            tally.delivered,
            tally.dropped_for(Level::Debug, Reason::Refused),
            tally.dropped_for(Level::Info, Reason::Refused)
        ),
        (2, 2, 1)
    );
    sink.give(&records(6..=6));
    until("the second", || sink.tally().delivered == 3);
    sink.give(&records(7..=7));
    until("the third", || sink.tally().dropped() == 4);
    sink.give(&records(8..=8));
    until("the fourth", || sink.acknowledged() == 8);
    let asked = server.asked.lock();
    assert_eq!((asked.len(), asked[0].path.as_str()), (6, "/v1/logs"));
    assert_eq!(asked[0].headers["content-type"], "application/x-protobuf");
    assert_eq!(logs(&asked[2].body).len(), 5);
    drop(asked);
    let heard = heard.lock().clone();
    assert_eq!(heard, ["Unavailable: 503 busy", "Refused: three are too old"]);
    assert_eq!(end(sink).delivered, 4);
}

#[test]
fn over_grpc_codes_are_judged_as_the_specification_has_it() {
    let retry = RetryInfo {
        retry_delay: Some(Delay {
            seconds: 0,
            nanos: 1000,
        }),
    };
    let detail = Detail {
        type_url: String::from("type.googleapis.com/google.rpc.RetryInfo"),
        value: retry.encode_to_vec(),
    };
    let details = RpcStatus {
        details: vec![detail],
        ..RpcStatus::default()
    }
    .encode_to_vec();
    let server = Server::start(move |number, asked| match number {
        0 => grpc(14, "unavailable", None),
        1 => grpc(8, "exhausted", Some(details.clone())),
        2 => Reply::Close,
        3 => Reply::Grpc(response(1, "one is too old"), vec![("grpc-status", String::from("0"))]),
        4 => grpc(3, "invalid", None),
        5 => grpc(8, "exhausted for good", None),
        _ if logs(framed(asked)).len() > 2 => grpc(8, "grpc: received message larger than max", None),
        _ => Reply::Grpc(Vec::new(), vec![("grpc-status", String::from("0"))]),
    });
    let (frame, heard) = heard(frame("grpc"));
    let sink = start_grpc(frame, server.target(""), settings()).unwrap();
    sink.give(&records(1..=5));
    until("the first", || sink.acknowledged() == 5);
    assert_eq!(
        (sink.tally().delivered, sink.tally().dropped()),
        (4, 1),
        "{:?}",
        heard.lock()
    );
    sink.give(&records(6..=6));
    until("the second", || sink.acknowledged() == 6);
    sink.give(&records(7..=7));
    until("the third", || sink.acknowledged() == 7);
    assert_eq!(sink.tally().dropped_for(Level::Info, Reason::Refused), 3);
    sink.give(&records(8..=20));
    until("the parts", || sink.acknowledged() == 20);
    let asked = server.asked.lock()[0].clone();
    assert_eq!(
        (asked.path.as_str(), logs(framed(&asked)).len()),
        ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", 5)
    );
    let tally = end(sink);
    assert_eq!((tally.delivered, tally.dropped()), (17, 3));
}

/// A good answer that is longer than what is read.
fn long() -> Vec<u8> {
    response(2, &"x".repeat(70_000))
}

#[test]
fn over_grpc_an_answer_too_long_to_be_read_settles_what_was_sent_and_is_said() {
    let server = Server::start(|number, _| match number {
        0 => grpc(11, "out of range, says the server", None),
        1 => Reply::Grpc(Vec::new(), vec![("grpc-status", String::from("11"))]),
        _ => Reply::Grpc(long(), vec![("grpc-status", String::from("0"))]),
    });
    let (frame, heard) = heard(frame("long"));
    let sink = start_grpc(frame, server.target(""), settings()).unwrap();
    sink.give(&records(1..=5));
    until("settled", || sink.acknowledged() == 5);
    let tally = end(sink);
    assert_eq!((tally.delivered, tally.retries, server.count()), (5, 2, 3));
    let heard = heard.lock();
    assert!(heard[0].starts_with("Unavailable: OutOfRange"), "{heard:?}");
    assert!(heard[1].contains("the answer was not read"), "{heard:?}");
}

#[test]
fn over_http_an_answer_too_long_to_be_read_settles_what_was_sent_and_is_said() {
    let server = Server::start(|_, _| Reply::Status(200, Vec::new(), long()));
    let (frame, heard) = heard(frame("long"));
    let sink = start_http(frame, server.target("/v1/logs"), settings()).unwrap();
    sink.give(&records(1..=5));
    until("settled", || sink.acknowledged() == 5);
    let tally = end(sink);
    assert_eq!((tally.delivered, server.count()), (5, 1));
    assert!(heard.lock().iter().any(|text| text.contains("the answer was not read")));
}

#[test]
fn a_collector_that_never_answers_ends_within_the_time() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Silent,
        1 => Reply::Slow(200),
        2 => Reply::Endless(200),
        _ => Reply::Grpc(Vec::new(), vec![("grpc-status", String::from("0"))]),
    });
    let mut target = server.target("");
    target.answer_wait_max = Duration::from_millis(200);
    let mut frame = frame("silent");
    frame.retry.1 = Duration::from_millis(5);
    let sink = start_grpc(frame, target, settings()).unwrap();
    sink.give(&records(1..=3));
    until("all decided", || sink.acknowledged() == 3);
    let tally = end(sink);
    assert_eq!(tally.delivered + tally.dropped(), 3);
    assert!(server.count() >= 2);
}
