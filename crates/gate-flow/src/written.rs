//! What is written down of an exchange when it has ended, of a connection of bytes, and of what was refused before it was one.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use gate_plan::logs::{self, FieldFrom};
use gate_serve::connection::Connection;
use gate_serve::refusal::Refusal;
use http::{Request, Version};
use hyper::body::Incoming;
use log_book::{Members, Pen, Sheet, Subject};
use log_mask::field::Untrusted;
use log_record::field::{self, Field};
use log_record::grade::{Class, Level};
use log_trace::{SpanId, TraceId, Verdict, Why, WhyNot};
use plug_abi::property::PropertyValue;
use plug_host::{Facts, Property, TraceIds};

use crate::chain::Chain;
use crate::journal::Journal;
use crate::traced::Ended;
use crate::wires::WireFacts;

/// Writes the record of an exchange.
pub(crate) fn exchange(
    pen: &mut Pen,
    (route, ended): (&str, Option<&Ended>),
    (journal, chain): (&Journal, &Chain),
    duration: Duration,
) {
    let subject = Subject {
        level: level(journal.status.get()),
        class: Class::Access,
        time: journal.began,
    };
    if !pen.wants(subject.level, subject.class) {
        return;
    }
    pen.write(subject, |sheet| {
        if let Some(id) = &journal.request_id {
            let value = Untrusted::Header {
                name: b"x-request-id",
                value: id.as_bytes(),
            };
            sheet.sent(&field::REQUEST_ID, value);
        }
        if let Some(ended) = ended {
            ids(sheet, ended);
        }
        let own = sheet.own();
        own.text(&field::LISTENER, journal.connection.listener.name.as_bytes());
        own.text(&field::ROUTE, route.as_bytes());
        request(sheet, journal, chain);
        outcome(sheet, journal, duration);
        parties(sheet, journal);
        wires(sheet, journal);
        plugins(sheet, journal, chain);
        if let Some(ended) = ended {
            sampling(sheet, &ended.verdict);
        }
    });
}

/// Writes the ids by which everything is found that is said of an exchange.
pub(crate) fn ids(sheet: &mut Sheet<'_>, ended: &Ended) {
    if let Some(ids) = ended.ids {
        write_ids(sheet, ids);
    }
}

/// The same, for who writes down what a plugin said.
pub fn write_ids(sheet: &mut Sheet<'_>, ids: TraceIds) {
    if let Some(span) = SpanId::new(ids.span) {
        write_span_ids(sheet, ids, span);
    }
}

/// The same of another span of its trace.
pub(crate) fn write_span_ids(sheet: &mut Sheet<'_>, ids: TraceIds, span: SpanId) {
    let own = sheet.own();
    if let Some(trace) = TraceId::new(ids.trace) {
        own.text(&field::TRACE_ID, &trace.digits());
        own.text(&field::SPAN_ID, &span.digits());
        let digit = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied().unwrap_or(b'0');
        own.text(&field::TRACE_FLAGS, &[digit(ids.flags >> 4), digit(ids.flags & 0xf)]);
    }
}

/// Writes how many exchanges this one stands for, where that is not one, and why it was kept, where a part would not have had it.
fn sampling(sheet: &mut Sheet<'_>, verdict: &Verdict) {
    let Verdict::Kept(kept) = verdict else { return };
    let own = sheet.own();
    if let Some(factor) = kept.factor.filter(|factor| *factor != 1.0) {
        own.number(&field::FACTOR, factor);
    }
    let (_, why) = decision(verdict);
    if matches!(kept.why, Why::Ratio | Why::Rule) {
        return;
    }
    own.text(&field::KEPT, why.as_bytes());
}

/// Whether it was kept, and the word of why.
pub(crate) const fn decision(verdict: &Verdict) -> (bool, &'static str) {
    match verdict {
        Verdict::Kept(kept) => (
            true,
            match kept.why {
                Why::Ratio => "ratio",
                Why::Rule => "rule",
                Why::Parent => "parent",
                Why::Asked => "asked",
                Why::Level => "level",
                Why::Status => "status",
                Why::Fault => "fault",
                Why::Slow => "slow",
                Why::Window => "window",
            },
        ),
        Verdict::Dropped(why) => (
            false,
            match why {
                WhyNot::Ratio => "ratio",
                WhyNot::Parent => "parent",
                WhyNot::Rule => "rule",
                WhyNot::Rate => "rate",
            },
        ),
    }
}

/// Writes what was asked for, and what came of it.
pub(crate) fn asked(sheet: &mut Sheet<'_>, journal: &Journal) {
    let chosen = journal.chosen.borrow();
    let own = sheet.own();
    if let Some(chosen) = chosen.as_ref() {
        own.text(&field::ROUTE, chosen.route.name.as_bytes());
    }
    sheet.sent(&field::METHOD, Untrusted::Text(journal.method.as_str().as_bytes()));
    target(sheet, &journal.target);
    if let Some(status) = journal.status.get() {
        sheet.own().integer(&field::STATUS, u64::from(status));
    }
}

/// How grave an exchange is by its end: one without a status ended because its client went.
fn level(status: Option<u16>) -> Level {
    match status {
        Some(500..) => Level::Error,
        _ => Level::Info,
    }
}

fn request(sheet: &mut Sheet<'_>, journal: &Journal, chain: &Chain) {
    sheet.sent(&field::METHOD, Untrusted::Text(journal.method.as_str().as_bytes()));
    sheet.own().text(&field::SCHEME, scheme(journal));
    let head = chain.exchange.request.borrow();
    if let Some(authority) = &head.authority {
        sheet.sent(&field::AUTHORITY, Untrusted::Text(authority.as_bytes()));
    }
    drop(head);
    target(sheet, &journal.target);
    sheet.own().text(&field::PROTOCOL, version(journal.version).as_bytes());
}

fn scheme(journal: &Journal) -> &'static [u8] {
    match journal.connection.tls {
        Some(_) => b"https",
        None => b"http",
    }
}

/// Writes how an exchange came, and from whom.
pub(crate) fn came(sheet: &mut Sheet<'_>, journal: &Journal) {
    let own = sheet.own();
    own.text(&field::LISTENER, journal.connection.listener.name.as_bytes());
    if !journal.is_tcp() {
        own.text(&field::SCHEME, scheme(journal));
        own.text(&field::PROTOCOL, version(journal.version).as_bytes());
    }
    sender(sheet, journal);
}

pub(crate) fn target(sheet: &mut Sheet<'_>, target: &http::uri::PathAndQuery) {
    sheet.sent(&field::PATH, Untrusted::Target(target.path().as_bytes()));
    if let Some(query) = target.query() {
        sheet.sent(&field::QUERY, Untrusted::Query(query.as_bytes()));
    }
}

fn outcome(sheet: &mut Sheet<'_>, journal: &Journal, duration: Duration) {
    let own = sheet.own();
    if let Some(status) = journal.status.get() {
        own.integer(&field::STATUS, u64::from(status));
    }
    own.text(&field::FLAGS, journal.flags.get().as_bytes());
    let details = journal.details.borrow();
    sheet.sent(
        &field::DETAILS,
        Untrusted::Text(details.as_deref().unwrap_or_default().as_bytes()),
    );
    let own = sheet.own();
    own.integer(&field::REQUEST_BYTES, journal.volume.request.get());
    own.integer(&field::RESPONSE_BYTES, journal.volume.response.get());
    own.milliseconds(&field::DURATION, duration);
}

fn parties(sheet: &mut Sheet<'_>, journal: &Journal) {
    let own = sheet.own();
    if let Some(upstream) = journal.upstream.borrow().as_ref() {
        own.text(&field::UPSTREAM, upstream.name().as_bytes());
    }
    if let Some(endpoint) = journal.endpoint.get() {
        own.socket(&field::ENDPOINT, endpoint);
    }
    if let Some(wait) = journal.upstream_wait.get() {
        own.milliseconds(&field::UPSTREAM_DURATION, wait);
    }
    sender(sheet, journal);
}

fn sender(sheet: &mut Sheet<'_>, journal: &Journal) {
    client(sheet, &journal.connection);
    if let Some(agent) = &journal.user_agent {
        let value = Untrusted::Header {
            name: b"user-agent",
            value: agent.as_bytes(),
        };
        sheet.sent(&field::USER_AGENT, value);
    }
}

/// An address is personal data where the rules say so; where they do not, it is written as it is, without being made a text first.
fn client(sheet: &mut Sheet<'_>, connection: &Connection) {
    sheet.sent_address(&field::CLIENT, connection.peer.ip());
}

/// What TLS and the kernel know of both connections. Numbers that are 0 for most exchanges are written where they are not.
fn wires(sheet: &mut Sheet<'_>, journal: &Journal) {
    let wires = journal.wires();
    if let Some(tls) = &wires.tls {
        let own = sheet.own();
        own.text(&field::TLS_VERSION, tls.agreed.version.as_bytes());
        own.text(&field::TLS_CIPHER, tls.agreed.cipher.as_bytes());
        own.text(
            &field::TLS_NEXT_PROTOCOL,
            tls.next_protocol.unwrap_or_default().as_bytes(),
        );
        let name = tls.server_name.unwrap_or_default();
        sheet.sent(&field::TLS_SERVER_NAME, Untrusted::Text(name.as_bytes()));
        let subject = tls.subject.unwrap_or_default();
        sheet.sent(&field::TLS_CLIENT_SUBJECT, Untrusted::Text(subject.as_bytes()));
    }
    if let Some(facts) = &wires.client {
        wire(sheet, facts, &CLIENT);
    }
    let has_new =
        |facts: &Option<WireFacts>| facts.is_some_and(|facts| facts.retransmits_new.is_some_and(|new| new > 0));
    if has_new(&wires.client) || has_new(&wires.upstream) {
        sheet.own().integer(&field::WIRES_BEGAN, wires.began.ns());
    }
    let own = sheet.own();
    if let Some(tls) = &wires.upstream_tls {
        own.text(&field::UPSTREAM_TLS_VERSION, tls.version.as_bytes());
        own.text(&field::UPSTREAM_TLS_CIPHER, tls.cipher.as_bytes());
    }
    if let Some(facts) = &wires.upstream {
        wire(sheet, facts, &UPSTREAM);
    }
}

/// The names of the fields of one connection.
pub(crate) struct WireFields {
    rtt: &'static Field,
    rtt_variance: &'static Field,
    retransmits: &'static Field,
    retransmits_new: &'static Field,
    congestion: &'static Field,
    congestion_window: &'static Field,
    delivery_rate: &'static Field,
    connection: &'static Field,
}

pub(crate) const CLIENT: WireFields = WireFields {
    rtt: &field::CLIENT_RTT,
    rtt_variance: &field::CLIENT_RTT_VARIANCE,
    retransmits: &field::CLIENT_RETRANSMITS,
    retransmits_new: &field::CLIENT_RETRANSMITS_NEW,
    congestion: &field::CLIENT_CONGESTION,
    congestion_window: &field::CLIENT_CONGESTION_WINDOW,
    delivery_rate: &field::CLIENT_DELIVERY_RATE,
    connection: &field::CLIENT_CONNECTION,
};

const UPSTREAM: WireFields = WireFields {
    rtt: &field::UPSTREAM_RTT,
    rtt_variance: &field::UPSTREAM_RTT_VARIANCE,
    retransmits: &field::UPSTREAM_RETRANSMITS,
    retransmits_new: &field::UPSTREAM_RETRANSMITS_NEW,
    congestion: &field::UPSTREAM_CONGESTION,
    congestion_window: &field::UPSTREAM_CONGESTION_WINDOW,
    delivery_rate: &field::UPSTREAM_DELIVERY_RATE,
    connection: &field::UPSTREAM_CONNECTION,
};

/// A connection that sent nothing again says its round trip alone; of one that did, all that may say why.
pub(crate) fn wire(sheet: &mut Sheet<'_>, facts: &WireFacts, fields: &WireFields) {
    let own = sheet.own();
    let mut number = |field: &Field, number: Option<u64>| {
        if let Some(number) = number {
            own.integer(field, number);
        }
    };
    number(fields.rtt, facts.rtt_us.map(u64::from));
    if facts.retransmits.is_none_or(|retransmits| retransmits == 0) {
        return;
    }
    number(fields.rtt_variance, facts.rtt_variance_us.map(u64::from));
    number(fields.retransmits, facts.retransmits.map(u64::from));
    number(fields.retransmits_new, facts.retransmits_new.map(u64::from));
    number(
        fields.congestion_window,
        facts.congestion_window_segments.map(u64::from),
    );
    number(fields.delivery_rate, facts.delivery_rate_bytes_per_s);
    if let Some(congestion) = &facts.congestion {
        own.text(fields.congestion, congestion.name().as_bytes());
    }
    own.integer(fields.connection, facts.connection.bits());
}

fn plugins(sheet: &mut Sheet<'_>, journal: &Journal, chain: &Chain) {
    sheet.own().verdicts(&field::PLUGINS, |verdicts| {
        for verdict in chain.verdicts.borrow().iter() {
            verdicts.add(verdict.plugin.as_bytes(), verdict.word.as_bytes());
        }
    });
    let plan = &journal.serving.plan;
    sheet.members(&field::CUSTOM, |members| {
        for (name, value) in chain.exchange.state.borrow().iter() {
            members.add(name, Untrusted::Named { name, value });
        }
        plan.logs
            .fields
            .iter()
            .for_each(|field| asked_for(members, field, (journal, chain)));
    });
}

/// A field that the configuration asks for; one that there is not is left out.
fn asked_for(members: &mut Members<'_, '_>, field: &logs::Field, (journal, chain): (&Journal, &Chain)) {
    let name = field.name.as_bytes();
    let header = |members: &mut Members<'_, '_>, headers: &http::HeaderMap, header: &http::HeaderName| {
        if let Some(value) = headers.get(header) {
            let of = Untrusted::Header {
                name: header.as_str().as_bytes(),
                value: value.as_bytes(),
            };
            called(members, name, of);
        }
    };
    match &field.from {
        FieldFrom::RequestHeader(wanted) => header(members, &chain.exchange.request.borrow().headers, wanted),
        FieldFrom::ResponseHeader(wanted) => {
            if let Some(response) = chain.exchange.response.borrow().as_ref() {
                header(members, &response.headers, wanted);
            }
        }
        FieldFrom::Property(path) => {
            let parts: Vec<&[u8]> = path.iter().map(String::as_bytes).collect();
            let value = match journal.property(&chain.exchange, &parts) {
                Property::Value(value) => Some(text(value)),
                Property::Parts | Property::Absent => chain.exchange.set_by_plugins(&parts),
            };
            if let Some(value) = value {
                called(members, name, of_property(&parts, &value));
            }
        }
    }
}

/// A value under the operator's name for it, which may say that it is secret where its own does not.
fn called(members: &mut Members<'_, '_>, name: &[u8], of: Untrusted<'_>) {
    let value = match of {
        Untrusted::Header { value, .. } | Untrusted::Named { value, .. } if members.hides(name) => {
            Untrusted::Named { name, value }
        }
        of => of,
    };
    members.add(name, value);
}

/// A property is looked at as what it is: behind another name, a secret header is secret still.
fn of_property<'a>(path: &[&'a [u8]], value: &'a [u8]) -> Untrusted<'a> {
    match path {
        [b"request" | b"response", b"headers" | b"trailers", name] => Untrusted::Header { name, value },
        [b"request", b"referer"] => Untrusted::Header {
            name: b"referer",
            value,
        },
        [b"request", b"path" | b"url_path"] => Untrusted::Target(value),
        [b"request", b"query"] => Untrusted::Query(value),
        _ => Untrusted::Named {
            name: path.last().copied().unwrap_or_default(),
            value,
        },
    }
}

/// A property as people read it; of what has parts, the names.
fn text(value: PropertyValue) -> Bytes {
    match value {
        PropertyValue::Bytes(bytes) => bytes,
        PropertyValue::Int(number) | PropertyValue::Timestamp(number) | PropertyValue::Duration(number) => {
            number.to_string().into()
        }
        PropertyValue::Uint(number) => number.to_string().into(),
        PropertyValue::Double(number) => number.to_string().into(),
        PropertyValue::Bool(holds) => if holds { "true" } else { "false" }.into(),
        PropertyValue::Map(pairs) => joined(pairs.iter().map(|(name, _)| name)),
        PropertyValue::List(names) => joined(names.iter()),
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let mut all = Vec::new();
    for name in names {
        if !all.is_empty() {
            all.push(b',');
        }
        all.extend_from_slice(name);
    }
    all.into()
}

/// Writes the record of a connection that was passed on as bytes.
pub(crate) fn passage(pen: &mut Pen, journal: &Journal, chain: &Chain, ended: Option<&Ended>) {
    let subject = Subject {
        level: Level::Info,
        class: Class::Access,
        time: journal.began,
    };
    pen.write(subject, |sheet| {
        if let Some(ended) = ended {
            ids(sheet, ended);
        }
        let own = sheet.own();
        own.text(&field::LISTENER, journal.connection.listener.name.as_bytes());
        own.text(&field::PROTOCOL, b"tcp");
        outcome(sheet, journal, journal.clock.elapsed());
        parties(sheet, journal);
        wires(sheet, journal);
        plugins(sheet, journal, chain);
    });
}

/// Writes the record of what was no request, or none that may be served.
pub(crate) fn refused(pen: &mut Pen, connection: &Connection, refusal: &Refusal, asked: Option<&Request<Incoming>>) {
    let subject = Subject {
        level: Level::Info,
        class: Class::Access,
        time: SystemTime::now(),
    };
    pen.write(subject, |sheet| {
        sheet.own().text(&field::LISTENER, connection.listener.name.as_bytes());
        if let Some(asked) = asked {
            sheet.sent(&field::METHOD, Untrusted::Text(asked.method().as_str().as_bytes()));
            if let Some(path) = asked.uri().path_and_query() {
                target(sheet, path);
            }
        }
        let own = sheet.own();
        let spoken = asked.map_or(Version::HTTP_11, Request::version);
        own.text(&field::PROTOCOL, version(spoken).as_bytes());
        own.integer(&field::STATUS, u64::from(refusal.status().as_u16()));
        own.text(&field::FLAGS, refusal.flag().as_bytes());
        own.text(&field::DETAILS, refusal.code().as_bytes());
        client(sheet, connection);
    });
}

const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
