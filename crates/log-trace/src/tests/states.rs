//! `tracestate`: what is a list, what is left of a long one, and the member of OpenTelemetry.

use proptest::prelude::*;

use crate::state::{State, Told};
use crate::{Randomness, Threshold, TraceId};

fn read(values: &[&str]) -> State {
    State::read(values.iter().map(|value| value.as_bytes()))
}

fn sent(state: &State, told: Told) -> String {
    String::from_utf8(state.text(told).as_bytes().to_vec()).unwrap()
}

/// What is handed on of these headers.
fn through(values: &[&str]) -> String {
    sent(&read(values), Told::AsCame)
}

fn threshold(digits: &str) -> Threshold {
    Threshold::read(digits.as_bytes()).unwrap()
}

#[test]
fn a_list_is_handed_on_in_its_order_without_white_space() {
    assert_eq!(through(&["foo=1,bar=2"]), "foo=1,bar=2");
    assert_eq!(through(&["foo=1 \t , \t bar=2, \t baz=3"]), "foo=1,bar=2,baz=3");
    assert_eq!(through(&["\t foo=1 \t"]), "foo=1");
    // A space before a value is the value's own.
    assert_eq!(through(&["foo= 1 2 ,bar=2"]), "foo= 1 2,bar=2");
    assert_eq!(
        through(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]),
        "foo=1,bar=2,rojo=1,congo=2,baz=3"
    );
    assert_eq!(through(&["foo=1", ""]), "foo=1");
    assert_eq!(through(&["", " ,\t,", "foo=1,,bar=2,"]), "foo=1,bar=2");
    assert_eq!(through(&[""]), "");
}

#[test]
fn every_allowed_character_is_handed_on() {
    let key = "0abcdefghijklmnopqrstuvwxyz0123456789_-*/@9";
    let value: String = (b' '..=b'~')
        .map(char::from)
        .filter(|letter| !",=".contains(*letter))
        .collect();
    let member = format!("{key}={value}");
    assert_eq!(through(&[&member]), member);
}

#[test]
fn a_list_that_is_not_valid_is_dropped_whole() {
    let long_key = "z".repeat(257);
    let long_value = "v".repeat(257);
    let broken = [
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1",
        "_foo=1",
        "=1",
        "foo",
        "foo=",
        "foo=bar=baz",
        "foo=\u{7f}",
        "foo=é",
        "foo=1\u{1}2",
    ];
    for member in broken
        .into_iter()
        .map(str::to_owned)
        .chain([format!("{long_key}=1"), format!("a={long_value}")])
    {
        assert_eq!(through(&["bar=2", &member]), "", "{member}");
        assert_eq!(through(&[&format!("{member},bar=2")]), "", "{member}");
    }
    // A tab inside is a mistake, one outside is none.
    assert_eq!(through(&["foo=1\t2"]), "");
}

#[test]
fn keys_of_level_2_may_have_at_signs_anywhere_but_first() {
    for member in ["foo@=1", "foo@@bar=1", "foo@bar@baz=1", "0tenant@system=1"] {
        assert_eq!(through(&[member, "bar=2"]), format!("{member},bar=2"));
    }
    let long = format!("{}@v=1", "t".repeat(242));
    assert_eq!(through(&[&long]), long);
}

#[test]
fn of_one_key_the_newest_member_stays() {
    assert_eq!(through(&["foo=1,foo=2,bar=3"]), "foo=1,bar=3");
    assert_eq!(through(&["bar=3,foo=1", "foo=1"]), "bar=3,foo=1");
}

#[test]
fn a_list_has_32_members_at_most() {
    let members: Vec<String> = (1..=33).map(|number| format!("bar{number:02}={number:02}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    assert_eq!(through(&members[..32]), members[..32].join(","));
    assert_eq!(through(&members), "");
    // Empty ones are none.
    assert_eq!(through(&[&members[..32].join(" , ,")]), members[..32].join(","));
}

#[test]
fn a_list_of_512_bytes_is_handed_on_and_a_longer_one_loses_whole_members() {
    // 16 members of 31 bytes and their commas have 511.
    let member = |number: usize| format!("key{number:02}={}", "v".repeat(25));
    let exact: Vec<String> = (0..16).map(member).collect();
    let fits = format!("{}v", exact.join(","));
    assert_eq!(fits.len(), 512);
    assert_eq!(through(&[&fits]), fits);
    // One byte more, and the last goes.
    assert_eq!(through(&[&format!("{fits}v")]), exact[..15].join(","));
    // Long members go first, from the end; 128 bytes are not long.
    let long = format!("long1={}", "x".repeat(123));
    let short = format!("short={}", "x".repeat(122));
    assert_eq!((long.len(), short.len()), (129, 128));
    let list = [long.as_str(), &short, &exact[..9].join(",")].join(",");
    assert_eq!(through(&[&list]), [short.as_str(), &exact[..9].join(",")].join(","));
    let two = format!("{long},a=1,{}", long.replace("long1", "long2"));
    assert_eq!(
        through(&[&two, &exact[..8].join(",")]),
        format!("{long},a=1,{}", exact[..8].join(","))
    );
}

#[test]
fn the_member_of_opentelemetry_is_read() {
    let state = read(&["a=1,ot=th:fd70a4;rv:0123456789abcd;p:8"]);
    assert_eq!(state.threshold(), Some(threshold("fd70a400000000")));
    assert_eq!(
        state.randomness(),
        Some(Randomness::of(TraceId::new(0xff01_2345_6789_abcd).unwrap()))
    );
    for wrong in [
        "ot=th:",
        "ot=th:fd70a40000000000",
        "ot=th:xyz",
        "ot=TH:8",
        "ot=p:8;r:3",
        "ot=th:8;th:8",
        "at=th:8",
    ] {
        assert_eq!(read(&[wrong]).threshold(), None, "{wrong}");
    }
    for wrong in [
        "ot=rv:0123456789abc",
        "ot=rv:0123456789abcde",
        "ot=rv:0123456789abcx",
        "ot=rv:",
    ] {
        assert_eq!(read(&[wrong]).randomness(), None, "{wrong}");
    }
    assert_eq!(read(&["ot=th:FD7"]).threshold(), Some(threshold("fd7")));
    assert_eq!(read(&["ot=th:0"]).threshold(), Some(Threshold::NONE_DROPPED));
}

#[test]
fn a_threshold_that_changes_comes_first_and_leaves_the_rest_alone() {
    let state = read(&["a=1,ot=p:8;th:8;rv:0123456789abcd,b=2"]);
    assert_eq!(sent(&state, Told::AsCame), "a=1,ot=p:8;th:8;rv:0123456789abcd,b=2");
    assert_eq!(
        sent(&state, Told::Threshold(threshold("8"))),
        "a=1,ot=p:8;th:8;rv:0123456789abcd,b=2"
    );
    assert_eq!(
        sent(&state, Told::Threshold(threshold("c"))),
        "ot=p:8;rv:0123456789abcd;th:c,a=1,b=2"
    );
    assert_eq!(sent(&state, Told::Unknown), "ot=p:8;rv:0123456789abcd,a=1,b=2");
    let alone = read(&["a=1,ot=th:8,b=2"]);
    assert_eq!(sent(&alone, Told::Unknown), "a=1,b=2");
    assert_eq!(sent(&read(&["a=1"]), Told::Unknown), "a=1");
    assert_eq!(sent(&State::EMPTY, Told::Threshold(threshold("c"))), "ot=th:c");
}

#[test]
fn our_member_fits_beside_a_full_list() {
    let members: Vec<String> = (0..32)
        .map(|number| format!("k{number:02}={}", "v".repeat(11)))
        .collect();
    let list = members.join(",");
    assert_eq!(list.len(), 511);
    let told = sent(&read(&[&list]), Told::Threshold(threshold("ffffff12345678")));
    assert_eq!(told, format!("ot=th:ffffff12345678,{}", members[..31].join(",")));
    // What is too long for the value of one member is told without a threshold.
    let full = format!("ot=x:{}", "y".repeat(254));
    assert_eq!(sent(&read(&[&full]), Told::Threshold(threshold("c"))), full);
}

proptest! {
    #[test]
    fn whatever_comes_what_goes_out_is_a_list_within_its_limits(values in prop::collection::vec("[a-z0-9=,;: ot@\\-\u{9}]{0,300}", 0..6)) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let out = through(&values);
        prop_assert!(out.len() <= 512);
        prop_assert_eq!(through(&[&out]), out.clone());
        let members: Vec<&str> = out.split(',').filter(|member| !member.is_empty()).collect();
        prop_assert!(members.len() <= 32);
        let mut keys: Vec<_> = members.iter().map(|member| member.split('=').next().unwrap()).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), members.len());
        let told = sent(&read(&values), Told::Threshold(threshold("abc")));
        prop_assert_eq!(read(&[&told]).threshold().is_some() || told.len() > 256, true);
    }

    #[test]
    fn any_bytes_are_read(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..4)) {
        let state = State::read(values.iter().map(Vec::as_slice));
        prop_assert!(state.text(Told::AsCame).as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
}
