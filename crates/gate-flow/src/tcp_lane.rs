//! The bytes of one TCP connection through its plugins, in both directions.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use plug_abi::{PeerType, StreamAction};
use plug_host::{Direction, Limit, PluginStream};

use crate::chain::Chain;

/// LIMIT: how long a connection waits for a plugin to go on.
const IDLE: Duration = Duration::from_secs(3600);

/// The plugins of one connection, and what they hold of it.
pub(crate) struct TcpLane {
    pub(crate) chain: Rc<Chain>,
    body_bytes_max: usize,
    /// The client's side of the connection broke.
    client_broke: Cell<bool>,
}

impl TcpLane {
    pub(crate) fn new(chain: Rc<Chain>) -> Self {
        let body_bytes_max = chain.exchange.request_body_bytes_max.get();
        Self {
            chain,
            body_bytes_max: usize::try_from(body_bytes_max).unwrap_or(usize::MAX),
            client_broke: Cell::new(false),
        }
    }

    /// One side of the connection broke.
    pub(crate) fn broke(&self, direction: Direction) {
        self.client_broke.set(direction == Direction::Request);
    }

    /// Shows the connection to every plugin; false when one refuses it.
    pub(crate) async fn greet(&self) -> bool {
        for index in 0..self.chain.len() {
            let stream = match self.chain.open(index).await {
                Ok(Some(stream)) => stream,
                Ok(None) => continue,
                Err(_) => return false,
            };
            match stream.new_connection().await {
                Ok(StreamAction::Continue) => {}
                Ok(StreamAction::StopIteration) => {
                    if !self.resumed(&stream, Direction::Request).await {
                        return false;
                    }
                }
                Err(fault) if self.chain.failed(index, &fault).is_ok() => {}
                Err(_) => return false,
            }
            if stream.context().request.close.get() {
                return false;
            }
        }
        true
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
                return if too_many || self.closed(stream) {
                    None
                } else {
                    Some(Bytes::new())
                };
            }
            Ok(StreamAction::StopIteration) => {
                if !self.resumed(stream, direction).await {
                    return None;
                }
            }
            Err(fault) => self.chain.failed(index, &fault).ok()?,
        }
        if self.closed(stream) && !stream.context().dead.get() {
            return None;
        }
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
