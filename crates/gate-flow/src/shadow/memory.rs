//! Callouts that plugins of a worker made last, with their answers: one that runs aside is answered the same to the same.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use http::uri::PathAndQuery;
use plug_host::{HttpCall, HttpReply, RedisClient};
use tokio::sync::Notify;

/// LIMIT: callouts that are remembered on a worker.
const CALLOUTS_MAX: usize = 256;
/// LIMIT: bytes of question and answer together of one that is remembered.
const BYTES_MAX: usize = 256 * 1024;
/// LIMIT: bytes of all of them.
const ALL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A request, as a plugin wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    upstream: String,
    method: Method,
    authority: Option<Bytes>,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

/// A question, whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Http(Box<Request>),
    Redis { client: RedisClient, query: Bytes },
}

impl Asked {
    pub(crate) fn http(call: &HttpCall) -> Self {
        let authority = call.head.authority.as_ref();
        Self::Http(Box::new(Request {
            upstream: call.upstream.clone(),
            method: call.head.method.clone(),
            authority: authority.map(|value| Bytes::copy_from_slice(value.as_bytes())),
            path: call.head.path.clone(),
            headers: call.head.headers.clone(),
            body: call.body.clone(),
            trailers: call.trailers.clone(),
        }))
    }

    pub(crate) fn redis(client: &RedisClient, query: &Bytes) -> Self {
        Self::Redis {
            client: client.clone(),
            query: query.clone(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Http(request) => size(&request.headers).saturating_add(request.body.len()),
            Self::Redis { query, .. } => query.len(),
        }
    }
}

fn size(headers: &HeaderMap) -> usize {
    let pairs = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    pairs.sum()
}

/// An answer; none inside when the callout failed without one.
#[derive(Debug, Clone)]
pub(crate) enum Answered {
    Http(Option<HttpReply>),
    Redis(Option<Bytes>),
}

impl Answered {
    fn bytes(&self) -> usize {
        match self {
            Self::Http(Some(reply)) => size(&reply.head.headers).saturating_add(reply.body.len()),
            Self::Redis(Some(reply)) => reply.len(),
            Self::Http(None) | Self::Redis(None) => 0,
        }
    }
}

/// A callout, and its answer once it is there.
pub(crate) struct Noted {
    asked: Asked,
    answer: RefCell<Option<Answered>>,
    heard: Notify,
}

impl Noted {
    /// The answer, waited for when it is on its way.
    pub(crate) async fn answer(&self) -> Answered {
        loop {
            let heard = self.heard.notified();
            if let Some(answer) = self.answer.borrow().clone() {
                return answer;
            }
            heard.await;
        }
    }

    fn bytes(&self) -> usize {
        let answer = self.answer.borrow();
        let answer = answer.as_ref().map_or(0, Answered::bytes);
        self.asked.bytes().saturating_add(answer)
    }
}

/// A callout that is noted until it ends. Dropped before, as with its exchange, it has failed for whoever waits for its answer.
pub(crate) struct Asking {
    memory: Rc<Memory>,
    noted: Rc<Noted>,
}

impl Asking {
    pub(crate) fn begin(memory: Rc<Memory>, asked: Asked) -> Self {
        let noted = memory.begins(asked);
        Self { memory, noted }
    }

    pub(crate) fn ends(&self, answer: Answered) {
        self.memory.ends(&self.noted, answer);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let is_open = self.noted.answer.borrow().is_none();
        if is_open {
            self.memory.gives_up(&self.noted);
        }
    }
}

/// Callouts that plugins of a worker made last.
#[derive(Default)]
pub(crate) struct Memory {
    noted: RefCell<VecDeque<Rc<Noted>>>,
    /// How many are not remembered although they were made.
    forgotten: Cell<u64>,
}

impl Memory {
    /// A callout begins.
    fn begins(&self, asked: Asked) -> Rc<Noted> {
        let callout = Rc::new(Noted {
            asked,
            answer: RefCell::default(),
            heard: Notify::new(),
        });
        self.noted.borrow_mut().push_back(Rc::clone(&callout));
        self.forget();
        callout
    }

    /// A callout has its answer.
    fn ends(&self, callout: &Rc<Noted>, answer: Answered) {
        *callout.answer.borrow_mut() = Some(answer);
        callout.heard.notify_waiters();
        self.forget();
    }

    /// How many callouts were forgotten so far: what is not found may have been among them.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.get()
    }

    /// Forgets what is too large, and the oldest of what is too much.
    fn forget(&self) {
        let mut noted = self.noted.borrow_mut();
        let before = noted.len();
        noted.retain(|callout| callout.bytes() <= BYTES_MAX);
        let mut bytes: usize = noted.iter().map(|callout| callout.bytes()).sum();
        while (noted.len() > CALLOUTS_MAX || bytes > ALL_BYTES_MAX)
            && let Some(oldest) = noted.pop_front()
        {
            bytes = bytes.saturating_sub(oldest.bytes());
        }
        let forgotten = before.saturating_sub(noted.len());
        self.forgotten
            .set(self.forgotten.get().saturating_add(forgotten as u64));
    }

    /// Nobody waits for the answer of a callout any more who would tell it.
    fn gives_up(&self, callout: &Rc<Noted>) {
        self.noted.borrow_mut().retain(|other| !Rc::ptr_eq(other, callout));
        *callout.answer.borrow_mut() = Some(match callout.asked {
            Asked::Http(_) => Answered::Http(None),
            Asked::Redis { .. } => Answered::Redis(None),
        });
        callout.heard.notify_waiters();
    }

    /// The last callout that asked this. One that is asked for again stays longer.
    pub(crate) fn find(&self, asked: &Asked) -> Option<Rc<Noted>> {
        let mut noted = self.noted.borrow_mut();
        let place = noted.iter().rposition(|callout| callout.asked == *asked)?;
        let found = noted.remove(place)?;
        noted.push_back(Rc::clone(&found));
        Some(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn query(text: &str) -> Asked {
        let client = RedisClient {
            upstream: "redis".into(),
            username: String::new(),
            password: String::new(),
            database: 0,
            timeout: Duration::from_secs(1),
        };
        Asked::redis(&client, &Bytes::copy_from_slice(text.as_bytes()))
    }

    fn reply(length: usize) -> Answered {
        Answered::Redis(Some(Bytes::from(vec![0; length])))
    }

    #[tokio::test]
    async fn the_last_answer_to_the_same_question_is_given_and_waited_for() {
        let memory = Memory::default();
        let first = memory.begins(query("GET a"));
        memory.ends(&first, reply(1));
        let second = memory.begins(query("GET a"));
        let found = memory.find(&query("GET a")).unwrap();
        assert!(Rc::ptr_eq(&found, &second) && memory.find(&query("GET b")).is_none());
        let (answer, ()) = tokio::join!(found.answer(), async {
            tokio::task::yield_now().await;
            memory.ends(&second, reply(2));
        });
        assert_eq!(answer.bytes(), 2);
    }

    #[tokio::test]
    async fn who_waits_for_an_answer_that_nobody_will_tell_is_told_that_it_failed() {
        let memory = Rc::new(Memory::default());
        let asking = Asking::begin(Rc::clone(&memory), query("GET a"));
        let found = memory.find(&query("GET a")).unwrap();
        let (answer, ()) = tokio::join!(found.answer(), async {
            tokio::task::yield_now().await;
            drop(asking);
        });
        assert!(matches!(answer, Answered::Redis(None)));
        assert!(memory.find(&query("GET a")).is_none());
        let asking = Asking::begin(Rc::clone(&memory), query("GET a"));
        asking.ends(reply(3));
        drop(asking);
        let found = memory.find(&query("GET a")).unwrap();
        assert_eq!(found.answer().await.bytes(), 3);
    }

    #[test]
    fn as_much_is_remembered_as_may_be() {
        let memory = Memory::default();
        // Before they have an answer, too.
        for number in 0..CALLOUTS_MAX * 3 {
            let long = "x".repeat(BYTES_MAX - 10) + &number.to_string();
            memory.begins(query(&long));
        }
        memory.begins(query(&"x".repeat(BYTES_MAX + 1)));
        assert!(memory.find(&query(&"x".repeat(BYTES_MAX + 1))).is_none());
        let bytes: usize = memory.noted.borrow().iter().map(|callout| callout.bytes()).sum();
        assert!(bytes <= ALL_BYTES_MAX && bytes > ALL_BYTES_MAX / 2, "{bytes}");
        let large = memory.begins(query("large"));
        memory.ends(&large, reply(BYTES_MAX + 1));
        assert!(memory.find(&query("large")).is_none());
        for number in 0..CALLOUTS_MAX * 3 {
            let callout = memory.begins(query(&number.to_string()));
            memory.ends(&callout, reply(BYTES_MAX - 10));
        }
        let bytes: usize = memory.noted.borrow().iter().map(|callout| callout.bytes()).sum();
        assert!(bytes <= ALL_BYTES_MAX, "{bytes}");
        for number in 0..CALLOUTS_MAX * 3 {
            memory.begins(query(&number.to_string()));
        }
        assert_eq!(memory.noted.borrow().len(), CALLOUTS_MAX);
    }
}
