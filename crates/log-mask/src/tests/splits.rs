//! The same comes out however a text is cut, and little is held.

use super::{draft, masked, rules};
use crate::class::Class;
use crate::field::{Fields, Untrusted};
use crate::masker::{Masker, Syntax};
use crate::rules::Rules;
use crate::window::HELD_BYTES_MAX;
use proptest::prelude::*;
use std::sync::Arc;

const SYNTAXES: [Syntax; 7] = [
    Syntax::Text,
    Syntax::Json,
    Syntax::JsonLines,
    Syntax::Events,
    Syntax::Query,
    Syntax::Target,
    Syntax::Loose,
];

/// Values, beginnings of values, and what stands around them.
const KNOWN: &[&str] = &[
    "13812345678",
    "+86 ",
    "138-1234-5678",
    "11010519491231002X",
    "4111 1111 1111 1111",
    "6222021234567890128",
    "a@b.com",
    "alice@example.co",
    "DE89 3704 0044 0532 0130 00",
    "2001:db8::1",
    "203.0.113.77",
    "sk-",
    "a1b2c3d4e5f6a1b2c3d4e5f6",
    "eyJhbGciOiJI",
    ".eyJ",
    "ghp_",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "project falcon",
    "猎鹰计划",
    "%31",
    "%2B86",
    "+1 415-555-2671",
    "+4915112345678",
    "%",
    "%EF%BC%91",
    "１３８１２３４５６７８",
    "\u{3000}",
    "\u{2011}",
    "E12345678",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    "LTAI5tAbCdEfGhIjKlMn",
    "DE89370400440532013000",
    "138 1234 5678",
    "86 ",
    "10.1.2.3",
    "AKIA",
    "AIza",
    "xoxb-",
    "glpat-",
    "github_pat_",
    "GOCSPX-",
    "QWERTYUIOP234567",
    "AccountKey=",
    "ya29.",
    "Bearer ",
    "8Q~",
    "sig=",
    "emp-0042",
    "?",
    "&",
    "=",
    "#",
    "\\u0031",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\u4f60",
    "\\\"",
    "\\",
    "\"",
    "\"password\":",
    "{\"a\":",
    "[",
    "]",
    "}",
    ",",
    ":",
    "data: ",
    "id: ",
    "event:",
    "\n",
    "\r\n",
    "\r",
    " ",
    "true",
    "null",
    "-1.5e3",
    "0",
    "..",
    "@",
    "-",
    "x",
    "é",
];

/// Parts of which texts are made that come near to everything.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(KNOWN).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![8 => known, 1 => prop::collection::vec(any::<u8>(), 0..4), 1 => "[0-9 -]{1,22}".prop_map(String::into_bytes)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..24).prop_map(|parts| parts.concat())
}

fn pieces<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

/// Everything but words of the operator's own, which are sought byte by byte; with them, and without the keys of queries.
fn wordless() -> Arc<Rules> {
    let draft = draft().without(Class::Word).without(Class::Pattern);
    Arc::new(draft.query_names(["sig"]).finish().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_same_comes_out_however_a_text_is_cut(text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8), has_words in any::<bool>()) {
        let rules = if has_words { rules() } else { wordless() };
        // Behind so much that the sieve is asked for all of it, and not every place is looked at.
        let far = [text.as_slice(), b" and so on".repeat(10).as_slice()].concat();
        for syntax in [Syntax::Text, Syntax::Loose, Syntax::Query] {
            let whole = masked(&rules, syntax, &[&far]);
            let bytes: Vec<&[u8]> = far.chunks(1).collect();
            prop_assert_eq!(whole, masked(&rules, syntax, &bytes), "{:?}, byte by byte, far from its end", syntax);
        }
        for syntax in SYNTAXES {
            let whole = masked(&rules, syntax, &[&text]);
            prop_assert_eq!(&whole, &masked(&rules, syntax, &pieces(&text, &cuts)), "{:?}", syntax);
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            prop_assert_eq!(&whole, &masked(&rules, syntax, &bytes), "{:?}, byte by byte", syntax);
        }
    }

    #[test]
    fn a_value_of_a_record_comes_out_as_a_text_that_goes_by(text in text(), has_words in any::<bool>()) {
        let rules = if has_words { rules() } else { wordless() };
        let mut fields = Fields::new(Arc::clone(&rules));
        for (value, syntax) in [
            (Untrusted::Text(&text), Syntax::Loose),
            (Untrusted::Target(&text), Syntax::Target),
            (Untrusted::Query(&text), Syntax::Query),
            (Untrusted::Json(&text), Syntax::Json),
        ] {
            let mut out = Vec::new();
            fields.append(value, &mut out);
            prop_assert_eq!(out, masked(&rules, syntax, &[&text]), "{:?}", syntax);
        }
    }

    #[test]
    fn nothing_is_held_for_long(text in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        // Where nothing is looked for, what has not come out is held.
        let rules = Arc::new(crate::rules::Draft::default().finish().unwrap());
        for syntax in SYNTAXES {
            prop_assert_eq!(&text, &masked(&rules, syntax, &pieces(&text, &cuts)), "{:?}", syntax);
            let mut masker = Masker::new(Arc::clone(&rules), syntax);
            let mut out = Vec::new();
            masker.push(&text, &mut out);
            prop_assert!(text.len() - out.len() <= 64, "{:?}: {} of {}", syntax, out.len(), text.len());
        }
    }

    #[test]
    fn json_stays_json_of_the_same_form(value in json(4)) {
        let rules = Arc::new(draft().finish().unwrap());
        let text = serde_json::to_string(&value).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let out = masked(&rules, Syntax::Json, &[text.as_bytes()]);
        let masked: serde_json::Value = serde_json::from_slice(&out).unwrap();
        prop_assert!(is_alike(&value, &masked), "{value} {masked}");
    }
}

fn json(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just(String::from("13812345678")),
        Just(String::from("a \"quoted\" alice@example.com \\ 猎鹰计划")),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        Just(13_812_345_678_u64.into()),
        any::<f64>().prop_filter_map("no number", |number| Some(serde_json::Number::from_f64(number)?.into())),
        text.clone().prop_map(Into::into),
    ];
    leaf.prop_recursive(depth, 40, 6, move |inner| {
        let name = prop_oneof![Just(String::from("password")), text.clone()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((name, inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same names and lists; a text for a text or a number.
fn is_alike(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object, String};
    match (one, other) {
        (Array(one), Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
        }
        (Object(one), Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, one)| other.get(name).is_some_and(|other| is_alike(one, other)))
        }
        (String(_) | Number(_), String(_)) => true,
        (one, other) => one == other,
    }
}

#[test]
fn what_is_held_is_bounded_whatever_comes() {
    let rules = rules();
    for (syntax, begin, unit) in [
        (Syntax::Text, "", "eyJ"),
        (Syntax::Text, "", "1"),
        (Syntax::Text, "", "a."),
        (Syntax::Text, "sk-", "a1"),
        (Syntax::Text, "", "4111 "),
        (Syntax::Text, "", "-----BEGIN "),
        (Syntax::Json, "{\"a\":\"", "\\u0031"),
        (Syntax::Json, "{\"password\":\"", "x"),
        (Syntax::Json, "{\"a\":", "1"),
        (Syntax::Json, "{\"", "x"),
        (Syntax::Events, "data: ", "eyJ"),
        (Syntax::Events, "", "x"),
    ] {
        let mut masker = Masker::new(Arc::clone(&rules), syntax);
        let mut out = Vec::new();
        masker.push(begin.as_bytes(), &mut out);
        let mut sent = begin.len();
        for round in 0..4_000 {
            masker.push(unit.as_bytes(), &mut out);
            sent += unit.len();
            let is_swallowed = begin.contains("sk-") || begin.contains("password");
            assert!(
                is_swallowed || sent - out.len() <= 6 * HELD_BYTES_MAX,
                "{unit}: {round}: {sent} {}",
                out.len()
            );
        }
    }
}
