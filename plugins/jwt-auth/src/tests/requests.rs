//! What a request looks like after it has passed.

use super::*;
use crate::request::Edit;

/// The headers after the edits, without pseudo-headers but the path.
fn after(headers: &[(&str, &str)], verdict: Verdict) -> Vec<String> {
    let mut request = request(headers).headers;
    let Verdict::Pass(edits) = verdict else {
        panic!("{verdict:?}")
    };
    for edit in edits {
        match edit {
            Edit::Remove(name) => request.retain(|(known, _)| *known != name),
            Edit::Add(name, value) => request.push((name, value)),
            Edit::Set(name, value) => {
                request.retain(|(known, _)| *known != name);
                request.push((name, value));
            }
        }
    }
    let shown = request
        .into_iter()
        .filter(|(name, _)| name == ":path" || !name.starts_with(':'));
    let mut lines: Vec<String> = shown
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value)))
        .collect();
    lines.sort();
    lines
}

fn pass(more: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let verdict = gate(more).decide(&request(headers), NOW * 1_000);
    after(headers, verdict)
}

const CLAIMS: &str = r#","claims_to_headers":[{"claim":"sub","header":"x-user"},{"claim":"a.b","header":"x-roles"}]"#;

#[test]
fn claims_become_headers_and_what_the_client_sent_under_their_names_goes() {
    let bearer = format!("Bearer {}", token(r#""sub":"müller","a":{"b":["x",7,true]}"#));
    let sent = [
        ("authorization", bearer.as_str()),
        ("x-user", "root"),
        ("x-user", "admin"),
        ("x_user", "root"),
        ("x-roles", "admin"),
        ("x-other", "stays"),
    ];
    assert_eq!(
        pass(CLAIMS, &sent),
        [":path: /a?b=c", "x-other: stays", "x-roles: x,7,true", "x-user: müller"]
    );
}

#[test]
fn a_claim_that_cannot_be_told_without_a_doubt_is_left_out_and_the_clients_own_too() {
    let doubtful = [
        r#""sub":{"a":1}"#,
        r#""sub":null"#,
        r#""sub":"a\r\nx-admin: 1""#,
        r#""sub":["a,b"]"#,
        r#""sub":[["a"]]"#,
        r#""sub":" a""#,
    ];
    for claims in doubtful {
        let bearer = format!("Bearer {}", token(claims));
        let lines = pass(CLAIMS, &[("authorization", &bearer), ("x-user", "root")]);
        assert_eq!(lines, [":path: /a?b=c"], "{claims}");
    }
}

#[test]
fn a_token_is_taken_away_from_wherever_it_was() {
    let token = token(r#""sub":"a""#);
    let places = r#","from_headers":[{"name":"x-token"},{"name":"authorization","value_prefix":"bearer "}],"from_params":["t"],"from_cookies":["c"]"#;
    let cases: &[(&[(&str, &str)], &[&str])] = &[
        (&[("x-token", &token)], &[":path: /a?b=c"]),
        (
            &[
                ("authorization", &format!("BEARER  {token}")),
                ("authorization", "Basic x"),
            ],
            &[":path: /a?b=c", "authorization: Basic x"],
        ),
        (&[(":path", &format!("/a?x=1&t={token}&y=2"))], &[":path: /a?x=1&y=2"]),
        (&[(":path", &format!("/a?t={token}"))], &[":path: /a"]),
        (
            &[("cookie", &format!("a=b; c={token}; d=e")), ("cookie", "f=g")],
            &[":path: /a?b=c", "cookie: a=b; d=e", "cookie: f=g"],
        ),
        (&[("cookie", &format!("c={token}"))], &[":path: /a?b=c"]),
    ];
    for (headers, expected) in cases {
        assert_eq!(pass(places, headers), *expected);
    }
    let forwarded = pass(&format!(r#"{places},"forward":true"#), &[("x-token", &token)]);
    assert_eq!(forwarded, [String::from(":path: /a?b=c"), format!("x-token: {token}")]);
}

#[test]
fn the_payload_goes_on_as_it_was_signed() {
    let token = token(r#""sub":"ab""#);
    let payload = token.split('.').nth(1).unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let sent = [("authorization", bearer.as_str()), ("x-payload", "forged")];
    let lines = pass(r#","forward_payload_header":"x-payload""#, &sent);
    assert_eq!(lines, [String::from(":path: /a?b=c"), format!("x-payload: {payload}")]);
    let padded = pass(
        r#","forward_payload_header":"x-payload","pad_forward_payload_header":true"#,
        &sent,
    );
    let length = padded[1].strip_prefix("x-payload: ").unwrap().len();
    assert!(
        length % 4 == 0 && padded[1].starts_with(&format!("x-payload: {payload}")),
        "{padded:?}"
    );
}

#[test]
fn without_a_token_a_request_passes_only_where_that_is_allowed() {
    let with = |requires: &str| {
        gate_of(&format!(
            r#"{{"providers":[{}],"requires":"{requires}"}}"#,
            provider(CLAIMS)
        ))
    };
    let spoilt = [("authorization", "Bearer x"), ("x-user", "root")];
    let none = [("x-user", "root")];
    assert_eq!(told(&with("token").decide(&request(&none), 0)), "401 there is no token");
    assert_eq!(
        after(&none, with("allow_missing").decide(&request(&none), 0)),
        [":path: /a?b=c"]
    );
    assert_eq!(
        told(&with("allow_missing").decide(&request(&spoilt), 0)),
        "401 the token has not three parts"
    );
    let failed = with("allow_missing_or_failed").decide(&request(&spoilt), 0);
    assert_eq!(after(&spoilt, failed), [":path: /a?b=c"]);
}

#[test]
fn a_preflight_passes_where_that_is_allowed() {
    let preflight = [
        (":method", "OPTIONS"),
        ("origin", "https://a"),
        ("access-control-request-method", "PUT"),
        ("x-user", "root"),
    ];
    let configuration = format!(r#"{{"providers":[{}],"bypass_cors_preflight":true}}"#, provider(CLAIMS));
    let mut gate = gate_of(&configuration);
    let lines = after(&preflight, gate.decide(&request(&preflight), 0));
    assert_eq!(
        lines,
        [
            ":path: /a?b=c",
            "access-control-request-method: PUT",
            "origin: https://a"
        ]
    );
    assert_eq!(
        told(&gate.decide(&request(&preflight[..2]), 0)),
        "401 there is no token"
    );
}
