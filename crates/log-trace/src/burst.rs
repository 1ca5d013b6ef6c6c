//! Bursts: counts over a sliding window of seconds, and the moment at which too many of one kind open a debug window.

use crate::fault::Fault;
use crate::id::Ids;
use crate::meter::Rate;
use crate::window::{Notice, Window};

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_NS: u64 = 3600 * SECOND_NS;
/// LIMIT: seconds over which a burst is looked for.
const SIGHT_SECONDS_MAX: u64 = 60;
/// LIMIT: seconds for which a debug window is open.
const WINDOW_SECONDS_MAX: u64 = 600;
/// LIMIT: debug windows in an hour.
const WINDOWS_MAX: usize = 60;
/// Buckets of the sliding window: what is over counts for a sixteenth of it too long at most.
const BUCKETS: usize = 16;
const MILLION: u64 = 1_000_000;

/// What there can be too much of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Status 429.
    TooMany,
    /// Statuses from 500 on.
    ServerError,
    /// Faults, whoever made them.
    Fault,
    /// Slow exchanges.
    Slow,
}

impl Kind {
    /// All of them, in the order of settings.
    pub const ALL: [Self; 4] = [Self::TooMany, Self::ServerError, Self::Fault, Self::Slow];
}

/// When there is too much of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trigger {
    /// Fewer are no burst, whatever their share.
    pub events_min: u32,
    /// The share of all exchanges from which on a window opens, in parts per million.
    pub share_ppm: u32,
    /// The share below which it may open again.
    pub calm_ppm: u32,
}

/// What opens a debug window, and what bounds it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BurstSettings {
    /// Seconds over which a burst is looked for.
    pub sight_seconds: u64,
    /// The trigger of each kind, in the order of [`Kind::ALL`]; none where that kind opens nothing.
    pub triggers: [Option<Trigger>; 4],
    /// From which duration on an exchange is slow.
    pub slow_ns: u64,
    /// How long a debug window is open.
    pub window_seconds: u64,
    /// How many there are in an hour at most.
    pub windows_per_hour: usize,
    /// How many records at most.
    pub rate: Rate,
    /// How many bytes of records at most, in one window.
    pub bytes_max: u64,
    /// How many bytes of bodies at most, in one window.
    pub body_bytes_max: u64,
}

/// What is seen of an exchange that is over. All are to be shown here, also those that are not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Observation {
    /// The status that was sent.
    pub status: Option<u16>,
    /// Whether there was a fault.
    pub is_fault: bool,
    /// From the request's headers to the last byte.
    pub duration_ns: u64,
}

/// What follows from an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nothing new.
    Quiet,
    /// A window opens: the caller emits what it kept of the seconds before, and tells the other workers.
    Opened(Notice),
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    all: u64,
    events: [u64; 4],
}

/// The detector of one worker, and its debug window while one is open.
#[derive(Debug)]
pub struct Burst {
    settings: BurstSettings,
    buckets: [Counts; BUCKETS],
    sum: Counts,
    /// The number of the newest bucket, counted from the clock's beginning.
    newest: u64,
    /// Which kinds may open a window: one that did must be calm first.
    is_armed: [bool; 4],
    window: Option<Window>,
    /// When the windows of the last hour opened.
    opened_ns: Vec<u64>,
}

impl Burst {
    /// A detector that has seen nothing.
    ///
    /// # Errors
    /// Spans, shares or numbers beyond their limits.
    pub fn new(settings: BurstSettings) -> Result<Self, Fault> {
        let is_wrong =
            |trigger: &Trigger| u64::from(trigger.share_ppm) > MILLION || trigger.calm_ppm >= trigger.share_ppm;
        if !(1..=SIGHT_SECONDS_MAX).contains(&settings.sight_seconds) {
            return Err(Fault::Sight(SIGHT_SECONDS_MAX));
        }
        if !(1..=WINDOW_SECONDS_MAX).contains(&settings.window_seconds) {
            return Err(Fault::Window(WINDOW_SECONDS_MAX));
        }
        if !(1..=WINDOWS_MAX).contains(&settings.windows_per_hour) {
            return Err(Fault::Windows(WINDOWS_MAX));
        }
        if settings.triggers.iter().flatten().any(is_wrong) {
            return Err(Fault::Share);
        }
        Ok(Self {
            settings,
            buckets: [Counts::default(); BUCKETS],
            sum: Counts::default(),
            newest: 0,
            is_armed: [true; 4],
            window: None,
            opened_ns: Vec::with_capacity(settings.windows_per_hour),
        })
    }

    /// Counts an exchange that is over.
    pub fn observe(&mut self, observation: &Observation, now_ns: u64, ids: &mut Ids) -> Turn {
        self.turn(now_ns);
        let events = self.events(observation);
        let newest = usize::try_from(self.newest % BUCKETS as u64).unwrap_or_default();
        if let Some(bucket) = self.buckets.get_mut(newest) {
            bucket.add(events);
        }
        self.sum.add(events);
        if events == [false; 4] {
            return Turn::Quiet;
        }
        let happened = Kind::ALL.into_iter().zip(events).filter(|(_, is_event)| *is_event);
        let mut bursts = happened.filter(|(kind, _)| self.is_burst(*kind));
        match bursts.next() {
            Some((kind, _)) => self.open(kind, now_ns, ids),
            None => Turn::Quiet,
        }
    }

    /// Opens the window that another worker opened, or an operator. It counts among those of the hour, and lasts no longer than ours would.
    pub fn join(&mut self, notice: &Notice, now_ns: u64) -> Turn {
        let latest = now_ns.saturating_add(self.window_ns());
        if self.is_open(now_ns) || !self.has_window_left(now_ns) || notice.until_ns <= now_ns {
            return Turn::Quiet;
        }
        let notice = Notice {
            until_ns: notice.until_ns.min(latest),
            ..*notice
        };
        self.begin(notice, now_ns)
    }

    /// The debug window, while it is open.
    pub fn window(&mut self, now_ns: u64) -> Option<&mut Window> {
        self.window.as_mut().filter(|window| window.is_open(now_ns))
    }

    fn open(&mut self, kind: Kind, now_ns: u64, ids: &mut Ids) -> Turn {
        if self.is_open(now_ns) || !self.has_window_left(now_ns) {
            return Turn::Quiet;
        }
        let notice = Notice {
            id: ids.trace(),
            kind,
            opened_ns: now_ns,
            until_ns: now_ns.saturating_add(self.window_ns()),
        };
        self.begin(notice, now_ns)
    }

    fn begin(&mut self, notice: Notice, now_ns: u64) -> Turn {
        // Whatever comes together opens one window, not one after the other.
        for kind in Kind::ALL {
            let is_over = self.is_burst(kind);
            if let Some(armed) = self.is_armed.get_mut(kind as usize) {
                *armed = *armed && !is_over && kind != notice.kind;
            }
        }
        self.opened_ns.push(now_ns);
        let settings = &self.settings;
        self.window = Some(Window::new(
            notice,
            settings.rate,
            settings.bytes_max,
            settings.body_bytes_max,
        ));
        Turn::Opened(notice)
    }

    fn is_open(&self, now_ns: u64) -> bool {
        self.window.as_ref().is_some_and(|window| window.is_open(now_ns))
    }

    fn has_window_left(&mut self, now_ns: u64) -> bool {
        self.opened_ns
            .retain(|opened_ns| now_ns.saturating_sub(*opened_ns) < HOUR_NS);
        self.opened_ns.len() < self.settings.windows_per_hour
    }

    const fn window_ns(&self) -> u64 {
        self.settings.window_seconds.saturating_mul(SECOND_NS)
    }

    fn is_burst(&self, kind: Kind) -> bool {
        let at = kind as usize;
        let (trigger, events) = (self.settings.triggers.get(at).copied().flatten(), self.sum.of(kind));
        let is_armed = self.is_armed.get(at).copied().unwrap_or_default();
        trigger.is_some_and(|trigger| {
            is_armed
                && events >= u64::from(trigger.events_min)
                && events.saturating_mul(MILLION) >= self.sum.all.saturating_mul(u64::from(trigger.share_ppm))
        })
    }

    /// Takes out of the sum what is too old, and lets kinds that have become calm open a window again.
    fn turn(&mut self, now_ns: u64) {
        let bucket_ns = self.settings.sight_seconds.saturating_mul(SECOND_NS) / BUCKETS as u64;
        let number = now_ns.checked_div(bucket_ns).unwrap_or_default();
        // LIMIT: after a long silence, all buckets once.
        let steps = number.saturating_sub(self.newest).min(BUCKETS as u64);
        if steps == 0 {
            return;
        }
        self.newest = number;
        for step in 0..steps {
            let old = usize::try_from((number - step) % BUCKETS as u64).unwrap_or_default();
            if let Some(bucket) = self.buckets.get_mut(old) {
                self.sum.take(&std::mem::take(bucket));
            }
        }
        let sum = self.sum;
        for ((kind, trigger), is_armed) in Kind::ALL
            .into_iter()
            .zip(self.settings.triggers)
            .zip(&mut self.is_armed)
        {
            let calm_ppm = trigger.map_or(0, |trigger| u64::from(trigger.calm_ppm));
            let is_calm = sum.of(kind) == 0 || sum.of(kind).saturating_mul(MILLION) < sum.all.saturating_mul(calm_ppm);
            *is_armed = *is_armed || is_calm;
        }
    }

    fn events(&self, observation: &Observation) -> [bool; 4] {
        [
            observation.status == Some(429),
            observation.status.is_some_and(|status| status >= 500),
            observation.is_fault,
            observation.duration_ns >= self.settings.slow_ns,
        ]
    }
}

impl Counts {
    fn add(&mut self, events: [bool; 4]) {
        self.all = self.all.saturating_add(1);
        for (count, is_event) in self.events.iter_mut().zip(events) {
            *count = count.saturating_add(u64::from(is_event));
        }
    }

    fn take(&mut self, other: &Self) {
        self.all = self.all.saturating_sub(other.all);
        for (count, taken) in self.events.iter_mut().zip(other.events) {
            *count = count.saturating_sub(taken);
        }
    }

    fn of(&self, kind: Kind) -> u64 {
        self.events.get(kind as usize).copied().unwrap_or_default()
    }
}
