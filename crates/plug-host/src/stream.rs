//! One plugin in one exchange: its callbacks, and what it may see in each of them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plug_abi::{BodyAction, HeadersAction, PeerType, StreamAction, TrailersAction};

use crate::entry::Entry;
use crate::exchange::{Direction, StreamContext, Visible};
use crate::fault::Fault;
use crate::guest::{Current, Visit};
use crate::instance::{Hold, Instance};
use crate::limit::Limit;
use crate::plugin::Plugin;

/// One plugin in one exchange.
pub struct PluginStream {
    hold: Hold,
    context: Rc<StreamContext>,
    tcp: Cell<bool>,
    /// Time in its callbacks, if somebody wants to know.
    spent: Cell<Option<Duration>>,
}

fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl PluginStream {
    pub(crate) fn new(hold: Hold, context: Rc<StreamContext>) -> Self {
        Self {
            hold,
            context,
            tcp: Cell::new(false),
            spent: Cell::new(None),
        }
    }

    /// The plugin's view of the exchange.
    #[must_use]
    pub fn context(&self) -> &Rc<StreamContext> {
        &self.context
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.context.owner
    }

    /// The plugin reached a limit that the room above keeps.
    pub fn reached(&self, limit: Limit) {
        if let Some(stats) = self.plugin().workers.get(self.instance().services.worker) {
            stats.reached.add(limit);
        }
    }

    fn instance(&self) -> &Rc<Instance> {
        &self.hold.instance
    }

    /// From now on the time in its callbacks is measured, their wait for a turn included.
    pub fn measure(&self) {
        self.spent.set(Some(Duration::ZERO));
    }

    /// Time in its callbacks so far, if it is measured.
    #[must_use]
    pub fn spent(&self) -> Duration {
        self.spent.get().unwrap_or_default()
    }

    async fn enter(&self, entry: Entry) -> Result<u32, Fault> {
        if self.context.ended.get() {
            return Ok(0);
        }
        let Some(before) = self.spent.get() else {
            return self.enter_unmeasured(entry).await;
        };
        let began = Instant::now();
        let answer = self.enter_unmeasured(entry).await;
        self.spent.set(Some(before.saturating_add(began.elapsed())));
        answer
    }

    async fn enter_unmeasured(&self, entry: Entry) -> Result<u32, Fault> {
        match self.instance().enter_now(&self.context, entry) {
            Some(answer) => answer,
            None => self.wait_to_enter(entry).await,
        }
    }

    async fn wait_to_enter(&self, entry: Entry) -> Result<u32, Fault> {
        let since = Instant::now();
        let turn = self.instance().turn().await;
        self.context.exchange.facts.waited(since);
        if self.context.ended.get() {
            // SDKs panic when they are called for a context that they have deleted.
            return Ok(0);
        }
        let current = Current::Stream(Rc::clone(&self.context));
        self.instance().visit(turn, Visit::new(current, entry)).await
    }

    fn hide(&self, what: Visible) {
        self.context.visible.set(self.context.visible.get().without(what));
    }

    /// Whether the plugin has a context that can be called.
    fn is_open(&self) -> bool {
        self.context.created.get() && !self.context.ended.get()
    }

    fn headers_action(&self, code: u32) -> HeadersAction {
        HeadersAction::from_guest(
            code,
            self.plugin().module.abi(),
            self.plugin().spec.allow_on_headers_stop_iteration,
        )
    }

    fn count(&self) {
        if let Some(stats) = self.plugin().workers.get(self.instance().services.worker) {
            stats.passed();
        }
    }

    /// `proxy_on_context_create` and `proxy_on_request_headers`.
    ///
    /// # Errors
    /// The plugin's fault. After [`FaultKind::InstanceLost`](crate::FaultKind) the plugin has not seen this exchange, so that it may be
    /// opened anew.
    pub async fn request_headers(&self, end_of_stream: bool) -> Result<HeadersAction, Fault> {
        let context = &self.context;
        self.count();
        context.request.end_of_stream.set(end_of_stream);
        let headers = {
            let head = context.exchange.request.borrow();
            let named = 3_usize.saturating_add(usize::from(head.authority.is_some()));
            number(head.headers.len().saturating_add(named))
        };
        let entry = Entry::Begin {
            context: context.id,
            root: context.root,
            headers,
            end: end_of_stream.into(),
        };
        let action = self.headers_action(self.enter(entry).await?);
        // While headers are held, body callbacks may still read and change them.
        if action == HeadersAction::Continue {
            self.hide(Visible::REQUEST_HEAD);
        }
        Ok(action)
    }

    /// `proxy_on_response_headers`; "go on" for a plugin that the request never reached, as in Envoy.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn response_headers(&self, end_of_stream: bool) -> Result<HeadersAction, Fault> {
        let context = &self.context;
        if !self.is_open() {
            return Ok(HeadersAction::Continue);
        }
        context.response.end_of_stream.set(end_of_stream);
        let headers = {
            let response = context.exchange.response.borrow();
            response
                .as_ref()
                .map_or(0, |head| number(head.headers.len().saturating_add(1)))
        };
        let entry = Entry::ResponseHeaders {
            context: context.id,
            headers,
            end: end_of_stream.into(),
        };
        let action = self.headers_action(self.enter(entry).await?);
        if action == HeadersAction::Continue {
            self.hide(Visible::RESPONSE_HEAD);
        }
        Ok(action)
    }

    /// The body callback of one direction, over the bytes in that side's `body`.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn body(&self, direction: Direction, end_of_stream: bool) -> Result<BodyAction, Fault> {
        if !self.is_open() {
            return Ok(BodyAction::Continue);
        }
        let side = self.context.side(direction);
        side.end_of_stream.set(end_of_stream);
        let entry = Entry::Body {
            direction,
            context: self.context.id,
            size: number(side.body.borrow().len()),
            end: end_of_stream.into(),
        };
        let action = BodyAction::from_guest(self.enter(entry).await?);
        if action == BodyAction::Continue {
            self.hide(Visible::body(direction));
        }
        Ok(action)
    }

    /// The trailers callback of one direction.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn trailers(&self, direction: Direction) -> Result<TrailersAction, Fault> {
        if !self.is_open() {
            return Ok(TrailersAction::Continue);
        }
        let exchange = &self.context.exchange;
        let map = match direction {
            Direction::Request => &exchange.request_trailers,
            Direction::Response => &exchange.response_trailers,
        };
        let trailers = map.borrow().as_ref().map_or(0, http::HeaderMap::len);
        let entry = Entry::Trailers {
            direction,
            context: self.context.id,
            trailers: number(trailers),
        };
        let action = TrailersAction::from_guest(self.enter(entry).await?);
        if action == TrailersAction::Continue {
            self.hide(Visible::trailers(direction));
        }
        Ok(action)
    }

    /// `proxy_on_context_create` and `proxy_on_new_connection`.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn new_connection(&self) -> Result<StreamAction, Fault> {
        self.count();
        self.tcp.set(true);
        let (context, root) = (self.context.id, self.context.root);
        self.enter(Entry::ContextCreate { context, root }).await?;
        Ok(StreamAction::from_guest(
            self.enter(Entry::NewConnection { context }).await?,
        ))
    }

    /// The data callback of one direction of a TCP connection, over the bytes in that side's `body`.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn data(&self, direction: Direction, end_of_stream: bool) -> Result<StreamAction, Fault> {
        if !self.is_open() {
            return Ok(StreamAction::Continue);
        }
        let side = self.context.side(direction);
        side.end_of_stream.set(end_of_stream);
        let entry = Entry::Data {
            direction,
            context: self.context.id,
            size: number(side.body.borrow().len()),
            end: end_of_stream.into(),
        };
        let action = StreamAction::from_guest(self.enter(entry).await?);
        if action == StreamAction::Continue {
            self.hide(Visible::data(direction));
        }
        Ok(action)
    }

    /// The close callback of one side of a TCP connection.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn closed(&self, direction: Direction, peer: PeerType) -> Result<(), Fault> {
        if !self.is_open() {
            return Ok(());
        }
        let entry = Entry::ConnectionClose {
            direction,
            context: self.context.id,
            peer: peer.raw(),
        };
        self.enter(entry).await.map(drop)
    }

    /// The exchange has ended: `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`.
    pub async fn end(&self) {
        let entry = Entry::End {
            context: self.context.id,
        };
        self.finish(entry).await;
    }

    /// The connection has ended: `proxy_on_done`, `proxy_on_log`, `proxy_on_delete`.
    pub async fn end_tcp(&self) {
        let entry = Entry::EndTcp {
            context: self.context.id,
        };
        self.finish(entry).await;
    }

    async fn finish(&self, entry: Entry) {
        if self.is_open() {
            // A fault here has been said and counted; there is no response left to change.
            let _ = self.enter(entry).await;
        }
    }
}

impl Drop for PluginStream {
    /// A context that nobody ended would stay in the guest for ever.
    fn drop(&mut self) {
        if !self.is_open() {
            return;
        }
        let (hold, context) = (Hold::new(Rc::clone(self.instance())), Rc::clone(&self.context));
        let id = context.id;
        let entry = if self.tcp.get() {
            Entry::EndTcp { context: id }
        } else {
            Entry::End { context: id }
        };
        self.instance().orphans.adopt(Box::pin(async move {
            let turn = hold.instance.turn().await;
            if !context.ended.get() {
                let _ = hold
                    .instance
                    .visit(turn, Visit::new(Current::Stream(context), entry))
                    .await;
            }
        }));
    }
}
