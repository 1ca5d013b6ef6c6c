//! The candidate of a rollout run aside: what the control saw of an exchange is recorded, run through the candidate when the exchange is
//! over, and compared. Nothing that the candidate does there is applied.

mod memory;
mod apart;
mod sight;
mod play;

pub(crate) use self::memory::{Answered, Asked, Asking, Memory};
pub(crate) use self::sight::Sight;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::RolloutShadow;
use plug_host::{Exchange, Plugin, PluginHandle, Process, Services, WorkerPlugins};
use plug_rollout::{Arm, Selector, Share};
use plug_shadow::{Rules, Skipped, Tally, compare};
use tokio::task::{spawn_local, yield_now};

use crate::arms::Trial;
use crate::callouts::Callouts;
use crate::journal::Journal;
use crate::shadow::apart::Apart;

/// LIMIT: how long an exchange is recorded when its place is wanted for another.
const RECORDED_MAX: Duration = Duration::from_secs(30);

/// A candidate that runs aside on one worker.
pub(crate) struct Shadow {
    plugin: Arc<Plugin>,
    handle: Rc<PluginHandle>,
    services: Services,
    world: Rc<Apart>,
    settings: RolloutShadow,
    rules: Rules,
    selector: Selector,
    /// Exchanges of the control.
    drawn: Cell<u64>,
    is_on: Cell<bool>,
    /// Configurations on this worker that have it.
    homes: Cell<usize>,
    /// Exchanges that are kept: while they go on, and until they are compared.
    kept: Rc<Cell<usize>>,
    going_on: RefCell<Vec<Weak<Sight>>>,
    waiting: RefCell<VecDeque<Ended>>,
    is_playing: Cell<bool>,
    tally: RefCell<Tally>,
}

/// An exchange that is over and waits for being compared.
struct Ended {
    sight: Rc<Sight>,
    exchange: Rc<Exchange>,
    request_id: String,
    route: String,
}

impl Shadow {
    /// The shadow of a trial, with the instance in which it runs; none when the trial has none. One that ran before goes on.
    pub(crate) fn arrange(
        trial: &Trial,
        (services, callouts): (&Services, &Rc<Callouts>),
        (before, plugins): (&[Rc<Self>], &[WorkerPlugins]),
    ) -> Option<(Rc<Self>, WorkerPlugins)> {
        let plugin = trial.shadow.as_ref()?;
        let settings = trial.spec.rollout.as_ref()?.shadow.as_ref()?;
        let same = before
            .iter()
            .find(|shadow| Arc::ptr_eq(&shadow.plugin, plugin))
            .cloned();
        let world = match &same {
            Some(same) => Rc::clone(&same.world),
            None => Apart::new(callouts),
        };
        let services = same.as_ref().map_or_else(
            || Services {
                process: Process::aside(&services.process),
                outside: Rc::<Apart>::clone(&world),
                worker: services.worker,
                trial: None,
            },
            |same| same.services.clone(),
        );
        let parts: Vec<_> = plugins.iter().collect();
        let plugins = WorkerPlugins::arrange_after(slice::from_ref(plugin), &services, &parts);
        let handle = Rc::clone(plugins.find(&plugin.spec.name)?);
        let shadow = same.unwrap_or_else(|| {
            Rc::new(Self {
                plugin: Arc::clone(plugin),
                handle,
                services,
                world,
                settings: settings.clone(),
                rules: Rules {
                    ignored: settings.ignored_headers.clone(),
                    shows_values: settings.shows_values,
                },
                selector: Selector::new(
                    &format!("{}/shadow", trial.id),
                    Share::new(settings.share).unwrap_or(Share::ALL),
                ),
                drawn: Cell::default(),
                is_on: Cell::default(),
                homes: Cell::default(),
                kept: Rc::default(),
                going_on: RefCell::default(),
                waiting: RefCell::default(),
                is_playing: Cell::default(),
                tally: RefCell::default(),
            })
        });
        shadow.is_on.set(trial.is_shadowing);
        shadow.homes.set(shadow.homes.get().saturating_add(1));
        Some((shadow, plugins))
    }

    /// From the next exchange on it runs aside.
    pub(crate) fn start(&self) {
        self.is_on.set(true);
    }

    /// It runs aside no more, and what waits is forgotten.
    pub(crate) fn stop(&self) {
        self.is_on.set(false);
        self.waiting.borrow_mut().clear();
    }

    /// One configuration less has it.
    pub(crate) fn leave(&self) {
        let homes = self.homes.get().saturating_sub(1);
        self.homes.set(homes);
        if homes == 0 {
            self.stop();
        }
    }

    /// What came of comparing since this was last asked.
    pub(crate) fn take(&self) -> Tally {
        self.tally.take()
    }

    /// Begins to record an exchange that has reached the control, if it is one of those.
    pub(crate) fn begin(self: &Rc<Self>) -> Option<Rc<Sight>> {
        if !self.is_on.get() {
            return None;
        }
        self.drawn.set(self.drawn.get().wrapping_add(1));
        let place = (self.services.worker as u64, self.drawn.get());
        let key = [place.0.to_be_bytes(), place.1.to_be_bytes()].concat();
        if self.selector.arm(&key) == Arm::Control {
            return None;
        }
        let Some(seat) = Seat::take(&self.kept, self.settings.waiting_max).or_else(|| self.make_room()) else {
            self.tally.borrow_mut().skip(Skipped::Busy);
            return None;
        };
        let body_bytes_max = usize::try_from(self.settings.body_bytes_max).unwrap_or(usize::MAX);
        let sight = Sight::new(self, seat, body_bytes_max);
        let mut going_on = self.going_on.borrow_mut();
        if going_on.len() >= self.settings.waiting_max {
            going_on.retain(|sight| sight.strong_count() > 0);
        }
        going_on.push(Rc::downgrade(&sight));
        Some(sight)
    }

    /// Gives up exchanges that go on for too long, as streams do.
    fn make_room(&self) -> Option<Seat> {
        self.going_on.borrow_mut().retain(|sight| match sight.upgrade() {
            Some(sight) if sight.age() > RECORDED_MAX => {
                sight.give_up(Skipped::TooLong);
                false
            }
            Some(_) => true,
            None => false,
        });
        Seat::take(&self.kept, self.settings.waiting_max)
    }

    /// An exchange is over: it is compared when its turn comes.
    pub(crate) fn ended(self: &Rc<Self>, sight: Rc<Sight>, exchange: &Rc<Exchange>, journal: &Journal) {
        if !self.is_on.get() {
            return;
        }
        if let Some(why) = sight.unfit() {
            return self.tally.borrow_mut().skip(why);
        }
        let request_id = journal.request_id.as_ref();
        let request_id = request_id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        let chosen = journal.chosen.borrow();
        self.waiting.borrow_mut().push_back(Ended {
            sight,
            exchange: Rc::clone(exchange),
            request_id: request_id.unwrap_or_default(),
            route: chosen
                .as_ref()
                .map_or_else(String::new, |chosen| chosen.route.name.clone()),
        });
        if !self.is_playing.replace(true) {
            let shadow = Rc::clone(self);
            spawn_local(async move {
                while let Some(ended) = shadow.next() {
                    // Whoever has something to do for a client goes first.
                    yield_now().await;
                    shadow.play(ended).await;
                }
                shadow.is_playing.set(false);
            });
        }
    }

    fn next(&self) -> Option<Ended> {
        self.waiting.borrow_mut().pop_front()
    }

    async fn play(&self, ended: Ended) {
        if !self.is_on.get() {
            return;
        }
        self.world.begin(ended.sight.forgotten);
        self.services.process.note_writes();
        let played = play::play(&self.handle, &ended.sight, &ended.exchange).await;
        self.services.process.forget_writes();
        let made = self.world.end();
        let mut tally = self.tally.borrow_mut();
        if made.is_unanswerable {
            return tally.skip(Skipped::Callout);
        }
        match played {
            Err(why) => tally.skip(why),
            Ok(mut seen) => {
                seen.strange_callouts = made.strange;
                let differences = compare(&ended.sight.control(), &seen, &self.rules);
                tally.note(&differences, || (ended.request_id, ended.route));
            }
        }
    }
}

/// A place among the exchanges that are kept.
pub(crate) struct Seat(Rc<Cell<usize>>);

impl Seat {
    fn take(kept: &Rc<Cell<usize>>, kept_max: usize) -> Option<Self> {
        let now = kept.get();
        if now >= kept_max {
            return None;
        }
        kept.set(now.saturating_add(1));
        Some(Self(Rc::clone(kept)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
