//! Whether a request may pass: pure, with the time and the fetched keys handed in.

use base64ct::{Base64Url, Base64UrlUnpadded, Encoding};
use guest_kit::fetched::{Fetched, Hope, max_age_seconds};
use guest_kit::json::Json;

use crate::claims::{self, Unfit};
use crate::configuration::{Configuration, Provider, RemoteJwks, Requires};
use crate::jwks::{Jwks, Origin};
use crate::refusal::{Refusal, Why};
use crate::request::{Edit, Request};
use crate::signature::Signed;
use crate::token::Token;

/// The providers, with their keys.
pub struct Gate {
    configuration: Configuration,
    /// One for each provider, in their order.
    keys: Vec<Keys>,
}

enum Keys {
    Fixed(Jwks),
    Fetched(Fetched<Jwks>),
}

/// What becomes of a request.
#[derive(PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on, changed.
    Pass(Vec<Edit>),
    /// It does not.
    Refuse(Refusal),
    /// Keys are being fetched that may decide it.
    Wait,
}

/// A callout's answer.
pub struct Answer<'a> {
    pub status: Option<&'a str>,
    pub cache_control: Option<&'a str>,
    pub body: &'a [u8],
}

/// Why a provider does not take a token.
enum No {
    Why(Why),
    /// Not yet known.
    Wait,
}

impl From<Why> for No {
    fn from(why: Why) -> Self {
        Self::Why(why)
    }
}

impl Gate {
    /// Makes a gate, with what the operator should hear about keys that are not used.
    ///
    /// # Errors
    /// A sentence with the path of the key.
    pub fn new(configuration: Configuration) -> Result<(Self, Vec<String>), String> {
        let mut keys = Vec::new();
        let mut said = Vec::new();
        for (place, provider) in configuration.providers.iter().enumerate() {
            let path = format!("providers[{place}].jwks");
            keys.push(match (&provider.remote_jwks, &provider.jwks) {
                (Some(remote), _) => Keys::Fetched(Fetched::new(remote.schedule())),
                (None, set) => {
                    let jwks = fixed(set.as_ref()).map_err(|what| format!("`{path}`: {what}"))?;
                    said.extend(jwks.left_out.iter().map(|what| format!("`{path}`: {what}")));
                    Keys::Fixed(jwks)
                }
            });
        }
        Ok((Self { configuration, keys }, said))
    }

    /// Decides about a request.
    pub fn decide(&mut self, request: &Request, now_ms: u64) -> Verdict {
        let mut edits = request.without_claims(&self.configuration);
        if self.configuration.bypass_cors_preflight && request.is_preflight() {
            return Verdict::Pass(edits);
        }
        let outcome = self
            .token(request)
            .and_then(|token| self.accept(request, &token, now_ms));
        match outcome {
            Ok((place, claims_edits)) => {
                edits.extend(claims_edits);
                if self.provider(place).is_none_or(|provider| !provider.forward) {
                    edits.extend(request.without_tokens(&self.configuration));
                }
                Verdict::Pass(edits)
            }
            Err((No::Wait, _)) => Verdict::Wait,
            Err((No::Why(why), place)) => self.otherwise(request, &why, place, edits),
        }
    }

    /// What becomes of a request without a token that is good.
    fn otherwise(&self, request: &Request, why: &Why, place: Option<usize>, mut edits: Vec<Edit>) -> Verdict {
        match (self.configuration.requires, why) {
            (Requires::AllowMissing | Requires::AllowMissingOrFailed, Why::NoToken) => Verdict::Pass(edits),
            (Requires::AllowMissingOrFailed, _) => {
                if !self.configuration.providers.iter().any(|provider| provider.forward) {
                    edits.extend(request.without_tokens(&self.configuration));
                }
                Verdict::Pass(edits)
            }
            _ => {
                let asked = request
                    .text(":authority")
                    .filter(|text| crate::configuration::is_quotable(text));
                let realm = self.configuration.realm.as_deref().or(asked).unwrap_or("gateway");
                let provider = place.and_then(|place| self.provider(place));
                Verdict::Refuse(why.refusal(realm, provider.map(|provider| provider.name.as_str())))
            }
        }
    }

    fn provider(&self, place: usize) -> Option<&Provider> {
        self.configuration.providers.get(place)
    }

    /// The one token of a request: clients must not send it twice (RFC 6750 section 2), and of two nobody knows which counts.
    fn token(&self, request: &Request) -> Result<String, (No, Option<usize>)> {
        let mut found = self
            .configuration
            .providers
            .iter()
            .flat_map(|provider| request.tokens(provider));
        let token = found.next().ok_or((Why::NoToken.into(), None))?;
        match found.all(|other| other == token) {
            true => Ok(token),
            false => Err((Why::Several.into(), None)),
        }
    }

    /// Asks the providers for whom the token is, in their order.
    fn accept(
        &mut self,
        request: &Request,
        text: &str,
        now_ms: u64,
    ) -> Result<(usize, Vec<Edit>), (No, Option<usize>)> {
        let token = Token::read(text).map_err(|why| (Why::Malformed(why).into(), None))?;
        let mut refused: (No, Option<usize>) = (Why::UnknownIssuer.into(), None);
        let mut rank = None;
        for (place, (provider, keys)) in self.configuration.providers.iter().zip(&mut self.keys).enumerate() {
            let issuer = provider.issuer.as_deref();
            let is_its = issuer.is_none_or(|issuer| token.claims.get("iss").and_then(Json::text) == Some(issuer));
            if !is_its || !request.tokens(provider).iter().any(|found| found == text) {
                continue;
            }
            match judge(provider, keys, &token, now_ms) {
                Ok(()) => return Ok((place, told(provider, &token))),
                Err(No::Wait) => (refused, rank) = ((No::Wait, Some(place)), Some(u32::MAX)),
                Err(No::Why(why)) if rank.is_none_or(|rank| why.rank() > rank) => {
                    rank = Some(why.rank());
                    refused = (why.into(), Some(place));
                }
                Err(No::Why(_)) => {}
            }
        }
        Err(refused)
    }

    /// When the next fetch is due, in milliseconds since 1970; none when no keys are fetched, or all are being.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        self.keys.iter().filter_map(Keys::due_at).min()
    }

    /// The providers whose keys are to be fetched now, and from where.
    pub fn due(&self, now_ms: u64) -> impl Iterator<Item = (usize, &RemoteJwks)> {
        let providers = self.configuration.providers.iter().zip(&self.keys).enumerate();
        providers.filter_map(move |(place, (provider, keys))| {
            keys.due_at().filter(|due| *due <= now_ms)?;
            Some((place, provider.remote_jwks.as_ref()?))
        })
    }

    /// A fetch has begun.
    pub fn began(&mut self, place: usize, callout: u32, now_ms: u64) {
        if let Some(Keys::Fetched(keys)) = self.keys.get_mut(place) {
            keys.began(callout, now_ms);
        }
    }

    /// A fetch could not begin.
    pub fn failed(&mut self, place: usize, now_ms: u64) {
        if let Some(Keys::Fetched(keys)) = self.keys.get_mut(place) {
            keys.failed(now_ms);
        }
    }

    /// A fetch has ended: what the operator should hear, good or bad.
    ///
    /// # Errors
    /// Why there are no new keys; the old ones stay.
    pub fn answered(&mut self, callout: u32, answer: &Answer<'_>, now_ms: u64) -> Result<Vec<String>, String> {
        let fetches = self.configuration.providers.iter().zip(&mut self.keys);
        for (provider, keys) in fetches {
            let (Keys::Fetched(keys), Some(remote)) = (keys, &provider.remote_jwks) else {
                continue;
            };
            if !keys.is_under_way_as(callout) {
                continue;
            }
            let name = &provider.name;
            return match set_of(answer, remote) {
                Ok(set) => {
                    let mut said: Vec<String> = set
                        .left_out
                        .iter()
                        .map(|what| format!("provider `{name}`: {what}"))
                        .collect();
                    said.push(format!("provider `{name}`: fetched {} keys", set.len()));
                    keys.came(set, answer.cache_control.and_then(max_age_seconds), now_ms);
                    Ok(said)
                }
                Err(why) => {
                    keys.failed(now_ms);
                    Err(format!("provider `{name}`: keys were not fetched: {why}"))
                }
            };
        }
        Ok(Vec::new())
    }
}

impl Keys {
    fn due_at(&self) -> Option<u64> {
        match self {
            Self::Fixed(_) => None,
            Self::Fetched(keys) => keys.due_at(),
        }
    }
}

fn fixed(set: Option<&Json>) -> Result<Jwks, String> {
    match set {
        Some(Json::Text(text)) => Jwks::read(
            &Json::read(text.as_bytes()).map_err(|_| "is no JSON")?,
            Origin::Configuration,
        ),
        Some(set) => Jwks::read(set, Origin::Configuration),
        None => Err(String::from("is missing")),
    }
}

fn set_of(answer: &Answer<'_>, remote: &RemoteJwks) -> Result<Jwks, String> {
    match answer.status {
        Some("200") => {}
        Some(status) => return Err(format!("status {status}")),
        None => return Err(String::from("no answer")),
    }
    // LIMIT: bytes of an answer.
    if u64::try_from(answer.body.len()).unwrap_or(u64::MAX) > remote.bytes_max {
        return Err(format!("the answer has more than {} bytes", remote.bytes_max));
    }
    let set = Json::read(answer.body).map_err(|_| String::from("the answer is no JSON, or has a member twice"))?;
    Jwks::read(&set, Origin::Fetched).map_err(|why| format!("the answer {why}"))
}

/// The signature first, so that nobody learns by a made-up token what would be wrong with it.
fn judge(provider: &Provider, keys: &mut Keys, token: &Token<'_>, now_ms: u64) -> Result<(), No> {
    if !provider.algorithms.contains(&token.algorithm) {
        return Err(Why::Algorithm.into());
    }
    match keys {
        Keys::Fixed(jwks) => verify(provider, jwks, token)?,
        Keys::Fetched(fetched) => verify_fetched(provider, fetched, token, now_ms)?,
    }
    let unfit = |unfit: Unfit| No::Why(Why::Unfit(unfit));
    claims::check(&token.claims, token.kind.as_deref(), provider, now_ms / 1_000).map_err(unfit)?;
    claims::check_required(&token.claims, provider).map_err(unfit)
}

/// With keys that may be on their way, or be older than the token.
fn verify_fetched(provider: &Provider, fetched: &mut Fetched<Jwks>, token: &Token<'_>, now_ms: u64) -> Result<(), No> {
    let (why, may_be_new) = match fetched.document(now_ms) {
        None => (Why::Unavailable, true),
        Some(jwks) => match verify(provider, jwks, token) {
            Ok(()) => return Ok(()),
            Err(why) => {
                let is_named = token.key_id.as_deref().is_some_and(|id| jwks.has(id));
                let may_be_new = token.key_id.is_some() && !is_named || why == Why::NoKey;
                (why, may_be_new)
            }
        },
    };
    if may_be_new && fetched.want(now_ms) == Hope::Coming {
        return Err(No::Wait);
    }
    Err(why.into())
}

fn verify(provider: &Provider, jwks: &Jwks, token: &Token<'_>) -> Result<(), Why> {
    let signed = Signed {
        bytes: token.signed,
        signature: &token.signature,
        sm2_user_id: &provider.sm2_user_id,
    };
    let candidates = jwks.candidates(token.algorithm, token.key_id.as_deref());
    if candidates
        .iter()
        .any(|key| signed.is_by(token.algorithm, &key.material))
    {
        return Ok(());
    }
    Err(if candidates.is_empty() {
        Why::NoKey
    } else {
        Why::Signature
    })
}

/// What the upstream is told.
fn told(provider: &Provider, token: &Token<'_>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for to in &provider.claims_to_headers {
        if let Some(value) = claims::header_value(&token.claims, &to.claim) {
            edits.push(Edit::Set(to.header.clone(), value.into_bytes()));
        }
    }
    if let Some(name) = &provider.forward_payload_header {
        let payload = match provider.pad_forward_payload_header {
            true => Base64UrlUnpadded::decode_vec(token.payload)
                .map_or_else(|_| token.payload.to_owned(), |bytes| Base64Url::encode_string(&bytes)),
            false => token.payload.to_owned(),
        };
        edits.push(Edit::Set(name.clone(), payload.into_bytes()));
    }
    edits
}
