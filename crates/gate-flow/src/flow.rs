//! One worker's flow: the configuration in force, the access log, the counts.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::Plan;
use gate_serve::connection::Connection;
use gate_serve::refusal::Refusal;
use gate_serve::service::{Abort, Service};
use gate_serve::stream::Stream;
use gate_serve::unserved::Unserved;
use gate_upstream::{Prepared, Upstreams};
use http::{Request, Response};
use hyper::body::Incoming;
use log_book::{Pen, Wanted};
use log_mask::rules::Rules;
use log_record::histogram::Histogram;
use log_record::metric::code_class;

use plug_host::{Fault, Plugin, Process, Services};
use plug_rollout::{Sample, Share};
use plug_shadow::Tally;
use tokio::task::spawn_local;

use crate::arms::Trial;
use crate::callouts::{Callouts, Voice};
use crate::chain::Chain;
use crate::journal::Journal;
use crate::response_body::ResponseBody;
use crate::serving::Serving;
use crate::shadow::Shadow;
use crate::trace_settings::TraceSettings;
use crate::traced::Ended;
use crate::tracing::Tracing;

mod tracing;

/// How often a worker that has nothing to write lets the log tell what was refused before.
const REST_EVERY: Duration = Duration::from_millis(200);

/// Counts of one route on one worker.
#[derive(Debug, Clone, Default)]
pub struct RouteTally {
    /// Ended exchanges by class of status.
    pub classes: HashMap<&'static str, u64>,
    /// Durations.
    pub durations: Histogram,
    /// Request body bytes.
    pub request_bytes: u64,
    /// Response body bytes.
    pub response_bytes: u64,
}

/// How many records of exchanges were kept (`true`) and dropped, by the word of why.
pub type Sampled = HashMap<(bool, &'static str), u64>;

/// What a worker's flow is made of.
pub struct FlowParts {
    /// Number of the worker.
    pub worker: usize,
    /// What plugins of all workers share.
    pub process: Arc<Process>,
    /// Who hears what plugins say.
    pub voice: Voice,
    /// What records are written with; the voice may have it too.
    pub pen: Rc<RefCell<Pen>>,
}

/// A configuration on its way into force.
#[derive(Clone)]
pub struct Change {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Its plugins.
    pub plugins: Vec<Arc<Plugin>>,
    /// Generations that are tried beside those in force.
    pub trials: Vec<Trial>,
    /// Its upstreams.
    pub upstreams: Prepared,
    /// Its upstreams and those of the plan before, for the time in which both serve.
    pub upstreams_of_both: Prepared,
    /// What it says of traces.
    pub tracing: Arc<TraceSettings>,
}

/// One worker's flow.
pub struct Flow {
    current: RefCell<Rc<Serving>>,
    staged: RefCell<Option<(Serving, Prepared)>>,
    /// The number of the change that is prepared; 0 for none.
    newest: Cell<u64>,
    upstreams: Rc<Upstreams>,
    callouts: Rc<Callouts>,
    services: Services,
    pen: Rc<RefCell<Pen>>,
    tally: RefCell<HashMap<String, RouteTally>>,
    in_flight: Cell<u64>,
    tracing: Rc<Tracing>,
    pub(crate) lag: RefCell<Histogram>,
    sampled: RefCell<Sampled>,
}

impl Flow {
    /// A flow that serves `change` once all of its plugins have started. Runs on its worker.
    ///
    /// # Errors
    /// The faults of plugins that did not start.
    pub async fn start(parts: FlowParts, change: Change) -> Result<Rc<Self>, Vec<Fault>> {
        let upstreams = Upstreams::new();
        upstreams.apply(&change.upstreams);
        let callouts = Callouts::new(Rc::clone(&upstreams), parts.voice, Rc::clone(&parts.pen));
        let services = Services {
            process: parts.process,
            outside: Rc::<Callouts>::clone(&callouts),
            worker: parts.worker,
            trial: None,
        };
        let serving = Serving::arrange(&change, (Rc::clone(&upstreams), &callouts), &services, None);
        if let Err(faults) = serving.warm().await {
            // Those that did start are told their end.
            serving.close().await;
            return Err(faults);
        }
        let flow = Rc::new(Self {
            current: RefCell::new(Rc::new(serving)),
            staged: RefCell::default(),
            newest: Cell::default(),
            upstreams,
            callouts,
            services,
            pen: parts.pen,
            tally: RefCell::default(),
            in_flight: Cell::default(),
            tracing: Tracing::new(&change.tracing),
            lag: RefCell::default(),
            sampled: RefCell::default(),
        });
        spawn_local(crate::lag::watch(Rc::downgrade(&flow)));
        let idle = Rc::downgrade(&flow);
        spawn_local(async move {
            loop {
                tokio::time::sleep(REST_EVERY).await;
                let Some(flow) = idle.upgrade() else { return };
                flow.pen().rest();
                crate::shown::look(&flow);
            }
        });
        Ok(flow)
    }

    /// The configuration in force.
    #[must_use]
    pub fn serving(&self) -> Rc<Serving> {
        Rc::clone(&self.current.borrow())
    }

    /// Lets a plugin out of its quarantine on this worker; one that is in none, or is not there, stays as it is.
    pub fn lift(&self, plugin: &str) {
        self.serving().plugins.lift(plugin);
    }

    /// Gives the generation of a plugin that is tried its part of the exchanges, from the next one on.
    pub fn give(&self, plugin: &str, share: Share) {
        let serving = self.serving();
        for arms in serving.arms().filter(|arms| &*arms.plugin == plugin) {
            arms.give(share);
        }
    }

    /// Lets the generation of a plugin that is tried run aside, from the next exchange of the control on.
    pub fn start_shadow(&self, plugin: &str) {
        self.shadow_of(plugin, Shadow::start);
    }

    /// Lets it run aside no more.
    pub fn stop_shadow(&self, plugin: &str) {
        self.shadow_of(plugin, Shadow::stop);
    }

    fn shadow_of(&self, plugin: &str, order: fn(&Shadow)) {
        let serving = self.serving();
        let arms = serving.arms().filter(|arms| &*arms.plugin == plugin);
        arms.filter_map(|arms| arms.shadow.as_deref()).for_each(order);
    }

    /// What came of comparing, for each plugin of which a generation runs aside, since this was last asked.
    #[must_use]
    pub fn take_shadows(&self) -> Vec<(String, Tally)> {
        let serving = self.serving();
        let with_shadow = serving.arms().filter_map(|arms| Some((arms, arms.shadow.as_ref()?)));
        let all = with_shadow.map(|(arms, shadow)| (arms.plugin.to_string(), shadow.take()));
        all.collect()
    }

    /// Records of exchanges that were kept (`true`) and dropped, by the word of why.
    #[must_use]
    pub fn sampled(&self) -> Sampled {
        self.sampled.borrow().clone()
    }

    /// What both generations of each plugin that is tried did since this was last asked, as far as the exchanges tell.
    #[must_use]
    pub fn take_arms(&self) -> Vec<(String, Sample)> {
        let serving = self.serving();
        let all = serving.arms().map(|arms| (arms.plugin.to_string(), arms.take()));
        all.collect()
    }

    /// Lets exchanges of a plugin go to instances of a twin that tells of its allocations, or to its own again.
    pub fn trace(&self, plugin: &Arc<Plugin>, twin: Option<Arc<Plugin>>) {
        self.serving().plugins.trace(plugin, twin);
    }

    /// Prepares another configuration aside: its plugins are started while the old ones serve. `number`, never 0, is another for each attempt:
    /// one that ends after it was given up is not taken for a later one.
    ///
    /// # Errors
    /// The faults of plugins that did not start; nothing has changed then.
    pub async fn stage(&self, change: Change, number: u64) -> Result<(), Vec<Fault>> {
        self.newest.set(number);
        self.upstreams.apply(&change.upstreams_of_both);
        let before = self.serving();
        let outside = (Rc::clone(&self.upstreams), &self.callouts);
        let serving = Serving::arrange(&change, outside, &self.services, Some(&before));
        if let Err(faults) = serving.warm().await {
            // Those that did start are told their end; nobody waits for that.
            spawn_local(async move { serving.close().await });
            return Err(faults);
        }
        if self.newest.get() != number {
            // Nobody waits for it any more, and another may be on its way.
            serving.close().await;
            return Ok(());
        }
        *self.staged.borrow_mut() = Some((serving, change.upstreams));
        Ok(())
    }

    /// Puts the prepared configuration in force; exchanges in flight end under the old one, and with the last of them the plugins that
    /// nobody took over.
    pub fn commit(&self, number: u64) {
        if self.newest.replace(0) != number {
            return;
        }
        if let Some((serving, upstreams)) = self.staged.take() {
            self.tracing.follow(&serving.tracing);
            serving.set_floors(&self.tracing);
            let before = self.current.replace(Rc::new(serving));
            self.upstreams.apply(&upstreams);
            spawn_local(async move { before.close().await });
        }
    }

    /// Forgets the prepared configuration; its plugins have been started, so they are told their end.
    pub fn discard(&self) {
        self.newest.set(0);
        if let Some((serving, _)) = self.staged.take() {
            spawn_local(async move { serving.close().await });
        }
    }

    /// Has later records written with another pen.
    pub fn write_with(&self, pen: Pen) {
        self.pen().rest();
        *self.pen.borrow_mut() = pen;
    }

    /// Has later records masked by other rules, and others wanted.
    pub fn follow(&self, rules: Arc<Rules>, wanted: Wanted) {
        self.pen().follow(rules, wanted);
    }

    /// The upstreams, for their counts and endpoints.
    #[must_use]
    pub fn upstreams(&self) -> &Rc<Upstreams> {
        &self.upstreams
    }

    /// Counts so far by route, and exchanges under way.
    #[must_use]
    pub fn tally(&self) -> (HashMap<String, RouteTally>, u64) {
        (self.tally.borrow().clone(), self.in_flight.get())
    }

    /// How late this worker came back to a timer.
    #[must_use]
    pub fn lag(&self) -> Histogram {
        self.lag.borrow().clone()
    }

    pub(crate) fn began(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    pub(crate) fn ended(&self, journal: &Journal, chain: &Chain) {
        self.in_flight.set(self.in_flight.get().saturating_sub(1));
        chain.count_arms(journal.status.get());
        let duration = journal.clock.elapsed();
        let chosen = journal.chosen.borrow();
        let route = chosen.as_ref().map_or("", |chosen| chosen.route.name.as_str());
        let ended = journal.end_trace(chain, duration);
        self.count(route, journal, duration, ended.as_ref());
        self.write_down(route, (journal, chain), duration, ended.as_ref());
        ended.into_iter().for_each(|ended| self.tracing.take_back(ended));
        drop(chosen);
        chain.show_shadows(journal);
    }

    fn count(&self, route: &str, journal: &Journal, duration: Duration, ended: Option<&Ended>) {
        let mut tally = self.tally.borrow_mut();
        if !tally.contains_key(route) {
            tally.insert(route.to_owned(), RouteTally::default());
        }
        // Of one that is not kept there is nothing to be found.
        let trace = ended
            .filter(|ended| ended.is_kept())
            .and_then(|ended| Some(ended.ids?.trace));
        if let Some(ended) = ended {
            let decision = crate::written::decision(&ended.verdict);
            *self.sampled.borrow_mut().entry(decision).or_default() += 1;
        }
        if let Some(counts) = tally.get_mut(route) {
            *counts.classes.entry(code_class(journal.status.get())).or_default() += 1;
            counts.durations.record_with(duration, trace, journal.began + duration);
            counts.request_bytes += journal.volume.request.get();
            counts.response_bytes += journal.volume.response.get();
        }
    }

    fn write_down(&self, route: &str, (journal, chain): (&Journal, &Chain), duration: Duration, ended: Option<&Ended>) {
        if ended.is_none_or(Ended::is_kept) {
            crate::written::exchange(&mut self.pen(), (route, ended), (journal, chain), duration);
        }
        let Some(ended) = ended else { return };
        crate::spanned::spans(&mut self.pen(), journal, ended);
        crate::shown::exchange(self, (journal, chain), ended);
    }

    /// Where records are written.
    pub(crate) fn pen(&self) -> RefMut<'_, Pen> {
        self.pen.borrow_mut()
    }
}

impl Service for Flow {
    type Body = ResponseBody;

    async fn http(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Abort> {
        crate::serve::serve_one(self, connection, request).await
    }

    async fn tcp(self: Rc<Self>, connection: Rc<Connection>, stream: Stream) {
        crate::tcp::serve_one(self, connection, stream).await;
    }

    fn refused(&self, connection: &Connection, refusal: Refusal, request: Option<&Request<Incoming>>) {
        crate::written::refused(&mut self.pen(), connection, &refusal, request);
    }

    fn unserved(&self, unserved: &Unserved<'_>) {
        crate::unserved::connection(&mut self.pen(), unserved, std::time::SystemTime::now());
    }

    async fn stop(self: Rc<Self>) {
        self.serving().close().await;
        self.pen().rest();
    }
}
