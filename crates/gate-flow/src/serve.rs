//! The life of one exchange: routed, led through its plugins, answered, and led back.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gate_plan::Action;
use gate_serve::connection::Connection;
use gate_serve::service::Abort;
use gate_upstream::{Lease, OutBody, Sent, Upstream, UpstreamFault};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use plug_host::{Direction, Exchange, ResponseHead};

use crate::answer::{self, Whole};
use crate::chain::Chain;
use crate::finish::Finish;
use crate::flow::Flow;
use crate::flowing::{Flowing, pump_request, pump_response};
use crate::head;
use crate::instead::Instead;
use crate::journal::{Chosen, Journal, content_length};
use crate::lane::{Lane, Out, Stop};
use crate::pump::Pump;
use crate::response_body::{Bytestream, ResponseBody};
use crate::silence::Silence;
use crate::source::Source;

/// Longest silence in a body or a paused plugin where no upstream says otherwise; Envoy's stream idle timeout.
const IDLE_DEFAULT: Duration = Duration::from_secs(300);

/// LIMIT: bytes of a request's body that are read for nothing, to keep its connection.
const UNREAD_BYTES_MAX: u64 = 16 * 1024;

/// What came of asking.
pub(crate) enum Answer {
    /// An upstream's response; its head is in the exchange.
    Upstream(Source, Lease),
    /// The gateway's own, which passes the plugins like an upstream's.
    Own(Whole),
    /// None: the stream ends.
    Nothing,
}

/// Serves one exchange.
pub(crate) async fn serve_one(
    flow: Rc<Flow>,
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Abort> {
    let serving = flow.serving();
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let awaits_continue = parts.headers.contains_key(EXPECT);
    let mut head = head::receive(parts, &connection, serving.plan.forwarding);
    let journal = Journal::new(Rc::clone(&serving), connection, &head, version, head::request_id(&head));
    journal.awaits_continue.set(awaits_continue);
    journal.choose(&head);
    let links = serving.chain(
        journal
            .chosen
            .borrow()
            .as_ref()
            .map(|chosen| chosen.route.name.as_str()),
    );
    journal.begin_trace(flow.tracing(), &mut head.headers, !links.links.is_empty());
    let body_bytes_max = links.body_bytes_max;
    let facts = Rc::clone(&journal);
    let exchange = Exchange::new(head, facts, body_bytes_max);
    let chain = Chain::new(links, exchange).in_trace_of(&journal);
    let finish = Finish::new(flow, Rc::clone(&journal), Rc::clone(&chain));
    let passage = Passage { journal, chain };
    let answer = passage.ask(Source::of(body)).await;
    passage.deliver(answer, finish).await
}

/// One exchange on its way.
pub(crate) struct Passage {
    pub(crate) journal: Rc<Journal>,
    pub(crate) chain: Rc<Chain>,
}

impl Passage {
    fn exchange(&self) -> &Rc<Exchange> {
        &self.chain.exchange
    }

    /// Longest silence, as the upstream's configuration has it.
    fn idle(&self) -> Duration {
        self.journal
            .upstream
            .borrow()
            .as_ref()
            .map_or(IDLE_DEFAULT, |upstream| upstream.spec().timeouts.idle)
    }

    /// Leads the request through its plugins and has it answered.
    async fn ask(&self, mut source: Source) -> Answer {
        let mut lane = Lane::new(Direction::Request, &self.chain, source.is_empty(), self.idle());
        self.journal.request_read.set(source.is_empty());
        let first = lane.next(&mut source).await;
        self.journal.request_read.set(lane.has_all());
        let end = match first {
            Ok(Out::Headers { end }) => end,
            Ok(_) => return Answer::Nothing,
            Err(stop) => return self.stopped(stop, Direction::Request),
        };
        self.journal.refresh(self.exchange());
        let Some(chosen) = self.journal.chosen.borrow().clone() else {
            self.journal.note("NR", "route_not_found");
            return self.own(StatusCode::NOT_FOUND, "");
        };
        let direct = |whole| {
            self.journal.note("", "direct_response");
            Answer::Own(whole)
        };
        match &chosen.route.action {
            Action::Redirect(redirect) => direct(answer::redirect(&self.exchange().request.borrow(), redirect)),
            Action::Respond(response) => direct(answer::fixed(&self.exchange().request.borrow(), response)),
            Action::Echo => {
                match crate::echo::answer(&mut lane, &mut source, end, &self.journal, self.exchange()).await {
                    Ok(whole) => direct(whole),
                    Err(stop) => self.stopped(stop, Direction::Request),
                }
            }
            Action::Forward { host_rewrite, .. } => {
                self.forward(lane, source, end, &chosen, host_rewrite.as_deref()).await
            }
        }
    }

    fn own(&self, status: StatusCode, text: &'static str) -> Answer {
        Answer::Own(answer::text(&self.exchange().request.borrow(), status, text))
    }

    /// What a client gets when a lane gave nothing more.
    pub(crate) fn stopped(&self, stop: Stop, direction: Direction) -> Answer {
        let instead = match stop {
            Stop::Reply => {
                let Some(reply) = self.exchange().local_reply.take() else {
                    return Answer::Nothing;
                };
                self.why("", &reply.details, direction);
                let plugin = Rc::clone(&reply.plugin);
                let whole = answer::local(&self.exchange().request.borrow(), reply);
                self.chain.replied(&plugin, direction, &whole);
                return Answer::Own(whole);
            }
            Stop::Reset => {
                self.why("LR", "plugin_reset", direction);
                return Answer::Nothing;
            }
            Stop::Source(_) if direction == Direction::Request => {
                self.journal.note("DC", "downstream_remote_disconnect");
                return Answer::Nothing;
            }
            other => Instead::of(&other, direction),
        };
        self.why(instead.flags, instead.details, direction);
        self.own(instead.status, instead.text)
    }

    /// Notes why the response is what it is; in its own direction that is why it is no longer the upstream's.
    fn why(&self, flags: &'static str, details: &str, direction: Direction) {
        match direction {
            Direction::Request => self.journal.note(flags, details),
            Direction::Response => self.journal.overrule(flags, details),
        }
    }

    async fn forward(&self, mut lane: Lane, source: Source, end: bool, chosen: &Chosen, host: Option<&str>) -> Answer {
        let Some(upstream) = self.journal.upstream.borrow().clone() else {
            self.journal.note("NC", "cluster_not_found");
            return self.own(StatusCode::SERVICE_UNAVAILABLE, "");
        };
        let whole = if end { Some(Bytes::new()) } else { lane.whole_body() };
        let Some(mut request) = self.request(chosen, host, whole.as_ref()) else {
            self.journal.note("", "request_not_sendable");
            return self.own(StatusCode::BAD_REQUEST, "");
        };
        let idle = upstream.spec().timeouts.idle;
        *request.body_mut() = match whole {
            Some(bytes) => {
                self.journal.volume.request.set(bytes.len() as u64);
                self.journal.sees(Direction::Request, &bytes);
                OutBody::from(bytes)
            }
            None if self.chain.len() == 0 => {
                OutBody::stream(crate::passing::Passing::new(source, Rc::clone(&self.journal), idle))
            }
            None => {
                let (journal, chain) = (Rc::clone(&self.journal), Rc::clone(&self.chain));
                let promised = content_length(request.headers());
                let body = Flowing::new(lane, source, promised);
                OutBody::stream(Pump::new(|outlet| pump_request(body, outlet, journal, chain)))
            }
        };
        match self.send(&upstream, request).await {
            Ok(answer) => answer,
            Err(fault) => {
                self.journal.failed(&fault);
                self.own(fault.status(), fault.client_text())
            }
        }
    }

    /// The request as the upstream gets it; none when its parts make no URI.
    fn request(&self, chosen: &Chosen, host: Option<&str>, whole: Option<&Bytes>) -> Option<Request<OutBody>> {
        let mut head = self.exchange().request.borrow_mut();
        let uri = head::uri(&head, chosen.rewritten.as_deref(), host)?;
        let mut request = Request::new(OutBody::Empty);
        *request.uri_mut() = uri;
        *request.method_mut() = head.method.clone();
        let headers = if !self.are_heads_read_at_the_end() {
            std::mem::take(&mut head.headers)
        } else {
            head.headers.clone()
        };
        *request.headers_mut() = headers;
        // How a message is framed is not for plugins to say, nor which headers end here: those of the client were taken out before.
        request.headers_mut().remove(CONNECTION);
        head::strip_hop_by_hop(request.headers_mut());
        head::edit(request.headers_mut(), &chosen.route.request_headers);
        if let Some(whole) = whole
            && (request.headers().contains_key(CONTENT_LENGTH) || expects_content(request.method()))
        {
            // All bytes are here, so a length that a plugin forgot to change cannot split the message.
            request.headers_mut().insert(CONTENT_LENGTH, whole.len().into());
        }
        Some(request)
    }

    async fn send(&self, upstream: &Rc<Upstream>, request: Request<OutBody>) -> Result<Answer, UpstreamFault> {
        let wanted = self.exchange().endpoint_override.borrow().clone();
        let endpoint = upstream.pick(wanted.as_deref())?;
        self.journal.asks(endpoint.address());
        let asked = Instant::now();
        let told = self
            .journal
            .traced
            .get()
            .map(|traced| (traced, traced.for_upstream(request.headers())));
        let tell = |ready, headers: &mut http::HeaderMap| {
            let span = self.journal.reaches(ready);
            if let Some((traced, formats)) = told {
                traced.tell_upstream(headers, span, formats);
            }
        };
        let mut sending = pin!(upstream.send_telling(&endpoint, request, &tell));
        let bell = &self.exchange().response_bell;
        let sent = poll_fn(|task| {
            if bell.poll_heard(task).is_ready() && self.interrupted() {
                return Poll::Ready(None);
            }
            sending.as_mut().poll(task).map(Some)
        });
        let Some(sent) = sent.await.transpose()? else {
            return Ok(match self.journal.instead.take() {
                Some(whole) => Answer::Own(whole),
                None if self.exchange().reset.get() => self.stopped(Stop::Reset, Direction::Request),
                None => self.stopped(Stop::Reply, Direction::Request),
            });
        };
        self.journal.upstream_wait.set(Some(asked.elapsed()));
        Ok(self.received(sent))
    }

    fn interrupted(&self) -> bool {
        let exchange = self.exchange();
        self.journal.instead.borrow().is_some() || exchange.local_reply.borrow().is_some() || exchange.reset.get()
    }

    fn received(&self, sent: Sent) -> Answer {
        self.journal.way.attempts.set(u64::from(sent.retries) + 1);
        let (parts, body) = sent.response.into_parts();
        if let Some(stages) = self.journal.stages() {
            stages.responds(parts.status.as_u16());
        }
        let mut headers = parts.headers;
        head::strip_hop_by_hop(&mut headers);
        self.journal.note("", "via_upstream");
        *self.exchange().response.borrow_mut() = Some(ResponseHead {
            status: parts.status,
            headers,
        });
        Answer::Upstream(Source::of(body), sent.lease)
    }

    /// Leads the response through its plugins, backwards.
    async fn deliver(&self, answer: Answer, finish: Finish) -> Result<Response<ResponseBody>, Abort> {
        let (mut source, lease) = match answer {
            Answer::Nothing => return Err(Abort),
            Answer::Upstream(source, lease) => (source, Some(lease)),
            Answer::Own(whole) => (self.put(whole), None),
        };
        if self.chain.len() == 0 {
            return Ok(self.respond(direct(source, lease, self.idle()), finish));
        }
        let mut lane = Lane::new(Direction::Response, &self.chain, source.is_empty(), self.idle());
        let first = lane.next(&mut source).await;
        if lane.has_all() {
            self.journal.answered();
        }
        match first {
            Ok(Out::Headers { end: true }) => Ok(self.respond(Bytestream::Empty, finish)),
            Ok(Out::Headers { end: false }) => {
                let stream = match lane.whole_body() {
                    Some(bytes) => self.full(bytes),
                    None => self.streaming(lane, source, lease),
                };
                Ok(self.respond(stream, finish))
            }
            Ok(_) => Err(Abort),
            // As in Envoy, a reply in place of a response that has begun to pass the plugins does not pass them again.
            Err(stop) => match self.stopped(stop, Direction::Response) {
                Answer::Own(whole) => {
                    let source = self.put(whole);
                    Ok(self.respond(direct(source, None, self.idle()), finish))
                }
                _ => Err(Abort),
            },
        }
    }

    fn put(&self, whole: Whole) -> Source {
        self.journal.answered_here.set(true);
        *self.exchange().response.borrow_mut() = Some(whole.head);
        *self.exchange().response_trailers.borrow_mut() = None;
        if whole.body.is_empty() || self.journal.method == Method::HEAD {
            Source::Empty
        } else {
            Source::Full(whole.body)
        }
    }

    /// Whether a request of HTTP/1 is answered here while much of its body, or nobody knows how much, has not been read: the connection
    /// then ends with the response, which says so (RFC 9112 section 9.6). A short rest is on its way with the head, so that hyper reads it
    /// and goes on with the connection; but not from a client that waits for a 100 and need not send any.
    fn leaves_request_unread(&self) -> bool {
        let journal = &self.journal;
        let is_long = journal
            .request_length
            .is_none_or(|length| length.saturating_sub(journal.volume.request.get()) > UNREAD_BYTES_MAX);
        journal.answered_here.get()
            && !journal.request_read.get()
            && journal.version < Version::HTTP_2
            && (is_long || journal.awaits_continue.get())
    }

    /// All of the body is here, so its length cannot be wrong.
    fn full(&self, bytes: Bytes) -> Bytestream {
        if let Some(head) = self.exchange().response.borrow_mut().as_mut()
            && head.headers.contains_key(CONTENT_LENGTH)
        {
            head.headers.insert(CONTENT_LENGTH, bytes.len().into());
        }
        Bytestream::Full(bytes)
    }

    fn streaming(&self, lane: Lane, source: Source, lease: Option<Lease>) -> Bytestream {
        let (journal, chain) = (Rc::clone(&self.journal), Rc::clone(&self.chain));
        let promised = promised_bytes(&chain.exchange);
        let body = Flowing::new(lane, source, promised);
        Bytestream::Chain(Pump::new(move |outlet| async move {
            let _lease = lease;
            pump_response(body, outlet, journal, chain).await;
        }))
    }

    /// Plugins may read heads when they log, and so may the record and a debug window.
    fn are_heads_read_at_the_end(&self) -> bool {
        let logs = &self.journal.serving.plan.logs;
        self.chain.len() > 0 || logs.debug.is_some() || !logs.fields.is_empty()
    }

    fn respond(&self, stream: Bytestream, finish: Finish) -> Response<ResponseBody> {
        self.exchange().response_started.set(true);
        let mut kept = self.exchange().response.borrow_mut();
        let (status, mut headers) = match kept.as_mut() {
            Some(head) if !self.are_heads_read_at_the_end() => (head.status, std::mem::take(&mut head.headers)),
            Some(head) => (head.status, head.headers.clone()),
            None => (StatusCode::INTERNAL_SERVER_ERROR, http::HeaderMap::new()),
        };
        if self.chain.len() > 0 {
            headers.remove(CONNECTION);
            head::strip_hop_by_hop(&mut headers);
        }
        if let Some(chosen) = self.journal.chosen.borrow().as_ref() {
            head::edit(&mut headers, &chosen.route.response_headers);
        }
        if self.leaves_request_unread() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(traced) = self.journal.traced.get() {
            traced.tell_client(&mut headers);
        }
        self.journal.status.set(Some(status.as_u16()));
        let promised = content_length(&headers);
        let bodiless = self.journal.method == Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        let body = ResponseBody::new(stream, promised, bodiless, Rc::clone(&self.journal), finish);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Methods for which a length is said also when it is 0 (RFC 9110 section 8.6).
fn expects_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// A response past no plugin.
fn direct(source: Source, lease: Option<Lease>, idle: Duration) -> Bytestream {
    match (source, lease) {
        (Source::Incoming(body), Some(lease)) => Bytestream::Direct {
            body,
            silence: Silence::new(idle),
            _lease: lease,
        },
        (Source::Full(bytes), _) => Bytestream::Full(bytes),
        _ => Bytestream::Empty,
    }
}

/// The length that the response's head promises; a response to HEAD promises one and sends none.
fn promised_bytes(exchange: &Exchange) -> Option<u64> {
    content_length(&exchange.response.borrow().as_ref()?.headers)
}
