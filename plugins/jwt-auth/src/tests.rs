//! The guest's core: vectors of the RFCs, every refusal, requests before and after, keys that come and go, other implementations.

mod vectors;
mod gate;
mod refusals;
mod requests;
mod cases;
mod interop;

use base64ct::{Base64UrlUnpadded, Encoding};
use guest_kit::json::Json;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::configuration::Configuration;
use crate::gate::{Gate, Verdict};
use crate::request::Request;

/// Midnight of 2026-01-01 in UTC.
pub(super) const NOW: u64 = 1_767_225_600;

/// The secret of tests: 32 bytes.
pub(super) const SECRET: &[u8; 32] = b"a secret for tests, of 32 bytes.";

pub(super) fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// A token of that header and those claims, as texts, signed by a secret.
pub(super) fn signed(header: &str, claims: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", base64url(&mac.finalize().into_bytes()))
}

/// A good token with these claims, `exp` apart.
pub(super) fn token(claims: &str) -> String {
    let claims = format!(r#"{{"exp":{},{claims}}}"#, NOW + 100);
    signed(r#"{"alg":"HS256"}"#, &claims, SECRET)
}

/// A provider with the secret and more keys of the configuration, each with a comma before.
pub(super) fn provider(more: &str) -> String {
    let key = base64url(SECRET);
    format!(r#"{{"name":"corp","algorithms":["HS256"],"jwks":{{"keys":[{{"kty":"oct","k":"{key}"}}]}}{more}}}"#)
}

/// A gate of one such provider.
pub(super) fn gate(more: &str) -> Gate {
    gate_of(&format!(r#"{{"providers":[{}]}}"#, provider(more)))
}

pub(super) fn gate_of(configuration: &str) -> Gate {
    let configuration = Configuration::read(configuration.as_bytes()).unwrap();
    Gate::new(configuration).unwrap().0
}

/// A request with these headers, after the pseudo-headers.
pub(super) fn request(headers: &[(&str, &str)]) -> Request {
    let pseudo = [(":method", "GET"), (":path", "/a?b=c"), (":authority", "api.example")];
    let all = pseudo
        .iter()
        .filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
    let headers = all
        .chain(headers)
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    Request {
        headers: headers.collect(),
    }
}

/// What becomes of a request with that token.
pub(super) fn decide(gate: &mut Gate, token: &str) -> Verdict {
    let authorization = format!("Bearer {token}");
    gate.decide(&request(&[("authorization", &authorization)]), NOW * 1_000)
}

/// Status and text of a refusal, or `pass` or `wait`.
pub(super) fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass(_) => String::from("pass"),
        Verdict::Wait => String::from("wait"),
        Verdict::Refuse(refusal) => format!("{} {}", refusal.status, refusal.text),
    }
}

pub(super) fn json(text: &str) -> Json {
    Json::read(text.as_bytes()).unwrap()
}
