//! B3, single and several headers, and which headers count where several do.

use proptest::prelude::*;

use super::dice::trace;
use crate::{Asked, Context, Origin, SpanId, TraceId};

const LONG: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SHORT: &str = "64fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";

/// Origin, trace (none when it is new), and what is asked.
fn seen(headers: &[(&str, &str)]) -> (Origin, Option<String>, Asked) {
    let trace = trace(headers);
    let id = String::from_utf8(trace.context.b3_trace().as_bytes().to_vec()).unwrap();
    (trace.origin, trace.parent.map(|_| id), trace.asked)
}

#[test]
fn a_single_header_is_read() {
    let of = |value: &str| seen(&[("b3", value)]);
    let taken = |trace: &str, asked| (Origin::B3Single, Some(trace.to_owned()), asked);
    assert_eq!(of(&format!("{LONG}-{SPAN}")), taken(LONG, Asked::Nothing));
    assert_eq!(of(&format!("{LONG}-{SPAN}-1")), taken(LONG, Asked::Kept));
    assert_eq!(of(&format!("{LONG}-{SPAN}-0")), taken(LONG, Asked::Dropped));
    assert_eq!(of(&format!("{LONG}-{SPAN}-d")), taken(LONG, Asked::Debug));
    assert_eq!(
        of(&format!("{SHORT}-{SPAN}-1-05e3ac9a4f6e3b90")),
        taken(SHORT, Asked::Kept)
    );
    assert_eq!(of(&format!(" {SHORT}-{SPAN} ")), taken(SHORT, Asked::Nothing));
    for (state, asked) in [("0", Asked::Dropped), ("1", Asked::Kept), ("d", Asked::Debug)] {
        assert_eq!(of(state), (Origin::B3Single, None, asked));
    }
}

#[test]
fn a_single_header_that_is_wrong_is_none() {
    let zeros = "0".repeat(32);
    let wrong = [
        String::new(),
        "2".to_owned(),
        "D".to_owned(),
        LONG.to_owned(),
        format!("{LONG}-"),
        format!("{LONG}-{SPAN}-"),
        format!("{LONG}-{SPAN}-2"),
        format!("{LONG}-{SPAN}-1-"),
        format!("{LONG}-{SPAN}-1-05e3ac9a4f6e3b9"),
        format!("{LONG}-{SPAN}-1-0000000000000000"),
        format!("{LONG}-{SPAN}-1-05e3ac9a4f6e3b90-"),
        format!("{LONG}-{SPAN}-11"),
        format!("{LONG}-{SPAN}1"),
        format!("{LONG}{SPAN}"),
        format!("{zeros}-{SPAN}-1"),
        format!("{}-{SPAN}-1", &zeros[16..]),
        format!("{LONG}-{}-1", &zeros[16..]),
        format!("{}-{SPAN}-1", LONG.to_uppercase()),
        format!("{}-{SPAN}-1", &LONG[1..]),
        format!("{}-{SPAN}-1", &SHORT[1..]),
        format!("0{SHORT}-{SPAN}-1"),
    ];
    for value in &wrong {
        assert_eq!(seen(&[("b3", value)]), (Origin::Here, None, Asked::Nothing), "{value}");
    }
}

#[test]
fn several_headers_are_read() {
    let ids = [("X-B3-TraceId", LONG), ("X-B3-SpanId", SPAN)];
    let with = |more: &[(&'static str, &'static str)]| seen(&[ids.as_slice(), more].concat());
    let taken = |asked| (Origin::B3Several, Some(LONG.to_owned()), asked);
    assert_eq!(with(&[]), taken(Asked::Nothing));
    assert_eq!(with(&[("X-B3-Sampled", "1")]), taken(Asked::Kept));
    assert_eq!(with(&[("X-B3-Sampled", "true")]), taken(Asked::Kept));
    assert_eq!(with(&[("x-b3-sampled", "0")]), taken(Asked::Dropped));
    assert_eq!(with(&[("x-b3-sampled", "false")]), taken(Asked::Dropped));
    assert_eq!(with(&[("x-b3-sampled", "maybe")]), taken(Asked::Nothing));
    assert_eq!(with(&[("X-B3-Flags", "1")]), taken(Asked::Debug));
    assert_eq!(with(&[("X-B3-Flags", "0")]), taken(Asked::Nothing));
    // Debug implies that it is kept.
    assert_eq!(with(&[("X-B3-Flags", "1"), ("X-B3-Sampled", "0")]), taken(Asked::Debug));
    // The first of two counts.
    assert_eq!(
        with(&[("X-B3-Sampled", "0"), ("X-B3-Sampled", "1")]),
        taken(Asked::Dropped)
    );
    assert_eq!(
        with(&[("X-B3-ParentSpanId", "05e3ac9a4f6e3b90")]),
        taken(Asked::Nothing)
    );
    // A decision counts without ids, and ids only together.
    assert_eq!(
        seen(&[("X-B3-Sampled", "0")]),
        (Origin::B3Several, None, Asked::Dropped)
    );
    assert_eq!(seen(&[("X-B3-TraceId", LONG)]), (Origin::Here, None, Asked::Nothing));
    assert_eq!(seen(&[("X-B3-SpanId", SPAN)]), (Origin::Here, None, Asked::Nothing));
    assert_eq!(seen(&[("X-B3-TraceId", &LONG[2..]), ("X-B3-SpanId", SPAN)]).1, None);
}

#[test]
fn traceparent_counts_before_the_single_header_and_that_before_the_others() {
    let parent = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    let (single, wrong) = (format!("{LONG}-{SPAN}-1"), format!("{LONG}-{SPAN}-x"));
    let several = [("x-b3-traceid", SHORT), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")];
    let origin = |headers: &[(&str, &str)]| trace(&[&several[..], headers].concat()).origin;
    assert_eq!(origin(&[("b3", &single), parent]), Origin::Traceparent);
    assert_eq!(origin(&[("b3", &single)]), Origin::B3Single);
    assert_eq!(origin(&[("b3", &wrong)]), Origin::B3Several);
    assert_eq!(origin(&[("b3", &single), parent, parent]), Origin::B3Single);
    assert_eq!(
        origin(&[("traceparent", "00-1-2-3"), ("b3", &wrong)]),
        Origin::B3Several
    );
    // `tracestate` belongs to `traceparent` alone.
    let state = trace(&[("tracestate", "a=1"), ("b3", &single)]).state;
    assert!(state.text(crate::Told::AsCame).is_empty());
}

proptest! {
    #[test]
    fn what_goes_out_as_b3_comes_in_again(high: u64, low in 1_u64.., span in 1_u64.., parent in 0_u64.., kept: bool, debug: bool) {
        let trace_id = u128::from(high) << 64 | u128::from(low);
        let context = Context { trace: TraceId::new(trace_id).unwrap(), span: SpanId::new(span).unwrap(), is_random: false, is_sampled: kept };
        let asked = if debug { Asked::Debug } else { Asked::Nothing };
        let single = context.b3(SpanId::new(parent), asked);
        let came = trace(&[("b3", std::str::from_utf8(single.as_bytes()).unwrap())]);
        let expected = match (kept, debug) {
            (true, true) => Asked::Debug,
            (true, false) => Asked::Kept,
            (false, _) => Asked::Dropped,
        };
        prop_assert_eq!((came.context.trace, came.parent, came.asked), (context.trace, Some(context.span), expected));
        let several = trace(&[
            ("x-b3-traceid", std::str::from_utf8(context.b3_trace().as_bytes()).unwrap()),
            ("x-b3-spanid", std::str::from_utf8(&context.span.digits()).unwrap()),
        ]);
        prop_assert_eq!((several.context.trace, several.parent), (context.trace, Some(context.span)));
    }

    #[test]
    fn any_bytes_are_read_as_b3(value in prop::collection::vec(any::<u8>(), 0..80)) {
        let read = crate::b3::read_single(&value);
        prop_assert!(read.is_none() || value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-' | b' ' | b'\t')));
    }
}
