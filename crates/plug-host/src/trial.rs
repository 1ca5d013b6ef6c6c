//! What a tested plugin has in place of the world: a clock that goes when it is told to, bytes that look random, and a witness of its callbacks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::bell::Bell;

/// LIMIT: callbacks that are remembered of one trial.
const CALLBACKS_MAX: usize = 1_000_000;

/// A callback that a tested plugin had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// Its name in the ABI.
    pub callback: &'static str,
    /// What it answered; none while it runs, when it died, and where it answers nothing.
    pub answer: Option<u32>,
    /// Time between its beginning and its end.
    pub took: Duration,
}

/// What a tested plugin has in place of the world.
pub struct Trial {
    began: Duration,
    now: Cell<Duration>,
    last: Cell<u64>,
    /// Blocks of seeming randomness that were given out.
    blocks: Cell<u64>,
    sleepers: RefCell<BTreeMap<(Duration, u64), Rc<Bell>>>,
    callbacks: RefCell<Vec<Witnessed>>,
    mark: Cell<Option<Instant>>,
}

impl Trial {
    /// A trial that begins at this time since 1970.
    #[must_use]
    pub fn at(began: Duration) -> Rc<Self> {
        Rc::new(Self {
            began,
            now: Cell::new(began),
            last: Cell::default(),
            blocks: Cell::default(),
            sleepers: RefCell::default(),
            callbacks: RefCell::default(),
            mark: Cell::default(),
        })
    }

    /// The time since 1970.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now.get()
    }

    /// The time since the trial began.
    pub(crate) fn since_start(&self) -> Duration {
        self.now.get().saturating_sub(self.began)
    }

    /// Bytes that look random and are the same in each trial, so that what is made of them can be expected.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = self.blocks.get();
            self.blocks.set(block.wrapping_add(1));
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &block.to_be_bytes());
            for (to, from) in chunk.iter_mut().zip(digest.as_ref()) {
                *to = *from;
            }
        }
    }

    /// Waits until the clock has gone on so far.
    pub async fn sleep(self: &Rc<Self>, length: Duration) {
        let number = self.last.get().wrapping_add(1);
        self.last.set(number);
        let sleeper = Sleeper {
            trial: Rc::clone(self),
            key: (self.now.get().saturating_add(length), number),
        };
        let bell = Rc::new(Bell::default());
        self.sleepers.borrow_mut().insert(sleeper.key, Rc::clone(&bell));
        bell.heard().await;
    }

    /// When the next sleeper wakes.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        self.sleepers.borrow().keys().next().map(|(time, _)| *time)
    }

    /// Sets the clock and wakes those whose time has come. It never goes back.
    pub fn set(&self, time: Duration) {
        self.now.set(self.now.get().max(time));
        let woken: Vec<Rc<Bell>> = {
            let sleepers = self.sleepers.borrow();
            let due = sleepers.range(..=(self.now.get(), u64::MAX));
            due.map(|(_, bell)| Rc::clone(bell)).collect()
        };
        woken.iter().for_each(|bell| bell.ring());
    }

    /// The callbacks since they were last taken, in order; one that the module does not export is among them.
    #[must_use]
    pub fn take_callbacks(&self) -> Vec<Witnessed> {
        std::mem::take(&mut *self.callbacks.borrow_mut())
    }

    /// The callback that began last, since they were last taken.
    #[must_use]
    pub fn last_callback(&self) -> Option<&'static str> {
        self.callbacks.borrow().last().map(|call| call.callback)
    }

    /// A callback begins.
    pub(crate) fn entering(&self, callback: &'static str) {
        self.end_last();
        self.mark.set(Some(Instant::now()));
        let mut callbacks = self.callbacks.borrow_mut();
        if callbacks.len() < CALLBACKS_MAX {
            callbacks.push(Witnessed {
                callback,
                answer: None,
                took: Duration::ZERO,
            });
        }
    }

    /// The callback has ended.
    pub(crate) fn leaving(&self, answer: u32) {
        self.end_last();
        if let Some(last) = self.callbacks.borrow_mut().last_mut() {
            last.answer = Some(answer);
        }
    }

    fn end_last(&self) {
        if let Some(mark) = self.mark.take()
            && let Some(last) = self.callbacks.borrow_mut().last_mut()
        {
            last.took = mark.elapsed();
        }
    }
}

/// Somebody who waits; who goes away no longer does.
struct Sleeper {
    trial: Rc<Trial>,
    key: (Duration, u64),
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.trial.sleepers.borrow_mut().remove(&self.key);
    }
}
