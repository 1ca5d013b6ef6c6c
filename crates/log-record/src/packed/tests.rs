//! Golden lines, and what bytes of strangers do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::grade::{Class, Level};

const HEADING: Heading = Heading {
    time_ns: 1_793_257_689_123_456_789,
    level: Level::Info,
    class: Class::Access,
    is_recovered: false,
};

fn packed(fill: impl FnOnce(&mut Packer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    fill(&mut Packer::new(&mut out));
    out
}

fn line(heading: &Heading, packed: &[u8]) -> String {
    let mut out = Vec::new();
    write_line(heading, packed, &mut out);
    let line = String::from_utf8(out).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).expect("the line is no JSON");
    for key in value.as_object().unwrap().keys() {
        assert!(
            field::ALL.iter().any(|field| field.name == key),
            "`{key}` is not in the table"
        );
    }
    line
}

fn full() -> Vec<u8> {
    packed(|packer| {
        packer.text(&field::REQUEST_ID, b"7f1c");
        packer.text(&field::ROUTE, b"");
        packer.text(&field::PATH, b"/orders/\"7\"\n{\"level\":\"x\"}");
        packer.integer(&field::STATUS, 503);
        packer.milliseconds(&field::DURATION, Duration::from_micros(5_012_345));
        packer.socket(&field::ENDPOINT, "[2001:db8::1]:9001".parse().unwrap());
        packer.address(&field::CLIENT, "203.0.113.9".parse().unwrap());
        packer.text(&field::USER_AGENT, b"curl/8 \xff\x07");
        packer.verdicts(&field::PLUGINS, |verdicts| {
            verdicts.add(b"auth", b"paused");
            verdicts.add(b"mask", b"plugin.slice_exceeded");
        });
        packer.members(&field::CUSTOM, |members| {
            members.add(b"tenant", b"t1");
            members.add(b"a\"b", b"\xf0");
            members.add_with(b"secret", |out| {
                out.extend_from_slice(b"half");
                Told::LeftOut
            });
            members.add(b"tenant", b"t2");
        });
        packer.number(&field::FACTOR, 12.5);
        packer.number(&field::FACTOR, f64::NAN);
        packer.members(&field::CUSTOM, |_| {});
    })
}

#[test]
fn a_record_is_one_line_of_json_whatever_its_values_are() {
    expect![[r#"{"timestamp":"2026-10-29T07:08:09.123456Z","level":"info","event_name":"access","request_id":"7f1c","url.path":"/orders/\"7\"\n{\"level\":\"x\"}","http.response.status_code":503,"cofferdam.duration_ms":5012.345,"cofferdam.endpoint":"[2001:db8::1]:9001","client.address":"203.0.113.9","user_agent.original":"curl/8 �\u0007","cofferdam.plugins":[{"plugin":"auth","verdict":"paused"},{"plugin":"mask","verdict":"plugin.slice_exceeded"}],"cofferdam.fields":{"a\"b":"�","tenant":"t2"},"cofferdam.sampling.factor":12.5}"#]]
        .assert_eq(&line(&HEADING, &full()));
    expect![[r#"{"timestamp":"1970-01-01T00:00:00.000000Z","level":"critical","event_name":"fault","cofferdam.recovered":true}"#]]
        .assert_eq(&line(
            &Heading {
                time_ns: 0,
                level: Level::Critical,
                class: Class::Fault,
                is_recovered: true,
            },
            b"",
        ));
}

#[test]
fn a_gap_says_how_many_records_are_missing_and_why() {
    let lost = |level, reason, count| Lost { level, reason, count };
    let mut out = Vec::new();
    let lost = [lost(Level::Debug, "full", 17), lost(Level::Info, "policy", 3)];
    write_gap(&HEADING, (&field::RING, "worker-0"), &lost, &mut out);
    expect![[r#"{"timestamp":"2026-10-29T07:08:09.123456Z","level":"info","event_name":"access","cofferdam.records_dropped":20,"cofferdam.records_dropped_by":[{"level":"debug","reason":"full","count":17},{"level":"info","reason":"policy","count":3}],"cofferdam.ring":"worker-0"}"#]].assert_eq(std::str::from_utf8(&out).unwrap());
    serde_json::from_slice::<serde_json::Value>(&out).unwrap();
}

#[test]
fn of_a_record_that_is_cut_what_stands_before_is_told() {
    let whole = full();
    let lines: Vec<String> = (0..whole.len()).map(|end| line(&HEADING, &whole[..end])).collect();
    assert!(
        !lines[9].contains("7f1c") && lines[9].ends_with("\"cofferdam.damaged\":true}"),
        "{}",
        lines[9]
    );
    assert!(
        lines[10].contains("7f1c") && !lines[10].contains("damaged"),
        "{}",
        lines[10]
    );
    assert!(
        lines[11].contains("7f1c") && lines[11].ends_with("\"cofferdam.damaged\":true}"),
        "{}",
        lines[11]
    );
}

#[test]
fn names_of_fields_are_unique() {
    for (index, field) in field::ALL.iter().enumerate() {
        assert!(
            field::ALL[index + 1..].iter().all(|other| other.name != field.name),
            "`{}` twice",
            field.name
        );
        assert_eq!(field.key, format!("\"{}\":", field.name));
    }
}

#[test]
fn a_field_keeps_its_number() {
    let numbered: Vec<String> = field::ALL
        .iter()
        .map(|field| format!("{} {}", field.number, field.name))
        .collect();
    expect_test::expect_file!["fields.txt"].assert_eq(&(numbered.join("\n") + "\n"));
    for (number, field) in field::ALL.iter().enumerate() {
        assert_eq!(usize::from(field.number), number);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_line_that_is_no_json(bytes in proptest::collection::vec(prop_oneof![0u8..12, any::<u8>()], 0..200)) {
        line(&HEADING, &bytes);
    }

    #[test]
    fn what_was_packed_is_read(text in proptest::collection::vec(any::<u8>(), 1..300), number: u64, address: IpAddr, port: u16) {
        let bytes = packed(|packer| {
            packer.text(&field::PATH, &text);
            packer.integer(&field::STATUS, number);
            packer.milliseconds(&field::DURATION, Duration::from_nanos(number));
            packer.socket(&field::ENDPOINT, (address, port).into());
            packer.members(&field::CUSTOM, |members| members.add(b"a", &text));
            packer.flag(&field::RECOVERED);
        });
        let mut fields = Fields::new(&bytes);
        prop_assert_eq!(fields.next(), Some((&field::PATH, Value::Text(&text))));
        prop_assert_eq!(fields.next(), Some((&field::STATUS, Value::Integer(number))));
        prop_assert_eq!(fields.next(), Some((&field::DURATION, Value::Milliseconds(Duration::from_nanos(number)))));
        prop_assert_eq!(fields.next(), Some((&field::ENDPOINT, Value::Socket((address.to_canonical(), port).into()))));
        let Some((_, Value::Members(mut members))) = fields.next() else { panic!("no members") };
        prop_assert_eq!(members.next(), Some((&b"a"[..], &text[..])));
        prop_assert_eq!(fields.next(), Some((&field::RECOVERED, Value::Flag)));
        prop_assert!(fields.is_at_end());
    }
}
