//! Requests that are signed, requests that are not, and keys that come later.

use super::*;
use crate::configuration::Configuration;
use crate::exchange::Inbound;
use crate::gate::{Answer, Gate, Verdict};
use crate::keyring::to_hex;
use hmac::{Hmac, Mac};
use sm3::{Digest, Sm3};

const NOW: u64 = 1_767_225_600;
const SECRET: &[u8] = b"a secret of more than 16 bytes";
const EMPTY: &str = "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b";

fn gate(more: &str) -> Gate {
    let text = format!(
        r#"{{"keys":[{{"name":"h","kind":"sm3_hmac","value":"{}"}},{{"name":"h2","kind":"sm3_hmac","value":"{}"}},{{"name":"b","kind":"sm4","value":"{}"}}],
        "verify_request":{{"scheme":"sm3_hmac","keys":["h"],"signed_headers":["x-tenant"]}}{more}}}"#,
        to_hex(SECRET),
        to_hex(b"another secret, nobody may use it"),
        "00".repeat(16)
    );
    Gate::new(Configuration::read(text.as_bytes()).unwrap()).unwrap()
}

/// The headers of a good request with a body of that digest.
fn signed(digest: &str) -> Vec<(&'static str, String)> {
    let text = format!("cofferdam-sm-1\nPOST\n/pay?a=b\n{NOW}\nnonce-0001\n{digest}\nx-tenant:blue");
    let mut mac = Hmac::<Sm3>::new_from_slice(SECRET).unwrap();
    mac.update(text.as_bytes());
    vec![
        (":method", "POST".into()),
        (":path", "/pay?a=b".into()),
        ("x-sm-timestamp", NOW.to_string()),
        ("x-sm-nonce", "nonce-0001".into()),
        ("x-sm-content-sm3", digest.into()),
        ("x-sm-signature", to_hex(&mac.finalize().into_bytes())),
        ("x-tenant", "blue".into()),
        ("content-type", "application/octet-stream; v=1".into()),
    ]
}

fn decide(gate: &mut Gate, headers: &[(&str, String)], has_body: bool, now: u64) -> Result<Inbound, String> {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    match gate.decide(&head(&headers), has_body, now * 1_000) {
        Verdict::Pass(inbound) => Ok(inbound),
        Verdict::Refuse(refusal) => Err(format!("{} {}", refusal.status, refusal.text)),
        Verdict::Wait => Err(String::from("wait")),
    }
}

fn told(headers: &[(&str, String)]) -> String {
    match decide(&mut gate(""), headers, true, NOW) {
        Ok(_) => String::from("pass"),
        Err(why) => why,
    }
}

#[test]
fn a_request_that_is_signed_passes_and_its_body_must_be_the_signed_one() {
    let digest = to_hex(&Sm3::digest(b"body"));
    let mut inbound = decide(&mut gate(""), &signed(&digest), true, NOW).unwrap();
    assert!(inbound.is_held());
    assert_eq!(inbound.whole(b"body").unwrap(), b"body");
    let refusal = inbound.whole(b"bodi").unwrap_err();
    assert_eq!(
        (refusal.status, refusal.text.as_str()),
        (401, "the body is not the one that was signed")
    );
    assert!(decide(&mut gate(""), &signed(EMPTY), false, NOW).is_ok());
    assert_eq!(
        decide(&mut gate(""), &signed(&digest), false, NOW).err().unwrap(),
        "401 the body is not the one that was signed"
    );
}

#[test]
fn a_change_of_anything_that_is_signed_is_refused() {
    let changes = [
        (":method", "PUT"),
        (":path", "/pay?a=c"),
        ("x-sm-nonce", "nonce-0002"),
        ("x-tenant", "red"),
        (
            "x-sm-content-sm3",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("x-sm-signature", "00"),
    ];
    for (name, value) in changes {
        let mut headers = signed(EMPTY);
        headers.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value.into();
        assert_eq!(told(&headers), "401 the signature is wrong", "{name}");
    }
    assert_eq!(told(&signed(EMPTY)), "pass");
}

#[test]
fn a_header_that_is_missing_or_twice_or_not_right_is_refused() {
    for name in [
        "x-sm-timestamp",
        "x-sm-nonce",
        "x-sm-content-sm3",
        "x-sm-signature",
        "x-tenant",
    ] {
        let mut headers = signed(EMPTY);
        headers.retain(|(known, _)| *known != name);
        assert_eq!(told(&headers), format!("401 the header `{name}` is missing"));
        let mut headers = signed(EMPTY);
        headers.push((name, "x".into()));
        assert_eq!(told(&headers), format!("400 the header `{name}` is there twice"));
    }
    for (name, value) in [
        ("x-sm-timestamp", "soon"),
        ("x-sm-nonce", "short"),
        ("x-sm-content-sm3", "ab"),
        ("x-sm-signature", "xyz"),
    ] {
        let mut headers = signed(EMPTY);
        headers.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value.into();
        assert_eq!(told(&headers), format!("401 the header `{name}` is not right"));
    }
}

#[test]
fn the_time_of_signing_is_kept() {
    for (now, expected) in [
        (NOW - 300, true),
        (NOW + 300, true),
        (NOW - 301, false),
        (NOW + 301, false),
    ] {
        assert_eq!(
            decide(&mut gate(""), &signed(EMPTY), true, now).is_ok(),
            expected,
            "{now}"
        );
    }
}

#[test]
fn only_a_key_that_is_listed_may_sign() {
    for (name, expected) in [
        ("h", "pass"),
        ("h2", "401 the key is not known or may not sign"),
        ("b", "401 the key is not known or may not sign"),
    ] {
        let mut headers = signed(EMPTY);
        headers.push(("x-sm-key", name.into()));
        assert_eq!(told(&headers), expected);
    }
}

#[test]
fn sm2_signatures_are_good_in_both_forms_and_in_no_third() {
    // GB/T 32918.5 annex A.2's key; r and s of its example, over another text, are good for nothing.
    let raw = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
    let der = format!("3046022100{}022100{}", &raw[..64], &raw[64..]);
    let form = |form: crate::configuration::Form, text: &str| {
        crate::signing::raw(&hex(text), form).map(|bytes| to_hex(&bytes))
    };
    use crate::configuration::Form::{Any, Der, Raw};
    assert_eq!(form(Any, raw).as_deref(), Some(raw));
    assert_eq!(form(Any, &der).as_deref(), Some(raw));
    assert_eq!(form(Der, &der).as_deref(), Some(raw));
    assert_eq!(form(Der, raw), None);
    assert_eq!(form(Raw, &der), Some(der.clone()));
    let spoilt = [
        format!("{der}00"),
        der.replacen("3046", "308146", 1),
        der.replacen("3046", "3047", 1),
        // A byte too many, a number below 0, a number too long, none.
        format!("30470222000000{}022100{}", &raw[..62], &raw[64..]),
        format!("30450220{}022100{}", &raw[..64], &raw[64..]),
        format!("304802230001{}01022100{}", &raw[..64], &raw[64..]),
        String::from("30040200020101"),
        String::from("3000"),
    ];
    for signature in spoilt {
        assert_eq!(form(Der, &signature), None, "{signature}");
    }
}

#[test]
fn a_signed_body_is_checked_before_it_is_decrypted() {
    let decrypt = r#","decrypt_request":{"mode":"cbc","key":"b"}"#;
    let body = [7; 48];
    let digest = to_hex(&Sm3::digest(body));
    let mut inbound = decide(&mut gate(decrypt), &signed(&digest), true, NOW).unwrap();
    assert!(inbound.is_held());
    assert_eq!(inbound.whole(&[8; 48]).unwrap_err().status, 401);
    assert_eq!(inbound.whole(&body).unwrap_err().status, 400);
    let mut other = signed(&digest);
    other.last_mut().unwrap().1 = "text/plain".into();
    assert_eq!(
        decide(&mut gate(decrypt), &other, true, NOW).err().unwrap(),
        "415 a body must be of type application/octet-stream"
    );
}

#[test]
fn keys_may_be_fetched_and_requests_wait_for_the_first() {
    let text = r#"{"remote_keys":{"upstream":"kms","path":"/k","authority":"kms.example"},"encrypt_response":{"mode":"gcm","key":"b"}}"#;
    let mut gate = Gate::new(Configuration::read(text.as_bytes()).unwrap()).unwrap();
    let now = NOW * 1_000;
    assert_eq!(decide(&mut gate, &[], false, NOW).err().unwrap(), "wait");
    assert!(gate.due(now).is_some() && gate.begin_response(&[0; 12], now).is_none());
    gate.began(Some(4), now);
    assert!(gate.due(now).is_none());
    let answer = |body: &'static str| Answer {
        status: Some("200"),
        cache_control: None,
        body: body.as_bytes(),
    };
    let wrong = answer(r#"{"keys":[{"name":"c","kind":"sm4","value":"secret"}]}"#);
    assert_eq!(
        gate.answered(4, &wrong, now).unwrap_err(),
        "keys were not fetched: `keys[0].value`: is not hex"
    );
    assert_eq!(
        decide(&mut gate, &[], false, NOW).err().unwrap(),
        "503 the keys cannot be fetched now"
    );
    gate.began(Some(8), now + 1_000);
    let lacking = answer(r#"{"keys":[{"name":"c","kind":"sm4","value":"00000000000000000000000000000000"}]}"#);
    assert_eq!(
        gate.answered(8, &lacking, now).unwrap_err(),
        "keys were not fetched: `encrypt_response.key`: there is no key `b` of the kind `sm4`"
    );
    gate.began(Some(12), now + 3_000);
    let right =
        answer(r#"{"keys":[{"name":"b","kind":"sm4","value":"AAAAAAAAAAAAAAAAAAAAAA==","encoding":"base64"}]}"#);
    assert_eq!(gate.answered(12, &right, now + 3_000), Ok(1));
    assert!(decide(&mut gate, &[], false, NOW + 3).is_ok());
    assert!(gate.begin_response(&[0; 12], now + 3_000).is_some());
}
