//! Contexts of exchanges: whom they believe, and ids that are unlike all others.

use std::collections::HashSet;

use super::dice::{begin, trace};
use crate::{Asked, Ids, Origin, Told, Trust};

const PARENT: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

#[test]
fn a_stranger_gives_no_trace_no_decision_and_no_state_and_is_remembered() {
    let headers = [PARENT, ("tracestate", "ot=th:8"), ("b3", "d")];
    let trace = begin(&headers, Trust::Nobody);
    assert_eq!((trace.parent, trace.asked), (None, Asked::Nothing));
    assert_eq!((trace.state.threshold(), trace.context.is_random), (None, true));
    assert!(trace.state.text(Told::AsCame).is_empty());
    let (before, span) = trace.before.unwrap();
    assert_eq!(before.number(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!(span.number(), 0x00f0_67aa_0ba9_02b7);
    assert_ne!(trace.context.trace, before);
    assert_eq!(begin(&[("b3", "d")], Trust::Nobody).asked, Asked::Nothing);
    assert_eq!(begin(&headers, Trust::Callers).before, None);
}

#[test]
fn a_request_without_a_context_begins_a_trace_with_random_bits() {
    let trace = trace(&[("accept", "*/*"), ("baggage", "a=1")]);
    assert_eq!((trace.origin, trace.parent, trace.before), (Origin::Here, None, None));
    assert!(trace.context.is_random && !trace.context.is_sampled);
}

#[test]
fn a_state_of_too_many_headers_is_dropped_and_empty_ones_do_not_count() {
    let one = ("tracestate", "a=1");
    let names: Vec<String> = (0..33).map(|number| format!("k{number}=1")).collect();
    let many: Vec<_> = names.iter().map(|member| ("tracestate", member.as_str())).collect();
    let sent = |headers: &[(&str, &str)]| trace(headers).state.text(Told::AsCame).as_bytes().len();
    assert_ne!(sent(&[&[PARENT], &many[..32]].concat()), 0);
    assert_eq!(sent(&[&[PARENT], &many[..]].concat()), 0);
    let empty = [("tracestate", " ")];
    assert_eq!(sent(&[&[PARENT, one], empty.repeat(100).as_slice()].concat()), 3);
}

#[test]
fn randomness_is_the_end_of_the_id_unless_the_state_has_another() {
    let by_id = trace(&[PARENT]).randomness();
    let other = trace(&[PARENT, ("tracestate", "ot=rv:ce929d0e0e4736")]).randomness();
    assert_eq!(by_id, other);
    assert_ne!(
        by_id,
        trace(&[PARENT, ("tracestate", "ot=rv:ce929d0e0e4737")]).randomness()
    );
}

#[test]
fn ids_repeat_for_the_same_seed_alone() {
    let ids = |seed| {
        let mut ids = Ids::new(seed);
        (0..4).map(|_| (ids.trace(), ids.span())).collect::<Vec<_>>()
    };
    assert_eq!(ids([1, 2, 3, 4]), ids([1, 2, 3, 4]));
    // Seeds that differ little, and none at all, still give ids of their own.
    let seeds = [[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [1, 2, 3, 4], [u64::MAX; 4]];
    let mut seen = HashSet::new();
    for (trace, span) in seeds.into_iter().flat_map(ids) {
        assert!(seen.insert(trace.number()) && seen.insert(u128::from(span.number())));
    }
}

#[test]
fn a_million_ids_are_a_million_and_each_bit_is_set_in_half_of_them() {
    let mut ids = Ids::new([0; 4]);
    let mut spans = HashSet::with_capacity(1 << 20);
    let mut bits = [0_u32; 128];
    for _ in 0..1 << 20 {
        spans.insert(ids.span());
        let trace = ids.trace().number();
        for (bit, count) in bits.iter_mut().enumerate() {
            *count += u32::from(trace >> bit & 1 == 1);
        }
    }
    assert_eq!(spans.len(), 1 << 20);
    // Five deviations of 512 around the half.
    for (bit, count) in bits.into_iter().enumerate() {
        assert!(count.abs_diff(1 << 19) < 2_560, "bit {bit}: {count}");
    }
}
