//! The bytes of one TCP connection through its plugins, in both directions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use log_trace::{Attribute, Place, Stage, Value};
use plug_abi::{PeerType, StreamAction};
use plug_host::{Direction, Limit, PluginStream};

use crate::chain::Chain;
use crate::stages::End;

/// LIMIT: how long a connection waits for a plugin to go on.
const IDLE: Duration = Duration::from_secs(3600);

/// The plugins of one connection, and what they hold of it.
pub(crate) struct TcpLane {
    pub(crate) chain: Rc<Chain>,
    body_bytes_max: usize,
    /// The client's side of the connection broke.
    client_broke: Cell<bool>,
    /// The spans of plugins that hold something of a direction.
    held: RefCell<Vec<((usize, Direction), Place)>>,
}

/// What a plugin decided that wants no more of a connection.
const CLOSES: End = End::Verdict("closed");

impl TcpLane {
    pub(crate) fn new(chain: Rc<Chain>) -> Self {
        let body_bytes_max = chain.exchange.request_body_bytes_max.get();
        Self {
            chain,
            body_bytes_max: usize::try_from(body_bytes_max).unwrap_or(usize::MAX),
            client_broke: Cell::new(false),
            held: RefCell::default(),
        }
    }

    /// A plugin is shown the connection, or begins to hold bytes of it.
    fn holds(&self, index: usize, direction: Direction) {
        let Some(stages) = self.chain.stages().filter(|stages| stages.are_on()) else {
            return;
        };
        let mut held = self.held.borrow_mut();
        if held.iter().all(|(whose, _)| *whose != (index, direction)) {
            let place = stages.open(Stage::Plugin, self.chain.number(index));
            held.push(((index, direction), place));
        }
    }

    /// It lets go of everything.
    fn lets_go(&self, index: usize, direction: Direction, end: End) {
        let mut held = self.held.borrow_mut();
        let Some(at) = held.iter().position(|(whose, _)| *whose == (index, direction)) else {
            return;
        };
        let (_, place) = held.swap_remove(at);
        if let Some(stages) = self.chain.stages() {
            if let Some(stream) = self.chain.stream(index) {
                let generation = Value::Number(stream.plugin().generation);
                stages.note(place, Attribute::Generation, generation);
            }
            stages.close(place, end);
        }
    }

    /// One side of the connection broke.
    pub(crate) fn broke(&self, direction: Direction) {
        self.client_broke.set(direction == Direction::Request);
    }

    /// Shows the connection to every plugin; false when one refuses it.
    pub(crate) async fn greet(&self) -> bool {
        for index in 0..self.chain.len() {
            self.holds(index, Direction::Request);
            let (passes, end) = self.greets(index).await;
            self.lets_go(index, Direction::Request, end);
            if !passes {
                return false;
            }
        }
        true
    }

    /// Shows the connection to one plugin: whether it goes on, and what the plugin did.
    async fn greets(&self, index: usize) -> (bool, End) {
        let stream = match self.chain.open(index).await {
            Ok(Some(stream)) => stream,
            Ok(None) => return (true, End::Failed),
            Err(fault) => return (false, End::Fault(fault.code())),
        };
        let asked = stream.new_connection().await;
        if let Err(fault) = &asked {
            let goes_on = self.chain.failed(index, fault).is_ok() && !stream.context().request.close.get();
            return (goes_on, End::Fault(fault.code()));
        }
        if asked.is_ok_and(|action| action == StreamAction::StopIteration)
            && !self.resumed(&stream, Direction::Request).await
        {
            return (false, CLOSES);
        }
        match stream.context().request.close.get() {
            true => (false, CLOSES),
            false => (true, End::Good),
        }
    }

    /// Waits until a plugin goes on; false when it closes or dies instead.
    async fn resumed(&self, stream: &PluginStream, direction: Direction) -> bool {
        let context = stream.context();
        let side = context.side(direction);
        loop {
            if self.closed(stream) {
                return false;
            }
            if side.resume.take() {
                return true;
            }
            let bell = self.chain.exchange.bell(direction);
            if tokio::time::timeout(IDLE, bell.heard()).await.is_err() {
                return false;
            }
        }
    }

    fn closed(&self, stream: &PluginStream) -> bool {
        let context = stream.context();
        context.dead.get()
            || context.request.close.get()
            || context.response.close.get()
            || context.exchange.reset.get()
    }

    /// Leads bytes through the plugins, backwards for those from the upstream; none when the connection must end.
    pub(crate) async fn filter(&self, direction: Direction, mut bytes: Bytes, end: bool) -> Option<Bytes> {
        let length = self.chain.len();
        for step in 0..length {
            let index = if direction == Direction::Request {
                step
            } else {
                length - step - 1
            };
            let Some(stream) = self.chain.stream(index) else {
                continue;
            };
            bytes = self.through(&stream, index, direction, bytes, end).await?;
            if bytes.is_empty() && !end {
                return Some(bytes);
            }
        }
        Some(bytes)
    }

    async fn through(
        &self,
        stream: &Rc<PluginStream>,
        index: usize,
        direction: Direction,
        bytes: Bytes,
        end: bool,
    ) -> Option<Bytes> {
        let side = stream.context().side(direction);
        side.body.borrow_mut().push(bytes);
        let asked = stream.data(direction, end).await;
        if end && direction == Direction::Response && asked.is_ok() {
            // Envoy tells this end without saying by whom. A fault here has been said.
            let _ = stream.closed(direction, PeerType::Unknown).await;
        }
        match asked {
            Ok(StreamAction::Continue) => {}
            // Without an end the next bytes are seen together with these; with one there is nothing to wait for but the plugin.
            Ok(StreamAction::StopIteration) if !end => {
                let too_many = side.body.borrow().len() > self.body_bytes_max;
                if too_many {
                    stream.reached(Limit::Body);
                }
                self.holds(index, direction);
                return if too_many || self.closed(stream) {
                    self.lets_go(index, direction, CLOSES);
                    None
                } else {
                    Some(Bytes::new())
                };
            }
            Ok(StreamAction::StopIteration) => {
                self.holds(index, direction);
                if !self.resumed(stream, direction).await {
                    self.lets_go(index, direction, CLOSES);
                    return None;
                }
            }
            Err(fault) => {
                self.holds(index, direction);
                self.lets_go(index, direction, End::Fault(fault.code()));
                self.chain.failed(index, &fault).ok()?;
            }
        }
        if self.closed(stream) && !stream.context().dead.get() {
            self.holds(index, direction);
            self.lets_go(index, direction, CLOSES);
            return None;
        }
        self.lets_go(index, direction, End::Good);
        Some(side.body.borrow_mut().take())
    }

    /// Tells every plugin that the connection has ended.
    pub(crate) async fn end(&self) {
        for index in 0..self.chain.len() {
            let Some(stream) = self.chain.stream(index) else {
                continue;
            };
            // As in Envoy, a client that has merely finished sending has not closed the connection: that is done here.
            let by = if self.client_broke.get() {
                PeerType::Remote
            } else {
                PeerType::Local
            };
            // A fault here has been said; the connection is over.
            let _ = stream.closed(Direction::Request, by).await;
            stream.end_tcp().await;
        }
    }
}
