//! What whoever is called is told of the trace, and which ids records have.

use log_trace::{Stage, Trust};
use testkit::client::Request;

use super::guest::{Does, OWN, guest};
use super::house::{House, SPAN, TRACE, parent, tracing};
use crate::trace_settings::{Formats, TraceSettings};

/// The ids of a `traceparent`.
fn split(value: &str) -> (String, String, String) {
    let parts: Vec<_> = value.split('-').map(str::to_owned).collect();
    assert_eq!((parts.len(), parts[0].as_str()), (4, "00"), "{value}");
    (parts[1].clone(), parts[2].clone(), parts[3].clone())
}

#[test]
fn a_gateway_that_takes_no_part_hands_headers_on_and_writes_the_ids_that_came() {
    let house = House::plain(TraceSettings::default());
    let request = Request::get("/plain").field("traceparent", &parent("00"));
    house.send(request.field("tracestate", "a=1").field("b3", "0"));
    let seen = house.upstream.take_records().remove(0);
    assert_eq!(seen.field("traceparent"), Some(parent("00").as_str()));
    assert_eq!((seen.field("tracestate"), seen.field("b3")), (Some("a=1"), Some("0")));
    let ended = house.one();
    let ids = ended.ids.unwrap();
    assert_eq!(
        (format!("{:032x}", ids.trace), format!("{:016x}", ids.span)),
        (TRACE.into(), SPAN.into())
    );
    // What the caller dropped is kept all the same: nobody asked for less.
    assert!(ended.is_kept() && ended.spans.is_none());
    // One without a context has no ids, and none are made up.
    house.send(Request::get("/plain"));
    assert_eq!(house.one().ids, None);
    assert_eq!(house.upstream.take_records()[0].field("traceparent"), None);
}

#[test]
fn an_upstream_is_told_of_the_span_of_its_try_in_the_callers_trace() {
    let house = House::plain(tracing());
    let request = Request::get("/plain").field("traceparent", &parent("01"));
    house.send(
        request
            .field("tracestate", "a=1,b=2")
            .field("b3", &format!("{TRACE}-{SPAN}-1")),
    );
    let seen = house.upstream.take_records().remove(0);
    let (trace, span, flags) = split(seen.field("traceparent").unwrap());
    let ended = house.one();
    let spans = ended.kept_spans().unwrap().all();
    let attempt = spans.iter().find(|span| span.stage == Stage::Upstream).unwrap();
    assert_eq!((trace.as_str(), span), (TRACE, format!("{:?}", attempt.id)));
    assert_eq!(flags, "01");
    // The threshold by which everything is kept comes first.
    assert_eq!(seen.field("tracestate"), Some("ot=th:0,a=1,b=2"));
    assert_eq!(seen.field("b3"), None, "nobody is told of two traces");
    assert_eq!(spans[0].parent, ended.parent);
    assert_eq!(format!("{:?}", ended.parent.unwrap()), SPAN);
    assert_eq!(ended.ids.unwrap().span, spans[0].id.number());
}

#[test]
fn without_a_caller_a_trace_begins_here_and_b3_is_written_where_it_is_wanted() {
    let mut settings = tracing();
    settings.headers.as_mut().unwrap().send = Formats {
        w3c: false,
        b3: true,
        b3_several: true,
    };
    // Without spans the exchange's own is told.
    settings.spans_max = 0;
    let house = House::plain(settings);
    house.send(Request::get("/plain"));
    let seen = house.upstream.take_records().remove(0);
    let ids = house.one().ids.unwrap();
    let (trace, span) = (format!("{:032x}", ids.trace), format!("{:016x}", ids.span));
    assert_eq!(seen.field("b3"), Some(format!("{trace}-{span}-1").as_str()));
    assert_eq!(seen.field("x-b3-traceid"), Some(trace.as_str()));
    assert_eq!(seen.field("x-b3-spanid"), Some(span.as_str()));
    assert_eq!(
        (seen.field("x-b3-sampled"), seen.field("traceparent")),
        (Some("1"), None)
    );
}

#[test]
fn a_stranger_chooses_no_ids_and_what_it_said_is_kept_as_a_link() {
    let mut settings = tracing();
    let headers = settings.headers.as_mut().unwrap();
    headers.trust = Trust::Callers;
    headers.trusts = vec![("web".to_owned(), Trust::Nobody)];
    let house = House::plain(settings);
    house.send(Request::get("/plain").field("traceparent", &parent("00")));
    let (trace, ..) = split(house.upstream.take_records()[0].field("traceparent").unwrap());
    assert_ne!(trace, TRACE);
    let ended = house.one();
    let (before, span) = ended.before.unwrap();
    assert_eq!(
        (format!("{before:?}"), format!("{span:?}")),
        (TRACE.into(), SPAN.into())
    );
    assert!(ended.is_kept(), "a stranger dropped it");
    assert_eq!(ended.parent, None);
}

#[test]
fn what_a_plugin_or_a_route_writes_goes_out_as_it_is() {
    let writes = House::of(tracing(), 1, Some(guest(&Does::Writes)));
    writes.send(Request::get("/led").field("traceparent", &parent("01")));
    assert_eq!(writes.upstream.take_records()[0].field("traceparent"), Some(OWN));
    // The records are of the trace all the same.
    assert_eq!(format!("{:032x}", writes.one().ids.unwrap().trace), TRACE);
    let removes = House::of(tracing(), 1, Some(guest(&Does::Removes)));
    removes.send(Request::get("/led").field("traceparent", &parent("01")));
    assert_eq!(removes.upstream.take_records()[0].field("traceparent"), None);
    removes.send(Request::get("/set").field("traceparent", &parent("01")));
    assert_eq!(removes.upstream.take_records()[0].field("traceparent"), Some("mine"));
}

#[test]
fn a_callout_is_told_of_a_span_of_its_own_below_the_exchange() {
    let house = House::of(tracing(), 1, Some(guest(&Does::Calls)));
    let response = house.send(Request::get("/led").field("traceparent", &parent("01")));
    assert_eq!(response.status, 200);
    let (trace, span, _) = split(house.called.take_records()[0].field("traceparent").unwrap());
    let ended = house.one();
    let spans = ended.kept_spans().unwrap().all();
    let call = spans.iter().find(|span| span.stage == Stage::Callout).unwrap();
    assert_eq!((trace.as_str(), span), (TRACE, format!("{:?}", call.id)));
    assert_eq!(call.parent, Some(spans[0].id));
    let (_, upstream, _) = split(house.upstream.take_records()[0].field("traceparent").unwrap());
    assert_ne!(upstream, format!("{:?}", call.id));
}
