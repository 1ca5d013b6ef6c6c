//! `traceparent` as Trace Context has it: what is taken over, what begins anew.

use proptest::prelude::*;

use super::dice::trace;
use crate::{Asked, Context, Origin, SpanId, TraceId};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn parent(version: &str, trace: &str, span: &str, rest: &str) -> String {
    format!("{version}-{trace}-{span}-{rest}")
}

/// Value, whether it counts, whether it is sampled, whether its id is random.
fn cases() -> Vec<(String, Option<(bool, bool)>)> {
    let of = |version, rest| parent(version, TRACE, SPAN, rest);
    let long = "0".repeat(10_000);
    vec![
        (of("00", "00"), Some((false, false))),
        (of("00", "01"), Some((true, false))),
        (of("00", "02"), Some((false, true))),
        (of("00", "03"), Some((true, true))),
        // Flags are bits: those that nobody knows change nothing.
        (of("00", "09"), Some((true, false))),
        (of("00", "ff"), Some((true, true))),
        (of("00", "fc"), Some((false, false))),
        (of("00", "0"), None),
        (of("00", "001"), None),
        (of("00", "0A"), None),
        (of("00", ".0"), None),
        (of("00", ""), None),
        // Version 00 ends with its flags; a later one may go on behind a dash.
        (of("00", "01-"), None),
        (of("00", "01-more"), None),
        (of("00", "01."), None),
        (of("01", "01"), Some((true, false))),
        (of("cc", "01-what-comes-later"), Some((true, false))),
        (of("cc", "01-"), Some((true, false))),
        (of("cc", "01.what-comes-later"), None),
        (of("cc", "011"), None),
        (of("fe", "00"), Some((false, false))),
        (of("ff", "01"), None),
        (of("0", "01"), None),
        (of("000", "01"), None),
        (of("0000", "01"), None),
        (of("CC", "01"), None),
        (of(".0", "01"), None),
        (of("0.", "01"), None),
        (of("", "01"), None),
        (of("cc", &format!("01-{long}")), Some((true, false))),
        // Ids.
        (parent("00", &"0".repeat(32), SPAN, "01"), None),
        (parent("00", TRACE, &"0".repeat(16), "01"), None),
        (parent("00", &TRACE.to_uppercase(), SPAN, "01"), None),
        (parent("00", TRACE, &SPAN.to_uppercase(), "01"), None),
        (parent("cc", &TRACE.to_uppercase(), SPAN, "01"), None),
        (parent("00", &TRACE[1..], SPAN, "01"), None),
        (parent("00", &format!("{TRACE}0"), SPAN, "01"), None),
        (parent("00", TRACE, &SPAN[1..], "01"), None),
        (parent("00", TRACE, &format!("{SPAN}0"), "01"), None),
        (parent("00", &format!(".{}", &TRACE[1..]), SPAN, "01"), None),
        (parent("00", &format!("{}g", &TRACE[1..]), SPAN, "01"), None),
        (parent("00", TRACE, &format!("{}.", &SPAN[1..]), "01"), None),
        (format!("00_{TRACE}-{SPAN}-01"), None),
        (format!("00-{TRACE}_{SPAN}-01"), None),
        (format!("00-{TRACE}-{SPAN}_01"), None),
        // White space around a value is none of it.
        (format!(" {}", of("00", "01")), Some((true, false))),
        (format!("\t{} \t", of("00", "01")), Some((true, false))),
        (of("00", "01 x"), None),
        (String::new(), None),
        (long, None),
        (String::from("00"), None),
        (String::from("é0-"), None),
    ]
}

#[test]
fn a_valid_traceparent_is_taken_over_and_any_other_begins_a_trace() {
    for (value, expected) in cases() {
        let trace = trace(&[("traceparent", &value)]);
        let shown = value.get(..80).unwrap_or(&value);
        let Some((is_sampled, is_random)) = expected else {
            assert_eq!(trace.origin, Origin::Here, "{shown}");
            assert_eq!((trace.parent, trace.asked), (None, Asked::Nothing), "{shown}");
            assert_ne!(trace.context.trace.digits().as_slice(), TRACE.as_bytes(), "{shown}");
            // What is made here is random.
            assert!(trace.context.is_random, "{shown}");
            continue;
        };
        assert_eq!(trace.origin, Origin::Traceparent, "{shown}");
        assert_eq!(trace.context.trace.digits().as_slice(), TRACE.as_bytes(), "{shown}");
        assert_eq!(trace.parent.unwrap().digits().as_slice(), SPAN.as_bytes(), "{shown}");
        assert_ne!(trace.context.span.digits().as_slice(), SPAN.as_bytes(), "{shown}");
        let asked = if is_sampled { Asked::Kept } else { Asked::Dropped };
        assert_eq!((trace.asked, trace.context.is_random), (asked, is_random), "{shown}");
    }
}

#[test]
fn names_come_in_any_case_and_only_as_they_are() {
    let value = parent("00", TRACE, SPAN, "01");
    for name in ["traceparent", "TraceParent", "TRACEPARENT", "TrAcEpArEnT"] {
        assert_eq!(trace(&[(name, &value)]).origin, Origin::Traceparent, "{name}");
    }
    for name in ["trace-parent", "trace.parent", "traceparent ", "xtraceparent", ""] {
        assert_eq!(trace(&[(name, &value)]).origin, Origin::Here, "{name}");
    }
}

#[test]
fn two_traceparents_are_none_even_when_they_are_alike() {
    let value = parent("00", TRACE, SPAN, "01");
    let twice = trace(&[("traceparent", &value), ("tracestate", "a=1"), ("Traceparent", &value)]);
    assert_eq!(twice.origin, Origin::Here);
    assert!(twice.state.text(crate::Told::AsCame).is_empty());
}

#[test]
fn what_goes_out_is_version_00_with_our_span_and_only_known_flags() {
    let mut trace = trace(&[("traceparent", &parent("cc", TRACE, SPAN, "ff-and-more"))]);
    let own = String::from_utf8(trace.context.span.digits().to_vec()).unwrap();
    let sent = |context: Context| String::from_utf8(context.traceparent().to_vec()).unwrap();
    assert_eq!(sent(trace.context), format!("00-{TRACE}-{own}-02"));
    trace.context.is_sampled = true;
    assert_eq!(sent(trace.context), format!("00-{TRACE}-{own}-03"));
    trace.context.is_random = false;
    assert_eq!(sent(trace.context), format!("00-{TRACE}-{own}-01"));
}

proptest! {
    #[test]
    fn what_goes_out_comes_in_again(trace_id in 1_u128.., span in 1_u64.., is_random: bool, is_sampled: bool) {
        let context = Context { trace: TraceId::new(trace_id).unwrap(), span: SpanId::new(span).unwrap(), is_random, is_sampled };
        let value = String::from_utf8(context.traceparent().to_vec()).unwrap();
        prop_assert_eq!(&value, &format!("00-{trace_id:032x}-{span:016x}-{:02x}", u8::from(is_random) * 2 + u8::from(is_sampled)));
        let came = trace(&[("traceparent", &value)]);
        prop_assert_eq!(came.context.trace, context.trace);
        prop_assert_eq!(came.parent, Some(context.span));
        prop_assert_eq!(came.context.is_random, is_random);
        prop_assert_eq!(came.asked == Asked::Kept, is_sampled);
    }

    #[test]
    fn nothing_that_is_nearly_a_traceparent_is_one(at in 0_usize..55, byte: u8) {
        let mut value = parent("00", TRACE, SPAN, "01").into_bytes();
        let before = value[at];
        value[at] = byte;
        let read = crate::parent::read(&value);
        let is_dash = [2, 35, 52].contains(&at);
        let is_digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        // White space at an end makes it shorter; a version that is not 00 may be read too.
        let is_good = byte == before || !is_dash && is_digit && !(at < 2 && value.starts_with(b"ff"));
        prop_assert_eq!(read.is_some(), is_good, "{}", value.escape_ascii().to_string());
    }
}
