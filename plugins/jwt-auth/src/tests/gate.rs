//! Keys that are fetched, and several providers.

use super::*;
use crate::gate::Answer;

const POINT: &str = r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#;
/// RFC 7515 A.3's token, of 2011.
const JOE: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const IN_2011: u64 = 1_300_819_000_000;

fn remote() -> Gate {
    gate_of(
        r#"{"providers":[{"name":"joe","algorithms":["ES256"],"remote_jwks":{"upstream":"idp","path":"/keys","authority":"idp.example","bytes_max":4096}}]}"#,
    )
}

fn ask(gate: &mut Gate, token: &str, now: u64) -> String {
    let bearer = format!("Bearer {token}");
    told(&gate.decide(&request(&[("authorization", &bearer)]), now))
}

fn begin(gate: &mut Gate, callout: u32, now: u64) {
    let due: Vec<usize> = gate.due(now).map(|(place, _)| place).collect();
    assert_eq!(due, [0]);
    gate.began(0, callout, now);
}

fn answer(gate: &mut Gate, callout: u32, status: &str, body: &str, now: u64) -> Result<Vec<String>, String> {
    let answer = Answer {
        status: Some(status),
        cache_control: None,
        body: body.as_bytes(),
    };
    gate.answered(callout, &answer, now)
}

#[test]
fn requests_wait_for_the_first_keys() {
    let mut gate = remote();
    assert_eq!((gate.due_at(), ask(&mut gate, JOE, IN_2011)), (Some(0), "wait".into()));
    begin(&mut gate, 4, IN_2011);
    assert_eq!((gate.due_at(), ask(&mut gate, JOE, IN_2011)), (None, "wait".into()));
    let said = answer(&mut gate, 4, "200", &format!(r#"{{"keys":[{{{POINT}}}]}}"#), IN_2011);
    assert_eq!(said.unwrap(), ["provider `joe`: fetched 1 keys"]);
    assert_eq!(ask(&mut gate, JOE, IN_2011), "pass");
    assert_eq!(gate.due_at(), Some(IN_2011 + 450_000));
}

#[test]
fn requests_are_refused_when_there_are_no_keys_to_be_had() {
    let bodies = [
        ("503", "{}", "status 503"),
        ("200", "<html>", "the answer is no JSON, or has a member twice"),
        ("200", "{}", "the answer has no list `keys`"),
        ("200", r#"{"keys":[]}"#, "the answer has no key that can be used: "),
        (
            "200",
            r#"{"keys":[{"kty":"oct","k":"YSBzZWNyZXQgZm9yIHRlc3RzLCBvZiAzMiBieXRlcy4"}]}"#,
            "the answer has no key that can be used: key 0 is a secret, and was fetched",
        ),
        (
            "200",
            &format!("{}{{}}", " ".repeat(4096)),
            "the answer has more than 4096 bytes",
        ),
    ];
    for (status, body, why) in bodies {
        let mut gate = remote();
        begin(&mut gate, 4, IN_2011);
        let said = answer(&mut gate, 4, status, body, IN_2011).unwrap_err();
        assert_eq!(said, format!("provider `joe`: keys were not fetched: {why}"));
        assert_eq!(ask(&mut gate, JOE, IN_2011), "503 the keys cannot be fetched now");
        assert_eq!(gate.due_at(), Some(IN_2011 + 1_000));
    }
}

#[test]
fn a_key_that_is_not_known_is_fetched_once_in_a_while() {
    let mut gate = remote();
    begin(&mut gate, 4, IN_2011);
    let old = format!(r#"{{"keys":[{{"kid":"old",{POINT}}}]}}"#);
    answer(&mut gate, 4, "200", &old, IN_2011).unwrap();
    let header = base64url(br#"{"alg":"ES256","kid":"new"}"#);
    let forged = format!("{header}.{}.AAAA", base64url(br#"{"exp":9999999999}"#));
    // Just fetched: no use in asking again.
    assert_eq!(
        ask(&mut gate, &forged, IN_2011 + 29_000),
        "401 no known key fits the token"
    );
    assert_eq!(ask(&mut gate, &forged, IN_2011 + 30_000), "wait");
    begin(&mut gate, 8, IN_2011 + 30_000);
    let new = format!(r#"{{"keys":[{{"kid":"old",{POINT}}},{{"kid":"new",{POINT}}}]}}"#);
    answer(&mut gate, 8, "200", &new, IN_2011 + 30_000).unwrap();
    assert_eq!(
        ask(&mut gate, &forged, IN_2011 + 30_000),
        "401 the token's signature is wrong"
    );
    assert_eq!(ask(&mut gate, JOE, IN_2011 + 30_000), "pass");
    // A wrong signature by a key that is known is no reason to fetch.
    assert_eq!(
        ask(&mut gate, &forged, IN_2011 + 90_000),
        "401 the token's signature is wrong"
    );
}

#[test]
fn a_fetch_that_fails_leaves_the_keys() {
    let mut gate = remote();
    begin(&mut gate, 4, IN_2011);
    answer(
        &mut gate,
        4,
        "200",
        &format!(r#"{{"keys":[{{{POINT}}}]}}"#),
        IN_2011 - 500_000,
    )
    .unwrap();
    begin(&mut gate, 8, IN_2011);
    assert_eq!(ask(&mut gate, JOE, IN_2011), "pass");
    answer(&mut gate, 8, "500", "", IN_2011).unwrap_err();
    assert_eq!(ask(&mut gate, JOE, IN_2011), "pass");
}

#[test]
fn an_answer_to_another_callout_changes_nothing() {
    let mut gate = remote();
    begin(&mut gate, 4, IN_2011);
    let keys = format!(r#"{{"keys":[{{{POINT}}}]}}"#);
    assert_eq!(answer(&mut gate, 5, "200", &keys, IN_2011), Ok(vec![]));
    assert_eq!(ask(&mut gate, JOE, IN_2011), "wait");
}

#[test]
fn the_issuer_says_whose_keys_count() {
    let other =
        provider(r#","issuer":"b""#).replace(&base64url(SECRET), &base64url(b"another secret, of 32 bytes too."));
    let configuration = format!(r#"{{"providers":[{},{other}]}}"#, provider(r#","issuer":"a""#));
    let mut gate = gate_of(&configuration);
    assert_eq!(told(&decide(&mut gate, &token(r#""iss":"a""#))), "pass");
    assert_eq!(
        told(&decide(&mut gate, &token(r#""iss":"b""#))),
        "401 the token's signature is wrong"
    );
    assert_eq!(
        told(&decide(&mut gate, &token(r#""iss":"c""#))),
        "401 the token is of no known issuer"
    );
}

#[test]
fn of_two_providers_of_an_issuer_one_is_enough() {
    let configuration = format!(
        r#"{{"providers":[{},{}]}}"#,
        provider(r#","audiences":["a"]"#),
        provider(r#","audiences":["b"],"required_claims":[{"claim":"x"}]"#)
    );
    let mut gate = gate_of(&configuration);
    assert_eq!(told(&decide(&mut gate, &token(r#""aud":"a""#))), "pass");
    assert_eq!(told(&decide(&mut gate, &token(r#""aud":"b","x":1"#))), "pass");
    assert_eq!(
        told(&decide(&mut gate, &token(r#""aud":"b""#))),
        "403 the token's claims are not enough"
    );
    assert_eq!(
        told(&decide(&mut gate, &token(r#""aud":"c""#))),
        "401 the token is for another audience"
    );
}
