//! What a look at rules says: how much and where, and never what.

#![allow(clippy::unwrap_used)]

use expect_test::expect;

use super::*;

fn looked(text: &str, packs: &[&str], kind: Kind) -> (Found, String) {
    let packs: Vec<String> = packs.iter().map(|name| (*name).to_owned()).collect();
    let rules = rules(None, &packs).unwrap();
    let mut out = Vec::new();
    let found = mask(
        Masker::reporting(Arc::new(rules), kind.syntax()),
        &mut text.as_bytes(),
        &mut out,
    );
    (found.unwrap(), String::from_utf8(out).unwrap())
}

const TEXT: &str = "no find\nmail to jane.doe@example.com, or\ncall 13812345678 or 13812345679\n";

#[test]
fn places_are_told_and_values_are_not() {
    let (found, masked) = looked(TEXT, &["mlps3"], Kind::Text);
    let said = told(&found, "`a.log`");
    expect![[r#"
        `a.log`: 73 bytes, 3 places would be masked
        email            1
        phone_cn         2
        line 2, offset 16, 20 bytes: email
        line 3, offset 46, 11 bytes: phone_cn
        line 3, offset 61, 11 bytes: phone_cn
    "#]]
    .assert_eq(&said);
    assert!(!said.contains("jane") && !said.contains("5678"));
    assert_eq!(
        masked,
        "no find\nmail to j***@example.com, or\ncall 138****5678 or 138****5679\n"
    );
    assert_eq!(
        object(&found)["places"][1],
        json!({"class": "phone_cn", "line": 3, "offset": 46, "length": 11})
    );
}

#[test]
fn a_value_has_its_place_wherever_the_text_is_cut() {
    // A reader that gives a byte at a time.
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into.get_mut(..1).unwrap())
        }
    }
    let whole = looked(TEXT, &["mlps3"], Kind::Text).0;
    let masker = Masker::reporting(Arc::new(rules(None, &[String::from("mlps3")]).unwrap()), Syntax::Loose);
    let slow = mask(masker, &mut Slow(TEXT.as_bytes()), &mut io::sink()).unwrap();
    assert_eq!((slow.report, slow.lines), (whole.report, whole.lines));
}

#[test]
fn lines_far_behind_are_still_counted() {
    let text = format!("{}13812345678\n", "line\n".repeat(400_000));
    let (found, _) = looked(&text, &["gdpr"], Kind::Text);
    assert_eq!(found.lines, [400_001]);
}

#[test]
fn places_beyond_those_that_are_named_are_counted() {
    let text = "13812345678\n".repeat(FINDINGS_MAX + 7);
    let (found, _) = looked(&text, &["gdpr"], Kind::Text);
    let said = told(&found, "it");
    assert!(
        said.starts_with("it: 120084 bytes, 10007 places would be masked\n"),
        "{said}"
    );
    assert!(said.ends_with("\nand 7 places more\n"), "{said}");
    assert_eq!(found.lines.last(), Some(&10_000));
}

#[test]
fn names_tell_what_is_secret_where_the_text_is_said_to_have_names() {
    let json = "{\"password\": \"open\"}\n{\"password\": 7}\n";
    let key = |kind| looked(json, &["gdpr"], kind).0.report.counts.total();
    assert_eq!((key(Kind::Jsonl), key(Kind::Text)), (2, 0));
    let (found, masked) = looked("a=b&access_token=xyz", &["pci"], Kind::Query);
    assert_eq!(
        (found.report.counts.total(), &*masked),
        (1, "a=b&access_token=REDACTED")
    );
}

#[test]
fn rules_of_a_configuration_are_those_of_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(
        &file,
        "listeners: [{ name: web, listen: '127.0.0.1:0' }]\nlogs:\n  mask: { classes: { phone_cn: redact } }\n",
    )
    .unwrap();
    let rules = rules(Some(&file), &[]).unwrap();
    let mut out = Vec::new();
    mask(
        Masker::reporting(Arc::new(rules), Syntax::Text),
        &mut TEXT.as_bytes(),
        &mut out,
    )
    .unwrap();
    let masked = String::from_utf8(out).unwrap();
    assert!(
        masked.contains("jane.doe@example.com") && masked.contains("call [REDACTED] or [REDACTED]"),
        "{masked}"
    );
}
