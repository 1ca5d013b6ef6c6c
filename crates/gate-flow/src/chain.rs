//! The plugins of one exchange: opened when the request first reaches them, ended together.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use gate_plan::{ExchangeMatch, OnFault, PluginDebug};
use plug_host::{Direction, Exchange, Fault, FaultKind, PluginHandle, PluginStream};
use plug_rollout::Arm;
use plug_shadow::Skipped;

use crate::answer::Whole;
use crate::arms::Arms;
use crate::journal::{Journal, route_key};
use crate::shadow::{Shadow, Sight};
use crate::stages::Stages;
use crate::traced::Traced;

/// A plugin's place in the chain of a route.
pub(crate) struct Link {
    pub(crate) name: Rc<str>,
    /// Its number in the plan.
    pub(crate) number: u32,
    /// None when no generation of the plugin could be started: it is in the chain all the same, so that nobody passes it unasked.
    pub(crate) handle: Option<Rc<PluginHandle>>,
    pub(crate) on_fault: OnFault,
    pub(crate) while_restarting: OnFault,
    /// Which exchanges LLDB sees, if any.
    pub(crate) debug: Option<PluginDebug>,
    /// Another generation that serves beside it, if one is tried.
    pub(crate) arms: Option<Rc<Arms>>,
}

/// The plugins of a route.
#[derive(Clone)]
pub(crate) struct Links {
    /// In the order in which requests pass them.
    pub(crate) links: Rc<[Link]>,
    /// Body bytes held in each direction: the largest bound of any of them.
    pub(crate) body_bytes_max: u64,
}

/// A plugin's place in the chain of one exchange.
enum Place {
    /// The request has not reached it.
    Unreached,
    /// It takes part.
    Open(Rc<PluginStream>),
    /// It failed.
    Skipped,
}

/// A word about a plugin for the access record.
pub(crate) struct Verdict {
    pub(crate) plugin: Rc<str>,
    pub(crate) word: &'static str,
}

/// The plugins of one exchange.
pub(crate) struct Chain {
    links: Rc<[Link]>,
    places: RefCell<Vec<Place>>,
    /// Where two generations serve: which one this exchange stays with. By place in the chain.
    chosen: RefCell<Vec<(usize, Arm)>>,
    /// What is recorded of this exchange for candidates that run aside. By place in the chain.
    sights: RefCell<Vec<(usize, Rc<Sight>)>>,
    pub(crate) exchange: Rc<Exchange>,
    pub(crate) verdicts: RefCell<Vec<Verdict>>,
    ended: Cell<bool>,
    /// The trace of the exchange; none in a rehearsal.
    traced: OnceCell<Rc<Traced>>,
}

impl Chain {
    pub(crate) fn new(links: Links, exchange: Rc<Exchange>) -> Rc<Self> {
        let links = links.links;
        let places = RefCell::new(links.iter().map(|_| Place::Unreached).collect());
        Rc::new(Self {
            links,
            places,
            chosen: RefCell::default(),
            sights: RefCell::default(),
            exchange,
            verdicts: RefCell::default(),
            ended: Cell::new(false),
            traced: OnceCell::new(),
        })
    }

    /// The same as a part of this exchange's trace.
    pub(crate) fn in_trace_of(self: Rc<Self>, journal: &Journal) -> Rc<Self> {
        if let Some(traced) = journal.traced.get() {
            self.traced.get_or_init(|| Rc::clone(traced));
        }
        self
    }

    /// The spans of the exchange.
    pub(crate) fn stages(&self) -> Option<&Stages> {
        self.traced.get().map(|traced| &traced.stages)
    }

    /// The number of the plugin at `index` in the plan.
    pub(crate) fn number(&self, index: usize) -> u32 {
        self.links.get(index).map_or(u32::MAX, |link| link.number)
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// The plugin at `index`, if it takes part.
    pub(crate) fn stream(&self, index: usize) -> Option<Rc<PluginStream>> {
        match self.places.borrow().get(index) {
            Some(Place::Open(stream)) => Some(Rc::clone(stream)),
            _ => None,
        }
    }

    /// The plugin at `index`, opened if the request reaches it now; none if it is skipped.
    pub(crate) async fn open(&self, index: usize) -> Result<Option<Rc<PluginStream>>, Fault> {
        if let Some(place) = self.places.borrow().get(index) {
            match place {
                Place::Open(stream) => return Ok(Some(Rc::clone(stream))),
                Place::Skipped => return Ok(None),
                Place::Unreached => {}
            }
        }
        let Some(link) = self.links.get(index) else {
            return Ok(None);
        };
        match self.open_link(index, link).await {
            Ok(stream) => {
                let stream = Rc::new(stream);
                self.put(index, Place::Open(Rc::clone(&stream)));
                Ok(Some(stream))
            }
            Err(fault) => {
                self.failed(index, &fault)?;
                Ok(None)
            }
        }
    }

    async fn open_link(&self, index: usize, link: &Link) -> Result<PluginStream, Fault> {
        if let Some(arms) = &link.arms
            && let Some(arm) = self.arm(index, link, arms)
        {
            let handle = match arm {
                Arm::Candidate => Some(&arms.candidate),
                Arm::Control => link.handle.as_ref(),
            };
            let handle = handle.ok_or_else(|| Fault::missing(&link.name))?;
            let stream = handle.open(&self.exchange).await?;
            stream.measure();
            if arm == Arm::Control {
                self.show(index, arms);
            }
            return Ok(stream);
        }
        let handle = link.handle.as_ref().ok_or_else(|| Fault::missing(&link.name))?;
        match &link.debug {
            Some(debug) if self.is_meant(&debug.matches) => handle.open_debugged(&self.exchange, debug.wait).await,
            _ => handle.open(&self.exchange).await,
        }
    }

    /// Begins to record what the control sees, if a candidate that runs aside shall see it too.
    fn show(&self, index: usize, arms: &Arms) {
        if self.sight(index).is_none() {
            let sight = arms.shadow.as_ref().and_then(Shadow::begin);
            self.sights.borrow_mut().extend(sight.map(|sight| (index, sight)));
        }
    }

    /// Who records what the plugin at `index` sees and gives.
    pub(crate) fn sight(&self, index: usize) -> Option<Rc<Sight>> {
        let sights = self.sights.borrow();
        let found = sights.iter().find(|(place, _)| *place == index);
        found.map(|(_, sight)| Rc::clone(sight))
    }

    /// A plugin answered by itself.
    pub(crate) fn replied(&self, plugin: &Rc<str>, direction: Direction, whole: &Whole) {
        self.note(plugin, "local_response");
        for (index, sight) in self.sights.borrow().iter() {
            if self.links.get(*index).is_some_and(|link| link.name == *plugin) {
                sight.replied(direction, &self.exchange, whole);
            }
        }
    }

    /// Gives the exchange, which is over, to candidates that run aside.
    pub(crate) fn show_shadows(&self, journal: &Journal) {
        for (_, sight) in self.sights.take() {
            if self.exchange.reset.get() {
                // Which of several plugins did it is not known.
                match self.len() {
                    1 => sight.ended_it(),
                    _ => sight.give_up(Skipped::Unfinished),
                }
            }
            if let Some(shadow) = sight.shadow() {
                shadow.ended(sight, &self.exchange, journal);
            }
        }
    }

    /// The arm of this exchange; none when it does not take part in the rollout.
    fn arm(&self, index: usize, link: &Link, arms: &Arms) -> Option<Arm> {
        let chosen = self.chosen.borrow().iter().find(|(place, _)| *place == index).copied();
        if let Some((_, arm)) = chosen {
            return Some(arm);
        }
        let arm = arms.choose(&self.exchange)?;
        self.chosen.borrow_mut().push((index, arm));
        self.note(&link.name, arm.word());
        Some(arm)
    }

    /// Counts the exchange for each rollout that it took part in.
    pub(crate) fn count_arms(&self, status: Option<u16>) {
        for (index, arm) in self.chosen.take() {
            let Some(arms) = self.links.get(index).and_then(|link| link.arms.as_ref()) else {
                continue;
            };
            let added = self.stream(index).map(|stream| stream.spent()).unwrap_or_default();
            arms.ended(arm, status, added);
        }
    }

    /// Whether the request, as it is before the plugin, is one of those.
    fn is_meant(&self, matches: &ExchangeMatch) -> bool {
        matches.admits(&route_key("", &self.exchange.request.borrow()))
    }

    /// The plugin at `index` in an instance that serves now, after the one before died while this exchange had not begun in it.
    pub(crate) async fn open_again(&self, index: usize) -> Result<Option<Rc<PluginStream>>, Fault> {
        self.put(index, Place::Unreached);
        self.open(index).await
    }

    /// Applies the plugin's policy: `Ok` means that the exchange goes on without it.
    pub(crate) fn failed(&self, index: usize, fault: &Fault) -> Result<(), Fault> {
        self.note(&fault.plugin, fault.code());
        if let Some(sight) = self.sight(index) {
            sight.give_up(Skipped::ControlFault);
        }
        self.put(index, Place::Skipped);
        let policy = |link: &Link| match fault.kind {
            FaultKind::Restarting => link.while_restarting,
            _ => link.on_fault,
        };
        match self.links.get(index).map(policy) {
            Some(OnFault::Open) => {
                self.note(&fault.plugin, "skipped");
                Ok(())
            }
            _ => Err(fault.clone()),
        }
    }

    /// Keeps a word about a plugin for the access record.
    pub(crate) fn note(&self, plugin: &Rc<str>, word: &'static str) {
        self.verdicts.borrow_mut().push(Verdict {
            plugin: Rc::clone(plugin),
            word,
        });
    }

    fn put(&self, index: usize, place: Place) {
        if let Some(slot) = self.places.borrow_mut().get_mut(index) {
            *slot = place;
        }
    }

    /// Whether nothing more may be asked of the plugins.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether any plugin takes part, so that there is something to end.
    pub(crate) fn is_touched(&self) -> bool {
        self.places.borrow().iter().any(|place| matches!(place, Place::Open(_)))
    }

    /// Tells every plugin that the exchange has ended.
    pub(crate) async fn end(&self) {
        self.ended.set(true);
        for index in 0..self.len() {
            if let Some(stream) = self.stream(index) {
                stream.end().await;
            }
        }
    }
}
