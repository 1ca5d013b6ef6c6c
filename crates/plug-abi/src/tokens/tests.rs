//! Ids say their kind and never come twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

const KINDS: [CalloutKind; 4] = [
    CalloutKind::Http,
    CalloutKind::GrpcCall,
    CalloutKind::GrpcStream,
    CalloutKind::Redis,
];

#[test]
fn an_id_says_its_kind() {
    let mut tokens = Tokens::new();
    for kind in KINDS {
        let id = tokens.callout(kind, |_| false).unwrap();
        assert_eq!(CalloutKind::of(id), kind);
    }
    let id = tokens.metric(MetricKind::Histogram, |_| false).unwrap();
    assert_eq!(metric_kind(id), Some(MetricKind::Histogram));
    assert_eq!(metric_kind(7), None);
}

#[test]
fn ids_grow_and_are_never_zero() {
    let mut tokens = Tokens::new();
    let ids: Vec<u32> = (0..3)
        .map(|_| tokens.callout(CalloutKind::Http, |_| false).unwrap())
        .collect();
    assert_eq!(ids, [4, 8, 12]);
}

#[test]
fn an_id_in_use_is_not_given_out_again_after_the_numbers_came_round() {
    let mut tokens = Tokens { next: u32::MAX - 3 };
    assert_eq!(tokens.callout(CalloutKind::Redis, |_| false), Some(u32::MAX));
    assert_eq!(tokens.callout(CalloutKind::Http, |id| id == 4), Some(8));
}

#[test]
fn when_everything_is_taken_there_is_no_id() {
    assert_eq!(Tokens::new().callout(CalloutKind::Http, |_| true), None);
}
