//! The line to one member of etcd: gRPC, who we are, and how its refusals are called.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::messages::{AuthenticateRequest, AuthenticateResponse, WatchRequest, WatchResponse};
use crate::dial::{Encryption, Stream, dial};
use crate::fault::{Result, StoreFault};
use crate::keys::ANSWER_WAIT_MAX;
use crate::layout::TEXT_BYTES_MAX;
use crate::settings::{Endpoint, Login};

/// LIMIT: bytes of one answer: a text, and what etcd says around it.
const ANSWER_BYTES_MAX: usize = 2 * TEXT_BYTES_MAX;
/// LIMIT: requests to a watch that may wait to be sent.
const ASKS_MAX: usize = 16;

/// The members, beginning with one by chance, so that many gateways do not go to the same.
pub(super) fn in_turn(endpoints: &[Endpoint]) -> impl Iterator<Item = &Endpoint> {
    use std::hash::{BuildHasher, RandomState};
    let count = endpoints.len().max(1);
    let chance = usize::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or(0);
    endpoints.iter().cycle().skip(chance % count).take(endpoints.len())
}

/// Connects where gRPC wants to be connected.
#[derive(Clone)]
struct Dialer {
    endpoint: Endpoint,
    encryption: Option<Encryption>,
}

impl tower_service::Service<Uri> for Dialer {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = StoreFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let stream = dial(&dialer.endpoint, dialer.encryption.as_ref()).await?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// A line to one member.
pub(super) struct Line {
    grpc: Grpc<Channel>,
    place: String,
    login: Option<Login>,
    token: Option<MetadataValue<tonic::metadata::Ascii>>,
}

impl Line {
    pub(super) async fn open(
        endpoint: &Endpoint,
        encryption: Option<&Encryption>,
        login: Option<&Login>,
    ) -> Result<Self> {
        let place = endpoint.to_string();
        let unreachable = |why: &dyn std::error::Error| StoreFault::Unreachable {
            place: place.clone(),
            why: whole(why),
        };
        let scheme = if encryption.is_some() { "https" } else { "http" };
        let origin: Uri = format!("{scheme}://{endpoint}")
            .parse()
            .map_err(|why| unreachable(&why))?;
        let target = tonic::transport::Endpoint::from_shared(format!("http://{endpoint}"))
            .map_err(|why| unreachable(&why))?
            .origin(origin);
        let dialer = Dialer {
            endpoint: endpoint.clone(),
            encryption: encryption.cloned(),
        };
        let channel = match target.connect_with_connector(dialer).await {
            Ok(channel) => channel,
            Err(why) => return Err(dialed(&why).unwrap_or_else(|| unreachable(&why))),
        };
        let grpc = Grpc::new(channel)
            .max_decoding_message_size(ANSWER_BYTES_MAX)
            .max_encoding_message_size(ANSWER_BYTES_MAX);
        let mut line = Self {
            grpc,
            place,
            login: login.cloned(),
            token: None,
        };
        line.log_in().await?;
        Ok(line)
    }

    /// Has a token given; there is none without a login.
    async fn log_in(&mut self) -> Result<()> {
        let Some(login) = self.login.clone() else { return Ok(()) };
        let request = AuthenticateRequest {
            name: login.user.unwrap_or_default(),
            password: login.password.read()?,
        };
        self.token = None;
        let answer: std::result::Result<AuthenticateResponse, Status> =
            self.ask("/etcdserverpb.Auth/Authenticate", request).await;
        let answer = match answer {
            Ok(answer) => answer,
            // So etcd calls a wrong user or password.
            Err(status) if status.code() == Code::InvalidArgument => {
                return Err(StoreFault::Refused {
                    place: self.place.clone(),
                    why: status.message().to_owned(),
                });
            }
            Err(status) => return Err(self.fault(&status)),
        };
        let token = answer.token.parse().map_err(|_| self.odd("its token is none"))?;
        self.token = Some(token);
        Ok(())
    }

    /// One question; a token that has run out is had anew, once.
    pub(super) async fn unary<Q, A>(&mut self, path: &'static str, request: Q) -> Result<A>
    where
        Q: prost::Message + Clone + Default + 'static,
        A: prost::Message + Default + 'static,
    {
        let first = self.ask(path, request.clone()).await;
        let answer = match first {
            Err(status) if self.login.is_some() && ran_out(&status) => {
                self.log_in().await?;
                self.ask(path, request).await
            }
            first => first,
        };
        answer.map_err(|status| self.fault(&status))
    }

    async fn ask<Q, A>(&mut self, path: &'static str, request: Q) -> std::result::Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let request = self.marked(Request::new(request));
        let asking = async {
            let ready = self.grpc.ready().await;
            ready.map_err(|why| Status::unavailable(whole(&why)))?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = self.grpc.unary(request, PathAndQuery::from_static(path), codec).await?;
            Ok(answer.into_inner())
        };
        let answered = timeout(ANSWER_WAIT_MAX, asking).await;
        answered.unwrap_or_else(|_| Err(Status::unavailable(format!("no answer within {ANSWER_WAIT_MAX:?}"))))
    }

    /// Opens a watch; what is sent into the first half is asked of it.
    pub(super) async fn watch(
        &mut self,
        first: Vec<WatchRequest>,
    ) -> Result<(Sender<WatchRequest>, Streaming<WatchResponse>)> {
        let (asks, asked) = channel(ASKS_MAX.max(first.len()));
        for request in first {
            // There is room for all of them.
            let _ = asks.try_send(request);
        }
        let request = self.marked(Request::new(Asked(asked)));
        let opening = async {
            let ready = self.grpc.ready().await;
            ready.map_err(|why| Status::unavailable(whole(&why)))?;
            let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
            let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
            self.grpc.streaming(request, path, codec).await
        };
        let opened = timeout(ANSWER_WAIT_MAX, opening).await;
        let opened = opened.unwrap_or_else(|_| Err(Status::unavailable("no watch in time")));
        let answers = opened.map_err(|status| self.fault(&status))?.into_inner();
        Ok((asks, answers))
    }

    /// With who we are, and that a member without a leader shall say so.
    fn marked<T>(&self, mut request: Request<T>) -> Request<T> {
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = &self.token {
            metadata.insert("token", token.clone());
        }
        request
    }

    pub(super) fn odd(&self, why: &str) -> StoreFault {
        StoreFault::Answer {
            place: self.place.clone(),
            why: why.to_owned(),
        }
    }

    pub(super) fn silent(&self, why: String) -> StoreFault {
        StoreFault::Unreachable {
            place: self.place.clone(),
            why,
        }
    }

    pub(super) fn refused(&self, why: String) -> StoreFault {
        StoreFault::Refused {
            place: self.place.clone(),
            why,
        }
    }

    pub(super) fn fault(&self, status: &Status) -> StoreFault {
        let why = status.message().to_owned();
        match status.code() {
            Code::PermissionDenied => self.refused(why),
            // A token that ran out is had anew with the next connection.
            Code::Unavailable | Code::Unauthenticated | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
                self.silent(why)
            }
            Code::InvalidArgument if why.contains("user name is empty") => {
                self.refused(format!("{why}\nhint: it wants a user and a password"))
            }
            Code::InvalidArgument if why.contains("too large") => self.refused(format!(
                "{why}\nhint: `--max-request-bytes` of etcd bounds a request, 1.5 MiB unless it says otherwise"
            )),
            _ => self.odd(&format!("{:?}: {why}", status.code())),
        }
    }
}

fn ran_out(status: &Status) -> bool {
    status.code() == Code::Unauthenticated || status.message().contains("invalid auth token")
}

/// What our own dialling said, if that is the cause.
fn dialed(why: &dyn std::error::Error) -> Option<StoreFault> {
    let mut cause = why.source();
    while let Some(found) = cause {
        if let Some(fault) = found.downcast_ref::<StoreFault>() {
            return Some(fault.clone());
        }
        cause = found.source();
    }
    None
}

/// A fault with its causes: gRPC's own says only that something failed.
fn whole(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(found) = cause {
        text = format!("{text}: {found}");
        cause = found.source();
    }
    text
}

/// Requests as a stream.
struct Asked(Receiver<WatchRequest>);

impl futures_util::Stream for Asked {
    type Item = WatchRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WatchRequest>> {
        self.0.poll_recv(context)
    }
}
