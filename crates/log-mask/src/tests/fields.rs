//! Values of records: headers, addresses, queries, texts with parts of others in them; packs, reports, and no allocation without a find.

use super::draft;
use crate::class::Class;
use crate::field::{Fields, Shown, Untrusted};
use crate::masker::{Masker, Syntax};
use crate::pack::{PACKS, pack};
use crate::rules::{Action, Draft, QUERY_NAMES, SECRET_HEADERS, SECRET_NAMES};
use std::sync::Arc;

fn fields(draft: Draft) -> Fields {
    let draft = draft
        .headers(SECRET_HEADERS.iter().copied())
        .query_names(QUERY_NAMES.iter().copied());
    Fields::new(Arc::new(draft.finish().unwrap()))
}

/// What a text is taken for.
type Kind = fn(&[u8]) -> Untrusted<'_>;

fn shown(fields: &mut Fields, value: Untrusted<'_>) -> String {
    let mut out = Vec::new();
    fields.append(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn of_a_value_that_was_cut_nothing_is_shown_that_the_rest_would_hide() {
    let mut fields = fields(draft());
    let json = br#"{"to":13812345678,"password":"hunter2","card":"4111 1111 1111 1111","id":"11010519491231002X","by":"a@b.example"}"#;
    let form = &b"tel=13812345678&access_token=abcdef&card=4111+1111+1111+1111&by=alice%40example.com"[..];
    let text = &b"call 13812345678, card 4111-1111-1111-1111, id 11010519491231002X, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl, 1"[..];
    let kinds: [(&[u8], Kind); 4] = [
        (json, |value| Untrusted::Json(value)),
        (form, |value| Untrusted::Query(value)),
        (text, |value| Untrusted::Text(value)),
        (b"/a/13812345678?sig=abcdef&tel=13812345678#x", |value| {
            Untrusted::Target(value)
        }),
    ];
    for (bytes, kind) in kinds {
        let whole = shown(&mut fields, kind(bytes));
        for end in 0..=bytes.len() {
            let mut out = Vec::new();
            fields.append_beginning(kind(&bytes[..end]), &mut out);
            let beginning = String::from_utf8(out).unwrap();
            assert!(whole.starts_with(&beginning), "{beginning} of {whole}");
        }
        let mut out = Vec::new();
        assert_eq!(fields.append_beginning(kind(bytes), &mut out), Shown::Masked);
        assert!(out.len() > bytes.len() / 2, "{}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn queries_are_masked_by_key_and_value_and_stay_queries() {
    let mut fields = fields(draft());
    for (before, after) in [
        ("/a?sig=abc&x=1", "/a?sig=REDACTED&x=1"),
        ("/a?X-Amz-Signature=a%20b&b=c#f", "/a?X-Amz-Signature=REDACTED&b=c#f"),
        (
            "/a?AWSAccessKeyId=x&pass%77ord=y",
            "/a?AWSAccessKeyId=REDACTED&pass%77ord=REDACTED",
        ),
        ("/users/alice%40example.com?q=1", "/users/a***@example.com?q=1"),
        ("/p?phone=%2B8613812345678&n=2", "/p?phone=%2B86138****5678&n=2"),
        ("/p?phone=+8613812345678", "/p?phone=+86138****5678"),
        ("/p?card=4111+1111+1111+1111&x", "/p?card=4111%2011**%20****%201111&x"),
        ("/p?c=4111%2D1111%2D1111%2D1111", "/p?c=4111-11**-****-1111"),
        ("/p?%E6%89%8B=%EF%BC%91%33812345678", "/p?%E6%89%8B=138****5678"),
        ("/p?13812345678", "/p?138****5678"),
        ("/p?a=%zz%1&b=%", "/p?a=%zz%1&b=%"),
        ("/cb#access_token=abc&x=y", "/cb#access_token=REDACTED&x=y"),
        ("https://a.b/c?token=", "https://a.b/c?token="),
        ("/13812345678/x", "/138****5678/x"),
    ] {
        assert_eq!(
            shown(&mut fields, Untrusted::Target(before.as_bytes())),
            after,
            "{before}"
        );
    }
    let query = shown(&mut fields, Untrusted::Query(b"sig=a&m=alice%40example.com"));
    assert_eq!(query, "sig=REDACTED&m=a***@example.com");
}

#[test]
fn headers_are_masked_by_name_as_addresses_and_as_texts() {
    let mut fields = fields(draft());
    for (name, before, after) in [
        ("Authorization", "Basic eA==", "[REDACTED]"),
        ("X-API-Key", "k", "[REDACTED]"),
        ("cookie", "", ""),
        ("Referer", "https://a.b/?sig=k&x=y", "https://a.b/?sig=REDACTED&x=y"),
        ("x-who", "alice%40example.com", "a***@example.com"),
        (
            "x-who",
            r"{\u0022m\u0022:\u0022alice\u0040example.com\u0022}",
            r"{\u0022m\u0022:\u0022a***@example.com\u0022}",
        ),
        ("x-path", r"C:\users\13812345678", r"C:\users\138****5678"),
        ("x-auth", "Bearer abcdef0123456789abc", "Bearer [REDACTED]"),
    ] {
        let value = Untrusted::Header {
            name: name.as_bytes(),
            value: before.as_bytes(),
        };
        assert_eq!(shown(&mut fields, value), after, "{name}: {before}");
    }
}

#[test]
fn what_is_dropped_leaves_nothing_and_says_so() {
    let mut fields = fields(
        draft()
            .class(Class::Key, Action::Drop)
            .class(Class::Email, Action::Drop),
    );
    let mut out = Vec::new();
    let secret = Untrusted::Named {
        name: b"Pass-Word",
        value: b"x",
    };
    assert_eq!(fields.append(secret, &mut out), Shown::Dropped);
    assert_eq!(
        fields.append(Untrusted::Text(b"to alice@example.com now"), &mut out),
        Shown::Masked
    );
    assert_eq!(fields.append(Untrusted::Text(b" and on"), &mut out), Shown::AsItIs);
    assert_eq!(out, b"to  now and on");
    let counts: Vec<(Class, u64)> = fields.take_counts().found().collect();
    assert_eq!(counts, [(Class::Email, 1), (Class::Key, 1)]);
    assert_eq!(fields.take_counts().total(), 0);
}

#[test]
fn json_that_was_cut_off_is_masked_as_far_as_it_goes() {
    let mut fields = fields(draft());
    let json = Untrusted::Json(br#"{"password":"hunter2","n":13812345678,"t":"call 13812345678"#);
    let after = r#"{"password":"[REDACTED]","n":"138****5678","t":"call 138****5678"#;
    assert_eq!(shown(&mut fields, json), after);
    assert_eq!(shown(&mut fields, Untrusted::Json(b"[1]")), "[1]");
}

#[test]
fn a_report_tells_where_something_was_and_not_what() {
    let rules = Arc::new(draft().finish().unwrap());
    for (syntax, text, places) in [
        (
            Syntax::Text,
            "a 13812345678, x alice@example.com. １３８１２３４５６７８ sk-a1b2c3d4e5f6g7h8i9j0k1 z 13812345678",
            &[
                "13812345678",
                "alice@example.com",
                "１３８１２３４５６７８",
                "sk-a1b2c3d4e5f6g7h8i9j0k1",
                "13812345678",
            ][..],
        ),
        (
            Syntax::Json,
            r#"{"a":"\u003138\u0031234567\u0038","n":13812345678,"password":"a\"b","secret":15,"z":"a@b.com"}"#,
            &[r"\u003138\u0031234567\u0038", "13812345678", r#"a\"b"#, "15", "a@b.com"],
        ),
        (
            Syntax::Target,
            "/x?a=%31%338+1234+5678&password=%41b&z=13812345678",
            &["%31%338+1234+5678", "%41b", "13812345678"],
        ),
    ] {
        for length in [1, 7, text.len()] {
            let mut masker = Masker::reporting(Arc::clone(&rules), syntax);
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(length) {
                masker.push(piece, &mut out);
                // Whoever takes what is written away changes nothing of where things are.
                out.clear();
            }
            masker.finish(&mut out);
            let report = masker.report();
            let found: Vec<&str> = report
                .findings
                .iter()
                .map(|finding| {
                    let from = finding.offset_bytes as usize;
                    &text[from..from + finding.length_bytes as usize]
                })
                .collect();
            assert_eq!(found, places, "{syntax:?} in pieces of {length}");
            assert_eq!(report.counts.total(), places.len() as u64);
        }
    }
}

#[test]
fn packs_hide_what_they_are_for() {
    for known in PACKS {
        let mut fields = Fields::new(Arc::new(Draft::default().pack(known).finish().unwrap()));
        for row in known.rows {
            assert!(!row.source.is_empty());
        }
        let key = shown(&mut fields, Untrusted::Text(b"LTAI5tAbCdEfGhIjKlMn"));
        assert_eq!(key, "[REDACTED]", "{}", known.name);
        let card = shown(&mut fields, Untrusted::Text(b"4111111111111111"));
        assert_eq!(card, "411111******1111", "{}", known.name);
    }
    let mut fields = Fields::new(Arc::new(
        Draft::default().pack(pack("mlps3").unwrap()).finish().unwrap(),
    ));
    let json = r#"{"姓名":"张三","t":"11010519491231002X 13812345678 E12345678"}"#;
    let after = r#"{"姓名":"[REDACTED]","t":"110***********002X 138****5678 E******78"}"#;
    assert_eq!(shown(&mut fields, Untrusted::Json(json.as_bytes())), after);
    let mut fields = Fields::new(Arc::new(Draft::default().pack(pack("gdpr").unwrap()).finish().unwrap()));
    assert_eq!(shown(&mut fields, Untrusted::Text(b"203.0.113.77")), "203.0.113.0");
    assert!(pack("none").is_none());
    assert!(SECRET_NAMES.len() > 10);
}

#[cfg(feature = "patterns")]
#[test]
fn regular_expressions_are_found_and_those_without_a_bound_are_refused() {
    let patterns = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        draft().patterns(&texts)
    };
    let rules = Arc::new(
        patterns(&[r"emp-[0-9]{4,6}", r"(?i)proj(?:ect)? x{1,3}"])
            .unwrap()
            .finish()
            .unwrap(),
    );
    for (before, after) in [
        ("id emp-0042, emp-123", "id [REDACTED], emp-123"),
        ("emp-0042 emp-1234567", "[REDACTED] [REDACTED]7"),
        ("PROJECT XX!", "[REDACTED]!"),
        ("13812345678 emp-0042", "138****5678 [REDACTED]"),
    ] {
        assert_eq!(super::told(&rules, Syntax::Text, before), after, "{before}");
    }
    for (pattern, code) in [
        ("a+", "mask.pattern"),
        ("a*", "mask.pattern"),
        ("(", "mask.pattern"),
        (r"\bab\b", "mask.automaton"),
    ] {
        assert_eq!(patterns(&[pattern]).map(|_| ()).unwrap_err().code(), code, "{pattern}");
    }
    assert_eq!(patterns(&["a"; 65]).map(|_| ()).unwrap_err().code(), "mask.patterns");
}

#[test]
fn a_class_of_a_pack_can_be_left_out() {
    let draft = || Draft::default().pack(pack("gdpr").unwrap());
    let both = "alice@example.com 192.0.2.7";
    let mut with = fields(draft());
    assert_eq!(
        shown(&mut with, Untrusted::Text(both.as_bytes())),
        "a***@example.com 192.0.2.0"
    );
    let mut without = fields(draft().without(Class::Email).without(Class::Key));
    assert_eq!(
        shown(&mut without, Untrusted::Text(both.as_bytes())),
        "alice@example.com 192.0.2.0"
    );
    let header = Untrusted::Header {
        name: b"x-api-key",
        value: b"eA==",
    };
    assert_eq!(shown(&mut without, header), "eA==");
    assert_eq!(shown(&mut with, header), "[REDACTED]");
}
