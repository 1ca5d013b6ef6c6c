//! Rates by key, in memory that does not grow: what is over a rate is dropped, and counted into what is kept next.

use crate::fault::Fault;
use crate::id::mix;

/// Places in which a key may be: 192 bytes, which lie beside each other.
const WAYS: usize = 8;
/// LIMIT: keys of one worker, 24 bytes each.
const KEYS_MAX: usize = 1 << 16;
/// LIMIT: rules that have a rate; each has one meter for all keys that found no place.
pub(crate) const SHARED: usize = 65;

/// So many in a time, and so many at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Nanoseconds from one to the next.
    interval_ns: u64,
    /// How far ahead of its time one may come.
    tolerance_ns: u64,
}

impl Rate {
    /// `count` in each `span_ns`, of which `burst` may come at once.
    ///
    /// # Errors
    /// One of them is 0, or the count has less than a nanosecond for each.
    pub fn new(count: u32, span_ns: u64, burst: u32) -> Result<Self, Fault> {
        let interval_ns = span_ns.checked_div(u64::from(count)).unwrap_or_default();
        let further = burst.checked_sub(1).ok_or(Fault::Rate)?;
        if interval_ns == 0 {
            return Err(Fault::Rate);
        }
        Ok(Self {
            interval_ns,
            tolerance_ns: interval_ns.saturating_mul(u64::from(further)),
        })
    }
}

/// The state of one rate: the generic cell rate algorithm (ITU-T I.371), which is a token bucket in one number.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Meter {
    /// When the next is due. A bucket is full when that is past.
    due_ns: u64,
    /// The factors of what was dropped since something was kept.
    missed: f64,
}

impl Meter {
    /// The factor of what is kept: its own and that of what was dropped before. None when it is dropped too.
    pub(crate) fn take(&mut self, rate: Rate, factor: f64, now_ns: u64) -> Option<f64> {
        if self.due_ns > now_ns.saturating_add(rate.tolerance_ns) {
            self.missed += factor;
            return None;
        }
        self.due_ns = self.due_ns.max(now_ns).saturating_add(rate.interval_ns);
        Some(std::mem::take(&mut self.missed) + factor)
    }
}

/// Keys beside each other, for most of them are only looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Set {
    /// 0 in a free place.
    keys: [u64; WAYS],
    meters: [Meter; WAYS],
}

/// The meters of one worker: a key has one of a few places or none. Keys that found none, because others are in use there, share one
/// for each rule: whoever sends a new key each time gets no more than that and the places that are free.
#[derive(Debug)]
pub struct Meters {
    sets: Box<[Set]>,
    shared: [Meter; SHARED],
    secret: u64,
    /// Of which table the rules are whose numbers are in the keys.
    table: u64,
    forgotten: f64,
}

impl Meters {
    /// Room for so many keys, rounded up to a power of two. Clients choose keys, so the secret must be one that they do not know.
    ///
    /// # Errors
    /// Fewer than 8 keys, or more than 65536.
    pub fn with_keys(keys: usize, secret: u64) -> Result<Self, Fault> {
        if !(WAYS..=KEYS_MAX).contains(&keys) {
            return Err(Fault::Keys(KEYS_MAX));
        }
        Ok(Self::within(keys, secret))
    }

    /// The same with the nearest number that there may be.
    #[must_use]
    pub fn within(keys: usize, secret: u64) -> Self {
        let sets = keys.clamp(WAYS, KEYS_MAX).next_power_of_two() / WAYS;
        Self {
            sets: vec![Set::default(); sets].into_boxed_slice(),
            shared: [Meter::default(); SHARED],
            secret,
            table: 0,
            forgotten: 0.0,
        }
    }

    /// The memory that it has, whatever comes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.sets) + size_of::<Self>()
    }

    /// Begins anew when the rules are newer than before: their numbers mean something else, and an old rate must not hold back a new one.
    /// Whoever still asks an older table is held to the rates of now, and brings nothing back.
    pub(crate) fn follow(&mut self, table: u64) {
        if table <= self.table {
            return;
        }
        self.table = table;
        self.forgotten = self.drain();
        self.sets.fill(Set::default());
        self.shared = [Meter::default(); SHARED];
    }

    /// Takes one by the rate of a rule; see [`Meter::take`].
    pub(crate) fn take(&mut self, rule: u8, key: Key, rate: Rate, factor: f64, now_ns: u64) -> Option<f64> {
        // No key is 0: that is a free place.
        let key = key.hash(self.secret, rule) | 1;
        let at = usize::try_from(key >> 32).unwrap_or_default() & self.sets.len().saturating_sub(1);
        let own = self
            .sets
            .get_mut(at)
            .and_then(|set| set.meter(key, now_ns, &mut self.forgotten));
        let meter = match own {
            Some(meter) => meter,
            None => self.shared.get_mut(usize::from(rule) % SHARED)?,
        };
        meter.take(rate, factor, now_ns)
    }

    /// What was dropped by rates and will be in no factor any more: whoever it was of wrote nothing since, and others have the place.
    #[must_use]
    pub const fn forgotten(&self) -> f64 {
        self.forgotten
    }

    /// One that stands for so many was kept, and does not say so.
    pub(crate) fn forget(&mut self, records: f64) {
        self.forgotten += records;
    }

    /// Takes what was dropped by rates and is in no factor yet: for the record of a gap, from time to time and at the end. What is kept
    /// and what is taken here make together exactly what there was.
    pub fn drain(&mut self) -> f64 {
        let own = self.sets.iter_mut().flat_map(|set| &mut set.meters);
        let missed: f64 = own
            .chain(&mut self.shared)
            .map(|meter| std::mem::take(&mut meter.missed))
            .sum();
        missed + std::mem::take(&mut self.forgotten)
    }
}

impl Set {
    /// The meter of a key: its own, or a new one where nobody is or whose bucket is full again, which is as good as new.
    fn meter(&mut self, key: u64, now_ns: u64, forgotten: &mut f64) -> Option<&mut Meter> {
        if let Some(at) = self.keys.iter().position(|other| *other == key) {
            return self.meters.get_mut(at);
        }
        let mut places = self.keys.iter_mut().zip(&mut self.meters);
        let (place, meter) = places.find(|(other, meter)| **other == 0 || meter.due_ns <= now_ns)?;
        *forgotten += meter.missed;
        *place = key;
        *meter = Meter::default();
        Some(meter)
    }
}

/// Whose rate it is: what is not part of the key is 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Key {
    pub(crate) level: u8,
    pub(crate) route: u32,
    pub(crate) plugin: u32,
    pub(crate) tenant: u64,
}

impl Key {
    /// One multiplication of 128 bits, folded, with a secret on both sides: who does not know it cannot choose where a key falls.
    fn hash(self, secret: u64, rule: u8) -> u64 {
        let numbers = u64::from(self.route) << 32 | u64::from(self.plugin);
        let small = u64::from(self.level) << 8 | u64::from(rule);
        let one = numbers ^ secret;
        let other = (self.tenant ^ secret.rotate_left(32)).wrapping_add(small.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let product = u128::from(one) * u128::from(other | 1 << 63);
        mix((product >> 64) as u64 ^ product as u64)
    }
}
