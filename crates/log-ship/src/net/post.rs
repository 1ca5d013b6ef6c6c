//! One POST over HTTP/1.1, on a connection that is kept while it lasts; whatever the server does, it ends.

use std::io::Write;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder as Connecting, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::Target;
use super::dial::dial;

/// LIMIT: bytes of an answer that are read; the connection is closed over the rest.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// LIMIT: characters that are shown of what a server says.
pub(crate) const SAID_CHARS_MAX: usize = 200;
/// LIMIT: headers of an answer.
const HEADERS_MAX: usize = 100;

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// As far as it was read.
    pub(crate) body: Bytes,
    /// Whether it was read to its end.
    pub(crate) is_whole: bool,
}

impl Answer {
    /// What it says of a failure.
    pub(crate) fn said(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let short: String = text.trim().chars().take(SAID_CHARS_MAX).collect();
        format!("{} {short}", self.status)
    }
}

/// The way to one address.
pub(crate) struct Poster {
    runtime: Runtime,
    target: Target,
    kept: Option<SendRequest<Full<Bytes>>>,
}

impl Poster {
    pub(crate) fn new(target: Target) -> Result<Self, String> {
        target.place()?;
        Ok(Self {
            runtime: runtime()?,
            target,
            kept: None,
        })
    }

    /// Sends a body and reads the answer within the time that the target has for it.
    pub(crate) fn post(&mut self, body: Vec<u8>, content_type: &'static str) -> Result<Answer, String> {
        let request = request(&self.target, body, content_type)?;
        let patience = self.target.answer_wait_max;
        let exchange = exchange(&self.target, &mut self.kept, request);
        let answered = self.runtime.block_on(async { timeout(patience, exchange).await });
        let answered = answered.unwrap_or_else(|_| Err(format!("no answer within {patience:?}")));
        if answered.is_err() {
            self.kept = None;
        }
        answered
    }
}

/// A runtime for one thread.
pub(crate) fn runtime() -> Result<Runtime, String> {
    let built = Builder::new_current_thread().enable_io().enable_time().build();
    built.map_err(|why| format!("no runtime: {why}"))
}

fn request(target: &Target, body: Vec<u8>, content_type: &'static str) -> Result<Request<Full<Bytes>>, String> {
    let (body, encoding) = if target.gzip {
        (packed(&body)?, Some(HeaderValue::from_static("gzip")))
    } else {
        (body, None)
    };
    let authority = target.uri.authority().map_or("", |authority| authority.as_str());
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, authority.rsplit('@').next().unwrap_or_default())
        .header(USER_AGENT, concat!("cofferdam/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, content_type);
    let mut request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|why| why.to_string())?;
    let headers = request.headers_mut();
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, encoding);
    }
    let authorization = target.authorization().map_err(|why| why.to_string())?;
    for (name, value) in target.headers.iter().chain(&authorization) {
        let name = HeaderName::try_from(name).map_err(|_| format!("no name of a header: {name}"))?;
        // Never the value: it may be a secret.
        let mut value = HeaderValue::try_from(value).map_err(|_| format!("no value of a header: that of `{name}`"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(request)
}

fn packed(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    let packed = encoder.write_all(body).and_then(|()| encoder.finish());
    packed.map_err(|why| why.to_string())
}

async fn exchange(
    target: &Target,
    kept: &mut Option<SendRequest<Full<Bytes>>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, String> {
    if let Some(sender) = kept.take()
        && let Ok(answer) = send(sender, request.clone(), kept).await
    {
        return Ok(answer);
    }
    // Servers close what was idle for long: that is no failure of theirs.
    let sender = connect(target).await?;
    send(sender, request, kept).await
}

async fn send(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    kept: &mut Option<SendRequest<Full<Bytes>>>,
) -> Result<Answer, String> {
    sender.ready().await.map_err(|why| whole(&why))?;
    let answer = sender.send_request(request).await.map_err(|why| whole(&why))?;
    let answer = read(answer).await?;
    if answer.is_whole {
        *kept = Some(sender);
    }
    Ok(answer)
}

async fn connect(target: &Target) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = dial(target, b"http/1.1").await?;
    let mut builder = Connecting::new();
    builder.max_headers(HEADERS_MAX);
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|why| whole(&why))?;
    // It ends with the sender, or when the other side goes.
    drop(tokio::spawn(async move { connection.await.is_ok() }));
    Ok(sender)
}

/// Reads an answer as far as the bound.
async fn read(answer: Response<Incoming>) -> Result<Answer, String> {
    let status = answer.status().as_u16();
    let after = answer.headers().get(RETRY_AFTER);
    let after = after.and_then(|after| after.to_str().ok()?.trim().parse().ok());
    let mut incoming = answer.into_body();
    let mut body = BytesMut::new();
    let mut is_whole = true;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|why| whole(&why))?.into_data() else {
            continue;
        };
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            is_whole = false;
            break;
        }
    }
    Ok(Answer {
        status,
        retry_after: after.map(Duration::from_secs),
        body: body.freeze(),
        is_whole,
    })
}

/// A fault with its causes.
pub(crate) fn whole(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(found) = cause {
        text = format!("{text}: {found}");
        cause = found.source();
    }
    text
}
