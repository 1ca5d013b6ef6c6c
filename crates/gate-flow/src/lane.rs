//! One direction of an exchange through its plugins: what each of them holds, and what comes out at the end.
//!
//! The rules are those of Envoy's filter manager: a plugin that stops a header callback literally still sees the body, one that stops
//! everything sees nothing until it goes on, gathered bytes are seen again by the plugin that stopped everything but not by the one
//! that gathered them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use log_trace::Place;
use plug_abi::{BodyAction, HeadersAction, TrailersAction};
use plug_host::{Direction, Fault, FaultKind, HeldBody, Limit, PluginStream};

use crate::chain::Chain;
use crate::shadow::Sight;
use crate::source::{Piece, Source, SourceFault};
use crate::stages::End;

mod hold;
mod wish;

/// What comes out behind the last plugin.
#[derive(Debug)]
pub(crate) enum Out {
    /// The head, which is in the exchange; `end` when nothing follows.
    Headers { end: bool },
    /// Body bytes.
    Data { bytes: Bytes, end: bool },
    /// The trailers, which are in the exchange; nothing follows.
    Trailers,
}

/// Why nothing more comes out.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A plugin answered by itself; the reply is in the exchange.
    Reply,
    /// A plugin ended the stream.
    Reset,
    /// A plugin failed and its policy is to close.
    Fault(Fault),
    /// More was held for a plugin than is allowed.
    TooLarge,
    /// The sender failed.
    Source(SourceFault),
    /// Nothing moved for too long.
    Idle,
}

#[derive(Debug)]
enum Work {
    Headers { at: usize, end: bool },
    Data { at: usize, bytes: Bytes, end: bool },
    Trailers { at: usize },
}

/// How far a plugin lets things pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Gate {
    #[default]
    Open,
    /// Callbacks go on, but nothing passes.
    Holding,
    /// Nothing passes and no callbacks.
    Stopped,
}

/// One plugin's state in this direction.
#[derive(Default)]
struct Stage {
    gate: Gate,
    /// The head has been seen, and passed on.
    headers_seen: bool,
    headers_passed: bool,
    headers_end: bool,
    /// Bytes that this plugin has seen and that wait for its word.
    gathered: HeldBody,
    /// Bytes wait in the plugin's own view: it sees the whole of them again with each further piece.
    buffering: bool,
    /// The last byte is here.
    end_here: bool,
    /// The trailers wait here.
    trailers_here: bool,
    /// At the bound the sender is slowed down instead of refused.
    watermark: bool,
    /// The span of the plugin's part, while it holds something.
    span: Option<Place>,
}

/// One direction of an exchange.
pub(crate) struct Lane {
    direction: Direction,
    chain: Rc<Chain>,
    stages: Vec<Stage>,
    work: VecDeque<Work>,
    source_ended: bool,
    /// A plugin may have asked for something, or died, since all of them were last looked at.
    stirred: bool,
    idle: Duration,
}

/// A body is longer than what may be held of it for a plugin.
fn too_large(stream: &PluginStream) -> Stop {
    stream.reached(Limit::Body);
    Stop::TooLarge
}

impl Lane {
    /// A lane at whose entrance the head stands; `end` when no body follows.
    pub(crate) fn new(direction: Direction, chain: &Rc<Chain>, end: bool, idle: Duration) -> Self {
        Self {
            direction,
            chain: Rc::clone(chain),
            stages: (0..chain.len()).map(|_| Stage::default()).collect(),
            work: VecDeque::from([Work::Headers { at: 0, end }]),
            source_ended: end,
            // Nobody has been asked anything yet on the way of the request.
            stirred: direction == Direction::Response,
            idle,
        }
    }

    /// Bytes held for one plugin at most.
    fn held_bytes_max(&self) -> usize {
        let limit = match self.direction {
            Direction::Request => &self.chain.exchange.request_body_bytes_max,
            Direction::Response => &self.chain.exchange.response_body_bytes_max,
        };
        usize::try_from(limit.get()).unwrap_or(usize::MAX)
    }

    /// Which plugin of the chain stands at a stage: responses pass the chain backwards.
    fn position(&self, at: usize) -> usize {
        match self.direction {
            Direction::Request => at,
            Direction::Response => self.stages.len().saturating_sub(at + 1),
        }
    }

    fn stream(&self, at: usize) -> Option<Rc<PluginStream>> {
        self.chain.stream(self.position(at))
    }

    /// Who records what the plugin of a stage sees and gives, where another generation of it runs aside.
    fn sight(&self, at: usize) -> Option<Rc<Sight>> {
        self.chain.sight(self.position(at))
    }

    /// The whole body, when all of it has passed the plugins already.
    pub(crate) fn whole_body(&mut self) -> Option<Bytes> {
        match self.work.front() {
            Some(Work::Data { at, end: true, .. }) if *at == self.stages.len() => {}
            _ => return None,
        }
        match self.work.pop_front() {
            Some(Work::Data { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// Whether the sender has sent everything.
    pub(crate) fn has_all(&self) -> bool {
        self.source_ended
    }

    /// The next thing to come out.
    pub(crate) async fn next(&mut self, source: &mut Source) -> Result<Out, Stop> {
        let next = self.next_or_stop(source).await;
        if let Err(stop) = &next {
            self.ends(stop);
        }
        next
    }

    async fn next_or_stop(&mut self, source: &mut Source) -> Result<Out, Stop> {
        loop {
            self.interrupted()?;
            if let Some(work) = self.work.pop_front() {
                if let Some(out) = self.step(work).await? {
                    return Ok(out);
                }
            } else if !self.stirred {
                self.wait(source).await?;
            } else if !self.take_injected() && !self.take_resumed() {
                match self.lost() {
                    Some((at, fault)) => self.failed(at, &fault)?,
                    None => self.stirred = false,
                }
            }
        }
    }

    fn interrupted(&self) -> Result<(), Stop> {
        let exchange = &self.chain.exchange;
        if exchange.local_reply.borrow().is_some() {
            return Err(Stop::Reply);
        }
        if exchange.reset.get() || self.chain.is_ended() {
            return Err(Stop::Reset);
        }
        Ok(())
    }

    /// A plugin that holds something and whose instance has died: it will never say "go on".
    fn lost(&self) -> Option<(usize, Fault)> {
        (0..self.stages.len()).filter(|at| self.waits(*at)).find_map(|at| {
            let stream = self.stream(at)?;
            let context = stream.context();
            context.dead.get().then(|| (at, Fault::lost(&context.plugin)))
        })
    }

    fn waits(&self, at: usize) -> bool {
        self.stages.get(at).is_some_and(|stage| stage.gate != Gate::Open)
    }

    /// Waits for a plugin, whose every wish rings the bell, or for the sender.
    async fn wait(&mut self, source: &mut Source) -> Result<(), Stop> {
        let wants = !self.source_ended && !self.is_full();
        let bell = self.chain.exchange.bell(self.direction);
        let event = poll_fn(|task| {
            if bell.poll_heard(task).is_ready() {
                return Poll::Ready(None);
            }
            if wants {
                source.poll_piece(task).map(Some)
            } else {
                Poll::Pending
            }
        });
        match tokio::time::timeout(self.idle, event).await {
            Err(_) => Err(Stop::Idle),
            Ok(None) => {
                self.stirred = true;
                Ok(())
            }
            Ok(Some(Err(fault))) => Err(Stop::Source(fault)),
            Ok(Some(Ok(piece))) => {
                self.take_piece(piece, source.ends_apart());
                Ok(())
            }
        }
    }

    /// Envoy tells plugins the end of a body that came over a connection by itself, after the last bytes, also when it is known with them.
    fn take_piece(&mut self, piece: Piece, ends_apart: bool) {
        match piece {
            Piece::Data { bytes, end } => {
                self.source_ended = end;
                let apart = end && ends_apart && !bytes.is_empty();
                let end_here = end && !apart;
                self.work.push_back(Work::Data {
                    at: 0,
                    bytes,
                    end: end_here,
                });
                if apart {
                    let bytes = Bytes::new();
                    self.work.push_back(Work::Data { at: 0, bytes, end });
                }
            }
            Piece::Trailers(trailers) => {
                self.source_ended = true;
                let exchange = &self.chain.exchange;
                let map = match self.direction {
                    Direction::Request => &exchange.request_trailers,
                    Direction::Response => &exchange.response_trailers,
                };
                *map.borrow_mut() = Some(trailers);
                self.work.push_back(Work::Trailers { at: 0 });
            }
        }
    }

    /// A plugin that lets bytes gather up to the bound slows the sender down.
    fn is_full(&self) -> bool {
        let limit = self.held_bytes_max();
        (0..self.stages.len()).any(|at| {
            self.stages
                .get(at)
                .is_some_and(|stage| stage.watermark && stage.gate != Gate::Open && self.held(at) > limit)
        })
    }

    fn held(&self, at: usize) -> usize {
        let gathered = self.stages.get(at).map_or(0, |stage| stage.gathered.len());
        gathered
            + self
                .stream(at)
                .map_or(0, |stream| stream.context().side(self.direction).body.borrow().len())
    }

    async fn step(&mut self, work: Work) -> Result<Option<Out>, Stop> {
        let last = self.stages.len();
        match work {
            Work::Headers { at, end } if at == last => Ok(Some(Out::Headers { end })),
            Work::Data { at, bytes, end } if at == last => Ok(Some(Out::Data { bytes, end })),
            Work::Trailers { at } if at == last => Ok(Some(Out::Trailers)),
            Work::Headers { at, end } => self.headers(at, end).await.map(|()| None),
            Work::Data { at, bytes, end } => self.data(at, bytes, end).await.map(|()| None),
            Work::Trailers { at } => self.trailers(at).await.map(|()| None),
        }
    }

    /// A plugin failed: closes the exchange, or lets everything it holds pass by it.
    fn failed(&mut self, at: usize, fault: &Fault) -> Result<(), Stop> {
        let view = self.stage_body(at);
        self.lets_go(at, End::Fault(fault.code()));
        self.chain.failed(self.position(at), fault).map_err(Stop::Fault)?;
        if let Some(stage) = self.stages.get_mut(at) {
            stage.gathered.push(view);
        }
        self.release(at, false);
        Ok(())
    }

    async fn headers(&mut self, at: usize, end: bool) -> Result<(), Stop> {
        if let Some(stage) = self.stages.get_mut(at) {
            stage.headers_seen = true;
            stage.headers_end = end;
        }
        self.holds(at);
        let stream = match self.direction {
            Direction::Request => self.chain.open(at).await.map_err(Stop::Fault)?,
            Direction::Response => self.stream(at),
        };
        let Some(stream) = stream else {
            self.pass_headers(at, end);
            return Ok(());
        };
        if let Some(sight) = self.sight(at) {
            sight.hears_headers(self.direction, &self.chain.exchange, end);
        }
        let asked = match self.direction {
            Direction::Request => self.ask_anew(at, &stream, end).await?,
            Direction::Response => stream.response_headers(end).await,
        };
        match asked {
            Ok(action) => self.obey_headers(at, end, action),
            Err(fault) => return self.failed(at, &fault),
        }
        self.interrupted()
    }

    /// A plugin whose instance died under another exchange, while this one was waiting for its turn, is asked once more in the next.
    async fn ask_anew(
        &self,
        at: usize,
        stream: &PluginStream,
        end: bool,
    ) -> Result<Result<HeadersAction, Fault>, Stop> {
        match stream.request_headers(end).await {
            Err(fault) if matches!(fault.kind, FaultKind::InstanceLost) => {
                match self.chain.open_again(at).await.map_err(Stop::Fault)? {
                    Some(again) => Ok(again.request_headers(end).await),
                    None => Ok(Ok(HeadersAction::Continue)),
                }
            }
            asked => Ok(asked),
        }
    }

    fn obey_headers(&mut self, at: usize, end: bool, action: HeadersAction) {
        let gate = match action {
            // Envoy takes its number 2 for "go on" without ending the stream.
            HeadersAction::Continue | HeadersAction::ContinueAndEndStream => return self.pass_headers(at, end),
            HeadersAction::StopIteration => Gate::Holding,
            HeadersAction::StopAllIterationAndBuffer | HeadersAction::StopAllIterationAndWatermark => Gate::Stopped,
        };
        if let Some(stage) = self.stages.get_mut(at) {
            stage.gate = gate;
            stage.watermark = action == HeadersAction::StopAllIterationAndWatermark;
        }
        if let Some(stream) = self.stream(at) {
            self.chain.note(&stream.context().plugin, "paused");
        }
    }

    fn pass_headers(&mut self, at: usize, end: bool) {
        self.lets_go(at, End::Good);
        if let Some(sight) = self.sight(at) {
            sight.gives_headers(self.direction, &self.chain.exchange, end);
        }
        if let Some(stage) = self.stages.get_mut(at) {
            stage.headers_passed = true;
        }
        self.work.push_front(Work::Headers { at: at + 1, end });
    }

    async fn data(&mut self, at: usize, bytes: Bytes, end: bool) -> Result<(), Stop> {
        let limit = self.held_bytes_max();
        let Some(stream) = self.stream(at) else {
            self.work.push_front(Work::Data { at: at + 1, bytes, end });
            return Ok(());
        };
        let side = stream.context().side(self.direction);
        let sight = self.sight(at).map(|sight| (sight, bytes.clone()));
        let Some(stage) = self.stages.get_mut(at) else {
            return Ok(());
        };
        stage.end_here |= end;
        side.body.borrow_mut().push(bytes);
        let held = side.body.borrow().len() + stage.gathered.len();
        if stage.gate == Gate::Stopped {
            return if held > limit && !stage.watermark {
                Err(too_large(&stream))
            } else {
                Ok(())
            };
        }
        if let Some((sight, bytes)) = sight {
            sight.hears_data(self.direction, &bytes, end);
        }
        // Envoy adds the bytes before it asks the plugin, and does not ask when they are too many.
        if stage.buffering && held > limit {
            return Err(too_large(&stream));
        }
        match stream.body(self.direction, end).await {
            Ok(action) => self.obey_body(at, end, action)?,
            Err(fault) => return self.failed(at, &fault),
        }
        self.interrupted()
    }

    fn obey_body(&mut self, at: usize, end: bool, action: BodyAction) -> Result<(), Stop> {
        let limit = self.held_bytes_max();
        let Some(stream) = self.stream(at) else { return Ok(()) };
        let body = &stream.context().side(self.direction).body;
        let Some(stage) = self.stages.get_mut(at) else {
            return Ok(());
        };
        stage.buffering = false;
        stage.watermark = false;
        match action {
            BodyAction::Continue => {
                if stage.gate == Gate::Open {
                    let bytes = body.borrow_mut().take();
                    self.pass_data(at, bytes, end);
                } else {
                    self.release(at, false);
                }
                return Ok(());
            }
            BodyAction::StopIterationAndBuffer => {
                stage.buffering = true;
                if body.borrow().len() > limit {
                    return Err(too_large(&stream));
                }
            }
            BodyAction::StopIterationAndWatermark => {
                stage.watermark = true;
                stage.gathered.push(body.borrow_mut().take());
            }
            BodyAction::StopIterationNoBuffer => body.borrow_mut().clear(),
        }
        stage.gate = Gate::Holding;
        self.holds(at);
        Ok(())
    }

    /// Whether trailers follow the body's last byte: from the sender, or made by the plugin that has just seen that byte.
    fn trailers_follow(&self) -> bool {
        let exchange = &self.chain.exchange;
        match self.direction {
            Direction::Request => exchange.request_trailers.borrow().is_some(),
            Direction::Response => exchange.response_trailers.borrow().is_some(),
        }
    }

    fn pass_data(&mut self, at: usize, bytes: Bytes, end: bool) {
        let new_trailers = end && self.trailers_follow();
        if let Some(sight) = self.sight(at) {
            sight.gives_data(self.direction, &bytes, end && !new_trailers);
            if new_trailers {
                sight.gives_trailers(self.direction, &self.chain.exchange);
            }
        }
        if new_trailers {
            self.work.push_front(Work::Trailers { at: at + 1 });
        }
        if !bytes.is_empty() || (end && !new_trailers) {
            self.work.push_front(Work::Data {
                at: at + 1,
                bytes,
                end: end && !new_trailers,
            });
        }
    }

    async fn trailers(&mut self, at: usize) -> Result<(), Stop> {
        let Some(stream) = self.stream(at) else {
            self.work.push_front(Work::Trailers { at: at + 1 });
            return Ok(());
        };
        if let Some(stage) = self.stages.get_mut(at) {
            stage.trailers_here = true;
            if stage.gate == Gate::Stopped {
                return Ok(());
            }
        }
        if let Some(sight) = self.sight(at) {
            sight.hears_trailers(self.direction, &self.chain.exchange);
        }
        match stream.trailers(self.direction).await {
            Ok(TrailersAction::Continue) => self.release(at, false),
            Ok(TrailersAction::StopIteration) => {
                if let Some(stage) = self.stages.get_mut(at) {
                    stage.gate = Gate::Holding;
                }
                self.holds(at);
            }
            Err(fault) => return self.failed(at, &fault),
        }
        self.interrupted()
    }

    /// Lets everything that a stage holds go on: to the next stage, or, `again`, to the plugin that has not seen it.
    fn release(&mut self, at: usize, again: bool) {
        self.lets_go(at, End::Good);
        let view = self.stage_body(at);
        let Some(stage) = self.stages.get_mut(at) else { return };
        stage.gate = Gate::Open;
        stage.buffering = false;
        stage.watermark = false;
        let headers = stage.headers_seen && !stage.headers_passed;
        stage.headers_passed = true;
        let mut held = std::mem::take(&mut stage.gathered);
        held.push(view);
        let bytes = held.take();
        let trailers = std::mem::take(&mut stage.trailers_here);
        let end = std::mem::take(&mut stage.end_here);
        let headers_end = stage.headers_end;
        let to = if again { at } else { at + 1 };
        // Pushed to the front, so in reverse order.
        let made = end && !trailers && !again && self.trailers_follow();
        if let Some(sight) = self.sight(at) {
            let (direction, exchange) = (self.direction, &self.chain.exchange);
            if headers {
                sight.gives_headers(direction, exchange, headers_end);
            }
            if !again {
                sight.gives_data(direction, &bytes, end && !trailers && !made);
            }
            if !again && (trailers || made) {
                sight.gives_trailers(direction, exchange);
            }
        }
        if trailers || made {
            self.work.push_front(Work::Trailers { at: to });
        }
        let end = end && !trailers && !made;
        if !bytes.is_empty() || (end && !headers_end) {
            self.work.push_front(Work::Data { at: to, bytes, end });
        }
        if headers {
            self.work.push_front(Work::Headers {
                at: at + 1,
                end: headers_end,
            });
        }
    }

    fn stage_body(&self, at: usize) -> Bytes {
        self.stream(at).map_or_else(Bytes::new, |stream| {
            stream.context().side(self.direction).body.borrow_mut().take()
        })
    }
}
