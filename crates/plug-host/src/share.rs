//! Which share of a worker's CPU time a plugin has used: an account for each second, whose debts the next ones pay.

use std::time::Duration;

use tokio::time::Instant;

/// The window over which the share is held.
const WINDOW: Duration = Duration::from_secs(1);

/// CPU time of one plugin on one worker.
#[derive(Debug)]
pub(crate) struct Share {
    /// CPU time that it may use in a window.
    room: Duration,
    /// When the window of now began; none before the first use.
    began: Option<Instant>,
    /// Used in this window, with what those before used beyond their room.
    used: Duration,
}

impl Share {
    /// `percent` of a worker, 1 to 100.
    pub(crate) fn new(percent: u8) -> Self {
        Self {
            room: WINDOW * u32::from(percent.max(1)) / 100,
            began: None,
            used: Duration::ZERO,
        }
    }

    /// CPU time was used.
    pub(crate) fn spend(&mut self, time: Duration, now: Instant) {
        self.turn(now);
        self.began.get_or_insert(now);
        self.used = self.used.saturating_add(time);
    }

    /// How long it is until there is room; none when there is now. A callback is not cut short by this, so it may use more than there
    /// is: the windows that follow are shorter by it.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.turn(now);
        let began = self.began.filter(|_| self.used >= self.room)?;
        let windows = u32::try_from(self.used.as_nanos() / self.room.as_nanos()).unwrap_or(u32::MAX);
        let open = WINDOW.saturating_mul(windows);
        Some(open.saturating_sub(now.saturating_duration_since(began)))
    }

    #[cfg(test)]
    pub(crate) fn used(&self) -> Duration {
        self.used
    }

    /// Goes over to the window of `now`.
    fn turn(&mut self, now: Instant) {
        let Some(began) = self.began else { return };
        let windows = now.saturating_duration_since(began).as_secs() / WINDOW.as_secs();
        if windows > 0 {
            self.began = began.checked_add(Duration::from_secs(windows.saturating_mul(WINDOW.as_secs())));
            let paid = self.room.saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX));
            self.used = self.used.saturating_sub(paid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(length: u64) -> Duration {
        Duration::from_millis(length)
    }

    #[test]
    fn there_is_room_until_the_share_is_used_and_again_in_the_next_second() {
        let (mut share, begin) = (Share::new(50), Instant::now());
        assert_eq!(share.wait(begin), None);
        share.spend(ms(499), begin);
        assert_eq!(share.wait(begin + ms(600)), None);
        share.spend(ms(1), begin + ms(600));
        assert_eq!(share.wait(begin + ms(600)), Some(ms(400)));
        assert_eq!(share.wait(begin + ms(999)), Some(ms(1)));
        assert_eq!(share.wait(begin + ms(1_000)), None);
    }

    #[test]
    fn what_was_used_too_much_is_paid_by_the_seconds_that_follow() {
        let (mut share, begin) = (Share::new(10), Instant::now());
        share.spend(ms(250), begin);
        assert_eq!(share.wait(begin), Some(ms(2_000)));
        assert_eq!(share.wait(begin + ms(1_500)), Some(ms(500)));
        assert_eq!(share.wait(begin + ms(2_000)), None);
        share.spend(ms(49), begin + ms(2_000));
        assert_eq!(share.wait(begin + ms(2_000)), None, "50 ms of 100 were paid back");
        share.spend(ms(1), begin + ms(2_000));
        assert_eq!(share.wait(begin + ms(2_000)), Some(ms(1_000)));
    }

    #[test]
    fn a_quiet_plugin_saves_nothing_up() {
        let (mut share, begin) = (Share::new(20), Instant::now());
        share.spend(ms(1), begin);
        let later = begin + Duration::from_secs(3_600);
        share.spend(ms(200), later);
        assert_eq!(share.wait(later), Some(ms(1_000)));
    }

    #[test]
    fn windows_begin_with_the_first_use_and_go_on_from_there() {
        let (mut share, begin) = (Share::new(1), Instant::now());
        share.spend(ms(10), begin);
        assert_eq!(share.wait(begin + ms(250)), Some(ms(750)));
        share.spend(ms(10), begin + ms(1_250));
        assert_eq!(share.wait(begin + ms(1_250)), Some(ms(750)));
    }
}
