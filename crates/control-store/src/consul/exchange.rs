//! One question to Consul over HTTP/1.1, on a connection of its own.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::timeout;

use crate::dial::{Encryption, dial};
use crate::fault::{Result, StoreFault};
use crate::keys::ANSWER_WAIT_MAX;
use crate::layout::TEXT_BYTES_MAX;
use crate::settings;

/// LIMIT: bytes of an answer: a text in base64, and what is around it.
const ANSWER_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;
/// LIMIT: characters that are shown of what Consul says.
const SAID_CHARS_MAX: usize = 200;
/// What stays as it is in the path of a key.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Asks one agent.
pub(super) struct Asker {
    consul: settings::Consul,
    encryption: Option<Encryption>,
}

/// What it answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `X-Consul-Index`.
    pub(super) index: Option<u64>,
    pub(super) body: Bytes,
}

impl Answer {
    /// What it says of a failure.
    pub(super) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let short: String = text.trim().chars().take(SAID_CHARS_MAX).collect();
        format!("{} {short}", self.status)
    }
}

/// A key as part of a path.
pub(super) fn escaped(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

impl Asker {
    pub(super) fn open(consul: &settings::Consul) -> Result<Self> {
        let encryption = consul.tls.as_ref().map(|tls| Encryption::read(tls, Some(b"http/1.1")));
        Ok(Self {
            consul: consul.clone(),
            encryption: encryption.transpose()?,
        })
    }

    /// One question; a blocking one has more time.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Option<Duration>,
    ) -> Result<Answer> {
        let patience = patience.unwrap_or(ANSWER_WAIT_MAX);
        let answered = timeout(patience, self.exchange(method, path, body)).await;
        answered.unwrap_or_else(|_| Err(self.lost(format!("no answer within {patience:?}"))))
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        let stream = dial(&self.consul.endpoint, self.encryption.as_ref()).await?;
        let lost = |why: hyper::Error| self.lost(why.to_string());
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // It ends with the sender, or when the other side goes, which the exchange is told.
        let driven = tokio::spawn(async move { connection.await.is_ok() });
        let ended = EndedWith(driven);
        let answer = sender
            .send_request(self.request(method, path, body)?)
            .await
            .map_err(lost)?;
        let status = answer.status().as_u16();
        let index = answer.headers().get("x-consul-index");
        let index = index.and_then(|index| index.to_str().ok()?.parse().ok());
        let mut incoming = answer.into_body();
        let mut body = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(lost)?.into_data() else {
                continue;
            };
            if body.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(self.odd(format!("it has more than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&data);
        }
        drop(ended);
        Ok(Answer {
            status,
            index,
            body: body.freeze(),
        })
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let datacenter = self
            .consul
            .datacenter
            .as_ref()
            .map(|name| format!("dc={}", escaped(name)));
        let path = match datacenter {
            Some(query) if path.contains('?') => format!("{path}&{query}"),
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.consul.endpoint.to_string())
            .header(USER_AGENT, concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.consul.token {
            let token = HeaderValue::from_str(&token.read()?);
            let mut token = token.map_err(|why| self.refused(format!("the token is none: {why}")))?;
            token.set_sensitive(true);
            request = request.header("x-consul-token", token);
        }
        request.body(Full::new(body)).map_err(|why| self.odd(why.to_string()))
    }

    /// Anything but a good answer as a fault.
    pub(super) fn good(&self, answer: &Answer) -> Result<()> {
        match answer.status {
            200 => Ok(()),
            401 | 403 => Err(self.refused(answer.said())),
            413 => Err(self.refused(format!(
                "{}\nhint: `limits.kv_max_value_size` and `limits.txn_max_req_len` of Consul bound a value, 512 KiB unless they say otherwise",
                answer.said()
            ))),
            429 | 500..=599 => Err(self.lost(answer.said())),
            _ => Err(self.odd(answer.said())),
        }
    }

    fn place(&self) -> String {
        self.consul.endpoint.to_string()
    }

    fn lost(&self, why: String) -> StoreFault {
        StoreFault::Unreachable {
            place: self.place(),
            why,
        }
    }

    fn refused(&self, why: String) -> StoreFault {
        StoreFault::Refused {
            place: self.place(),
            why,
        }
    }

    pub(super) fn odd(&self, why: String) -> StoreFault {
        StoreFault::Answer {
            place: self.place(),
            why,
        }
    }
}

/// Ends a connection with who asked: an abandoned query would else wait on.
struct EndedWith(tokio::task::JoinHandle<bool>);

impl Drop for EndedWith {
    fn drop(&mut self) {
        self.0.abort();
    }
}
