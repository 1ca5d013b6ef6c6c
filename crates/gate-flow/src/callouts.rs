//! Callouts of plugins: HTTP, gRPC and Redis through the gateway's own upstreams, and what plugins say to the operator.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gate_upstream::{BodyFault, OutBody, Upstream, Upstreams};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use log_book::Pen;
use log_mask::field::Untrusted;
use plug_host::{
    CallRefused, Caller, CalloutStep, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, Outside,
    RedisClient, ResponseHead, Saying, Writing,
};
use tokio::sync::mpsc;

use crate::called::{Asks, Called, End, Outcome};
use crate::head;
use crate::pump::Pump;
use crate::redis::Link;
use crate::shadow::{Answered, Asked, Asking, Memory};

/// LIMIT: bytes of a callout's answer; Envoy's `http.async_response_buffer_limit`.
const REPLY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// LIMIT: links to Redis of one worker. A plugin makes a new one with each new password; of more, the one that was asked longest ago is let go.
const LINKS_MAX: usize = 256;

/// What plugins say, to the operator.
pub type Voice = Rc<dyn Fn(Saying<'_>)>;

/// Callouts of one worker.
pub struct Callouts {
    upstreams: Rc<Upstreams>,
    voice: Voice,
    /// With which calls are written down.
    pen: Rc<RefCell<Pen>>,
    redis: RefCell<HashMap<RedisClient, (Rc<Link>, u64)>>,
    /// Counts what was asked of Redis.
    asked: Cell<u64>,
    /// Who remembers what is answered, while a candidate runs aside.
    memory: RefCell<Weak<Memory>>,
}

impl Callouts {
    /// Callouts through `upstreams`; `voice` is told what plugins say, and each call is written with `pen`.
    #[must_use]
    pub fn new(upstreams: Rc<Upstreams>, voice: Voice, pen: Rc<RefCell<Pen>>) -> Rc<Self> {
        Rc::new(Self {
            upstreams,
            voice,
            pen,
            redis: RefCell::default(),
            asked: Cell::default(),
            memory: RefCell::default(),
        })
    }

    /// From now on callouts are remembered, for as long as somebody has the memory.
    pub(crate) fn remember(&self) -> Rc<Memory> {
        let mut memory = self.memory.borrow_mut();
        memory.upgrade().unwrap_or_else(|| {
            let new = Rc::new(Memory::default());
            *memory = Rc::downgrade(&new);
            new
        })
    }

    /// Notes a callout that begins, where that is remembered.
    fn note(&self, asked: impl FnOnce() -> Asked) -> Option<Asking> {
        let memory = self.memory.borrow().upgrade()?;
        Some(Asking::begin(memory, asked()))
    }

    /// The link of a client to what its upstream is now.
    fn link(&self, upstream: Rc<Upstream>, client: &RedisClient) -> Rc<Link> {
        let mut links = self.redis.borrow_mut();
        // The name may mean another upstream since a change of the configuration.
        if links.get(client).is_some_and(|(link, _)| !link.leads_to(&upstream)) {
            links.remove(client);
        }
        if links.len() >= LINKS_MAX && !links.contains_key(client) {
            let eldest = links.iter().min_by_key(|(_, (_, asked))| *asked);
            let eldest = eldest.map(|(client, _)| client.clone());
            // What it was asked it still answers.
            eldest.map(|client| links.remove(&client));
        }
        let now = self.asked.get().wrapping_add(1);
        self.asked.set(now);
        let (link, asked) = links
            .entry(client.clone())
            .or_insert_with(|| (Link::new(upstream, client.clone()), now));
        *asked = now;
        Rc::clone(link)
    }
}

impl Outside for Callouts {
    fn say(&self, saying: Saying<'_>) {
        (self.voice)(saying);
    }

    fn mask(&self, writing: Writing, text: &[u8]) -> Option<Bytes> {
        let value = match writing {
            Writing::Text => Untrusted::Text(text),
            Writing::Json => Untrusted::Json(text),
        };
        let mut shown = Vec::with_capacity(text.len());
        self.pen.try_borrow_mut().ok()?.mask(value, &mut shown);
        Some(shown.into())
    }

    fn http_call(&self, call: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        let upstream = self
            .upstreams
            .find(&call.upstream)
            .ok_or(CallRefused::UnknownUpstream)?;
        let noted = self.note(|| Asked::http(&call));
        let called = Called::begin(&self.pen, &upstream, caller(&call.plugin, call.step.as_ref()), || {
            Asks::Http(call.head.method.clone(), call.head.path.clone())
        });
        let bytes_out = call.body.len() as u64;
        Ok(Called::attend(called, async move {
            let step = call.step.clone();
            let (reply, outcome) = http_call(upstream, call).await;
            let end = End {
                outcome,
                status: reply.as_ref().map(|reply| reply.head.status.as_u16()),
                bytes_out,
                bytes_in: reply.as_ref().map_or(0, |reply| reply.body.len() as u64),
            };
            if let Some(step) = step {
                step.ends(end.status);
            }
            if let Some(noted) = noted {
                noted.ends(Answered::Http(reply.clone()));
            }
            (reply, end)
        }))
    }

    fn grpc_call(
        &self,
        call: GrpcCall,
        outgoing: mpsc::UnboundedReceiver<GrpcOut>,
        events: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        let upstream = self
            .upstreams
            .find(&call.upstream)
            .ok_or(CallRefused::UnknownUpstream)?;
        let called = Called::begin(&self.pen, &upstream, caller(&call.plugin, call.step.as_ref()), || {
            Asks::Grpc(call.service.clone(), call.method.clone())
        });
        Ok(Called::attend(called, async move {
            let status = crate::grpc::call(upstream, call, outgoing, events).await;
            ((), End::of(Outcome::of_grpc(status)))
        }))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        self.upstreams.find(named).map(|upstream| upstream.spec().name.clone())
    }

    fn redis_call(
        &self,
        client: &RedisClient,
        query: Bytes,
        by: Caller<'_>,
    ) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        let upstream = self
            .upstreams
            .find(&client.upstream)
            .ok_or(CallRefused::UnknownUpstream)?;
        let called = Called::begin(&self.pen, &upstream, by, || Asks::Redis(query.clone()));
        let (time_max, bytes_out) = (client.timeout, query.len() as u64);
        let link = self.link(upstream, client);
        let asked = query.clone();
        let Some(reply) = link.ask(query) else {
            if let Some(called) = called {
                called.ends(End::of(Outcome::Refused));
            }
            return Err(CallRefused::TooMany);
        };
        let noted = self.note(|| Asked::redis(client, &asked));
        let began = Instant::now();
        Ok(Called::attend(called, async move {
            let reply = reply.await;
            let end = End {
                outcome: Outcome::of_redis(reply.as_ref(), (began.elapsed(), time_max)),
                status: None,
                bytes_out,
                bytes_in: reply.as_ref().map_or(0, |reply| reply.len() as u64),
            };
            if let Some(noted) = noted {
                noted.ends(Answered::Redis(reply.clone()));
            }
            (reply, end)
        }))
    }
}

fn caller<'a>(plugin: &'a str, step: Option<&Rc<dyn CalloutStep>>) -> Caller<'a> {
    Caller {
        plugin,
        ids: step.and_then(|step| step.ids()),
    }
}

/// How far a callout has come.
enum Stage {
    /// Nobody has answered.
    Asking,
    /// The answer has begun, but not ended.
    Answering,
    /// The gateway answers itself, because of this.
    Own(Outcome),
    /// The answer is whole.
    Answered,
}

async fn http_call(upstream: Rc<Upstream>, call: HttpCall) -> (Option<HttpReply>, Outcome) {
    let wait = call.timeout;
    let stage = Cell::new(Stage::Asking);
    let exchange = exchange(upstream, call, &stage);
    let reply = match wait {
        None => exchange.await,
        Some(wait) => match tokio::time::timeout(wait, exchange).await {
            Ok(reply) => reply,
            // In Envoy the router answers for a callout that takes too long; one that breaks off in its body has failed.
            Err(_) => match stage.replace(Stage::Own(Outcome::Timeout)) {
                Stage::Asking => Some(own(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout")),
                _ => None,
            },
        },
    };
    let outcome = match (stage.into_inner(), &reply) {
        (Stage::Own(outcome), _) => outcome,
        (Stage::Answered, Some(reply)) => Outcome::of_status(reply.head.status.as_u16()),
        _ => Outcome::Failed,
    };
    (reply, outcome)
}

async fn exchange(upstream: Rc<Upstream>, call: HttpCall, stage: &Cell<Stage>) -> Option<HttpReply> {
    let request = request(call)?;
    // The router answers for a failed connection as well.
    let own_for = |fault: gate_upstream::UpstreamFault| {
        stage.set(Stage::Own(match fault.status() {
            StatusCode::GATEWAY_TIMEOUT => Outcome::Timeout,
            _ => Outcome::Unavailable,
        }));
        Some(own(fault.status(), fault.client_text()))
    };
    let endpoint = match upstream.pick(None) {
        Ok(endpoint) => endpoint,
        Err(fault) => return own_for(fault),
    };
    match upstream.send(&endpoint, request).await {
        Err(fault) => own_for(fault),
        Ok(sent) => {
            stage.set(Stage::Answering);
            let (parts, body) = sent.response.into_parts();
            let mut headers = parts.headers;
            head::strip_hop_by_hop(&mut headers);
            let (body, trailers) = collect(body).await?;
            stage.set(Stage::Answered);
            drop(sent.lease);
            Some(HttpReply {
                head: ResponseHead {
                    status: parts.status,
                    headers,
                },
                body,
                trailers,
            })
        }
    }
}

fn own(status: StatusCode, text: &'static str) -> HttpReply {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    HttpReply {
        head: ResponseHead { status, headers },
        body: Bytes::from_static(text.as_bytes()),
        trailers: HeaderMap::new(),
    }
}

fn request(call: HttpCall) -> Option<Request<OutBody>> {
    let uri = head::uri(&call.head, None, None)?;
    let mut headers = call.head.headers;
    head::strip_hop_by_hop(&mut headers);
    if let Some(step) = &call.step {
        step.tell(&mut headers);
    }
    if !call.body.is_empty() {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
    }
    let body = match call.trailers.is_empty() {
        true => OutBody::from(call.body),
        false => {
            headers.remove(CONTENT_LENGTH);
            let (body, trailers) = (call.body, call.trailers);
            OutBody::stream(Pump::<BodyFault>::new(|outlet| async move {
                outlet.give(Ok(Frame::data(body))).await;
                outlet.give(Ok(Frame::trailers(trailers))).await;
            }))
        }
    };
    let mut request = Request::new(body);
    *request.method_mut() = call.head.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Some(request)
}

/// The whole body and its trailers; none when it breaks off or is too long.
async fn collect(mut body: Incoming) -> Option<(Bytes, HeaderMap)> {
    let mut whole = BytesMut::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = std::future::poll_fn(|task| Pin::new(&mut body).poll_frame(task)).await {
        match frame.ok()?.into_data() {
            Ok(bytes) => {
                if whole.len().saturating_add(bytes.len()) > REPLY_BYTES_MAX {
                    return None;
                }
                whole.extend_from_slice(&bytes);
            }
            Err(frame) => {
                if let Ok(found) = frame.into_trailers() {
                    trailers = found;
                }
            }
        }
    }
    Some((whole.freeze(), trailers))
}

/// Longest silence on a gRPC callout that has no timeout of its own.
pub(crate) const GRPC_IDLE: Duration = Duration::from_secs(3600);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_redis_in_ever_new_names_has_no_more_links_than_there_may_be() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let text = "listeners: [{ name: web, listen: '127.0.0.1:2' }]\nupstreams: [{ name: store, endpoints: ['127.0.0.1:1'] }]\n";
        let plan = gate_plan::check(text, "t.yaml").unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let upstreams = Upstreams::new();
            upstreams.apply(&Upstreams::prepare(&plan.upstreams).unwrap());
            let upstream = upstreams.find("store").unwrap();
            let callouts = Callouts::new(upstreams, Rc::new(|_| {}), Rc::new(RefCell::new(Pen::dry())));
            let client = |password: &str| RedisClient {
                upstream: "store".to_owned(),
                username: String::new(),
                password: password.to_owned(),
                database: 0,
                timeout: Duration::from_secs(1),
            };
            let used = callouts.link(Rc::clone(&upstream), &client("used"));
            for number in 0..2 * LINKS_MAX {
                callouts.link(Rc::clone(&upstream), &client(&number.to_string()));
                // One that goes on being asked stays the same.
                assert!(Rc::ptr_eq(&used, &callouts.link(Rc::clone(&upstream), &client("used"))));
                assert!(callouts.redis.borrow().len() <= LINKS_MAX);
            }
        });
    }
}
