//! Lines of connections that were not served.

use std::time::Duration;

use expect_test::{Expect, expect};
use gate_plan::Listener;
use gate_serve::unserved::Handshake;
use log_record::packed::{Heading, write_line};

use super::*;

fn line(why: Why, expected: &Expect) {
    let listener = Listener {
        name: "safe".into(),
        listen: "127.0.0.1:8443".parse().unwrap(),
        protocol: gate_plan::Protocol::Http,
        tls: None,
    };
    let unserved = Unserved {
        peer: "203.0.113.9:50000".parse().unwrap(),
        local: listener.listen,
        listener: &listener,
        server_name: Some("shop.example"),
        lasted: Duration::from_millis(1500),
        why,
    };
    let mut pen = Pen::dry();
    let heading = Heading {
        time_ns: 0,
        level: Level::Info,
        class: Class::Connection,
        is_recovered: false,
    };
    let mut line = Vec::new();
    write_line(&heading, pen.pack(|sheet| known(sheet, &unserved)), &mut line);
    expected.assert_eq(std::str::from_utf8(&line).unwrap());
}

#[test]
fn a_failed_handshake_has_a_line_with_its_reason() {
    line(
        Why::Handshake(Handshake::NoCertificate),
        &expect![[
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"info","event_name":"connection","cofferdam.listener":"safe","network.protocol.version":"tls","cofferdam.response_details":"tls.handshake_failed.no_certificate","cofferdam.duration_ms":1500.000,"tls.client.server_name":"shop.example","client.address":"203.0.113.9"}"#
        ]],
    );
}

#[test]
fn what_is_no_request_has_a_line_with_its_protocol() {
    line(
        Why::HeadUnfinished,
        &expect![[
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"info","event_name":"connection","cofferdam.listener":"safe","network.protocol.version":"1.1","cofferdam.response_flags":"DC","cofferdam.response_details":"client.head_unfinished","cofferdam.duration_ms":1500.000,"tls.client.server_name":"shop.example","client.address":"203.0.113.9"}"#
        ]],
    );
}

#[test]
fn an_error_of_http2_has_a_line_that_says_whose_it_was() {
    line(
        Why::Http2(h2::Reason::ENHANCE_YOUR_CALM),
        &expect![[
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"info","event_name":"connection","cofferdam.listener":"safe","network.protocol.version":"2","cofferdam.response_flags":"DPE","cofferdam.response_details":"client.http2.enhance_your_calm","cofferdam.duration_ms":1500.000,"tls.client.server_name":"shop.example","client.address":"203.0.113.9"}"#
        ]],
    );
    line(
        Why::Http2Told(h2::Reason::PROTOCOL_ERROR),
        &expect![[
            r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"info","event_name":"connection","cofferdam.listener":"safe","network.protocol.version":"2","cofferdam.response_flags":"DC","cofferdam.response_details":"client.http2.told.protocol_error","cofferdam.duration_ms":1500.000,"tls.client.server_name":"shop.example","client.address":"203.0.113.9"}"#
        ]],
    );
}
