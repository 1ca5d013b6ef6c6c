//! Two generations of a plugin at once: which of them an exchange goes to, and what both did on this worker.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::{ExchangeMatch, Sticky};
use http::header::COOKIE;
use plug_abi::property::PropertyValue;
use plug_host::{Exchange, Plugin, PluginHandle, Property, WorkerPlugins};
use plug_rollout::{Arm, Sample, Selector, Share};

use crate::journal::route_key;
use crate::shadow::Shadow;

/// A generation of a plugin that is tried beside the one in force.
#[derive(Clone)]
pub struct Trial {
    /// The rollout.
    pub id: String,
    /// The generation that is tried, as it is configured: which exchanges take part stands there.
    pub spec: Arc<gate_plan::Plugin>,
    /// The same, as it runs.
    pub plugin: Arc<Plugin>,
    /// Its part of the exchanges at first.
    pub share: Share,
    /// The same as it runs aside, if it does in this rollout.
    pub shadow: Option<Arc<Plugin>>,
    /// Whether it runs aside at first.
    pub is_shadowing: bool,
}

/// A trial on one worker.
pub(crate) struct Arms {
    /// The rollout.
    id: String,
    pub(crate) plugin: Rc<str>,
    pub(crate) candidate: Rc<PluginHandle>,
    pub(crate) body_bytes_max: u64,
    /// The candidate as it runs aside over exchanges of the control.
    pub(crate) shadow: Option<Rc<Shadow>>,
    selector: Cell<Selector>,
    matches: Option<ExchangeMatch>,
    sticky: Sticky,
    routes: Option<Vec<String>>,
    worker: usize,
    /// Exchanges without a key.
    drawn: Rc<Cell<u64>>,
    /// One for all configurations in which the rollout goes on, so that exchanges which end under an earlier one are counted, too.
    sample: Rc<RefCell<Sample>>,
}

impl Arms {
    /// None when the plugin of the trial was not arranged. It goes on with the counts of one of `before`, if that is of the same rollout.
    pub(crate) fn new(
        trial: &Trial,
        (candidates, shadow): (&WorkerPlugins, Option<Rc<Shadow>>),
        (worker, before): (usize, &[Rc<Self>]),
    ) -> Option<Rc<Self>> {
        let rollout = trial.spec.rollout.as_ref();
        let same = before.iter().find(|arms| arms.id == trial.id);
        Some(Rc::new(Self {
            id: trial.id.clone(),
            plugin: trial.spec.name.as_str().into(),
            candidate: Rc::clone(candidates.find(&trial.spec.name)?),
            body_bytes_max: trial.spec.limits.body_bytes_max,
            shadow,
            selector: Cell::new(Selector::new(&trial.id, trial.share)),
            matches: rollout.map(|rollout| rollout.matches.clone()),
            sticky: rollout.map_or(Sticky::Nothing, |rollout| rollout.sticky.clone()),
            routes: rollout.and_then(|rollout| rollout.routes.clone()),
            worker,
            drawn: same.map_or_else(Rc::default, |same| Rc::clone(&same.drawn)),
            sample: same.map_or_else(Rc::default, |same| Rc::clone(&same.sample)),
        }))
    }

    /// Whether exchanges of a route take part.
    pub(crate) fn concerns(&self, route: &str) -> bool {
        let mut routes = self.routes.iter().flatten();
        self.routes.is_none() || routes.any(|known| known == route)
    }

    pub(crate) fn give(&self, share: Share) {
        self.selector.set(self.selector.get().with_share(share));
    }

    /// The arm of an exchange whose request is as it is before the plugin; none when it does not take part.
    pub(crate) fn choose(&self, exchange: &Exchange) -> Option<Arm> {
        let takes_part = |matches: &ExchangeMatch| matches.admits(&route_key("", &exchange.request.borrow()));
        if !self.matches.as_ref().is_none_or(takes_part) {
            return None;
        }
        let selector = self.selector.get();
        let arm = match self.key(exchange) {
            Some(key) => selector.arm(&key),
            None => {
                self.drawn.set(self.drawn.get().wrapping_add(1));
                let place = (self.worker as u64, self.drawn.get());
                selector.arm(&[place.0.to_be_bytes(), place.1.to_be_bytes()].concat())
            }
        };
        Some(arm)
    }

    /// What keeps the client with its arm.
    fn key(&self, exchange: &Exchange) -> Option<Vec<u8>> {
        let request = exchange.request.borrow();
        match &self.sticky {
            Sticky::Nothing => None,
            Sticky::Header(name) => Some(request.headers.get(name)?.as_bytes().to_vec()),
            Sticky::Cookie(name) => {
                let lines = request
                    .headers
                    .get_all(COOKIE)
                    .iter()
                    .filter_map(|line| line.to_str().ok());
                let mut pairs = lines
                    .flat_map(|line| line.split(';'))
                    .filter_map(|pair| pair.trim().split_once('='));
                let (_, value) = pairs.find(|(known, _)| known == name)?;
                Some(value.as_bytes().to_vec())
            }
            Sticky::Client => {
                let Property::Value(PropertyValue::Bytes(text)) =
                    exchange.facts.property(exchange, &[b"source", b"address"])
                else {
                    return None;
                };
                let address: SocketAddr = std::str::from_utf8(&text).ok()?.parse().ok()?;
                Some(address.ip().to_string().into_bytes())
            }
        }
    }

    /// An exchange has ended that took part.
    pub(crate) fn ended(&self, arm: Arm, status: Option<u16>, added: Duration) {
        let mut sample = self.sample.borrow_mut();
        let counts = match arm {
            Arm::Control => &mut sample.control,
            Arm::Candidate => &mut sample.candidate,
        };
        counts.exchanges = counts.exchanges.saturating_add(1);
        counts.latency.record(added);
        let class = usize::from(status.unwrap_or(0) / 100);
        if let Some(count) = class.checked_sub(1).and_then(|class| counts.classes.get_mut(class)) {
            *count = count.saturating_add(1);
        }
    }

    /// What both arms did since this was last asked.
    pub(crate) fn take(&self) -> Sample {
        self.sample.take()
    }
}
