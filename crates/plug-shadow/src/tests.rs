//! Every kind of difference is found, what is the same is not one, and counts stay within their bounds.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use crate::{Body, Difference, Kind, Message, Rules, Seen, Skipped, Tally, Verdict, compare};

fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn body(text: &str, kept_max: usize) -> Body {
    let mut body = Body::default();
    text.as_bytes().chunks(3).for_each(|piece| body.push(piece, kept_max));
    body
}

fn response(status: &'static str, headers: &[(&'static str, &str)], text: &str) -> Seen {
    Seen {
        response: Some(Message {
            pseudo: vec![(":status", Bytes::from_static(status.as_bytes()))],
            headers: fields(headers),
            body: body(text, 1_000),
            trailers: fields(&[("t", "1")]),
            is_whole: true,
        }),
        ..Seen::default()
    }
}

fn texts(found: &[Difference]) -> Vec<String> {
    found.iter().map(Difference::text).collect()
}

fn differences(control: &Seen, candidate: &Seen) -> Vec<String> {
    texts(&compare(control, candidate, &Rules::default()))
}

#[test]
fn what_is_the_same_is_no_difference() {
    let seen = response("200", &[("a", "1"), ("a", "2")], "body");
    assert_eq!(differences(&seen, &seen.clone()), [""; 0]);
}

#[test]
fn fields_are_told_by_name_as_added_removed_or_changed_and_never_with_their_value() {
    let control = response("200", &[("same", "x"), ("gone", "secret-1"), ("other", "secret-2")], "");
    let candidate = response("200", &[("other", "secret-3"), ("new", "secret-4"), ("same", "x")], "");
    let found = differences(&control, &candidate);
    assert_eq!(
        found,
        [
            "response header `gone` removed",
            "response header `other` changed",
            "response header `new` added"
        ]
    );
    assert!(!found.concat().contains("secret"));
}

#[test]
fn values_are_shown_where_that_is_wanted_and_no_more_than_their_beginning() {
    let long = "v".repeat(500);
    let (control, candidate) = (response("200", &[("a", "1")], ""), response("200", &[("a", &long)], ""));
    let rules = Rules {
        shows_values: true,
        ..Rules::default()
    };
    let found = texts(&compare(&control, &candidate, &rules));
    assert!(found[0].contains("instead of \"1\""), "{found:?}");
    assert!(found[0].len() < 150, "{found:?}");
}

#[test]
fn a_field_that_comes_twice_differs_from_one_with_both_values() {
    let (control, candidate) = (
        response("200", &[("a", "1"), ("a", "2")], ""),
        response("200", &[("a", "1, 2")], ""),
    );
    assert_eq!(differences(&control, &candidate), ["response header `a` changed"]);
}

#[test]
fn ignored_fields_differ_unseen() {
    let (control, candidate) = (
        response("200", &[("date", "1")], ""),
        response("200", &[("date", "2")], ""),
    );
    let rules = Rules {
        ignored: vec![HeaderName::from_static("date")],
        ..Rules::default()
    };
    assert_eq!(compare(&control, &candidate, &rules), []);
    assert_eq!(differences(&control, &candidate).len(), 1);
}

#[test]
fn a_body_is_told_by_its_lengths_and_where_it_differs() {
    let (control, candidate) = (response("200", &[], "abcdef"), response("200", &[], "abcXefgh"));
    let found = differences(&control, &candidate);
    assert_eq!(found, ["response body (differs from byte 3 on, 8 bytes instead of 6)"]);
}

#[test]
fn a_body_that_goes_on_behind_what_is_kept_differs_by_its_length() {
    let mut control = response("200", &[], "");
    let mut candidate = control.clone();
    control.response.as_mut().unwrap().body = body("abcdef", 6);
    candidate.response.as_mut().unwrap().body = body("abcdefghi", 6);
    let found = differences(&control, &candidate);
    assert_eq!(found, ["response body (differs from byte 6 on, 9 bytes instead of 6)"]);
}

#[test]
fn of_a_message_that_broke_off_only_the_head_is_compared() {
    let (control, mut candidate) = (response("200", &[], "abc"), response("201", &[], "xyz"));
    candidate.response.as_mut().unwrap().is_whole = false;
    assert_eq!(differences(&control, &candidate), ["status `:status` changed"]);
}

#[test]
fn verdicts_properties_callouts_trailers_and_pseudo_fields_are_compared() {
    let request = |path: &'static str, trailer: &str| Message {
        pseudo: vec![(":path", Bytes::from_static(path.as_bytes()))],
        trailers: fields(&[("t", trailer)]),
        is_whole: true,
        ..Message::default()
    };
    let control = Seen {
        request: Some(request("/a", "1")),
        properties: [(b"p\0q".to_vec(), Bytes::from_static(b"1"))].into(),
        ..Seen::default()
    };
    let candidate = Seen {
        verdict: Verdict::AnswersResponse(503),
        request: Some(request("/b", "2")),
        strange_callouts: vec!["auth".into(), "auth".into()],
        ..Seen::default()
    };
    assert_eq!(
        differences(&control, &candidate),
        [
            "verdict `answers 503 in place of the response` instead of `goes on`",
            "callout to `auth`",
            "request header `:path` changed",
            "request trailer `t` changed",
            "property `p.q` removed",
        ]
    );
}

#[test]
fn behind_a_fault_nothing_else_is_told() {
    let mut candidate = response("500", &[("a", "1")], "x");
    candidate.fault = Some("plugin.trapped");
    assert_eq!(
        differences(&response("200", &[], ""), &candidate),
        ["fault `plugin.trapped`"]
    );
}

#[test]
fn differences_of_one_exchange_and_their_names_are_bounded() {
    let many = |value: &str| {
        let mut seen = response("200", &[], "");
        let headers = &mut seen.response.as_mut().unwrap().headers;
        for number in 0..1_000 {
            let name = HeaderName::from_bytes(format!("{}-{number}", "n".repeat(1_000)).as_bytes()).unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        seen
    };
    let found = compare(&many("1"), &many("2"), &Rules::default());
    assert!(found.len() <= 32 && found.iter().all(|difference| difference.name.len() < 100));
}

#[test]
fn a_tally_counts_exchanges_once_for_each_kind_and_keeps_few_names_and_examples() {
    let difference = |name: String| Difference {
        kind: Kind::ResponseHeader,
        name,
        detail: String::new(),
    };
    let mut tally = Tally::default();
    for number in 0..1_000 {
        let both = [
            difference(format!("`a-{number}` added")),
            difference("`b` changed".into()),
        ];
        tally.note(&both, || (number.to_string(), "r".into()));
    }
    tally.note(&[], || unreachable!("nothing differs"));
    tally.skip(Skipped::Busy);
    let counts = (
        tally.compared,
        tally.differed,
        tally.kinds[&Kind::ResponseHeader],
        tally.all_skipped(),
    );
    assert_eq!(counts, (1_001, 1_000, 1_000, 1));
    assert!(tally.names.len() <= 65, "{}", tally.names.len());
    assert_eq!(tally.names.values().sum::<u64>(), 2_000);
    assert_eq!(tally.examples.len(), 8);
    assert_eq!(tally.examples[0].request_id, "0");
    assert!(
        tally.words().starts_with("response header `b` changed 1000, "),
        "{}",
        tally.words()
    );
    let (mut sum, part) = (tally.clone(), tally);
    sum.add(part);
    assert_eq!((sum.compared, sum.differed, sum.examples.len()), (2_002, 2_000, 8));
    assert!(sum.names.len() <= 65);
}

proptest! {
    #[test]
    fn bodies_are_the_same_exactly_when_their_bytes_are(one: Vec<u8>, other: Vec<u8>, cut in 1..7_usize) {
        let seen = |bytes: &[u8]| {
            let mut seen = response("200", &[], "");
            let whole = &mut seen.response.as_mut().unwrap().body;
            *whole = Body::default();
            bytes.chunks(cut).for_each(|piece| whole.push(piece, usize::MAX));
            seen
        };
        let found = compare(&seen(&one), &seen(&other), &Rules::default());
        prop_assert_eq!(found.is_empty(), one == other);
        prop_assert!(compare(&seen(&one), &seen(&one), &Rules::default()).is_empty());
    }
}
