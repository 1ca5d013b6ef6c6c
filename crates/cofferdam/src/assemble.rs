//! Where the rooms meet: workers with their flows, the admin listener, and how both follow a changed configuration.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;
use console::listen::{BoundConsole, Console};
use control_store::Watch;
use gate_flow::{Change, Flow, FlowParts};
use gate_plan::Plan;
use gate_serve::bind::bind;
use gate_serve::tls::CertificateNews;
use gate_serve::worker::{Mailbox, Workers};
use gate_upstream::Upstreams;
use log_trace::Floors;
use parking_lot::Mutex;
use plug_host::{Plugin, Process};

use crate::begun::Orders;
use crate::crashes::{Crashes, Told};
use crate::last_good::{Keeper, Snapshot};
use crate::load::{Loader, workers};
use crate::loaded::{Former, Loaded, Runs, Standing, Waiting};
use crate::logs::{Following, Logs, Pens};
use crate::looking::Traced;
use crate::records;
use crate::rollouts::Rollouts;
use crate::text::Text;
use crate::voice::{fail, say_own, warn};

/// LIMIT: how long a worker may take to start all plugins of a changed configuration.
const STAGE_MAX: Duration = Duration::from_secs(60);
/// LIMIT: how long a worker may take to answer a question.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(2);
/// LIMIT: how long the mailbox of a worker may stay full that is to go over to what all others go over to.
const COMMIT_MAX: Duration = Duration::from_secs(2);
/// How often certificate files are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(2);

/// What is in force.
struct Present {
    plan: Arc<Plan>,
    text: Arc<Text>,
    /// The texts of what stays as it was.
    held: Vec<(String, Arc<Text>)>,
    running: Vec<Runs>,
    /// How its plugins stand, and what waits for one of them.
    standings: Vec<Standing>,
    waiting: Vec<Waiting>,
}

/// The running gateway.
pub(crate) struct House {
    pub(crate) workers: Mutex<Option<Workers<Flow>>>,
    /// One change after the other. Whoever only looks does not wait for it.
    changing: Mutex<()>,
    present: Mutex<Present>,
    pub(crate) process: Arc<Process>,
    pub(crate) crashes: Arc<Crashes>,
    /// Plugins whose memory is looked at.
    pub(crate) traced: Traced,
    /// What operators begin beside the configuration.
    pub(crate) orders: Orders,
    /// Keeps what serves for the next start.
    pub(crate) keeper: Keeper,
    /// Generations of plugins that are tried.
    pub(crate) rollouts: Rollouts,
    /// What is written down.
    pub(crate) logs: Logs,
    /// Levels that plugins have for a time.
    pub(crate) floors: Mutex<Floors>,
    /// Texts of configurations that served.
    pub(crate) served: records::Served,
    /// When the process began.
    pub(crate) began: SystemTime,
    /// Where the configuration comes from, when that is a store.
    pub(crate) store: OnceLock<Arc<Watch>>,
    /// Answers until the process ends.
    console: Mutex<Option<Console>>,
    ready: AtomicBool,
    generation: AtomicU64,
    /// Attempts to stage a change.
    staging: AtomicU64,
    pub(crate) changes_applied: AtomicU64,
    pub(crate) changes_refused: AtomicU64,
}

impl House {
    /// Binds, starts the workers with their plugins, then accepts. Nothing is half started: a fault closes what was opened.
    pub(crate) fn open(
        (mut loaded, mut rollouts): (Loaded, Rollouts),
        loader: &Loader,
        keeper: Keeper,
        (main, began): (&Path, SystemTime),
    ) -> anyhow::Result<Arc<Self>> {
        let plan = Arc::clone(&loaded.plan);
        let count = workers(&plan);
        let bound = bind(&plan.listeners, plan.limits, count)?;
        let admin = plan
            .admin
            .as_ref()
            .map(|admin| BoundConsole::bind(admin.listen))
            .transpose()?;
        let (logs, pens) = Logs::open(&loaded, main, count)?;
        crate::narrowing::narrow(&loaded, &loader.process);
        let mut workers = match start_workers(&mut loaded, loader, pens, &logs) {
            Ok(workers) => workers,
            Err(why) => {
                logs.close(ANSWER_MAX);
                return Err(why);
            }
        };
        rollouts.serve(&loaded);
        for listener in &bound {
            say_listening(&plan, &listener.name(), listener.address());
        }
        workers.open(bound)?;
        let watch = workers.watch_certificates(CERTIFICATES_EVERY, |news| tell_certificates(&news))?;
        // It ends with the workers.
        std::mem::forget(watch);
        let house = Arc::new(Self {
            workers: Mutex::new(Some(workers)),
            changing: Mutex::new(()),
            present: Mutex::new(Present {
                plan,
                text: Arc::clone(&loaded.text),
                held: loaded.held(),
                running: loaded.running.clone(),
                standings: loaded.standings.clone(),
                waiting: loaded.waiting.clone(),
            }),
            logs,
            floors: Mutex::default(),
            served: records::Served::default(),
            orders: Orders::default(),
            keeper,
            rollouts,
            process: Arc::clone(&loader.process),
            crashes: Arc::clone(&loader.crashes),
            traced: Traced::default(),
            began,
            store: OnceLock::new(),
            console: Mutex::new(None),
            ready: AtomicBool::new(true),
            generation: AtomicU64::new(1),
            staging: AtomicU64::new(0),
            changes_applied: AtomicU64::new(0),
            changes_refused: AtomicU64::new(0),
        });
        house.keep(&loaded);
        if let Some(admin) = admin {
            say_own(&format!("admin listening address={}", admin.address()));
            let pages = Arc::clone(&house);
            *house.console.lock() = Some(admin.open(pages)?);
        }
        Ok(house)
    }

    /// The plan in force.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.present.lock().plan)
    }

    /// The plugins in force.
    pub(crate) fn plugins(&self) -> Vec<Arc<Plugin>> {
        let present = self.present.lock();
        present.running.iter().map(|runs| Arc::clone(&runs.plugin)).collect()
    }

    /// How the plugins stand, and the routes and listeners that wait for one of them.
    pub(crate) fn standings(&self) -> (Vec<Standing>, Vec<Waiting>) {
        let present = self.present.lock();
        (present.standings.clone(), present.waiting.clone())
    }

    /// What serves now, for the load of what shall serve next.
    pub(crate) fn former(&self) -> Former {
        let present = self.present.lock();
        Former::of(
            Arc::clone(&present.plan),
            Arc::clone(&present.text),
            present.held.clone(),
            present.running.clone(),
        )
    }

    /// Keeps what serves for the next start.
    pub(crate) fn keep(&self, loaded: &Loaded) {
        self.keeper.keep(&loaded.plan, Snapshot::of(loaded));
    }

    /// Number of the configuration in force, from 1.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Whether traffic should come.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Counts a configuration that was not taken.
    pub(crate) fn refused(&self) {
        self.changes_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a running gateway can go over to another configuration at all.
    pub(crate) fn may_change(&self, loaded: &Loaded) -> anyhow::Result<()> {
        let before = self.plan();
        if workers(&loaded.plan) != workers(&before)
            || loaded.plan.admin != before.admin
            || loaded.plan.state_dir != before.state_dir
        {
            bail!("`workers`, `admin` and `state_dir` take effect at the next start only");
        }
        Ok(())
    }

    /// Goes over to another configuration: every worker starts its plugins aside, then all take it. One that does not start on a worker
    /// stays what it was; any other fault changes nothing.
    pub(crate) fn change(&self, loaded: &mut Loaded) -> anyhow::Result<()> {
        let _changing = self.changing.lock();
        let swap = records::Swap::begin(self);
        let changed = self.go_over(loaded);
        let why = changed.as_ref().err().map(|why| format!("{why:#}"));
        swap.ended(self, loaded, why.as_deref().map_or(Ok(()), Err));
        changed
    }

    fn go_over(&self, loaded: &mut Loaded) -> anyhow::Result<()> {
        let mailboxes: Vec<_> = match self.workers.lock().as_ref().filter(|_| self.is_ready()) {
            Some(running) => running.mailboxes().cloned().collect(),
            None => bail!("the gateway is stopping"),
        };
        self.may_change(loaded)?;
        let before = self.plan();
        self.stage(&mailboxes, loaded, &before)?;
        let mut guard = self.workers.lock();
        let Some(running) = guard.as_mut() else {
            bail!("the gateway is stopping")
        };
        let relistened = running.relisten(&loaded.plan.listeners, loaded.plan.limits, loaded.plan.drain.wait);
        let relistened = relistened.inspect_err(|_| discard(&mailboxes))?;
        for report in running.listeners() {
            if relistened.opened.contains(&report.name) {
                say_listening(&loaded.plan, &report.name, report.address);
            }
        }
        records::listeners_closed(&relistened.closed);
        let following = match Logs::is_alike(loaded, &before) {
            true => Following::AsBefore,
            false => self.logs.change(loaded).inspect_err(|_| discard(&mailboxes))?,
        };
        self.commit(&mailboxes, following);
        drop(guard);
        crate::narrowing::narrow(loaded, &self.process);
        let word = loaded.text.word(&loaded.plan);
        crate::granting::tell(&self.plugins(), &loaded.plugins(), &word);
        let mut present = self.present.lock();
        for debugging in loaded.running.iter().filter_map(|runs| runs.plugin.debugging()) {
            debugging.show();
        }
        present.plan = Arc::clone(&loaded.plan);
        present.text = Arc::clone(&loaded.text);
        present.held = loaded.held();
        present.running.clone_from(&loaded.running);
        present.standings.clone_from(&loaded.standings);
        present.waiting.clone_from(&loaded.waiting);
        drop(present);
        // Their numbers were those of the plan before; the workers know them by name.
        *self.floors.lock() = Floors::default();
        let names = &loaded.standings;
        self.process
            .forget_heritage(|plugin| names.iter().any(|standing| standing.plugin == plugin));
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.changes_applied.fetch_add(1, Ordering::Relaxed);
        self.keep(loaded);
        Ok(())
    }

    /// Lets every worker take what is staged. One that cannot be reached has what it had, and that is said: the others do not wait for it.
    fn commit(&self, mailboxes: &[Mailbox<Flow>], following: Following) {
        let number = self.staging.load(Ordering::Relaxed);
        let (mut pens, manner) = match following {
            Following::AsBefore => (Vec::new(), None),
            Following::With(pens) => (pens, None),
            Following::Manner(rules, wanted) => (Vec::new(), Some((rules, wanted))),
        };
        for (worker, mailbox) in mailboxes.iter().enumerate().rev() {
            let (pen, manner) = (pens.pop(), manner.clone());
            let take = move |flow: &Rc<Flow>| {
                flow.commit(number);
                if let Some(pen) = pen {
                    flow.write_with(pen);
                }
                if let Some((rules, wanted)) = manner {
                    flow.follow(rules, wanted);
                }
            };
            if let Err(why) = mailbox.deliver(take, COMMIT_MAX) {
                records::worker_lost(worker, &why.to_string());
                warn(&format!(
                    "warning: worker {worker} serves on as it was: {why}\nhint: a restart brings it to what the others serve"
                ));
            }
        }
    }

    /// Starts everything aside on every worker; a plugin that does not start there is taken out, and the rest tried again.
    fn stage(&self, running: &[Mailbox<Flow>], loaded: &mut Loaded, before: &Plan) -> anyhow::Result<()> {
        loop {
            let change = change(loaded, before)?;
            let number = self.staging.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let Err(fault) = stage(running, &change, number) else {
                return Ok(());
            };
            discard(running);
            let Staging::Faults(faults) = fault else {
                bail!("a worker did not start the plugins in time");
            };
            let mut is_settled = false;
            for fault in once(&faults) {
                let text = format!("error: {}", self.crashes.explain(fault));
                is_settled |= loaded.refuse(&fault.plugin, &text);
            }
            if !is_settled {
                bail!(reports(&self.crashes, &faults));
            }
        }
    }

    /// Readiness goes first, so that load balancers look away; then sockets close and exchanges in flight end, within bounds.
    pub(crate) fn close(&self) {
        let drain = self.plan().drain;
        self.ready.store(false, Ordering::Relaxed);
        say_own(&format!("draining grace={:?} wait={:?}", drain.grace, drain.wait));
        records::draining(self.generation());
        let began = Instant::now();
        std::thread::sleep(drain.grace);
        self.keeper.stop();
        let workers = self.workers.lock().take();
        if let Some(workers) = workers {
            let stopped = workers.stop(drain.wait);
            records::drained((stopped.aborted, began.elapsed()), &stopped.lost);
            if stopped.aborted > 0 || !stopped.lost.is_empty() {
                warn(&format!(
                    "drained aborted_connections={} lost_workers={:?}",
                    stopped.aborted, stopped.lost
                ));
            }
        }
        if !self.logs.close(ANSWER_MAX) {
            warn("the log is not written to its end: a sink is too slow; what is left comes at the next start");
        }
    }
}

fn tell_certificates(news: &CertificateNews) {
    let why = news.result.as_ref().err().map(ToString::to_string);
    records::certificates(&news.listener, why.as_deref().map_or(Ok(()), Err));
    match why {
        None => say_own(&format!("certificates applied listener={}", news.listener)),
        Some(why) => fail(&format!("certificates refused listener={}: {why}", news.listener)),
    }
}

/// Says where a listener stands, with the port that the system chose for port 0.
fn say_listening(plan: &Plan, name: &str, address: std::net::SocketAddr) {
    let spec = plan.listeners.iter().find(|spec| spec.name == name);
    let protocol = match spec.map(|spec| &spec.protocol) {
        Some(gate_plan::Protocol::Tcp { .. }) => "tcp",
        _ => "http",
    };
    say_own(&format!("listening name={name} address={address} protocol={protocol}"));
    records::listener_opened(name, address);
}

/// Starts the workers. A generation that is tried and does not start on one of them keeps nobody from starting: it is tried no more.
fn start_workers(loaded: &mut Loaded, loader: &Loader, mut pens: Pens, logs: &Logs) -> anyhow::Result<Workers<Flow>> {
    loop {
        let failed = Arc::default();
        let fault = match try_workers(loaded, loader, pens, &failed) {
            Ok(workers) => return Ok(workers),
            Err(fault) => fault,
        };
        let faults = std::mem::take(&mut *failed.lock());
        let mut is_settled = false;
        for fault in once(&faults) {
            let is_tried = loaded.on_trial.iter().any(|trial| trial.runs.name() == fault.plugin);
            let text = format!("error: {}", loader.crashes.explain(fault));
            is_settled |= is_tried && loaded.refuse(&fault.plugin, &text);
        }
        if !is_settled {
            return Err(fault);
        }
        // The others went with the workers that did not start.
        pens = logs.pens()?;
    }
}

fn try_workers(
    loaded: &Loaded,
    loader: &Loader,
    pens: Pens,
    failed: &Arc<Mutex<Vec<Told>>>,
) -> anyhow::Result<Workers<Flow>> {
    let change = Change {
        plan: Arc::clone(&loaded.plan),
        plugins: loaded.plugins(),
        trials: loaded.trials(),
        upstreams: loaded.upstreams.clone(),
        upstreams_of_both: loaded.upstreams.clone(),
        tracing: crate::logs::tracing::settings(&loaded.plan)?,
    };
    let (process, crashes) = (Arc::clone(&loader.process), Arc::clone(&loader.crashes));
    let count = workers(&loaded.plan);
    let pens = Mutex::new(pens);
    let failed = Arc::clone(failed);
    let workers = Workers::start(count, move |worker| {
        let failed = Arc::clone(&failed);
        let (process, change) = (Arc::clone(&process), change.clone());
        let crashes = Arc::clone(&crashes);
        let pen = pens.lock().pop();
        async move {
            let pen = Rc::new(RefCell::new(pen.ok_or("no pen for this worker")?));
            let parts = FlowParts {
                worker,
                process,
                voice: crate::sayings::of_plugins(&crashes, Rc::clone(&pen)),
                pen,
            };
            Flow::start(parts, change).await.map_err(|faults| {
                let faults: Vec<Told> = faults.iter().map(Told::of).collect();
                let text = reports(&crashes, &faults);
                failed.lock().extend(faults);
                text.into()
            })
        }
    })?;
    Ok(workers)
}

/// The first fault of each plugin: every worker has one, and what the plugin was before is not to be refused for the second.
fn once(faults: &[Told]) -> impl Iterator<Item = &Told> {
    let is_first = |(place, fault): &(usize, &Told)| {
        let mut before = faults.iter().take(*place);
        before.all(|other| other.plugin != fault.plugin)
    };
    faults.iter().enumerate().filter(is_first).map(|(_, fault)| fault)
}

fn reports(crashes: &Crashes, faults: &[Told]) -> String {
    let texts: Vec<String> = faults.iter().map(|fault| crashes.explain(fault)).collect();
    texts.join("\n")
}

fn change(loaded: &Loaded, before: &Plan) -> anyhow::Result<Change> {
    // What serves goes where it went until the change is in force, also when it never comes into force.
    let mut both = before.upstreams.clone();
    let was_there = |name: &str| before.upstreams.iter().any(|upstream| upstream.name == name);
    let new = loaded
        .plan
        .upstreams
        .iter()
        .filter(|upstream| !was_there(&upstream.name));
    both.extend(new.cloned());
    let upstreams_of_both = Upstreams::prepare(&both)
        .map_err(|faults| anyhow::anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    Ok(Change {
        plan: Arc::clone(&loaded.plan),
        plugins: loaded.plugins(),
        trials: loaded.trials(),
        upstreams: loaded.upstreams.clone(),
        upstreams_of_both,
        tracing: crate::logs::tracing::settings(&loaded.plan)?,
    })
}

/// Why a configuration is not staged on every worker.
enum Staging {
    /// A worker is gone, or took too long.
    Late,
    /// Plugins that did not start.
    Faults(Vec<Told>),
}

fn stage(workers: &[Mailbox<Flow>], change: &Change, number: u64) -> Result<(), Staging> {
    let mut answers = Vec::new();
    for mailbox in workers {
        let change = change.clone();
        let ask = mailbox.ask(move |flow| async move {
            let staged = flow.stage(change, number).await;
            // Explaining them takes time that a worker has not.
            staged.map_err(|faults| faults.iter().map(Told::of).collect::<Vec<_>>())
        });
        answers.push(ask.map_err(|_| Staging::Late)?);
    }
    let mut all = Vec::new();
    for answer in answers {
        let staged = answer.wait(STAGE_MAX).ok_or(Staging::Late)?;
        all.extend(staged.err().into_iter().flatten());
    }
    match all.is_empty() {
        true => Ok(()),
        false => Err(Staging::Faults(all)),
    }
}

fn discard(workers: &[Mailbox<Flow>]) {
    for mailbox in workers {
        // A worker that takes no letter has nothing staged.
        let _ = mailbox.tell(|flow| flow.discard());
    }
}
