//! What a candidate finds outside while it runs aside: answers that others got, and nobody who hears what it says but of its faults.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use plug_host::{
    CallRefused, Caller, GrpcCall, GrpcEvent, GrpcOut, HttpCall, HttpReply, LocalFuture, Outside, RedisClient, Saying,
    Writing,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::callouts::Callouts;
use crate::shadow::memory::{Answered, Asked, Memory};

/// LIMIT: how long an answer is waited for that another plugin waits for.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// LIMIT: callouts of one exchange that nobody else made and that are told.
const STRANGE_MAX: usize = 16;

/// What one exchange made a candidate ask for.
#[derive(Default)]
pub(crate) struct Made {
    /// Upstreams of callouts that nobody else made so.
    pub(crate) strange: Vec<String>,
    /// It made a callout of a kind that is not answered again, or one that may have been made so and is forgotten.
    pub(crate) is_unanswerable: bool,
}

/// The world outside of a candidate that runs aside.
pub(crate) struct Apart {
    callouts: Rc<Callouts>,
    memory: Rc<Memory>,
    /// Whether an exchange is run: what is asked then is its.
    is_playing: Cell<bool>,
    /// Callouts that had been forgotten when that exchange began.
    forgotten: Cell<u64>,
    made: RefCell<Made>,
}

impl Apart {
    /// A world beside that of `callouts`, which are remembered from now on.
    pub(crate) fn new(callouts: &Rc<Callouts>) -> Rc<Self> {
        Rc::new(Self {
            callouts: Rc::clone(callouts),
            memory: callouts.remember(),
            is_playing: Cell::default(),
            forgotten: Cell::default(),
            made: RefCell::default(),
        })
    }

    /// How many callouts were forgotten so far.
    pub(crate) fn forgotten(&self) -> u64 {
        self.memory.forgotten()
    }

    /// An exchange is run now; so many callouts had been forgotten when it began.
    pub(crate) fn begin(&self, forgotten: u64) {
        self.forgotten.set(forgotten);
        self.is_playing.set(true);
        self.made.take();
    }

    /// It has been run; what it asked for.
    pub(crate) fn end(&self) -> Made {
        self.is_playing.set(false);
        self.made.take()
    }

    /// Where there is no such upstream, nobody is answered.
    fn knows(&self, upstream: &str) -> Result<(), CallRefused> {
        match self.callouts.upstream_name(upstream) {
            Some(_) => Ok(()),
            None => Err(CallRefused::UnknownUpstream),
        }
    }

    /// A callout is not among those that are remembered.
    fn is_strange(&self, upstream: &str) {
        if !self.is_playing.get() {
            return;
        }
        let mut made = self.made.borrow_mut();
        if self.forgotten() != self.forgotten.get() {
            made.is_unanswerable = true;
        } else if made.strange.len() < STRANGE_MAX {
            made.strange.push(upstream.to_owned());
        }
    }
}

impl Outside for Apart {
    fn say(&self, saying: Saying<'_>) {
        if let Saying::Fault(fault) = saying {
            let name = format!("{} (shadow)", fault.plugin);
            self.callouts.say(Saying::Fault(&fault.told_of(&name)));
        }
    }

    fn mask(&self, writing: Writing, text: &[u8]) -> Option<Bytes> {
        self.callouts.mask(writing, text)
    }

    fn http_call(&self, call: HttpCall) -> Result<LocalFuture<Option<HttpReply>>, CallRefused> {
        self.knows(&call.upstream)?;
        let Some(noted) = self.memory.find(&Asked::http(&call)) else {
            self.is_strange(&call.upstream);
            // That it fails without an answer is what every SDK survives.
            return Ok(Box::pin(async { None }));
        };
        Ok(Box::pin(async move {
            match timeout(ANSWER_MAX, noted.answer()).await {
                Ok(Answered::Http(reply)) => reply,
                _ => None,
            }
        }))
    }

    fn grpc_call(
        &self,
        call: GrpcCall,
        _: mpsc::UnboundedReceiver<GrpcOut>,
        _: mpsc::Sender<GrpcEvent>,
    ) -> Result<LocalFuture<()>, CallRefused> {
        self.knows(&call.upstream)?;
        self.made.borrow_mut().is_unanswerable |= self.is_playing.get();
        // Who drives it goes at once, so that it is told as broken off.
        Ok(Box::pin(async {}))
    }

    fn upstream_name(&self, named: &str) -> Option<String> {
        self.callouts.upstream_name(named)
    }

    fn redis_call(
        &self,
        client: &RedisClient,
        query: Bytes,
        _: Caller<'_>,
    ) -> Result<LocalFuture<Option<Bytes>>, CallRefused> {
        self.knows(&client.upstream)?;
        let Some(noted) = self.memory.find(&Asked::redis(client, &query)) else {
            self.is_strange(&client.upstream);
            return Ok(Box::pin(async { None }));
        };
        Ok(Box::pin(async move {
            match timeout(ANSWER_MAX, noted.answer()).await {
                Ok(Answered::Redis(reply)) => reply,
                _ => None,
            }
        }))
    }
}
