//! Bodies on their way: what comes out of a lane is given to the other side, piece by piece.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use gate_upstream::{BodyFault, broken_off};
use http::HeaderMap;
use http_body::Frame;
use plug_host::Direction;

use crate::answer;
use crate::chain::Chain;
use crate::journal::Journal;
use crate::lane::{Lane, Out, Stop};
use crate::pump::Outlet;
use crate::response_body::BodyError;
use crate::serve::{Answer, Passage};
use crate::source::{Source, SourceFault};

/// A body in its lane.
pub(crate) struct Flowing {
    lane: Lane,
    source: Source,
    /// What `content-length` promises the other side.
    promised: Option<u64>,
    given: u64,
}

/// A piece for the other side.
struct Piece {
    bytes: Bytes,
    then: Then,
}

enum Then {
    More,
    End,
    Trailers,
}

impl Piece {
    /// Gives it to the other side; true when nothing follows.
    async fn give<E>(self, outlet: &Outlet<E>, trailers: &RefCell<Option<HeaderMap>>) -> bool {
        if !self.bytes.is_empty() {
            outlet.give(Ok(Frame::data(self.bytes))).await;
        }
        if matches!(self.then, Then::Trailers) {
            let trailers = trailers.borrow().clone();
            outlet.give(Ok(Frame::trailers(trailers.unwrap_or_default()))).await;
        }
        !matches!(self.then, Then::More)
    }
}

impl Flowing {
    /// A body whose head promises `promised` bytes.
    pub(crate) fn new(lane: Lane, source: Source, promised: Option<u64>) -> Self {
        Self {
            lane,
            source,
            promised,
            given: 0,
        }
    }

    /// The next piece. The last promised bytes wait for what follows them: hyper asks for nothing more once it has them, and the plugins
    /// would never be told the end.
    async fn next(&mut self) -> Result<Piece, Stop> {
        let mut kept = Bytes::new();
        loop {
            let (bytes, then) = match self.lane.next(&mut self.source).await? {
                Out::Headers { .. } => continue,
                Out::Data { bytes, end: false } => (bytes, Then::More),
                Out::Data { bytes, end: true } => (bytes, Then::End),
                Out::Trailers => (Bytes::new(), Then::Trailers),
            };
            self.given = self.given.saturating_add(bytes.len() as u64);
            let bytes = if kept.is_empty() {
                bytes
            } else {
                [kept, bytes].concat().into()
            };
            if matches!(then, Then::More) && self.promised == Some(self.given) {
                kept = bytes;
                continue;
            }
            return Ok(Piece { bytes, then });
        }
    }

    /// Whether more or fewer bytes came out of the plugins than were promised.
    fn is_off(&self, then: &Then) -> bool {
        self.promised
            .is_some_and(|promised| self.given > promised || (matches!(then, Then::End) && self.given < promised))
    }
}

/// Gives the upstream what comes out of the request's lane.
pub(crate) async fn pump_request(mut body: Flowing, outlet: Outlet<BodyFault>, journal: Rc<Journal>, chain: Rc<Chain>) {
    loop {
        let piece = body.next().await;
        journal.request_read.set(body.lane.has_all());
        let piece = match piece {
            Ok(piece) => piece,
            Err(stop) => {
                let fault = give_up(stop, &journal, &chain);
                return outlet.give(Err(fault)).await;
            }
        };
        let sent = &journal.volume.request;
        sent.set(sent.get().saturating_add(piece.bytes.len() as u64));
        journal.sees(Direction::Request, &piece.bytes);
        if piece.give(&outlet, &chain.exchange.request_trailers).await {
            return;
        }
    }
}

/// The request's body does not come to its end: says what the client gets, when no response has begun, and breaks the upstream off.
fn give_up(stop: Stop, journal: &Rc<Journal>, chain: &Rc<Chain>) -> BodyFault {
    let passage = Passage {
        journal: Rc::clone(journal),
        chain: Rc::clone(chain),
    };
    let fault = match &stop {
        Stop::Source(SourceFault(_)) => BodyFault::ClientGone,
        Stop::Idle => BodyFault::Idle,
        Stop::TooLarge => BodyFault::TooLong,
        Stop::Reply | Stop::Reset | Stop::Fault(_) => BodyFault::GivenUp,
    };
    let exchange = &chain.exchange;
    match stop {
        // Already where the waiting side looks for them.
        Stop::Reply | Stop::Reset => {}
        other => match passage.stopped(other, Direction::Request) {
            Answer::Own(whole) => *journal.instead.borrow_mut() = Some(whole),
            _ => exchange.reset.set(true),
        },
    }
    exchange.response_bell.ring();
    fault
}

/// Gives the client what comes out of the response's lane; what was promised and does not come is a broken body, never a short one.
pub(crate) async fn pump_response(
    mut body: Flowing,
    outlet: Outlet<BodyError>,
    journal: Rc<Journal>,
    chain: Rc<Chain>,
) {
    loop {
        let piece = body.next().await;
        if body.lane.has_all() {
            journal.answered();
        }
        let piece = match piece {
            Ok(piece) => piece,
            Err(stop) => {
                let (flags, details) = broken(&stop, &chain);
                journal.overrule(flags, &details);
                return outlet.give(Err(details.into())).await;
            }
        };
        if body.is_off(&piece.then) {
            journal.overrule("LR", "plugin_changed_length");
            let text = "a plugin changed the body but not its `content-length`";
            return outlet.give(Err(text.into())).await;
        }
        if piece.give(&outlet, &chain.exchange.response_trailers).await {
            return;
        }
    }
}

/// Flag and details of a response that breaks off.
fn broken(stop: &Stop, chain: &Chain) -> (&'static str, Cow<'static, str>) {
    match stop {
        // The client has a head already, so it cannot have the plugin's; but why is what the plugin says, with no flag, as in Envoy.
        Stop::Reply => {
            let Some(reply) = chain.exchange.local_reply.take() else {
                return ("", Cow::default());
            };
            let (plugin, details) = (Rc::clone(&reply.plugin), reply.details.clone());
            let whole = answer::local(&chain.exchange.request.borrow(), reply);
            chain.replied(&plugin, Direction::Response, &whole);
            ("", details.into())
        }
        Stop::Reset => ("LR", "plugin_reset".into()),
        Stop::Fault(fault) => ("LR", fault.code().into()),
        Stop::TooLarge => ("LR", "response_payload_too_large".into()),
        Stop::Source(SourceFault(error)) => {
            let (flags, details) = broken_off(error);
            (flags, details.into())
        }
        Stop::Idle => ("LR", "response_idle_timeout".into()),
    }
}
