//! What is found of each class, and what looks like it and is not.

use super::{draft, text, told};
use crate::class::Class;
use crate::masker::Syntax;
use crate::rules::{Action, Draft};
use std::sync::Arc;

#[track_caller]
fn table(rows: &[(&str, &str)]) {
    for (before, after) in rows {
        assert_eq!(text(before), *after, "{before}");
    }
}

#[test]
fn mobile_numbers_are_found_and_other_numbers_are_not() {
    table(&[
        ("call 13812345678.", "call 138****5678."),
        ("电话13812345678号", "电话138****5678号"),
        ("tel13812345678", "tel138****5678"),
        ("+8613812345678", "+86138****5678"),
        ("+86 138-1234-5678", "+86 138-****-5678"),
        ("0086 13812345678", "0086 138****5678"),
        ("8613812345678", "86138****5678"),
        ("138 1234 5678", "138 **** 5678"),
        ("13812345678 13912345678", "138****5678 139****5678"),
        ("12812345678", "12812345678"),
        ("138123456789", "138123456789"),
        ("0.13812345678", "0.13812345678"),
        ("a13812345678b", "a13812345678b"),
        ("13812345678.5", "13812345678.5"),
    ]);
}

#[test]
fn residents_are_found_by_province_date_and_check_character() {
    table(&[
        ("id 11010519491231002X!", "id 110***********002X!"),
        ("id 11010519491231002x", "id 110***********002x"),
        ("440524188001010014", "440524188001010014"),
        ("440524198001010013", "440***********0013"),
        ("110105194912310021", "110105194912310021"),
        ("110105194902300023", "110105194902300023"),
        ("990105194912310029", "990105194912310029"),
    ]);
}

#[test]
fn cards_are_found_by_issuer_length_and_check_digit() {
    table(&[
        ("4111111111111111", "411111******1111"),
        ("4111 1111 1111 1111", "4111 11** **** 1111"),
        ("4111-1111-1111-1111", "4111-11**-****-1111"),
        ("4111 1111 1111 1111 12/26", "4111 11** **** 1111 12/26"),
        ("378282246310005", "378282*****0005"),
        ("3782 822463 10005", "3782 82**** *0005"),
        ("5555555555554444", "555555******4444"),
        ("6222021234567890128", "622202*********0128"),
        ("6222021234567890126", "6222021234567890126"),
        ("4111111111111112", "4111111111111112"),
        ("1765432109876", "1765432109876"),
        ("1765432109876543", "1765432109876543"),
        ("1765432109876543210", "1765432109876543210"),
        (
            "00004111-1111-1111-1111-000000000000",
            "00004111-1111-1111-1111-000000000000",
        ),
        ("4bf92f4111111111111111736", "4bf92f4111111111111111736"),
    ]);
}

#[test]
fn addresses_of_people_and_banks_are_found() {
    table(&[
        ("mail alice@example.com.", "mail a***@example.com."),
        ("<a.b+c@sub.example.co.uk>", "<a***@sub.example.co.uk>"),
        ("发到alice@example.cn谢谢", "发到a***@example.cn谢谢"),
        ("a@b.com-foo", "***@b.com-foo"),
        ("user@localhost", "user@localhost"),
        ("a@b.1", "a@b.1"),
        ("@example.com", "@example.com"),
        ("DE89370400440532013000", "DE89**************3000"),
        ("DE89 3704 0044 0532 0130 00", "DE89 **** **** **** **30 00"),
        ("GB82WEST12345698765432", "GB82**************5432"),
        ("DE89370400440532013001", "DE89370400440532013001"),
        ("XDE89370400440532013000", "XDE89370400440532013000"),
    ]);
}

#[test]
fn addresses_of_machines_keep_their_network() {
    table(&[
        ("from 203.0.113.77:80", "from 203.0.113.0:80"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("v1.2.3.4", "v1.2.3.4"),
        ("2001:db8:1:2::5.", "2001:db8:1::."),
        ("[2001:db8:1:2::5]:80", "[2001:db8:1::]:80"),
        ("::ffff:203.0.113.77", "::ffff:203.0.113.0"),
        ("12:34:56", "12:34:56"),
        ("std::string", "std::string"),
    ]);
}

#[test]
fn secrets_are_found_by_their_form() {
    let long = "a1".repeat(18);
    for secret in [
        format!("ghp_{long}"),
        format!("github_pat_{long}_{long}"),
        String::from("AKIAIOSFODNN7EXAMPLE"),
        format!("sk-proj-{long}"),
        format!("xoxb-1234-{long}"),
        String::from("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1"),
        String::from("eyJhbGciOiJkaXIiLCJlbmMi.QR1.iv.text.tag"),
        String::from("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE+/=\n-----END EC PRIVATE KEY-----"),
    ] {
        assert_eq!(text(&format!("a {secret} b")), "a [REDACTED] b", "{secret}");
    }
    table(&[
        ("sk-a-class-of-a-style-sheet", "sk-a-class-of-a-style-sheet"),
        ("AKIAIOSFODNN7EXAMPLES", "AKIAIOSFODNN7EXAMPLES"),
        ("eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9"),
        ("eyJ.a.b", "eyJ.a.b"),
        (
            "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----",
        ),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig. And", "[REDACTED]. And"),
    ]);
}

#[test]
fn a_secret_that_is_longer_than_what_is_held_is_masked_to_its_end() {
    let long = "a1".repeat(10_000);
    assert_eq!(text(&format!("x sk-{long} 13812345678")), "x [REDACTED] 138****5678");
    let token = format!("eyJhbGciOiJIUzI1NiJ9.eyJ{long}.{long}");
    assert_eq!(text(&format!("{token} x")), "[REDACTED] x");
    let key = format!("-----BEGIN PRIVATE KEY-----\n{long}\n-----END PRIVATE KEY-----");
    assert_eq!(text(&format!("{key}\nx")), "[REDACTED]\nx");
    assert_eq!(text("-----BEGIN PRIVATE KEY-----\nabc\u{4f60}x"), "[REDACTED]\u{4f60}x");
}

#[test]
fn words_are_found_wherever_they_stand() {
    table(&[
        ("on project falcons", "on [REDACTED]s"),
        ("关于猎鹰计划的", "关于[REDACTED]的"),
        ("project falco", "project falco"),
    ]);
}

#[test]
fn a_digest_is_the_same_however_a_number_is_written() {
    let digest = |message: &[u8]| {
        let mut sum = [0; 32];
        for (place, byte) in message.iter().enumerate() {
            sum[place % 8] ^= byte;
        }
        sum
    };
    let draft = Draft::default().class(Class::PhoneCn, Action::Hash);
    let rules = Arc::new(draft.digest(Box::new(digest)).finish().unwrap());
    let one = told(&rules, Syntax::Text, "13812345678");
    assert!(one.starts_with("phone_cn:") && one.len() == 41, "{one}");
    assert_eq!(told(&rules, Syntax::Text, "138-1234-5678"), one);
    assert_eq!(told(&rules, Syntax::Text, "+86 13812345678"), format!("+86 {one}"));
    assert_ne!(told(&rules, Syntax::Text, "13812345679"), one);
    let unkeyed = Draft::default().class(Class::Email, Action::Hash).finish();
    assert_eq!(unkeyed.unwrap_err().code(), "mask.unkeyed");
}

#[test]
fn what_is_kept_never_shows_all_of_it() {
    for (first, last, shown) in [
        (3, 4, "138****5678"),
        (11, 0, "***********"),
        (6, 5, "***********"),
        (0, 0, "***********"),
    ] {
        let draft = Draft::default().class(Class::PhoneCn, Action::Partial { first, last });
        let rules = Arc::new(draft.finish().unwrap());
        assert_eq!(told(&rules, Syntax::Text, "13812345678"), shown);
    }
}

#[test]
fn rules_that_cannot_be_say_why() {
    let word = |word: &str| draft().words(&[word.to_owned()], false).map(|_| ()).unwrap_err();
    assert_eq!(word("ab").code(), "mask.word");
    assert_eq!(word(&"a".repeat(257)).code(), "mask.word");
    let many: Vec<String> = (0..201).map(|number| format!("word{number}")).collect();
    assert_eq!(
        draft().words(&many, false).map(|_| ()).unwrap_err().code(),
        "mask.words"
    );
    assert_eq!(draft().mask_path("a..b").map(|_| ()).unwrap_err().code(), "mask.path");
    let paths = (0..65).try_fold(draft(), |draft, number| draft.skip_path(&format!("a{number}")));
    assert_eq!(paths.map(|_| ()).unwrap_err().to_string(), "more than 64 paths");
}
