//! Many valid numbers, which are all found, and many stamps and ids, which are not.

use super::{masked, rules};
use crate::checksum::{is_card, is_iban, is_resident_id};
use crate::masker::Syntax;

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + self.next(10) as u8)).collect()
    }

    fn card(&mut self) -> String {
        let (prefix, length) = [("62", 19), ("62", 16), ("4", 16), ("53", 16), ("34", 15)][self.next(5) as usize];
        let body = format!("{prefix}{}", self.digits(length - prefix.len() - 1));
        let whole = (0..10).map(|digit| format!("{body}{digit}"));
        whole.into_iter().find(|card| is_card(card.as_bytes())).unwrap()
    }

    fn resident(&mut self) -> String {
        let body = format!(
            "44{}19{}0{}1{}{}",
            self.digits(4),
            10 + self.next(90),
            1 + self.next(9),
            self.next(10),
            self.digits(3)
        );
        let whole = "0123456789X".chars().map(|last| format!("{body}{last}"));
        whole.into_iter().find(|id| is_resident_id(id.as_bytes())).unwrap()
    }

    fn phone(&mut self) -> String {
        format!("1{}{}", 3 + self.next(7), self.digits(9))
    }
}

#[test]
fn every_valid_number_of_a_large_corpus_is_found() {
    let rules = rules();
    let mut numbers = Numbers(1);
    for round in 0..33_334 {
        for number in [numbers.phone(), numbers.resident(), numbers.card()] {
            let escaped: String = number
                .bytes()
                .map(|byte| {
                    if byte % 2 == 0 {
                        format!("\\u{byte:04x}")
                    } else {
                        char::from(byte).to_string()
                    }
                })
                .collect();
            for (syntax, text) in [
                (Syntax::Text, format!("no. {number},")),
                (Syntax::Json, format!("{{\"a\":\"{escaped}\"}}")),
            ] {
                let out = masked(&rules, syntax, &[text.as_bytes()]);
                let stars = out.iter().filter(|byte| **byte == b'*').count();
                assert!(stars >= 4, "round {round}: {text}: {}", String::from_utf8_lossy(&out));
            }
        }
    }
}

#[test]
fn stamps_of_time_and_ids_of_traces_are_not_found() {
    let rules = rules();
    let mut numbers = Numbers(2);
    let mut found = 0;
    for _ in 0..300_000 {
        let second = 1_700_000_000 + numbers.next(200_000_000);
        let id: String = (0..32)
            .map(|_| char::from(b"0123456789abcdef"[numbers.next(16) as usize]))
            .collect();
        let (a, b, c, d, e) = (&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
        let text = format!(
            "{second}{} {second}{} {second}{} {id} {a}-{b}-{c}-{d}-{e}",
            numbers.digits(3),
            numbers.digits(6),
            numbers.digits(9)
        );
        found += usize::from(masked(&rules, Syntax::Text, &[text.as_bytes()]) != text.as_bytes());
    }
    assert!(found <= 1, "{found} of 1,500,000");
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
