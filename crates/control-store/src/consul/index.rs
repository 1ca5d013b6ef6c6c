//! The rules by which a blocking query of Consul is asked again; pure.

use std::time::{Duration, Instant};

/// How many queries may follow one another at once.
const BURST: u32 = 10;
/// How long after that between two.
const BETWEEN: Duration = Duration::from_millis(500);

/// From where on a query waits; 0 asks without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Index(u64);

impl Index {
    /// After an answer with this index. One that goes backwards means that the server's state is another one: from the beginning, then.
    /// An index of 0 would make a loop without waiting, and is taken for 1. None is taken for a server that cannot be waited for.
    pub(super) fn after(self, answered: Option<u64>) -> Self {
        match answered {
            None => Self(0),
            Some(answered) if answered.max(1) < self.0 => Self(0),
            Some(answered) => Self(answered.max(1)),
        }
    }

    /// What is asked with.
    pub(super) fn query(self) -> Option<u64> {
        (self.0 > 0).then_some(self.0)
    }
}

/// Bounds how often a query is asked: a few at once, then one after the other. What was not asked is saved up, for as many.
#[derive(Debug)]
pub(super) struct Pace {
    /// Time that was saved up; each query costs [`BETWEEN`].
    saved: Duration,
    last: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            saved: BETWEEN * BURST,
            last: None,
        }
    }
}

impl Pace {
    /// How long to wait before the next query.
    pub(super) fn before_next(&mut self, now: Instant) -> Duration {
        let since = self
            .last
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.saved = self.saved.saturating_add(since).min(BETWEEN * BURST);
        let wait = BETWEEN.saturating_sub(self.saved);
        self.saved = self.saved.saturating_sub(BETWEEN);
        self.last = Some(now + wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_index_is_never_one_that_the_server_did_not_give(answers in prop::collection::vec(prop::option::of(0_u64..50), 1..50)) {
            let mut index = Index::default();
            for answer in answers {
                let before = index;
                index = index.after(answer);
                match (before.query(), answer) {
                    (Some(before), Some(answer)) if answer.max(1) < before => prop_assert_eq!(index.query(), None),
                    (_, Some(answer)) => prop_assert_eq!(index.query(), Some(answer.max(1))),
                    (_, None) => prop_assert_eq!(index.query(), None),
                }
            }
        }

        #[test]
        fn however_fast_a_server_answers_it_is_asked_twice_a_second_in_the_end(took_ms in prop::collection::vec(0_u64..400, 30..200)) {
            let (mut pace, mut now) = (Pace::default(), Instant::now());
            let began = now;
            let count = u32::try_from(took_ms.len()).unwrap_or(u32::MAX);
            for took in took_ms {
                now += pace.before_next(now);
                now += Duration::from_millis(took);
            }
            let least = BETWEEN * (count - BURST - 1);
            prop_assert!(now - began >= least, "{:?} {least:?}", now - began);
        }

        #[test]
        fn a_server_that_waits_is_asked_at_once(waits_s in prop::collection::vec(1_u64..300, 1..50)) {
            let (mut pace, mut now) = (Pace::default(), Instant::now());
            for wait in waits_s {
                prop_assert_eq!(pace.before_next(now), Duration::ZERO);
                now += Duration::from_secs(wait);
            }
        }
    }
}
