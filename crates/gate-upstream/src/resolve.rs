//! DNS names of an upstream: resolved in the background, again before their time to live is over, the last good answer kept.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::{EndpointSpec, Upstream as UpstreamSpec};
use hickory_resolver::TokioResolver;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::fault::UpstreamFault;
use crate::upstream::Upstream;

/// LIMIT: the longest that an answer is believed, whatever its time to live.
const REFRESH_MAX: Duration = Duration::from_secs(30);
/// LIMIT: the shortest time between two questions, whatever the time to live.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// How soon a failed question is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// LIMIT: addresses of one name that become endpoints.
const ADDRESSES_MAX: usize = 64;

/// The resolver of one worker, or why there is none.
pub(crate) type Dns = Result<TokioResolver, Arc<str>>;

/// The DNS names among an upstream's endpoints.
pub(crate) struct Names {
    names: Vec<Name>,
    /// Names whose first question has no answer yet.
    unasked: Cell<usize>,
    changed: Notify,
}

struct Name {
    /// Which endpoint of the configuration.
    place: usize,
    host: Arc<str>,
    port: u16,
    addresses: RefCell<Vec<SocketAddr>>,
    fault: RefCell<Option<Arc<str>>>,
}

impl Names {
    pub(crate) fn of(spec: &UpstreamSpec) -> Self {
        let name = |(place, endpoint): (usize, &EndpointSpec)| match endpoint {
            EndpointSpec::Fixed(_) => None,
            EndpointSpec::Named { host, port } => Some(Name {
                place,
                host: Arc::from(host.as_str()),
                port: *port,
                addresses: RefCell::default(),
                fault: RefCell::default(),
            }),
        };
        let names: Vec<_> = spec.endpoints.iter().enumerate().filter_map(name).collect();
        Self {
            unasked: Cell::new(names.len()),
            names,
            changed: Notify::new(),
        }
    }

    /// Starts one task for each name.
    pub(crate) fn resolve_all(upstream: &Rc<Upstream>, dns: &Dns, tasks: &mut JoinSet<()>) {
        for at in 0..upstream.names().names.len() {
            tasks.spawn_local(keep_resolved(Rc::downgrade(upstream), at, dns.clone()));
        }
    }

    /// Whether an address may still come.
    pub(crate) fn pending(&self) -> bool {
        self.unasked.get() > 0
    }

    /// Waits until `enough`, or until every name was asked for once.
    pub(crate) async fn first(&self, enough: impl Fn() -> bool) {
        while self.pending() && !enough() {
            self.changed.notified().await;
        }
    }

    /// Why there is no address, if that is so.
    pub(crate) fn fault(&self, upstream: &Arc<str>) -> Option<UpstreamFault> {
        let name = self.names.first()?;
        let reason = name.fault.borrow().clone();
        Some(UpstreamFault::Resolve {
            upstream: Arc::clone(upstream),
            host: Arc::clone(&name.host),
            reason: reason.unwrap_or_else(|| Arc::from("no answer yet")),
        })
    }

    pub(crate) fn each_address(&self, place: usize, keep: &mut impl FnMut(SocketAddr, Option<&Arc<str>>)) {
        for name in self.names.iter().filter(|name| name.place == place) {
            name.addresses
                .borrow()
                .iter()
                .for_each(|address| keep(*address, Some(&name.host)));
        }
    }

    /// Takes an answer in; tells whether addresses changed, and when to ask again.
    fn take(&self, at: usize, first: bool, answer: Answer) -> (bool, Duration) {
        let Some(name) = self.names.get(at) else {
            return (false, REFRESH_MAX);
        };
        if first {
            self.unasked.set(self.unasked.get().saturating_sub(1));
        }
        match answer {
            Ok((ips, lasting)) => {
                let addresses = name.sorted(ips);
                let changed = *name.addresses.borrow() != addresses;
                *name.addresses.borrow_mut() = addresses;
                *name.fault.borrow_mut() = None;
                (changed, lasting.clamp(REFRESH_MIN, REFRESH_MAX))
            }
            Err(reason) => {
                *name.fault.borrow_mut() = Some(reason);
                (false, RETRY)
            }
        }
    }
}

impl Name {
    /// Sorted, because servers turn the order with each answer and round robin should not notice.
    fn sorted(&self, mut ips: Vec<IpAddr>) -> Vec<SocketAddr> {
        ips.sort_unstable();
        ips.dedup();
        ips.into_iter()
            .take(ADDRESSES_MAX)
            .map(|ip| SocketAddr::new(ip, self.port))
            .collect()
    }
}

/// Addresses and how long they hold, or what the resolver said.
type Answer = Result<(Vec<IpAddr>, Duration), Arc<str>>;

async fn keep_resolved(upstream: std::rc::Weak<Upstream>, at: usize, dns: Dns) {
    let Some(host) = upstream
        .upgrade()
        .and_then(|upstream| Some(Arc::clone(&upstream.names().names.get(at)?.host)))
    else {
        return;
    };
    let mut first = true;
    loop {
        let answer = ask(&dns, &host).await;
        let Some(upstream) = upstream.upgrade() else { return };
        let names = upstream.names();
        let (changed, wait) = names.take(at, first, answer);
        first = false;
        if changed {
            upstream.rebuild();
        }
        names.changed.notify_waiters();
        drop(upstream);
        tokio::time::sleep(wait).await;
    }
}

async fn ask(dns: &Dns, host: &str) -> Answer {
    let dns = dns.as_ref().map_err(Arc::clone)?;
    let answer = dns
        .lookup_ip(host)
        .await
        .map_err(|error| Arc::<str>::from(error.to_string()))?;
    let lasting = answer
        .valid_until()
        .saturating_duration_since(std::time::Instant::now());
    let ips: Vec<IpAddr> = answer.iter().collect();
    if ips.is_empty() {
        Err(Arc::from("it has no A or AAAA record"))
    } else {
        Ok((ips, lasting))
    }
}
