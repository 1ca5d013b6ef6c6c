//! The spans of an exchange that has ended, as records: one for each stage.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use log_book::{Pen, Sheet, Subject};
use log_mask::field::Untrusted;
use log_record::field::{self, Field};
use log_record::grade::{Class, Level};
use log_trace::{Attribute, Span, Stage, Status, Value};

use crate::journal::Journal;
use crate::traced::Ended;
use crate::written;

/// Writes what is kept of them.
pub(crate) fn spans(pen: &mut Pen, journal: &Journal, ended: &Ended) {
    if !pen.wants(Level::Info, Class::Span) {
        return;
    }
    let Some(spans) = ended.kept_spans() else { return };
    for span in spans.all() {
        let time = wall(journal.began, ended.began_ns, span.start_ns);
        let subject = Subject {
            level: Level::Info,
            class: Class::Span,
            time,
        };
        pen.write(subject, |sheet| {
            if let Some(ids) = ended.ids {
                written::write_span_ids(sheet, ids, span.id);
            }
            identity(sheet, span, journal);
            times(sheet, time, span);
            outcome(sheet, span);
            match span.stage {
                Stage::Exchange => whole(sheet, journal, spans.dropped()),
                Stage::Upstream => request(sheet, journal),
                Stage::Route | Stage::Plugin | Stage::Callout | Stage::Wait => {}
            }
        });
    }
}

/// The clock of spans is steady; of the wall's only the beginning of the exchange is known.
fn wall(began: SystemTime, began_ns: u64, at_ns: u64) -> SystemTime {
    let since = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
    let time = began.checked_add(since(began_ns, at_ns)).unwrap_or(began);
    time.checked_sub(since(at_ns, began_ns)).unwrap_or(time)
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn identity(sheet: &mut Sheet<'_>, span: &Span, journal: &Journal) {
    let plan = &journal.serving.plan;
    let own = sheet.own();
    if let Some(parent) = span.parent {
        own.text(&field::PARENT_SPAN, &parent.digits());
    }
    let number = usize::try_from(span.name).unwrap_or(usize::MAX);
    let plugin = || plan.plugins.get(number).map_or("", |plugin| &plugin.name);
    let upstream = || plan.upstreams.get(number).map_or("", |upstream| &upstream.name);
    let chosen = journal.chosen.borrow();
    let route = || chosen.as_ref().map_or("", |chosen| &chosen.route.name);
    let (stage, name, kind) = match span.stage {
        Stage::Exchange if journal.is_tcp() => ("exchange", "", "server"),
        Stage::Exchange => (method(&journal.method), route(), "server"),
        Stage::Route => ("route", "", "internal"),
        Stage::Plugin => ("plugin", plugin(), "internal"),
        Stage::Upstream if journal.is_tcp() => ("upstream", upstream(), "client"),
        Stage::Upstream => (method(&journal.method), upstream(), "client"),
        Stage::Callout => ("callout", upstream(), "client"),
        Stage::Wait => ("wait", "", "internal"),
    };
    own.text_with(&field::SPAN_NAME, |out| {
        out.extend_from_slice(stage.as_bytes());
        if !name.is_empty() {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
        }
    });
    own.text(&field::SPAN_KIND, kind.as_bytes());
    match span.stage {
        Stage::Plugin => own.text(&field::PLUGIN, name.as_bytes()),
        Stage::Upstream | Stage::Callout => own.text(&field::UPSTREAM, name.as_bytes()),
        Stage::Exchange | Stage::Route | Stage::Wait => {}
    }
}

/// What spans are named by: a method that anybody may invent would be one name more each time (OpenTelemetry, HTTP spans, "Name").
fn method(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    match known.contains(method) {
        true => method.as_str(),
        false => "HTTP",
    }
}

fn times(sheet: &mut Sheet<'_>, start: SystemTime, span: &Span) {
    let start_ns = nanoseconds(start);
    let own = sheet.own();
    own.integer(&field::SPAN_START, start_ns);
    own.integer(
        &field::SPAN_END,
        start_ns.saturating_add(span.end_ns.saturating_sub(span.start_ns)),
    );
}

fn outcome(sheet: &mut Sheet<'_>, span: &Span) {
    let own = sheet.own();
    match span.status {
        Some(Status::Good) => own.text(&field::SPAN_STATUS, b"ok"),
        Some(Status::Failed) => own.text(&field::SPAN_STATUS, b"error"),
        Some(Status::Cut) => {
            own.text(&field::SPAN_STATUS, b"error");
            own.text(&field::SPAN_MESSAGE, b"the exchange was over first");
        }
        Some(Status::Unset) | None => {}
    }
    // The status of the exchange is among what was asked of it.
    let is_told = |attribute| span.stage == Stage::Exchange && attribute == Attribute::Code;
    for (attribute, value) in span.attributes().filter(|(attribute, _)| !is_told(*attribute)) {
        let field = field_of(attribute);
        match value {
            Value::Number(number) if attribute == Attribute::Cpu => {
                own.milliseconds(field, Duration::from_nanos(number));
            }
            Value::Number(number) => own.integer(field, number),
            Value::Word(word) => own.text(field, word.as_bytes()),
            Value::Address(address) => {
                own.socket(field, address);
                own.address(&field::SERVER_ADDRESS, address.ip());
                own.integer(&field::SERVER_PORT, u64::from(address.port()));
            }
        }
    }
    error(sheet, span);
    let own = sheet.own();
    if span.attributes_dropped() > 0 {
        own.integer(&field::SPAN_DROPPED, u64::from(span.attributes_dropped()));
    }
}

/// The class of an error that is known by its status alone (OpenTelemetry, "Recording errors"): where a fault was noted, that says more.
fn error(sheet: &mut Sheet<'_>, span: &Span) {
    let is_of_http = matches!(span.stage, Stage::Exchange | Stage::Upstream | Stage::Callout);
    let mut status = None;
    for (attribute, value) in span.attributes() {
        match (attribute, value) {
            (Attribute::Fault, _) => return,
            (Attribute::Code, Value::Number(code @ 500..)) if is_of_http => status = Some(code),
            _ => {}
        }
    }
    if let Some(code) = status {
        sheet.own().text_with(&field::CODE, |out| {
            let _ = write!(out, "{code}");
        });
    }
}

const fn field_of(attribute: Attribute) -> &'static Field {
    match attribute {
        Attribute::Code => &field::STATUS,
        Attribute::Try => &field::TRY,
        Attribute::Endpoint => &field::ENDPOINT,
        Attribute::Verdict => &field::VERDICT,
        Attribute::Fault => &field::CODE,
        Attribute::BytesOut => &field::BYTES_OUT,
        Attribute::BytesIn => &field::BYTES_IN,
        Attribute::Cpu => &field::CPU,
        Attribute::Generation => &field::PLUGIN_GENERATION,
    }
}

/// What the span of a try says of the request.
fn request(sheet: &mut Sheet<'_>, journal: &Journal) {
    if !journal.is_tcp() {
        sheet.sent(&field::METHOD, Untrusted::Text(journal.method.as_str().as_bytes()));
    }
}

/// What the exchange's own span says of the request, as OpenTelemetry's conventions for HTTP servers have it.
fn whole(sheet: &mut Sheet<'_>, journal: &Journal, dropped: u32) {
    written::asked(sheet, journal);
    written::came(sheet, journal);
    if dropped > 0 {
        sheet.own().integer(&field::SPANS_DROPPED, u64::from(dropped));
    }
}
