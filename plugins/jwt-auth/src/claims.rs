//! What a token claims: times, issuer, audience, what a route needs, and claims as values of headers.

use guest_kit::headers::is_value;
use guest_kit::json::Json;

use crate::configuration::{Provider, RequiredClaim};

/// Between the items of a claim that is a list, in a header.
const SEPARATOR: char = ',';

/// A claim that is not as it must be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the token has no `{0}`")]
    Missing(&'static str),
    #[error("the token's `{0}` is no time")]
    NoTime(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token was issued in the future")]
    IssuedLater,
    #[error("the token is too old")]
    TooOld,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is of another type")]
    Kind,
    #[error("the token's claims are not enough")]
    NotEnough,
}

/// Checks everything but the signature, in the order in which it is told.
pub(crate) fn check(claims: &Json, kind: Option<&str>, provider: &Provider, now_seconds: u64) -> Result<(), Unfit> {
    check_times(claims, provider, now_seconds)?;
    let issuer = claims.get("iss").and_then(Json::text);
    if provider.issuer.as_deref().is_some_and(|wanted| issuer != Some(wanted)) {
        return Err(Unfit::Issuer);
    }
    if !provider.audiences.is_empty() && !has_audience(claims, &provider.audiences) {
        return Err(Unfit::Audience);
    }
    if !provider.types.is_empty() && !provider.types.iter().any(|allowed| is_type(kind, allowed)) {
        return Err(Unfit::Kind);
    }
    Ok(())
}

/// Whether the token holds every claim that is required.
pub(crate) fn check_required(claims: &Json, provider: &Provider) -> Result<(), Unfit> {
    let holds = provider.required_claims.iter().all(|required| is_met(claims, required));
    if holds { Ok(()) } else { Err(Unfit::NotEnough) }
}

/// `exp`, `nbf` and `iat` (RFC 7519 sections 4.1.4 to 4.1.6), each moved by the clock's skew in the token's favour.
fn check_times(claims: &Json, provider: &Provider, now_seconds: u64) -> Result<(), Unfit> {
    let skew = seconds(provider.clock_skew_seconds);
    let now = seconds(now_seconds);
    let (expires, begins, issued) = (time(claims, "exp")?, time(claims, "nbf")?, time(claims, "iat")?);
    match expires {
        Some(expires) if now >= expires + skew => return Err(Unfit::Expired),
        None if provider.require_expiration => return Err(Unfit::Missing("exp")),
        _ => {}
    }
    if begins.is_some_and(|begins| now + skew < begins) {
        return Err(Unfit::NotYet);
    }
    if issued.is_some_and(|issued| now + skew < issued) {
        return Err(Unfit::IssuedLater);
    }
    if let Some(age) = provider.max_age_seconds {
        let issued = issued.ok_or(Unfit::Missing("iat"))?;
        if now > issued + seconds(age) + skew {
            return Err(Unfit::TooOld);
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "seconds are exact up to 2^53")]
const fn seconds(number: u64) -> f64 {
    number as f64
}

/// A NumericDate: seconds since 1970, perhaps with a fraction.
fn time(claims: &Json, name: &'static str) -> Result<Option<f64>, Unfit> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Number(number)) => match number.as_f64() {
            Some(time) if time.is_finite() => Ok(Some(time)),
            _ => Err(Unfit::NoTime(name)),
        },
        Some(_) => Err(Unfit::NoTime(name)),
    }
}

/// `aud` is a text or a list of texts (RFC 7519 section 4.1.3); one that is wanted is enough.
fn has_audience(claims: &Json, wanted: &[String]) -> bool {
    let is_wanted = |value: &Json| value.text().is_some_and(|text| wanted.iter().any(|one| one == text));
    match claims.get("aud") {
        Some(Json::List(all)) => all.iter().any(is_wanted),
        Some(one) => is_wanted(one),
        None => false,
    }
}

/// `typ` without regard to case, `application/` left out or not (RFC 7515 section 4.1.9).
fn is_type(kind: Option<&str>, allowed: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_prefix("application/").unwrap_or(&text).to_owned()
    };
    kind.is_some_and(|kind| plain(kind) == plain(allowed))
}

/// The claim at a path: the whole name first, as names may have dots; else a part of it up to a dot, and the rest inside.
pub(crate) fn at<'a>(claims: &'a Json, path: &str) -> Option<&'a Json> {
    if let Some(found) = claims.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (head, tail) = path.split_at_checked(dot)?;
        at(claims.get(head)?, tail.strip_prefix('.')?)
    })
}

fn is_met(claims: &Json, required: &RequiredClaim) -> bool {
    let Some(value) = at(claims, &required.claim) else {
        return false;
    };
    let values = values(value, &required.claim);
    let has = |wanted: &String| values.iter().any(|value| value == wanted);
    (required.any_of.is_empty() || required.any_of.iter().any(has)) && required.all_of.iter().all(has)
}

/// The values of a claim as texts. `scope` and `scp` in one text have blanks between (RFC 8693 section 4.2).
fn values(claim: &Json, path: &str) -> Vec<String> {
    match claim {
        Json::Text(text) if path == "scope" || path == "scp" => text.split(' ').map(str::to_owned).collect(),
        Json::List(items) => items.iter().filter_map(scalar).collect(),
        one => scalar(one).into_iter().collect(),
    }
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::Bool(value) => Some(value.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::Text(text) => Some(text.clone()),
        Json::Null | Json::List(_) | Json::Map(_) => None,
    }
}

/// A claim as a header's value. None when it cannot be told as one without a doubt: an object, a list with something other than
/// texts, numbers and truth values, an item with the separator in it, or a control character.
pub(crate) fn header_value(claims: &Json, path: &str) -> Option<String> {
    let value = match at(claims, path)? {
        Json::List(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect::<Option<_>>()?;
            if items.iter().any(|item| item.contains(SEPARATOR) || item.trim() != item) {
                return None;
            }
            items.join(",")
        }
        one => scalar(one)?,
    };
    is_value(&value).then_some(value)
}
