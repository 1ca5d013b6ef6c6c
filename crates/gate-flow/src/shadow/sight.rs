//! What the control saw of one exchange at its place of the chain, and what it made of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use plug_host::{Direction, Exchange, RequestHead, ResponseHead};
use plug_shadow::{Body, Message, Seen, Skipped, Verdict};

use crate::answer::Whole;
use crate::shadow::{Seat, Shadow};
use crate::source::Piece;

/// The name under which the endpoint is compared that a plugin chose.
const ENDPOINT: &[u8] = b"upstream_override_host";

/// LIMIT: pieces of a body that are kept: some have no bytes.
const PIECES_MAX: usize = 1_024;

/// What plugins set by `proxy_set_property`.
type State = HashMap<Vec<u8>, Bytes>;

/// A piece of a body, or its trailers, as it came.
#[derive(Debug, Clone)]
enum Came {
    Data(Bytes, bool),
    Trailers(HeaderMap),
}

/// One direction before the plugin.
struct Way<H> {
    head: H,
    /// Nothing follows the head.
    is_bare: bool,
    pieces: Vec<Came>,
    has_ended: bool,
    /// What other plugins had set before.
    state: State,
    endpoint: Option<String>,
}

impl<H> Way<H> {
    fn new(head: H, is_bare: bool, exchange: &Exchange) -> Self {
        Self {
            head,
            is_bare,
            pieces: Vec::new(),
            has_ended: is_bare,
            state: exchange.state.borrow().clone(),
            endpoint: exchange.endpoint_override.borrow().clone(),
        }
    }

    fn pieces(&self) -> VecDeque<Piece> {
        let piece = |came: &Came| match came {
            Came::Data(bytes, end) => Piece::Data {
                bytes: bytes.clone(),
                end: *end,
            },
            Came::Trailers(trailers) => Piece::Trailers(trailers.clone()),
        };
        self.pieces.iter().map(piece).collect()
    }
}

/// What came to the plugin.
#[derive(Default)]
struct Heard {
    request: Option<Way<RequestHead>>,
    response: Option<Way<ResponseHead>>,
    body_bytes_max: (u64, u64),
    bytes: (usize, usize),
}

/// One exchange as the control saw it.
pub(crate) struct Sight {
    shadow: Weak<Shadow>,
    began: Instant,
    /// How long the exchange took, once it is over.
    took: Cell<Duration>,
    /// Bytes that are kept of each body.
    pub(crate) kept_max: usize,
    /// Callouts that had been forgotten when it began.
    pub(crate) forgotten: u64,
    kept: RefCell<Result<Kept, Skipped>>,
}

struct Kept {
    heard: Heard,
    control: Seen,
    /// Gives its place back.
    _seat: Seat,
}

/// The recorded way of a direction, for running it again.
pub(crate) struct Recorded<H> {
    pub(crate) head: H,
    pub(crate) is_bare: bool,
    pub(crate) pieces: VecDeque<Piece>,
    pub(crate) has_ended: bool,
    pub(crate) state: State,
    pub(crate) endpoint: Option<String>,
}

impl Sight {
    pub(crate) fn new(shadow: &Rc<Shadow>, seat: Seat, kept_max: usize) -> Rc<Self> {
        Rc::new(Self {
            shadow: Rc::downgrade(shadow),
            began: Instant::now(),
            took: Cell::default(),
            kept_max,
            forgotten: shadow.world.forgotten(),
            kept: RefCell::new(Ok(Kept {
                heard: Heard::default(),
                control: Seen::default(),
                _seat: seat,
            })),
        })
    }

    /// Whose it is, while that one is there.
    pub(crate) fn shadow(&self) -> Option<Rc<Shadow>> {
        self.shadow.upgrade()
    }

    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long the exchange took.
    pub(crate) fn took(&self) -> Duration {
        self.took.get()
    }

    /// It is not compared; the first reason stays.
    pub(crate) fn give_up(&self, why: Skipped) {
        let mut kept = self.kept.borrow_mut();
        if kept.is_ok() {
            *kept = Err(why);
        }
    }

    fn with(&self, note: impl FnOnce(&mut Kept) -> Result<(), Skipped>) {
        let noted = match self.kept.borrow_mut().as_mut() {
            Ok(kept) => note(kept),
            Err(_) => Ok(()),
        };
        if let Err(why) = noted {
            self.give_up(why);
        }
    }

    /// The plugin is shown a head.
    pub(crate) fn hears_headers(&self, direction: Direction, exchange: &Exchange, end: bool) {
        self.with(|kept| {
            let heard = &mut kept.heard;
            match direction {
                Direction::Request => {
                    let head = exchange.request.borrow().clone();
                    heard.request = Some(Way::new(head, end, exchange));
                    heard.body_bytes_max.0 = exchange.request_body_bytes_max.get();
                }
                Direction::Response => {
                    let head = exchange.response.borrow().clone();
                    heard.response = head.map(|head| Way::new(head, end, exchange));
                    heard.body_bytes_max.1 = exchange.response_body_bytes_max.get();
                }
            }
            Ok(())
        });
    }

    /// The plugin is shown bytes of a body.
    pub(crate) fn hears_data(&self, direction: Direction, bytes: &Bytes, end: bool) {
        let kept_max = self.kept_max;
        self.with(|kept| {
            let heard = &mut kept.heard;
            let (sum, pieces) = match direction {
                Direction::Request => (
                    &mut heard.bytes.0,
                    heard.request.as_mut().map(|way| (&mut way.pieces, &mut way.has_ended)),
                ),
                Direction::Response => (
                    &mut heard.bytes.1,
                    heard.response.as_mut().map(|way| (&mut way.pieces, &mut way.has_ended)),
                ),
            };
            *sum = sum.saturating_add(bytes.len());
            if let Some((pieces, has_ended)) = pieces {
                if *sum > kept_max || pieces.len() >= PIECES_MAX {
                    return Err(Skipped::BodyTooLong);
                }
                // What comes over a connection lies in a buffer that may be much larger.
                pieces.push(Came::Data(Bytes::copy_from_slice(bytes), end));
                *has_ended |= end;
            }
            Ok(())
        });
    }

    /// The plugin is shown the trailers.
    pub(crate) fn hears_trailers(&self, direction: Direction, exchange: &Exchange) {
        let trailers = trailers_of(direction, exchange);
        self.with(|kept| {
            let way = match direction {
                Direction::Request => kept
                    .heard
                    .request
                    .as_mut()
                    .map(|way| (&mut way.pieces, &mut way.has_ended)),
                Direction::Response => kept
                    .heard
                    .response
                    .as_mut()
                    .map(|way| (&mut way.pieces, &mut way.has_ended)),
            };
            if let Some((pieces, has_ended)) = way {
                pieces.push(Came::Trailers(trailers));
                *has_ended = true;
            }
            Ok(())
        });
    }

    /// The plugin lets a head pass.
    pub(crate) fn gives_headers(&self, direction: Direction, exchange: &Exchange, end: bool) {
        self.with(|kept| {
            let Kept { heard, control, .. } = kept;
            match direction {
                Direction::Request => {
                    let before = heard.request.as_ref().map(|way| (&way.state, &way.endpoint));
                    control.properties.extend(set_since(before, exchange));
                    control.request = Some(request(exchange, end));
                }
                Direction::Response => {
                    let before = heard.response.as_ref().map(|way| (&way.state, &way.endpoint));
                    control.properties.extend(set_since(before, exchange));
                    control.response = response(exchange, end);
                }
            }
            Ok(())
        });
    }

    /// The plugin lets bytes pass.
    pub(crate) fn gives_data(&self, direction: Direction, bytes: &Bytes, end: bool) {
        let kept_max = self.kept_max;
        self.with(|kept| {
            if let Some(message) = message(&mut kept.control, direction) {
                message.body.push(bytes, kept_max);
                message.is_whole |= end;
                if message.body.bytes > kept_max as u64 {
                    return Err(Skipped::BodyTooLong);
                }
            }
            Ok(())
        });
    }

    /// The plugin lets the trailers pass.
    pub(crate) fn gives_trailers(&self, direction: Direction, exchange: &Exchange) {
        let trailers = trailers_of(direction, exchange);
        self.with(|kept| {
            if let Some(message) = message(&mut kept.control, direction) {
                message.trailers = trailers;
                message.is_whole = true;
            }
            Ok(())
        });
    }

    /// The plugin answered by itself.
    pub(crate) fn replied(&self, direction: Direction, exchange: &Exchange, whole: &Whole) {
        let kept_max = self.kept_max;
        self.with(|kept| {
            if whole.body.len() > kept_max {
                return Err(Skipped::BodyTooLong);
            }
            let Kept { heard, control, .. } = kept;
            control.verdict = replied(direction, whole);
            let request = heard.request.as_ref().map(|way| (&way.state, &way.endpoint));
            let response = heard.response.as_ref().map(|way| (&way.state, &way.endpoint));
            let before = if direction == Direction::Request {
                request
            } else {
                response
            };
            control.properties.extend(set_since(before, exchange));
            if direction == Direction::Response {
                control.response = Some(answered(whole, kept_max));
            }
            Ok(())
        });
    }

    /// The plugin ended the stream.
    pub(crate) fn ended_it(&self) {
        self.with(|kept| {
            kept.control.verdict = Verdict::Ends;
            Ok(())
        });
    }

    /// Why it cannot be compared now that it is over; none when it can.
    pub(crate) fn unfit(&self) -> Option<Skipped> {
        self.took.set(self.age());
        let kept = self.kept.borrow();
        let kept = match kept.as_ref() {
            Ok(kept) => kept,
            Err(why) => return Some(*why),
        };
        let (heard, control) = (&kept.heard, &kept.control);
        let is_whole = |message: &Option<Message>| message.as_ref().is_some_and(|message| message.is_whole);
        let has_request = heard.request.as_ref().is_some_and(|way| way.has_ended) && is_whole(&control.request);
        let has_response = heard.response.as_ref().is_some_and(|way| way.has_ended) && is_whole(&control.response);
        let is_fit = match control.verdict {
            Verdict::GoesOn => has_request && has_response,
            Verdict::AnswersRequest(_) => heard.request.is_some() && has_response,
            Verdict::AnswersResponse(_) => has_request && heard.response.is_some(),
            Verdict::Ends => heard.request.is_some() && heard.response.is_none(),
            Verdict::Holds => false,
        };
        (!is_fit).then_some(Skipped::Unfinished)
    }

    /// What the control made of it.
    pub(crate) fn control(&self) -> Seen {
        let kept = self.kept.borrow();
        kept.as_ref()
            .map_or_else(|_| Seen::default(), |kept| kept.control.clone())
    }

    /// The request as it came to the plugin, and bytes held of request and response at most.
    pub(crate) fn request(&self) -> Option<(Recorded<RequestHead>, (u64, u64))> {
        let kept = self.kept.borrow();
        let heard = &kept.as_ref().ok()?.heard;
        Some((recorded(heard.request.as_ref()?), heard.body_bytes_max))
    }

    /// The response as it came to the plugin; what was set by then is what others had set.
    pub(crate) fn response(&self) -> Option<Recorded<ResponseHead>> {
        let kept = self.kept.borrow();
        let Kept { heard, control, .. } = kept.as_ref().ok()?;
        let mut recorded = recorded(heard.response.as_ref()?);
        recorded.state.retain(|name, _| !control.properties.contains_key(name));
        Some(recorded)
    }
}

fn recorded<H: Clone>(way: &Way<H>) -> Recorded<H> {
    Recorded {
        head: way.head.clone(),
        is_bare: way.is_bare,
        pieces: way.pieces(),
        has_ended: way.has_ended,
        state: way.state.clone(),
        endpoint: way.endpoint.clone(),
    }
}

fn message(seen: &mut Seen, direction: Direction) -> Option<&mut Message> {
    match direction {
        Direction::Request => seen.request.as_mut(),
        Direction::Response => seen.response.as_mut(),
    }
}

pub(crate) fn trailers_of(direction: Direction, exchange: &Exchange) -> HeaderMap {
    let trailers = match direction {
        Direction::Request => &exchange.request_trailers,
        Direction::Response => &exchange.response_trailers,
    };
    trailers.borrow().clone().unwrap_or_default()
}

/// What was set since then.
pub(crate) fn set_since(before: Option<(&State, &Option<String>)>, exchange: &Exchange) -> BTreeMap<Vec<u8>, Bytes> {
    let Some((before, endpoint)) = before else {
        return BTreeMap::new();
    };
    let now = exchange.state.borrow();
    let new = now.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let mut set: BTreeMap<_, _> = new.map(|(name, value)| (name.clone(), value.clone())).collect();
    let chosen = exchange.endpoint_override.borrow();
    if let Some(chosen) = chosen.as_ref().filter(|chosen| endpoint.as_ref() != Some(chosen)) {
        set.insert(ENDPOINT.to_owned(), Bytes::from(chosen.clone()));
    }
    set
}

/// The request's head as it is now.
pub(crate) fn request(exchange: &Exchange, end: bool) -> Message {
    let head = exchange.request.borrow();
    let value = |value: &[u8]| Bytes::copy_from_slice(value);
    let authority = head
        .authority
        .as_ref()
        .map(|name| (":authority", value(name.as_bytes())));
    let named = [
        (":method", value(head.method.as_str().as_bytes())),
        (":scheme", value(head.scheme.as_bytes())),
        (":path", value(head.path.as_str().as_bytes())),
    ];
    Message {
        pseudo: named.into_iter().chain(authority).collect(),
        headers: head.headers.clone(),
        is_whole: end,
        ..Message::default()
    }
}

/// The response's head as it is now.
pub(crate) fn response(exchange: &Exchange, end: bool) -> Option<Message> {
    let head = exchange.response.borrow();
    head.as_ref().map(|head| of_response(head, end))
}

fn of_response(head: &ResponseHead, end: bool) -> Message {
    Message {
        pseudo: vec![(":status", Bytes::copy_from_slice(head.status.as_str().as_bytes()))],
        headers: head.headers.clone(),
        is_whole: end,
        ..Message::default()
    }
}

/// A whole response in place of another.
pub(crate) fn answered(whole: &Whole, kept_max: usize) -> Message {
    let mut body = Body::default();
    body.push(&whole.body, kept_max);
    Message {
        body,
        ..of_response(&whole.head, true)
    }
}

/// That a plugin answered by itself.
pub(crate) fn replied(direction: Direction, whole: &Whole) -> Verdict {
    let status = whole.head.status.as_u16();
    match direction {
        Direction::Request => Verdict::AnswersRequest(status),
        Direction::Response => Verdict::AnswersResponse(status),
    }
}
