//! Saying who we are: by name and password, or by a token that another server gives.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use url::Url;

use super::challenge::Challenge;
use super::client::{Access, Ask, Client, Repository, refused};
use crate::credentials::Identity;
use crate::fault::{PackageFault, Result};

/// LIMIT: bytes of an answer with a token.
const TOKEN_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
}

impl Client {
    /// What to say to a repository that asked who we are, at `asked`.
    pub(super) async fn authorize(
        &self,
        repository: Repository<'_>,
        wish: Challenge,
        asked: &Url,
    ) -> Result<HeaderValue> {
        let reference = repository.reference;
        let (credentials, host) = (self.credentials.clone(), reference.host().to_owned());
        let name = reference.repository().to_owned();
        // A helper is a program that takes its time.
        let found = tokio::task::spawn_blocking(move || credentials.find(&host, &name)).await;
        let identity = found.map_err(|why| PackageFault::Credentials(why.to_string()))??;
        match (wish, identity) {
            (Challenge::Basic, Identity::User { name, password }) => basic(&name, &password),
            (Challenge::Basic, _) => Err(PackageFault::Credentials(format!(
                "`{0}` wants a name and a password, and none is known for it; hint: `docker login {0}`",
                reference.host()
            ))),
            (Challenge::Bearer { realm, service, scope }, identity) => {
                let realm = self.realm(&realm, asked)?;
                let actions = match repository.access {
                    Access::Pull => "pull",
                    Access::Push => "pull,push",
                };
                // What the registry asks for and nothing beyond this repository: it might ask for a token over another's.
                let own = format!("repository:{}:", reference.repository());
                let scope = scope.filter(|scope| scope.starts_with(&own) && !scope.contains(' '));
                let scope = scope.unwrap_or_else(|| format!("{own}{actions}"));
                let service = service.unwrap_or_default();
                self.token(realm, &[("service", &service), ("scope", &scope)], identity)
                    .await
            }
        }
    }

    /// The server that gives tokens: over TLS, or on the very host that is spoken with in the clear already.
    fn realm(&self, realm: &str, asked: &Url) -> Result<Url> {
        let wrong = |why: &str| Err(refused(asked, &format!("wants a token from `{}`, {why}", cut(realm))));
        let Ok(url) = Url::parse(realm) else {
            return wrong("which is no URL");
        };
        match url.scheme() {
            "https" => {}
            "http" if asked.scheme() == "http" && url.host_str() == asked.host_str() => {}
            _ => return wrong("which is not asked without TLS"),
        }
        self.permit(&url, Some(asked))?;
        Ok(url)
    }

    async fn token(&self, mut realm: Url, words: &[(&str, &str)], identity: Identity) -> Result<HeaderValue> {
        let words = words.iter().filter(|(_, value)| !value.is_empty());
        let (ask, authorization) = match identity {
            Identity::Token(token) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(words);
                form.extend_pairs([
                    ("grant_type", "refresh_token"),
                    ("client_id", "cofferdam"),
                    ("refresh_token", &token),
                ]);
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                let mut ask = Ask::new(Method::POST, realm).header(CONTENT_TYPE, kind);
                ask.body = form.finish().into();
                (ask, None)
            }
            identity => {
                realm.query_pairs_mut().extend_pairs(words);
                let authorization = match identity {
                    Identity::User { name, password } => Some(basic(&name, &password)?),
                    _ => None,
                };
                (Ask::new(Method::GET, realm), authorization)
            }
        };
        let answer = self.follow(&ask, authorization).await?;
        if answer.status() != StatusCode::OK {
            return Err(answer.fault(String::from("a wish for a token")).await);
        }
        let url = answer.url.clone();
        let bytes = answer.whole("the answer with a token", TOKEN_BYTES_MAX).await?;
        let given: Option<Given> = serde_json::from_slice(&bytes).ok();
        let token = given
            .and_then(|given| given.token.or(given.access_token))
            .filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| refused(&url, "gave no token"))?;
        secret(&format!("Bearer {token}"))
    }
}

fn basic(name: &str, password: &str) -> Result<HeaderValue> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
}

fn secret(text: &str) -> Result<HeaderValue> {
    let value = HeaderValue::from_str(text);
    let mut value =
        value.map_err(|_| PackageFault::Credentials(String::from("a token has letters that no header has")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}
