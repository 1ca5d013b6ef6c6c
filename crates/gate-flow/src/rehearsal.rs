//! One exchange through a chain without a client, an upstream or a connection: the same lanes, pieces in and pieces out.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use gate_plan::OnFault;
use http::HeaderMap;
use plug_host::{Direction, Exchange, PluginHandle, ResponseHead};

use crate::answer;
use crate::chain::{Chain, Link, Links};
use crate::instead::Instead;
use crate::lane::{Lane, Out, Stop};
use crate::source::{Piece, Source};

mod connection;
pub use connection::{Connection, Feed};

/// Nobody waits for real in a rehearsal: its clock is the trial's.
const IDLE: Duration = Duration::from_secs(3_600);

/// An exchange with its plugins.
pub struct Rehearsal {
    chain: Rc<Chain>,
}

/// A body as it comes: pieces, and what ends it.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// Pieces, in order.
    pub pieces: Vec<Bytes>,
    /// Trailers; none when the last piece ends it.
    pub trailers: Option<HeaderMap>,
}

/// What came out behind the last plugin.
#[derive(Debug)]
pub enum Came {
    /// The head, which is in the exchange; `end` when nothing follows.
    Head {
        /// Nothing follows.
        end: bool,
    },
    /// Bytes.
    Data {
        /// Which.
        bytes: Bytes,
        /// Nothing follows.
        end: bool,
    },
    /// The trailers, which are in the exchange; nothing follows.
    Trailers,
}

/// What came in place of more.
#[derive(Debug)]
pub enum Halt {
    /// A response that no upstream gave: a plugin's own, or the gateway's for a fault or too much held.
    Reply {
        /// Its head.
        head: ResponseHead,
        /// Its body.
        body: Bytes,
        /// Why, for the operator.
        details: String,
        /// The plugin's status of gRPC, if it gave one.
        grpc_status: Option<u32>,
    },
    /// A plugin ended the stream.
    Reset,
}

/// One direction of the exchange.
pub struct Way {
    direction: Direction,
    lane: Lane,
    source: Source,
    chain: Rc<Chain>,
}

impl Rehearsal {
    /// The exchange through one plugin.
    #[must_use]
    pub fn new(plugin: &Rc<PluginHandle>, exchange: Rc<Exchange>) -> Self {
        Self {
            chain: chain(plugin, exchange),
        }
    }

    /// A way through the plugin, whose head is in the exchange.
    #[must_use]
    pub fn way(&self, direction: Direction, body: Body) -> Way {
        let source = Source::Script(pieces(body));
        Way {
            direction,
            lane: Lane::new(direction, &self.chain, source.is_empty(), IDLE),
            source,
            chain: Rc::clone(&self.chain),
        }
    }

    /// A way whose body is fed piece by piece, as [`Way::feed`] gets it.
    #[must_use]
    pub fn open_way(&self, direction: Direction) -> Way {
        Way {
            direction,
            lane: Lane::new(direction, &self.chain, false, IDLE),
            source: Source::Fed(VecDeque::new()),
            chain: Rc::clone(&self.chain),
        }
    }

    /// Tells the plugin that the exchange has ended.
    pub async fn end(&self) {
        self.chain.end().await;
    }
}

/// A chain of one plugin, whose faults close what they concern.
pub(crate) fn chain(plugin: &Rc<PluginHandle>, exchange: Rc<Exchange>) -> Rc<Chain> {
    let link = Link {
        name: plugin.plugin().spec.name.as_str().into(),
        number: 0,
        handle: Some(Rc::clone(plugin)),
        on_fault: OnFault::Close,
        while_restarting: OnFault::Close,
        debug: None,
        arms: None,
    };
    let links = Links {
        links: Rc::new([link]),
        body_bytes_max: exchange.request_body_bytes_max.get(),
    };
    Chain::new(links, exchange)
}

fn pieces(body: Body) -> VecDeque<Piece> {
    let has_trailers = body.trailers.is_some();
    let last = body.pieces.len().saturating_sub(1);
    let data = body.pieces.into_iter().enumerate().map(|(at, bytes)| Piece::Data {
        bytes,
        end: at == last && !has_trailers,
    });
    data.chain(body.trailers.map(Piece::Trailers)).collect()
}

impl Way {
    /// A piece of the body; `end` when nothing follows, which the plugin is told together with the bytes.
    pub fn feed(&mut self, bytes: Bytes, end: bool) {
        if let Source::Fed(pieces) = &mut self.source {
            pieces.push_back(Piece::Data { bytes, end });
        }
    }

    /// The next thing to come out.
    ///
    /// # Errors
    /// When nothing more comes, and what came instead.
    pub async fn next(&mut self) -> Result<Came, Halt> {
        match self.lane.next(&mut self.source).await {
            Ok(Out::Headers { end }) => Ok(Came::Head { end }),
            Ok(Out::Data { bytes, end }) => Ok(Came::Data { bytes, end }),
            Ok(Out::Trailers) => Ok(Came::Trailers),
            Err(stop) => Err(self.halt(stop)),
        }
    }

    fn halt(&self, stop: Stop) -> Halt {
        let exchange = &self.chain.exchange;
        let request = exchange.request.borrow();
        match stop {
            Stop::Reply => match exchange.local_reply.take() {
                Some(reply) => {
                    let (details, grpc_status) = (reply.details.clone(), reply.grpc_status);
                    let whole = answer::local(&request, reply);
                    Halt::Reply {
                        head: whole.head,
                        body: whole.body,
                        details,
                        grpc_status,
                    }
                }
                None => Halt::Reset,
            },
            Stop::Reset => Halt::Reset,
            other => {
                let instead = Instead::of(&other, self.direction);
                let whole = answer::text(&request, instead.status, instead.text);
                Halt::Reply {
                    head: whole.head,
                    body: whole.body,
                    details: instead.details.to_owned(),
                    grpc_status: None,
                }
            }
        }
    }
}
