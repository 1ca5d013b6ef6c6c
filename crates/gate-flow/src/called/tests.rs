//! Records of calls as lines: nothing of what was asked for is in them but its name.

use std::sync::Arc;

use gate_plan::logs::Rules;
use log_book::Wanted;
use log_record::packed::{Heading, write_line};

use super::*;

fn line(asks: &Asks, ids: Option<TraceIds>, end: End) -> String {
    let mut pen = Pen::dry();
    pen.follow(Arc::new(rules()), Wanted::default());
    let by = Caller { plugin: "guard", ids };
    let packed = pen.pack(|sheet| write(sheet, ("store", asks), by, (end, Duration::from_micros(1500))));
    let heading = Heading {
        time_ns: 0,
        level: end.outcome.level(),
        class: Class::Call,
        is_recovered: false,
    };
    let mut out = Vec::new();
    write_line(&heading, packed, &mut out);
    String::from_utf8(out).unwrap()
}

fn end(outcome: Outcome) -> End {
    End {
        outcome,
        status: None,
        bytes_out: 31,
        bytes_in: 5,
    }
}

/// What is masked where a configuration says nothing.
fn rules() -> Rules {
    gate_plan::logs::Mask::default().rules(None).unwrap()
}

#[test]
fn a_call_of_redis_shows_its_command_and_no_value() {
    let query = Bytes::from_static(b"*3\r\n$3\r\nSET\r\n$6\r\nsecret\r\n$5\r\nvalue\r\n");
    let ids = TraceIds {
        trace: 1,
        span: 2,
        flags: 1,
    };
    assert_eq!(
        line(&Asks::Redis(query), Some(ids), end(Outcome::Ok)),
        concat!(
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"debug","event_name":"call","#,
            r#""trace_id":"00000000000000000000000000000001","span_id":"0000000000000002","trace_flags":"01","#,
            r#""cofferdam.plugin":"guard","peer.service":"store","cofferdam.call.operation":"SET (2)","cofferdam.call.result":"ok","#,
            r#""cofferdam.bytes_out":31,"cofferdam.bytes_in":5,"cofferdam.duration_ms":1.500}"#
        )
    );
}

#[test]
fn what_is_no_command_is_not_shown() {
    let shown = |query: &'static [u8]| {
        let mut room = [0; COMMAND_BYTES_MAX + 40];
        String::from_utf8(command(query, &mut room).to_vec()).unwrap()
    };
    assert_eq!(shown(b"PING\r\n"), "PING (0)");
    assert_eq!(shown(b"get 13800138000\r\n"), "get (1)");
    assert_eq!(shown(b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"), "AUTH (1)");
    for wrong in [
        &b"13800138000\r\n"[..],
        b"",
        b"*",
        b"*2\r\n$11\r\n13800138000\r\n$1\r\na\r\n",
        b"*1\r\n$3\r\nSECRET\r\n",
        b"*1\r\n$40\r\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
    ] {
        assert_eq!(shown(wrong), "redis (0)", "{wrong:?}");
    }
}

#[test]
fn a_callout_shows_its_path_masked() {
    let target = "/check?access_token=abc&page=2".parse().unwrap();
    let end = End {
        status: Some(503),
        ..end(Outcome::of_status(503))
    };
    assert_eq!(
        line(&Asks::Http(Method::POST, target), None, end),
        concat!(
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"warn","event_name":"call","#,
            r#""cofferdam.plugin":"guard","peer.service":"store","cofferdam.call.operation":"http","http.request.method":"POST","url.path":"/check","#,
            r#""url.query":"access_token=REDACTED&page=2","http.response.status_code":503,"cofferdam.call.result":"failed","#,
            r#""cofferdam.bytes_out":31,"cofferdam.bytes_in":5,"cofferdam.duration_ms":1.500}"#
        )
    );
}

#[test]
fn a_silent_redis_is_late_and_a_missing_one_is_not_there() {
    let second = Duration::from_secs(1);
    let of =
        |reply: Option<&'static [u8]>, took| Outcome::of_redis(reply.map(Bytes::from_static).as_ref(), (took, second));
    assert_eq!(of(Some(b"+OK\r\n"), second), Outcome::Ok);
    assert_eq!(of(Some(b"-NOPERM no\r\n"), Duration::ZERO), Outcome::Refused);
    assert_eq!(of(None, second), Outcome::Timeout);
    assert_eq!(of(None, Duration::ZERO), Outcome::Unavailable);
    let of_grpc = [0, 1, 4, 7, 13, 14].map(|status| Outcome::of_grpc(status).word());
    assert_eq!(
        of_grpc,
        ["ok", "given_up", "timeout", "refused", "failed", "unavailable"]
    );
}
