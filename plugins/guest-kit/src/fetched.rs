//! A document that is fetched, kept, and fetched again before it is old: when that is due, and what holds meanwhile. Times are milliseconds since 1970.

use serde::Deserialize;

/// LIMIT: milliseconds from a failed fetch to the next, the first time and at most.
const RETRY_MS: (u64, u64) = (1_000, 60_000);

/// How long a document holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Schedule {
    /// At most so long; a shorter `max-age` of the answer counts.
    pub cache_ms: u64,
    /// At least so long from one fetch to the next, whatever asks for one.
    pub refetch_ms_min: u64,
    /// So long an old document still holds when it cannot be fetched anew.
    pub stale_ms_max: u64,
}

/// A document of type `T`.
#[derive(Debug)]
pub struct Fetched<T> {
    schedule: Schedule,
    kept: Option<Kept<T>>,
    /// The callout that is under way.
    under_way: Option<u32>,
    tried_at: Option<u64>,
    failures: u32,
    wanted: bool,
}

#[derive(Debug)]
struct Kept<T> {
    document: T,
    refresh_at: u64,
    forget_at: u64,
}

/// What can be hoped for by who needs another document than the one that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hope {
    /// A fetch is under way or about to begin.
    Coming,
    /// The last fetch is too short a time ago.
    None,
}

impl<T> Fetched<T> {
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            kept: None,
            under_way: None,
            tried_at: None,
            failures: 0,
            wanted: true,
        }
    }

    /// The document, as long as it holds.
    #[must_use]
    pub fn document(&self, now: u64) -> Option<&T> {
        self.kept
            .as_ref()
            .filter(|kept| now < kept.forget_at)
            .map(|kept| &kept.document)
    }

    /// Asks for a fetch, as what is there does not do.
    pub fn want(&mut self, now: u64) -> Hope {
        if self.under_way.is_some() || self.wanted {
            return Hope::Coming;
        }
        let pause = self.pause_ms().max(self.schedule.refetch_ms_min);
        if self.tried_at.is_some_and(|tried| now < tried.saturating_add(pause)) {
            return Hope::None;
        }
        self.wanted = true;
        Hope::Coming
    }

    /// When the next fetch is due; none while one is under way.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        if self.under_way.is_some() {
            return None;
        }
        if self.wanted {
            return Some(0);
        }
        let refresh_at = self.kept.as_ref().map_or(0, |kept| kept.refresh_at);
        let retry_at = self.tried_at.map_or(0, |tried| tried.saturating_add(self.pause_ms()));
        Some(refresh_at.max(retry_at))
    }

    /// A fetch has begun as the callout of that number.
    pub fn began(&mut self, callout: u32, now: u64) {
        self.under_way = Some(callout);
        self.tried_at = Some(now);
        self.wanted = false;
    }

    /// Whether that callout is this document's.
    #[must_use]
    pub fn is_under_way_as(&self, callout: u32) -> bool {
        self.under_way == Some(callout)
    }

    /// The document has come, with the seconds that its sender lets it be kept.
    pub fn came(&mut self, document: T, max_age_seconds: Option<u64>, now: u64) {
        let allowed = max_age_seconds.map_or(self.schedule.cache_ms, |seconds| seconds.saturating_mul(1_000));
        let holds = allowed.min(self.schedule.cache_ms).max(self.schedule.refetch_ms_min);
        self.kept = Some(Kept {
            document,
            // Three quarters of its time, so that a slow answer comes before the end.
            refresh_at: now.saturating_add(holds - holds / 4),
            forget_at: now.saturating_add(holds).saturating_add(self.schedule.stale_ms_max),
        });
        self.under_way = None;
        self.failures = 0;
    }

    /// The fetch failed, or could not begin. What is there stays.
    pub fn failed(&mut self, now: u64) {
        self.under_way = None;
        self.wanted = false;
        self.tried_at = Some(now);
        self.failures = self.failures.saturating_add(1);
    }

    fn pause_ms(&self) -> u64 {
        match self.failures.checked_sub(1) {
            None => 0,
            Some(doublings) => RETRY_MS.0.saturating_mul(1 << doublings.min(16)).min(RETRY_MS.1),
        }
    }
}

/// The `max-age` of a `cache-control` (RFC 9111 section 5.2.2.1); 0 where nothing may be stored.
#[must_use]
pub fn max_age_seconds(cache_control: &str) -> Option<u64> {
    let directives = || cache_control.split(',').map(|part| part.trim().to_ascii_lowercase());
    if directives().any(|part| part == "no-store" || part == "no-cache") {
        return Some(0);
    }
    directives().find_map(|part| part.strip_prefix("max-age=")?.trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        cache_ms: 600_000,
        refetch_ms_min: 30_000,
        stale_ms_max: 1_000_000,
    };

    fn fetched() -> Fetched<&'static str> {
        Fetched::new(SCHEDULE)
    }

    #[test]
    fn it_is_due_at_once_and_again_before_it_is_old() {
        let mut keys = fetched();
        assert_eq!(keys.due_at(), Some(0));
        keys.began(7, 1_000);
        assert_eq!(
            (keys.due_at(), keys.is_under_way_as(7), keys.is_under_way_as(8)),
            (None, true, false)
        );
        keys.came("one", None, 2_000);
        assert_eq!((keys.document(2_000), keys.due_at()), (Some(&"one"), Some(452_000)));
    }

    #[test]
    fn a_max_age_shortens_the_time_within_bounds() {
        for (age, refresh) in [(Some(100), 75_000), (Some(1), 22_500), (Some(1 << 60), 450_000)] {
            let mut keys = fetched();
            keys.began(1, 0);
            keys.came("one", age, 0);
            assert_eq!(keys.due_at(), Some(refresh), "{age:?}");
        }
    }

    #[test]
    fn who_needs_another_document_gets_a_fetch_once_in_a_while() {
        let mut keys = fetched();
        keys.began(1, 0);
        assert_eq!(keys.want(1), Hope::Coming);
        keys.came("one", None, 10);
        assert_eq!(keys.want(29_999), Hope::None);
        assert_eq!(keys.due_at(), Some(450_010));
        assert_eq!(keys.want(30_000), Hope::Coming);
        assert_eq!(keys.due_at(), Some(0));
        keys.began(2, 30_000);
        keys.came("two", None, 30_010);
        assert_eq!(keys.want(30_020), Hope::None);
        assert_eq!(keys.document(30_020), Some(&"two"));
    }

    #[test]
    fn a_fetch_that_fails_leaves_what_is_there_and_is_tried_again_ever_less_often() {
        let mut keys = fetched();
        keys.began(1, 0);
        keys.came("one", None, 0);
        let mut now = 450_000;
        let mut pauses = Vec::new();
        for callout in 2..11 {
            keys.began(callout, now);
            keys.failed(now);
            let due = keys.due_at().unwrap();
            pauses.push((due - now) / 1_000);
            now = due;
            assert_eq!(keys.document(now), Some(&"one"));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(keys.document(1_599_999), Some(&"one"));
        assert_eq!(keys.document(1_600_000), None);
    }

    #[test]
    fn after_a_first_fetch_that_failed_nobody_waits_for_the_next() {
        let mut keys = fetched();
        keys.began(1, 0);
        keys.failed(500);
        assert_eq!(keys.want(500), Hope::None);
        assert_eq!(keys.due_at(), Some(1_500));
    }

    #[test]
    fn the_age_of_an_answer_is_read() {
        assert_eq!(max_age_seconds("public, Max-Age=60"), Some(60));
        assert_eq!(max_age_seconds("max-age=\"5\""), Some(5));
        assert_eq!(max_age_seconds("no-store, max-age=60"), Some(0));
        assert_eq!(max_age_seconds("public"), None);
        assert_eq!(max_age_seconds("max-age=soon"), None);
    }
}
