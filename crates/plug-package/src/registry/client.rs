//! One exchange with a server: where it may lead, how it is read, and what its failure is called.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HOST, LOCATION, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::time::timeout;
use url::Url;

use super::address::Loopback;
use super::challenge;
use super::dial::{Chunks, Counts, broken, dial, shown, tls};
use crate::credentials::Credentials;
use crate::fault::{PackageFault, Result};
use crate::reference::{Reference, is_loopback};

/// LIMIT: times that a server may send us on.
const REDIRECTS_MAX: usize = 5;
/// LIMIT: how long an answer may take, beside the time that what we send needs at the slowest.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// The slowest line to which something is sent.
const SENT_BYTES_PER_S_MIN: u64 = 32 * 1024;
/// LIMIT: how long nothing may come of an answer.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// LIMIT: bytes that are read of what a server says of a failure, and characters that are shown.
const SAID_BYTES_MAX: u64 = 16 * 1024;
const SAID_CHARS_MAX: usize = 200;
/// LIMIT: times that the same is asked, where nothing else is wanted.
const TRIES: u32 = 5;

/// Who is told how far something is.
pub trait Progress: Send + Sync {
    /// Something begins, of so many bytes when that is known.
    fn begins(&self, what: &str, bytes: Option<u64>);
    /// So many bytes of it are done.
    fn moves(&self, bytes: u64);
    /// It has ended.
    fn ends(&self);
    /// It failed and is tried again after a wait.
    fn waits(&self, why: &PackageFault, wait: Duration);
}

/// For those who do not look.
#[derive(Clone, Copy, Debug)]
pub struct Silence;

impl Progress for Silence {
    fn begins(&self, _: &str, _: Option<u64>) {}
    fn moves(&self, _: u64) {}
    fn ends(&self) {}
    fn waits(&self, _: &PackageFault, _: Duration) {}
}

/// Asks registries and servers; its clones know of each other's tokens. Each request has a connection of its own: there are few, and none is ever stale.
#[derive(Clone)]
pub struct Client {
    tls: Arc<ClientConfig>,
    pub(super) credentials: Credentials,
    plain_http: bool,
    tries: u32,
    pub(super) progress: Arc<dyn Progress>,
    /// What each repository wanted to know of us.
    tokens: Arc<Mutex<HashMap<(String, Access), HeaderValue>>>,
}

/// What is to be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// A repository as it is asked.
#[derive(Clone, Copy)]
pub(crate) struct Repository<'a> {
    pub(crate) reference: &'a Reference,
    pub(crate) access: Access,
}

/// A question.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) counts: Option<Counts>,
}

impl Ask {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            counts: None,
        }
    }

    pub(crate) fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(crate) fn what(&self) -> String {
        format!("{} {}", self.method, self.url.path())
    }
}

/// An answer, and who gave it in the end.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) url: Url,
}

impl Client {
    /// A client with these credentials. `http` is spoken with this machine only, unless `plain_http` is said.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(credentials: Credentials, plain_http: bool) -> Result<Self> {
        Ok(Self {
            tls: tls()?,
            credentials,
            plain_http,
            tries: TRIES,
            progress: Arc::new(Silence),
            tokens: Arc::default(),
        })
    }

    /// The same, telling somebody how far things are.
    #[must_use]
    pub fn with_progress(self, progress: Arc<dyn Progress>) -> Self {
        Self { progress, ..self }
    }

    /// The same, asking this often before it gives up.
    #[must_use]
    pub fn with_tries(self, tries: u32) -> Self {
        Self { tries, ..self }
    }

    /// Does something again while it may go well later.
    pub(crate) async fn retried<T>(&self, work: impl AsyncFnMut() -> Result<T>) -> Result<T> {
        super::retry::retried(self.tries, |why, wait| self.progress.waits(why, wait), work).await
    }

    /// Where a repository answers.
    pub(crate) fn url(&self, repository: Repository<'_>, rest: &str) -> Result<Url> {
        let reference = repository.reference;
        let plain = self.plain_http || reference.is_loopback();
        let text = format!(
            "{}://{}/v2/{}/{rest}",
            if plain { "http" } else { "https" },
            reference.server(),
            reference.repository()
        );
        Url::parse(&text).map_err(|why| PackageFault::Reference {
            name: reference.to_string(),
            why: why.to_string(),
        })
    }

    /// Asks a repository, and says who we are when it wants to know.
    pub(crate) async fn ask(&self, repository: Repository<'_>, ask: &Ask) -> Result<Answer> {
        let key = (
            format!("{}/{}", repository.reference.host(), repository.reference.repository()),
            repository.access,
        );
        let known = self.tokens.lock().get(&key).cloned();
        let answer = self.follow(ask, known.clone()).await?;
        let is_ours = answer.url.origin() == ask.url.origin();
        if answer.response.status() != StatusCode::UNAUTHORIZED || !is_ours {
            return Ok(answer);
        }
        let headers = answer.response.headers().get_all(WWW_AUTHENTICATE).iter();
        let Some(wish) = headers.filter_map(|value| challenge::read(value.to_str().ok()?)).next() else {
            return Ok(answer);
        };
        let authorization = self.authorize(repository, wish, &ask.url).await?;
        self.tokens.lock().insert(key, authorization.clone());
        self.follow(ask, Some(authorization)).await
    }

    /// Asks, and follows where a server sends a reader. Who we are is said to the first server alone.
    pub(crate) async fn follow(&self, ask: &Ask, authorization: Option<HeaderValue>) -> Result<Answer> {
        let mut url = ask.url.clone();
        self.permit(&url, None)?;
        for _ in 0..=REDIRECTS_MAX {
            let authorization = authorization.clone().filter(|_| url.origin() == ask.url.origin());
            let response = self.exchange(ask, &url, authorization).await?;
            let reads = matches!(ask.method, Method::GET | Method::HEAD);
            if !response.status().is_redirection() || !reads || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(Answer { response, url });
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| refused(&url, "sends us on to nowhere"))?;
            self.permit(&next, Some(&url))?;
            url = next;
        }
        Err(refused(&url, "is one more server that sends us on"))
    }

    /// Whether a URL may be asked at all; `from` sent us there.
    pub(crate) fn permit(&self, url: &Url, from: Option<&Url>) -> Result<()> {
        let host = url.host_str().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(url, "has credentials in its URL"));
        }
        let is_downgrade = from.is_some_and(|from| from.scheme() == "https");
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_downgrade => Err(refused(url, "was to be asked without TLS by a server that has it")),
            "http" if self.plain_http || is_loopback(host) => Ok(()),
            "http" => Err(refused(
                url,
                "is not asked without TLS; hint: only `--plain-http` or `plain_http: true` allows it",
            )),
            _ => Err(refused(url, "was to be asked by something that is not HTTP")),
        }
    }

    async fn exchange(&self, ask: &Ask, url: &Url, authorization: Option<HeaderValue>) -> Result<Response<Incoming>> {
        let first = ask.url.host_str().unwrap_or_default();
        let named = url.host_str() == Some(first) || is_loopback(first);
        let loopback = if named { Loopback::Named } else { Loopback::Foreign };
        let mut sender = dial(url, loopback, &self.tls).await?;
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target = format!("{target}?{query}");
        }
        let body = Chunks::new(ask.body.clone(), ask.counts.clone());
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(target)
            .header(HOST, shown(url));
        if let Some(headers) = request.headers_mut() {
            headers.extend(ask.headers.clone());
            headers.insert(
                USER_AGENT,
                HeaderValue::from_static(concat!("cofferdam/", env!("CARGO_PKG_VERSION"))),
            );
            headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        }
        let request = request.body(body).map_err(|why| refused(url, &why.to_string()))?;
        let bytes = u64::try_from(ask.body.len()).unwrap_or(u64::MAX);
        let wait = ANSWER_WAIT_MAX.saturating_add(Duration::from_secs(bytes / SENT_BYTES_PER_S_MIN));
        let late = |_| PackageFault::Broken {
            host: shown(url),
            why: format!("no answer within {wait:?}"),
        };
        let answer = timeout(wait, sender.send_request(request)).await.map_err(late)?;
        answer.map_err(|why| broken(url, &why))
    }
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The next bytes; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let frame = timeout(IDLE_MAX, self.response.body_mut().frame()).await;
            let frame = frame.map_err(|_| PackageFault::Broken {
                host: shown(&self.url),
                why: format!("nothing came for {IDLE_MAX:?}"),
            })?;
            match frame.transpose().map_err(|why| broken(&self.url, &why))? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// All of it, up to so many bytes.
    pub(crate) async fn whole(mut self, what: &str, bytes_max: u64) -> Result<Bytes> {
        let mut bytes = BytesMut::new();
        while let Some(data) = self.next().await? {
            bytes.extend_from_slice(&data);
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
                return Err(PackageFault::TooLarge {
                    what: what.to_owned(),
                    bytes_max,
                });
            }
        }
        Ok(bytes.freeze())
    }

    /// What went wrong, in the server's words where it has some.
    pub(crate) async fn fault(self, what: String) -> PackageFault {
        let (host, status) = (shown(&self.url), self.status().as_u16());
        let retry_after = self
            .response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let retry_after = retry_after
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let said = self.whole("the answer", SAID_BYTES_MAX).await.unwrap_or_default();
        PackageFault::Status {
            host,
            status,
            what,
            said: words(&said).map(|words| format!(": {words}")).unwrap_or_default(),
            retry_after,
        }
    }
}

/// The first error of the distribution specification's list.
fn words(said: &[u8]) -> Option<String> {
    let said: serde_json::Value = serde_json::from_slice(said).ok()?;
    let first = said.get("errors")?.get(0)?;
    let text = |key: &str| first.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let words = format!("{} {}", text("code"), text("message"));
    Some(words.trim().chars().take(SAID_CHARS_MAX).collect())
}

pub(crate) fn refused(url: &Url, why: &str) -> PackageFault {
    PackageFault::Refused {
        host: shown(url),
        why: why.to_owned(),
    }
}
