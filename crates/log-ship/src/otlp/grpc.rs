//! OTLP over gRPC: the same messages, and codes in place of statuses.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request as HttpRequest, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::client::Grpc as Client;
use tonic::metadata::{MetadataKey, MetadataValue};
use tonic::transport::{Channel, Endpoint, Error as Broken};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{RetryInfo, RpcStatus};
use super::{Signal, judged, unread};
use crate::net::Target;
use crate::net::dial::{Stream, dial};
use crate::net::post::{ANSWER_BYTES_MAX, SAID_CHARS_MAX, runtime, whole};
use crate::net::posting::{Judgement, Language};
use crate::record::Record;

/// Connects where gRPC wants to be connected.
#[derive(Clone)]
struct Dialer(Target);

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let target = self.0.clone();
        Box::pin(async move {
            let stream = dial(&target, b"h2").await.map_err(std::io::Error::other)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// A channel that notes whether a server has said how it ended, which nothing else tells apart from what is said on our side.
struct Watched {
    channel: Channel,
    judged: Arc<AtomicBool>,
}

impl tower_service::Service<HttpRequest<Body>> for Watched {
    type Response = Response<Body>;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let (answer, judged) = (self.channel.call(request), Arc::clone(&self.judged));
        Box::pin(async move {
            let answer = answer.await?;
            judged.store(answer.headers().contains_key("grpc-status"), Ordering::Relaxed);
            let watched = move |frame: hyper::body::Frame<_>| {
                judged.fetch_or(frame.is_trailers(), Ordering::Relaxed);
                frame
            };
            Ok(answer.map(|body| Body::new(body.map_frame(watched))))
        })
    }
}

pub(super) struct Grpc<S> {
    runtime: Runtime,
    target: Target,
    signal: S,
    kept: Option<Client<Watched>>,
    /// Whether the server has said how the last exchange ended.
    judged: Arc<AtomicBool>,
}

impl<S: Signal> Grpc<S> {
    pub(super) fn new(target: Target, signal: S) -> Result<Self, String> {
        target.place()?;
        Ok(Self {
            runtime: runtime()?,
            target,
            signal,
            kept: None,
            judged: Arc::default(),
        })
    }
}

impl<S: Signal> Language for Grpc<S> {
    fn send(&mut self, records: &[Arc<Record>]) -> Judgement {
        let message = match self.signal.request(records) {
            Ok(message) => message,
            Err(unfit) => return unfit.into(),
        };
        let patience = self.target.answer_wait_max;
        let exchange = exchange::<S>(&self.target, &self.judged, &mut self.kept, message);
        let answered = self.runtime.block_on(async { timeout(patience, exchange).await });
        let answered = answered.unwrap_or_else(|_| Err(Status::unavailable(format!("no answer within {patience:?}"))));
        match answered {
            Ok(response) => judged::<S>(&response),
            Err(status) => {
                self.kept = None;
                // Only our own bound gives this code where the server gave none.
                if status.code() == Code::OutOfRange && !self.judged.load(Ordering::Relaxed) {
                    return unread();
                }
                by_code(&status)
            }
        }
    }
}

async fn exchange<S: Signal>(
    target: &Target,
    judged: &Arc<AtomicBool>,
    kept: &mut Option<Client<Watched>>,
    message: S::Request,
) -> Result<S::Response, Status> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => connect(target, judged).await?,
    };
    let mut request = Request::new(message);
    let authorization = target
        .authorization()
        .map_err(|why| Status::unavailable(why.to_string()))?;
    for (name, value) in target.headers.iter().chain(&authorization) {
        let wrong = |_| Status::unavailable(format!("no metadata: `{name}`"));
        let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| wrong(()))?;
        let value = MetadataValue::try_from(value).map_err(|_| wrong(()))?;
        request.metadata_mut().insert(key, value);
    }
    let ready = client.ready().await;
    ready.map_err(|why| Status::unavailable(whole(&why)))?;
    let codec = ProstCodec::<S::Request, S::Response>::default();
    let answer = client
        .unary(request, PathAndQuery::from_static(S::EXPORT), codec)
        .await?;
    *kept = Some(client);
    Ok(answer.into_inner())
}

async fn connect(target: &Target, judged: &Arc<AtomicBool>) -> Result<Client<Watched>, Status> {
    let lost = |why: String| Status::unavailable(why);
    let (host, port) = target.place().map_err(lost)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let scheme = if target.is_encrypted() { "https" } else { "http" };
    let origin: Uri = format!("{scheme}://{host}:{port}")
        .parse()
        .map_err(|_| lost(String::from("no address")))?;
    // The connector encrypts; tonic would refuse the scheme itself.
    let endpoint = Endpoint::from_shared(format!("http://{host}:{port}")).map_err(|why| lost(whole(&why)))?;
    let endpoint = endpoint.origin(origin);
    let channel = endpoint.connect_with_connector(Dialer(target.clone())).await;
    let channel = channel.map_err(|why| lost(whole(&why)))?;
    let judged = Arc::clone(judged);
    Ok(Client::new(Watched { channel, judged }).max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// What a code means, by the table of OTLP.
fn by_code(status: &Status) -> Judgement {
    let words: String = status.message().chars().take(SAID_CHARS_MAX).collect();
    let said = format!("{:?}: {words}", status.code());
    let after = retry_delay(status);
    match status.code() {
        // A connection that broke is called unknown by who carries it; one that answers so means it.
        Code::Unknown if std::error::Error::source(status).is_some() => Judgement::Later { why: said, after },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Judgement::Later { why: said, after },
        Code::ResourceExhausted if after.is_some() => Judgement::Later { why: said, after },
        // So servers of gRPC refuse a message beyond their limit.
        Code::ResourceExhausted if words.contains("larger than max") || words.contains("too large") => {
            Judgement::Smaller { said }
        }
        _ => Judgement::Refused { said },
    }
}

/// How long the server wants to be left alone.
fn retry_delay(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let info = details
        .iter()
        .find(|one| one.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice())
        .ok()?
        .retry_delay
        .unwrap_or_default();
    Some(Duration::new(
        u64::try_from(delay.seconds).unwrap_or(0),
        u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999),
    ))
}
