//! What is told of each call to a store, to whoever keeps a log.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fault::{Result, StoreFault};
use crate::keys::ANSWER_WAIT_MAX;

/// A call that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The kind of store: `folder`, `etcd`, `consul` or `redis`.
    pub system: &'static str,
    /// What was asked: `open`, `look`, `read`, `list`, `watch`, `write` or `acknowledge`.
    pub verb: &'static str,
    /// The first of the keys that it is about, or with what they begin. Empty where it is about none.
    pub key: &'a str,
    /// How many keys it is about.
    pub keys: usize,
    /// What came of it.
    pub came: Came,
    /// How long it took; of a watch, how long nothing changed.
    pub took: Duration,
    /// Why it did not go well.
    pub why: Option<&'a str>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It was done.
    Ok,
    /// The store does not let us, or somebody else was faster.
    Refused,
    /// Nobody was there.
    Unavailable,
    /// No answer came in time.
    Timeout,
    /// It was not as it should be.
    Failed,
}

impl Came {
    fn of(fault: &StoreFault, took: Duration) -> Self {
        match fault {
            StoreFault::Refused { .. } | StoreFault::Raced { .. } => Self::Refused,
            StoreFault::Unreachable { .. } if took >= ANSWER_WAIT_MAX => Self::Timeout,
            StoreFault::Unreachable { .. } => Self::Unavailable,
            StoreFault::Answer { .. }
            | StoreFault::Secret { .. }
            | StoreFault::TooLarge { .. }
            | StoreFault::Untaken(_)
            | StoreFault::Thread(_) => Self::Failed,
        }
    }
}

type Hear = dyn Fn(&Call<'_>) + Send + Sync;

/// Who hears of calls, on the thread that makes them; it must return at once.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<Hear>>);

impl Listener {
    /// One that hears of each.
    pub fn new(hear: impl Fn(&Call<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}

/// One line to a store, for what is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    pub(crate) system: &'static str,
    pub(crate) listener: Listener,
}

impl Telling {
    /// Tells of a call that began then. `refused` says of an answer whether it is a no.
    pub(crate) fn tell<T>(
        &self,
        (verb, key, keys): (&'static str, &str, usize),
        began: Instant,
        (answer, refused): (&Result<T>, impl FnOnce(&T) -> bool),
    ) {
        let Some(hear) = &self.listener.0 else { return };
        let took = began.elapsed();
        let why = answer.as_ref().err().map(ToString::to_string);
        let came = match answer {
            Ok(answer) if refused(answer) => Came::Refused,
            Ok(_) => Came::Ok,
            Err(fault) => Came::of(fault, took),
        };
        hear(&Call {
            system: self.system,
            verb,
            key,
            keys,
            came,
            took,
            why: why.as_deref(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_is_not_what_is_not_there() {
        let gone = StoreFault::Unreachable {
            place: String::new(),
            why: String::new(),
        };
        assert_eq!(Came::of(&gone, Duration::from_secs(1)), Came::Unavailable);
        assert_eq!(Came::of(&gone, ANSWER_WAIT_MAX), Came::Timeout);
        let raced = StoreFault::Raced { what: String::new() };
        assert_eq!(Came::of(&raced, Duration::ZERO), Came::Refused);
        assert_eq!(
            Came::of(&StoreFault::Untaken(String::new()), Duration::ZERO),
            Came::Failed
        );
    }
}
