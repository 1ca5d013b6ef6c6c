//! Every way in which a token is refused, and what the client hears.

use super::*;

fn refused(more: &str, token: &str) -> String {
    told(&decide(&mut gate(more), token))
}

#[test]
fn a_good_token_passes() {
    assert_eq!(refused("", &token(r#""sub":"a""#)), "pass");
}

#[test]
fn what_is_no_token_is_refused() {
    let good = token(r#""sub":"a""#);
    let parts: Vec<&str> = good.split('.').collect();
    let with = |header: &str| signed(header, r#"{"exp":9999999999}"#, SECRET);
    let long = format!("{good}{}", "A".repeat(16 * 1024));
    let unsigned = format!("{}.{}.", base64url(br#"{"alg":"none"}"#), parts[1]);
    let cases: &[(&str, &str)] = &[
        ("x", "has not three parts"),
        ("a.b", "has not three parts"),
        ("a.b.c.d", "has not three parts"),
        ("a.b.c.d.e", "has not three parts"),
        ("..", "has a header that is no JSON object"),
        ("!.a.a", "has a header that is not base64url"),
        (
            &format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
            "has a payload that is not base64url",
        ),
        (
            &format!("{}.{}.{}+", parts[0], parts[1], parts[2]),
            "has a signature that is not base64url",
        ),
        (&signed("[]", "{}", SECRET), "has a header that is no JSON object"),
        (
            &signed(r#"{"alg":"HS256"}"#, "7", SECRET),
            "has a payload that is no JSON object",
        ),
        (
            &signed(r#"{"alg":"HS256","alg":"HS256"}"#, "{}", SECRET),
            "has a header in which a member is there twice",
        ),
        (
            &signed(r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"b"}"#, SECRET),
            "has a payload in which a member is there twice",
        ),
        (&with(r#"{"typ":"JWT"}"#), "has no `alg`"),
        (&with(r#"{"alg":7}"#), "has a header member that is no text"),
        (
            &with(r#"{"alg":"HS256","kid":["a"]}"#),
            "has a header member that is no text",
        ),
        (&with(r#"{"alg":"hs256"}"#), "has an `alg` that is not known"),
        (
            &with(r#"{"alg":"HS256","crit":["exp"],"exp":1}"#),
            "has `crit`, and nothing critical is understood here",
        ),
        (
            &with(r#"{"alg":"HS256","crit":[]}"#),
            "has `crit`, and nothing critical is understood here",
        ),
        (&unsigned, "is not signed: its `alg` is `none`"),
        (&with(r#"{"alg":"NoNe"}"#), "is not signed: its `alg` is `none`"),
        (&long, "is longer than 16384 bytes"),
    ];
    for (token, why) in cases {
        assert_eq!(refused("", token), format!("401 the token {why}"), "{token:.200}");
    }
}

#[test]
fn a_signature_by_somebody_else_is_refused() {
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
    let other = signed(r#"{"alg":"HS256"}"#, &claims, b"another secret, of 32 bytes too.");
    assert_eq!(refused("", &other), "401 the token's signature is wrong");
    let good = signed(r#"{"alg":"HS256"}"#, &claims, SECRET);
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(refused("", &format!("{signed}.")), "401 the token's signature is wrong");
}

/// A public key may be known to everybody: whoever took it for a secret would let everybody sign.
#[test]
fn a_public_key_is_never_a_secret() {
    let n = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
    let modulus = Base64UrlUnpadded::decode_vec(n).unwrap();
    let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#);
    let configuration =
        format!(r#"{{"providers":[{{"name":"p","algorithms":["RS256","HS256"],"jwks":{{"keys":[{jwk}]}}}}]}}"#);
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 100);
    for secret in [n.as_bytes(), &modulus, jwk.as_bytes()] {
        let forged = signed(r#"{"alg":"HS256"}"#, &claims, secret);
        assert_eq!(
            told(&decide(&mut gate_of(&configuration), &forged)),
            "401 no known key fits the token"
        );
    }
}

#[test]
fn an_algorithm_that_is_not_listed_is_refused() {
    let configuration = format!(r#"{{"providers":[{}]}}"#, provider("").replace("HS256", "HS512"));
    let verdict = decide(&mut gate_of(&configuration), &token(r#""a":1"#));
    assert_eq!(told(&verdict), "401 the token's algorithm is not allowed");
}

#[test]
fn times_are_kept_to_the_second() {
    let with = |claims: String| signed(r#"{"alg":"HS256"}"#, &claims, SECRET);
    let strict = r#","clock_skew_seconds":0"#;
    let cases = [
        (strict, format!(r#"{{"exp":{}}}"#, NOW + 1), "pass"),
        (strict, format!(r#"{{"exp":{NOW}}}"#), "401 the token has expired"),
        (strict, format!(r#"{{"exp":{NOW}.5}}"#), "pass"),
        ("", format!(r#"{{"exp":{}}}"#, NOW - 59), "pass"),
        ("", format!(r#"{{"exp":{}}}"#, NOW - 60), "401 the token has expired"),
        ("", r#"{"exp":-1}"#.to_owned(), "401 the token has expired"),
        ("", r#"{"exp":"never"}"#.to_owned(), "401 the token's `exp` is no time"),
        (
            "",
            r#"{"exp":1e400}"#.to_owned(),
            "401 the token has a payload that is no JSON object",
        ),
        ("", "{}".to_owned(), "401 the token has no `exp`"),
        (r#","require_expiration":false"#, "{}".to_owned(), "pass"),
        (strict, format!(r#"{{"exp":{},"nbf":{NOW}}}"#, NOW + 9), "pass"),
        (
            strict,
            format!(r#"{{"exp":{},"nbf":{}}}"#, NOW + 9, NOW + 1),
            "401 the token is not valid yet",
        ),
        ("", format!(r#"{{"exp":{},"nbf":{}}}"#, NOW + 99, NOW + 60), "pass"),
        (
            strict,
            format!(r#"{{"exp":{},"iat":{}}}"#, NOW + 9, NOW + 1),
            "401 the token was issued in the future",
        ),
        (
            strict,
            format!(r#"{{"exp":{},"iat":true}}"#, NOW + 9),
            "401 the token's `iat` is no time",
        ),
    ];
    for (more, claims, expected) in cases {
        assert_eq!(refused(more, &with(claims.clone())), expected, "{claims}");
    }
}

#[test]
fn a_token_may_be_too_old_whatever_it_says() {
    let bounded = r#","max_age_seconds":100,"clock_skew_seconds":0"#;
    assert_eq!(refused(bounded, &token(&format!(r#""iat":{}"#, NOW - 100))), "pass");
    assert_eq!(
        refused(bounded, &token(&format!(r#""iat":{}"#, NOW - 101))),
        "401 the token is too old"
    );
    assert_eq!(refused(bounded, &token(r#""a":1"#)), "401 the token has no `iat`");
}

#[test]
fn issuer_audience_and_type_are_compared() {
    let issuer = r#","issuer":"https://a.example""#;
    assert_eq!(refused(issuer, &token(r#""iss":"https://a.example""#)), "pass");
    for other in [
        r#""iss":"https://a.example/""#,
        r#""iss":7"#,
        r#""iss":["https://a.example"]"#,
        r#""a":1"#,
    ] {
        assert_eq!(
            refused(issuer, &token(other)),
            "401 the token is of no known issuer",
            "{other}"
        );
    }
    let audience = r#","audiences":["api","web"]"#;
    for good in [r#""aud":"web""#, r#""aud":["x","api"]"#] {
        assert_eq!(refused(audience, &token(good)), "pass", "{good}");
    }
    for other in [r#""aud":"apis""#, r#""aud":[]"#, r#""aud":{"api":1}"#, r#""a":1"#] {
        assert_eq!(
            refused(audience, &token(other)),
            "401 the token is for another audience",
            "{other}"
        );
    }
    let types = r#","types":["at+jwt"]"#;
    let claims = format!(r#"{{"exp":{}}}"#, NOW + 9);
    assert_eq!(
        refused(
            types,
            &signed(r#"{"alg":"HS256","typ":"application/AT+JWT"}"#, &claims, SECRET)
        ),
        "pass"
    );
    assert_eq!(
        refused(types, &signed(r#"{"alg":"HS256","typ":"JWT"}"#, &claims, SECRET)),
        "401 the token is of another type"
    );
    assert_eq!(refused(types, &token(r#""a":1"#)), "401 the token is of another type");
}

#[test]
fn claims_that_a_route_needs_are_403() {
    let more = r#","required_claims":[{"claim":"scope","all_of":["read","write"]},{"claim":"realm.roles","any_of":["admin","7"]},{"claim":"https://a.b/c"}]"#;
    let enough = r#""scope":"x write read","realm":{"roles":["guest",7]},"https://a.b/c":false"#;
    assert_eq!(refused(more, &token(enough)), "pass");
    for less in [
        enough.replace("write ", ""),
        enough.replace(",7]", "]"),
        enough.replace("https://a.b/c", "other"),
        enough.replace("read\"", "readers\""),
    ] {
        assert_eq!(
            refused(more, &token(&less)),
            "403 the token's claims are not enough",
            "{less}"
        );
    }
}

#[test]
fn a_client_hears_what_rfc_6750_says() {
    let challenge = |verdict: Verdict| match verdict {
        Verdict::Refuse(refusal) => (refusal.status, refusal.challenge.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let mut gate = gate(r#","required_claims":[{"claim":"x"}]"#);
    let nothing = gate.decide(&request(&[]), NOW * 1_000);
    assert_eq!(challenge(nothing), (401, r#"Bearer realm="api.example""#.to_owned()));
    assert_eq!(
        challenge(decide(&mut gate, "x")),
        (
            401,
            r#"Bearer realm="api.example", error="invalid_token", error_description="the token has not three parts""#
                .to_owned()
        )
    );
    assert_eq!(
        challenge(decide(&mut gate, &token(r#""a":1"#))),
        (403, r#"Bearer realm="api.example", error="insufficient_scope", error_description="the token's claims are not enough""#.to_owned())
    );
    let spiteful = request(&[(":authority", "a\" b=\"c")]);
    assert_eq!(
        challenge(gate.decide(&spiteful, 0)),
        (401, r#"Bearer realm="gateway""#.to_owned())
    );
}

#[test]
fn two_tokens_are_refused_as_nobody_knows_which_counts() {
    let mut gate =
        gate(r#","from_headers":[{"name":"authorization","value_prefix":"Bearer "}],"from_params":["token"]"#);
    let (one, other) = (token(r#""sub":"a""#), token(r#""sub":"b""#));
    let path = |token: &str| format!("/?token={token}");
    let bearer = |token: &str| format!("Bearer {token}");
    let cases = [
        (path(&one), bearer(&other), "400 there is more than one token"),
        (path(&one), bearer(&one), "pass"),
        (path("x"), bearer(&one), "400 there is more than one token"),
        (
            format!("/?token={one}&token={other}"),
            "Basic x".to_owned(),
            "400 there is more than one token",
        ),
    ];
    for (path, bearer, expected) in cases {
        let verdict = gate.decide(&request(&[(":path", &path), ("authorization", &bearer)]), NOW * 1_000);
        assert_eq!(told(&verdict), expected);
    }
    let twice = request(&[("authorization", &bearer(&one)), ("authorization", &bearer(&other))]);
    assert_eq!(
        told(&gate.decide(&twice, NOW * 1_000)),
        "400 there is more than one token"
    );
}
