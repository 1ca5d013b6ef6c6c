//! Many valid numbers, which are all found, and many stamps and ids, which are not.

mod values;

use super::{masked, rules};
use crate::checksum::{is_card, is_iban};
use crate::class::Class;
use crate::masker::{Masker, Syntax};
use crate::rules::{Action, Draft, Rules};
use std::sync::Arc;
use values::Numbers;

/// How much is tried: a part of it, or all where `MASK_CORPUS` is `whole`.
fn rounds(whole: usize, part: usize) -> usize {
    if std::env::var("MASK_CORPUS").is_ok_and(|size| size == "whole") {
        whole
    } else {
        part
    }
}

/// In percent signs, each sign once in two times.
fn in_address(numbers: &mut Numbers, text: &str) -> String {
    let write = |byte: u8| match byte {
        b' ' if numbers.next(2) == 0 => String::from("+"),
        byte if !b"+ &#%=".contains(&byte) && numbers.next(2) == 0 => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(write).collect()
}

/// In escapes of JSON, each sign once in two times.
fn in_json(numbers: &mut Numbers, text: &str) -> String {
    let write = |byte: u8| match byte {
        b'\n' => String::from("\\n"),
        byte if numbers.next(2) == 0 => char::from(byte).to_string(),
        byte => format!("\\u{byte:04x}"),
    };
    text.bytes().map(write).collect()
}

/// More than what the sieve has not seen enough of.
const BEHIND: &str =
    ", and all that was written behind it and in which there is nothing whatever, but enough of it, and then more.";

#[test]
fn every_valid_value_of_each_class_is_found_in_three_encodings() {
    let mut numbers = Numbers(1);
    for class in Class::ALL
        .into_iter()
        .filter(|class| !matches!(class, Class::Word | Class::Pattern | Class::Key))
    {
        let rules = Arc::new(
            Draft::default()
                .class(class, Action::Redact(String::from("#")))
                .finish()
                .unwrap(),
        );
        let all = super::rules();
        for round in 0..rounds(100_000, 3_000) {
            let value = numbers.value(class);
            let (plain, address, json) = (
                value.clone(),
                in_address(&mut numbers, &value),
                in_json(&mut numbers, &value),
            );
            for (syntax, before, written, after) in [
                // So far from the end that the sieve is asked.
                (Syntax::Text, "no. ", plain, BEHIND),
                (Syntax::Query, "a=", address, "&b=c"),
                (Syntax::Json, "{\"a\":\"", json, "\"}"),
            ] {
                let text = format!("{before}{written}{after}");
                let out = String::from_utf8(masked(&rules, syntax, &[text.as_bytes()])).unwrap();
                let hash = if syntax == Syntax::Query { "%23" } else { "#" };
                let inner = out.strip_prefix(before).and_then(|out| out.strip_suffix(after));
                let kept = inner.and_then(|inner| inner.strip_suffix(hash));
                let is_named = matches!(class, Class::Bearer | Class::CloudKey);
                let is_found = kept.is_some_and(|kept| kept.is_empty() || is_named && written.starts_with(kept));
                assert!(is_found, "{class:?} {round}: {text}: {out}");
                let mut masker = Masker::new(Arc::clone(&all), syntax);
                masker.push(text.as_bytes(), &mut Vec::new());
                masker.finish(&mut Vec::new());
                assert!(
                    masker.counts().total() > 0,
                    "{class:?} with all others, {round}: {text}"
                );
            }
        }
    }
}

#[test]
fn numbers_are_found_in_full_width_and_with_the_usual_signs_between() {
    let mut numbers = Numbers(3);
    let rules = rules();
    for _ in 0..rounds(100_000, 3_000) {
        for class in [Class::PhoneCn, Class::BankCard, Class::ResidentIdCn] {
            let value = numbers.value(class);
            let wide: String = value
                .chars()
                .map(|sign| match sign.to_digit(10) {
                    Some(digit) => char::from_u32(0xff10 + digit).unwrap(),
                    None => sign,
                })
                .collect();
            for text in [format!("号{wide}。"), format!("no {wide}{BEHIND}")] {
                assert_ne!(
                    masked(&rules, Syntax::Text, &[text.as_bytes()]),
                    text.as_bytes(),
                    "{text}"
                );
            }
        }
        let phone = numbers.value(Class::PhoneCn);
        let card = loop {
            let card = numbers.value(Class::BankCard);
            if card.len() == 16 {
                break card;
            }
        };
        for sign in [" ", "-", "\u{a0}", "\u{2011}", "\u{3000}"] {
            let phone = [&phone[..3], &phone[3..7], &phone[7..]].join(sign);
            let card = [&card[..4], &card[4..8], &card[8..12], &card[12..]].join(sign);
            for text in [phone, card] {
                assert_ne!(
                    masked(&rules, Syntax::Text, &[text.as_bytes()]),
                    text.as_bytes(),
                    "{text}"
                );
            }
        }
    }
}

type Maker = fn(&mut Numbers) -> String;

/// Ids and stamps of each kind: so many that one which is taken for something else is one in a million.
const IDS: usize = 1_000_000;

/// What no rule may find.
const KINDS: &[(&str, Maker)] = &[
    ("seconds", |numbers| numbers.second().to_string()),
    ("milliseconds", |numbers| {
        format!("{}{}", numbers.second(), numbers.digits(3))
    }),
    ("microseconds", |numbers| {
        format!("{}{}", numbers.second(), numbers.digits(6))
    }),
    ("nanoseconds", |numbers| {
        format!("{}{}", numbers.second(), numbers.digits(9))
    }),
    ("trace ids", |numbers| numbers.hex(32)),
    ("span ids", |numbers| {
        format!("00-{}-{}-01", numbers.hex(32), numbers.hex(16))
    }),
    ("UUIDs", |numbers| {
        let [a, b, c, d, e] = [8, 4, 3, 3, 12].map(|count| numbers.hex(count));
        format!("{a}-{b}-4{c}-a{d}-{e}")
    }),
];

fn found(rules: &Arc<Rules>, make: Maker, mut numbers: Numbers) -> Vec<String> {
    let texts = (0..IDS).map(|_| format!("{}{BEHIND}", make(&mut numbers)));
    texts
        .filter(|text| masked(rules, Syntax::Text, &[text.as_bytes()]) != text.as_bytes())
        .collect()
}

#[test]
fn stamps_of_time_and_ids_of_traces_are_not_found() {
    let rules = rules();
    // Each kind has a thread and numbers of its own, so that no core waits for another.
    std::thread::scope(|scope| {
        let threads: Vec<_> = (2_u64..)
            .zip(KINDS)
            .map(|(seed, (name, make))| {
                let rules = &rules;
                (name, scope.spawn(move || found(rules, *make, Numbers(seed << 32))))
            })
            .collect();
        for (name, thread) in threads {
            let found = thread.join().unwrap();
            println!("{name}: {} of {IDS}: {found:?}", found.len());
            assert!(found.len() <= 1, "{name}: {} of {IDS}: {found:?}", found.len());
        }
    });
}

/// Of 16 hexadecimal digits all are decimal once in 1,800 times, a fourth of those begins as cards do, and a tenth of those has the right check
/// digit: nothing but what stands around it tells such an id from a card, and it is hidden.
#[test]
fn an_id_of_sixteen_digits_that_is_a_valid_card_is_taken_for_one_and_no_other() {
    let rules = rules();
    let mut numbers = Numbers(4);
    let rounds = rounds(IDS, 100_000);
    let mut found = 0;
    for _ in 0..rounds {
        let id = numbers.hex(16);
        let text = format!("{id}{BEHIND}");
        let is_hidden = masked(&rules, Syntax::Text, &[text.as_bytes()]) != text.as_bytes();
        assert_eq!(
            is_hidden,
            is_card(id.as_bytes()) && id.bytes().all(|byte| byte.is_ascii_digit()),
            "{id}"
        );
        found += usize::from(is_hidden);
    }
    println!("span ids alone: {found} of {rounds}");
}

#[test]
fn account_numbers_of_the_registry_are_valid() {
    for text in [
        "GB82WEST12345698765432",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "LC55HEMM000100010012001200023015",
    ] {
        assert!(is_iban(text.as_bytes()), "{text}");
    }
}
