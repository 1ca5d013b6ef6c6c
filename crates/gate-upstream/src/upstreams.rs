//! All upstreams of one worker, by name.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::Upstream as UpstreamSpec;
use tokio::task::JoinSet;

use crate::fault::UpstreamFault;
use crate::find::{Outbound, has_endpoint, has_port, host_port};
use crate::prepare::{Prepared, UpstreamSetupFault};
use crate::upstream::Upstream;

/// How often idle connections are looked over. Those taken from a pool are checked then, whatever the sweep has done.
const SWEEP: Duration = Duration::from_secs(5);

/// All upstreams of one worker.
#[derive(Default)]
pub struct Upstreams {
    current: RefCell<Index>,
    sweeper: RefCell<JoinSet<()>>,
}

#[derive(Default)]
struct Index {
    by_name: HashMap<Box<str>, Rc<Upstream>>,
    in_order: Vec<Rc<Upstream>>,
}

impl Upstreams {
    /// None yet.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// Reads certificates and the resolver's files and sets TLS up. It may block: it belongs on a control thread, and to `check`.
    ///
    /// # Errors
    ///
    /// All that is wrong, not only the first.
    pub fn prepare(specs: &[Arc<UpstreamSpec>]) -> Result<Prepared, Vec<UpstreamSetupFault>> {
        Prepared::read(specs)
    }

    /// Puts a configuration in force. Upstreams that did not change keep their connections; of others, exchanges in flight end in peace.
    ///
    /// Runs inside the worker's `LocalSet`, as all of this room does.
    pub fn apply(self: &Rc<Self>, prepared: &Prepared) {
        let old = self.current.take();
        let dns = prepared.resolver();
        let mut index = Index::default();
        for prepared in prepared.upstreams() {
            let before = old
                .in_order
                .iter()
                .find(|upstream| upstream.name() == prepared.spec.name);
            let upstream = match before {
                Some(upstream) if upstream.serves(prepared) => Rc::clone(upstream),
                _ => {
                    let stats = before.map(|upstream| upstream.stats()).unwrap_or_default();
                    Upstream::new(prepared, &dns, stats)
                }
            };
            index.insert(upstream);
        }
        let gone = |upstream: &&Rc<Upstream>| !index.in_order.iter().any(|kept| Rc::ptr_eq(kept, upstream));
        old.in_order.iter().filter(gone).for_each(|upstream| upstream.retire());
        self.current.replace(index);
        self.start_sweeper();
    }

    /// The upstream of that name: its own, an alias, `outbound|PORT|SUBSET|NAME`, or `host:port` as one of its endpoints was written.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Rc<Upstream>> {
        let index = self.current.borrow();
        let found = index
            .by_name
            .get(name)
            .or_else(|| index.find_outbound(name))
            .or_else(|| index.find_written(name));
        found.map(Rc::clone)
    }

    /// As [`Upstreams::find`], with the fault that an exchange reports.
    ///
    /// # Errors
    ///
    /// [`UpstreamFault::NoSuchUpstream`].
    pub fn require(&self, name: &str) -> Result<Rc<Upstream>, UpstreamFault> {
        self.find(name)
            .ok_or_else(|| UpstreamFault::NoSuchUpstream { name: Arc::from(name) })
    }

    /// All, in the order of the configuration.
    #[must_use]
    pub fn iter(&self) -> std::vec::IntoIter<Rc<Upstream>> {
        self.current.borrow().in_order.clone().into_iter()
    }

    fn start_sweeper(self: &Rc<Self>) {
        let mut sweeper = self.sweeper.borrow_mut();
        if !sweeper.is_empty() {
            return;
        }
        let all = Rc::downgrade(self);
        sweeper.spawn_local(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(all) = all.upgrade() else { return };
                all.iter().for_each(|upstream| upstream.sweep());
            }
        });
    }
}

impl Index {
    fn insert(&mut self, upstream: Rc<Upstream>) {
        for name in std::iter::once(&upstream.spec().name).chain(&upstream.spec().aliases) {
            // Of two that share an alias the first in the file has it, but a name always beats an alias.
            let owner = self
                .by_name
                .entry(name.as_str().into())
                .or_insert_with(|| Rc::clone(&upstream));
            if *name == upstream.spec().name {
                *owner = Rc::clone(&upstream);
            }
        }
        self.in_order.push(upstream);
    }

    /// Higress's name: the port only decides between several, because a `.static` service says 80 whatever its endpoints listen on.
    fn find_outbound(&self, name: &str) -> Option<&Rc<Upstream>> {
        let wanted = Outbound::parse(name)?;
        let named = || self.in_order.iter().filter(|upstream| wanted.names(upstream.spec()));
        if named().nth(1).is_some() {
            return named().find(|upstream| has_port(upstream.spec(), wanted.port));
        }
        named().next().or_else(|| self.find_endpoint(wanted.name, wanted.port))
    }

    fn find_written(&self, name: &str) -> Option<&Rc<Upstream>> {
        let (host, port) = host_port(name)?;
        self.find_endpoint(host, port)
    }

    fn find_endpoint(&self, host: &str, port: u16) -> Option<&Rc<Upstream>> {
        self.in_order
            .iter()
            .find(|upstream| has_endpoint(upstream.spec(), host, port))
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|upstream| upstream.name().to_owned()))
            .finish()
    }
}
