//! Crash reports in the process: source lines are read, reports kept and the operator told on a thread of its own, so that a worker only
//! hands over what it saw.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use gate_plan::Plan;
use gate_plan::logs::Rules;
use log_mask::masker::{Masker, Syntax};
use parking_lot::Mutex;
use plug_host::Fault;
use plug_report::recording::{Recording, Sensitive};
use plug_report::{Crash, CrashStore, DebugFiles, ModuleNote, Scene, Symbols};

use crate::voice::{fail, say, warn};

/// LIMIT: deaths that wait for their report; beyond it they are said without one.
const WAITING_MAX: usize = 256;
/// LIMIT: places of death whose reports are at hand; then all are read anew from disk.
const KNOWN_MAX: usize = 256;
/// How often a report that is seen again and again is written.
const WRITTEN_EVERY: Duration = Duration::from_secs(1);
/// LIMIT: how long a stop waits for reports that are being written.
const STOP_MAX: Duration = Duration::from_secs(5);

/// LIMIT: recordings that wait for being written; deaths beyond it have none.
const RECORDINGS_WAITING_MAX: usize = 16;

/// The configuration's words about crash reports, and where modules came from.
#[derive(Default)]
struct Settings {
    store: Option<CrashStore>,
    debug_files: DebugFiles,
    sensitive: Sensitive,
    /// What records are masked by: a recording shows no more than they do.
    rules: Arc<Rules>,
    /// Files of modules by their SHA-256.
    modules: HashMap<String, PathBuf>,
}

/// What makes reports of deaths; the process has one.
#[derive(Default)]
pub(crate) struct Crashes {
    settings: Mutex<Settings>,
    desk: Mutex<Option<SyncSender<Letter>>>,
    recordings_waiting: AtomicUsize,
}

enum Letter {
    Death(Arc<Scene>, Option<Arc<Recording>>),
    /// An exchange that ended well.
    Exchange(Arc<Recording>),
    /// Everything before it has been written.
    Stop(SyncSender<()>),
}

impl Crashes {
    /// Takes over what a configuration says; a folder that cannot be made costs the reports, nothing else.
    pub(crate) fn configure(&self, plan: &Plan, keep: bool) {
        let wanted = &plan.crash_reports;
        let folder = wanted.dir.clone().or_else(default_folder);
        let folder = folder.filter(|_| keep && wanted.bytes_max > 0);
        let store = folder.and_then(|folder| {
            let opened = CrashStore::open(&folder, wanted.bytes_max);
            let shown = folder.display();
            opened
                .inspect_err(|why| warn(&format!("warning: no crash reports in `{shown}`: {why}")))
                .ok()
        });
        let mut settings = self.settings.lock();
        settings.store = store;
        settings.debug_files.folder.clone_from(&wanted.debug_files);
        settings.sensitive = Sensitive {
            headers: plan.recordings.sensitive_headers.clone(),
            properties: plan.recordings.sensitive_properties.clone(),
        };
        if let Some(mask) = &plan.logs.mask {
            settings
                .sensitive
                .headers
                .extend(mask.headers.iter().chain(&mask.names).cloned());
        }
        settings.rules = rules(plan);
    }

    /// Remembers the file of a module, in which source lines may be found.
    pub(crate) fn module(&self, sha256: &str, file: &Path) {
        self.settings.lock().modules.insert(sha256.to_owned(), file.to_owned());
    }

    /// The file of a module.
    pub(crate) fn module_file(&self, sha256: &str) -> Option<PathBuf> {
        self.settings.lock().modules.get(sha256).cloned()
    }

    /// Where debug information is looked for.
    pub(crate) fn debug_files(&self) -> DebugFiles {
        self.settings.lock().debug_files.clone()
    }

    /// Starts the thread that keeps reports.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let (desk, letters) = sync_channel(WAITING_MAX);
        let crashes = Arc::clone(self);
        std::thread::Builder::new()
            .name("crash-reports".to_owned())
            .spawn(move || Clerk::new(crashes).work(&letters))?;
        *self.desk.lock() = Some(desk);
        Ok(())
    }

    /// Tells the operator of a fault, with a report when a plugin died. Called by workers: it never waits.
    pub(crate) fn report(&self, fault: &Fault) {
        let Some(scene) = &fault.scene else {
            return fail(&format!("plugin fault code={} {fault}", fault.code()));
        };
        let desk = self.desk.lock().clone();
        let recording = fault.recording.clone().filter(|_| self.may_wait());
        let is_recorded = recording.is_some();
        match desk.map(|desk| desk.try_send(Letter::Death(Arc::clone(scene), recording))) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => {
                if is_recorded {
                    self.recordings_waiting.fetch_sub(1, Ordering::Relaxed);
                }
                fail(&format!("plugin fault code={} {fault}", fault.code()));
            }
        }
    }

    /// Keeps the recording of an exchange that ended well, unless many wait. Called by workers: it never waits.
    pub(crate) fn keep(&self, recording: Arc<Recording>) {
        if !self.may_wait() {
            return;
        }
        let desk = self.desk.lock().clone();
        let sent = desk.is_some_and(|desk| desk.try_send(Letter::Exchange(recording)).is_ok());
        if !sent {
            self.recordings_waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes a place among the recordings that wait.
    fn may_wait(&self) -> bool {
        let more = |waiting: usize| (waiting < RECORDINGS_WAITING_MAX).then(|| waiting.saturating_add(1));
        let waiting = &self.recordings_waiting;
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// A recording as it may rest on a disk; none when it cannot be read, which would be a mistake of ours.
    fn ready(&self, recording: &Recording) -> Option<Recording> {
        let (sensitive, rules, module) = {
            let settings = self.settings.lock();
            let module = settings.modules.get(&recording.head.module.sha256).cloned();
            (settings.sensitive.clone(), Arc::clone(&settings.rules), module)
        };
        let mut ready = recording
            .clone()
            .masked(&sensitive, &|bytes| found(&rules, bytes))
            .ok()?;
        ready.head.module_file = module.map(|file| file.display().to_string());
        Some(ready)
    }

    /// The report of a fault as text, with source lines; it is not kept.
    pub(crate) fn explain(&self, fault: &Told) -> String {
        match &fault.scene {
            Some(scene) => self.crash(scene).brief(),
            None => fault.summary.clone(),
        }
    }

    /// What `read` makes of the symbols of a module, or of its twin with debug information.
    pub(crate) fn with_symbols<R>(&self, module: &ModuleNote, read: impl Fn(Option<&Symbols<'_>>) -> R) -> R {
        let (file, debug_files) = {
            let settings = self.settings.lock();
            (
                settings.modules.get(&module.sha256).cloned(),
                settings.debug_files.clone(),
            )
        };
        // Debug information is what a plugin's author says it is: what its reader makes of it ends no thread.
        let with = || {
            let found = debug_files.find(file.as_deref(), &module.code_sha256, has_lines);
            read(found.as_deref().map(Symbols::read).as_ref())
        };
        catch_unwind(AssertUnwindSafe(with)).unwrap_or_else(|_| read(None))
    }

    /// The folder of reports, when they are kept.
    pub(crate) fn store(&self) -> Option<CrashStore> {
        self.settings.lock().store.clone()
    }

    /// Waits until what was reported has been written.
    pub(crate) fn stop(&self) {
        let (done, wait) = sync_channel(1);
        let desk = self.desk.lock().take();
        if desk.is_some_and(|desk| desk.send(Letter::Stop(done)).is_ok()) {
            // A disk that takes longer loses the last counts.
            let _ = wait.recv_timeout(STOP_MAX);
        }
    }

    /// A report with source lines, from the module's file or its twin with debug information.
    fn crash(&self, scene: &Scene) -> Crash {
        self.with_symbols(&scene.module, |symbols| Crash::of(scene.clone(), symbols))
    }
}

/// The report of a scene with what its module, or the twin of it with debug information, says of places.
pub(crate) fn explain(scene: &Scene, module: Option<&Path>, debug_files: &DebugFiles) -> Crash {
    let found = debug_files.find(module, &scene.module.code_sha256, has_lines);
    Crash::of(scene.clone(), found.as_deref().map(Symbols::read).as_ref())
}

fn has_lines(module: &[u8]) -> bool {
    Symbols::read(module).has_lines()
}

/// A fault as one thread tells it to another.
pub(crate) struct Told {
    pub(crate) plugin: String,
    summary: String,
    scene: Option<Arc<Scene>>,
}

impl Told {
    pub(crate) fn of(fault: &Fault) -> Self {
        Self {
            plugin: fault.plugin.to_string(),
            summary: fault.to_string(),
            scene: fault.scene.clone(),
        }
    }
}

/// Reports of one place of death.
struct Known {
    /// With source lines, as it was last kept.
    crash: Crash,
    /// Deaths since then.
    unwritten: u64,
    /// Whether the recording that is kept holds everything since the instance's start.
    is_whole: bool,
    written: Instant,
}

/// Who makes reports, one after the other.
struct Clerk {
    crashes: Arc<Crashes>,
    known: HashMap<String, Known>,
    /// Exchanges kept that ended well.
    exchanges: u64,
}

impl Clerk {
    fn new(crashes: Arc<Crashes>) -> Self {
        Self {
            crashes,
            known: HashMap::new(),
            exchanges: 0,
        }
    }

    fn work(mut self, letters: &Receiver<Letter>) {
        loop {
            match letters.recv_timeout(WRITTEN_EVERY) {
                Ok(Letter::Death(scene, recording)) => {
                    self.take(&scene, recording.as_deref());
                    if recording.is_some() {
                        self.crashes.recordings_waiting.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Ok(Letter::Exchange(recording)) => {
                    self.keep_exchange(&recording);
                    self.crashes.recordings_waiting.fetch_sub(1, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Letter::Stop(done)) => {
                    self.write(Duration::ZERO);
                    // Nobody waits any more when the wait was over before.
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return self.write(Duration::ZERO),
            }
            self.write(WRITTEN_EVERY);
        }
    }

    fn take(&mut self, scene: &Scene, recording: Option<&Recording>) {
        let signature = scene.signature();
        if self.again(&signature, scene, recording) {
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.write(Duration::ZERO);
            self.known.clear();
        }
        let mut crash = self.crashes.crash(scene);
        crash.is_recorded = self.keep_recording(&signature, recording);
        let kept = self.crashes.store().map(|store| store.keep(crash.clone()));
        let replay = match crash.is_recorded {
            true => format!("\n  run it again: cofferdam plugin replay {signature}"),
            false => String::new(),
        };
        let more = match &kept {
            Some(Ok(kept)) => {
                crash.clone_from(kept);
                format!("\n  more: cofferdam crash show {signature}{replay}")
            }
            Some(Err(why)) => format!("\n  warning: the report is not kept: {why}"),
            None => String::new(),
        };
        fail(&format!(
            "plugin fault code={} crash={signature} {}{more}",
            scene.code,
            crash.brief()
        ));
        let known = Known {
            is_whole: crash.is_recorded && recording.is_some_and(Recording::is_whole),
            crash,
            unwritten: 0,
            written: Instant::now(),
        };
        self.known.insert(signature, known);
    }

    /// Counts and says a death whose place is known; false when it is not.
    fn again(&mut self, signature: &str, scene: &Scene, recording: Option<&Recording>) -> bool {
        let Some(known) = self.known.get_mut(signature) else {
            return false;
        };
        known.unwritten = known.unwritten.saturating_add(1);
        known.crash.again(scene);
        let count = known.crash.count.saturating_add(known.unwritten);
        fail(&format!(
            "plugin fault code={} crash={signature} {} (seen {count} times)",
            scene.code, scene.summary
        ));
        // The first recording is as good as the last, unless it misses what this one has.
        let better = recording.filter(|recording| !known.is_whole && recording.is_whole());
        if better.is_some()
            && self.keep_recording(signature, better)
            && let Some(known) = self.known.get_mut(signature)
        {
            known.is_whole = true;
            known.crash.is_recorded = true;
        }
        true
    }

    /// Keeps an exchange that ended well, and says where.
    fn keep_exchange(&mut self, recording: &Recording) {
        let Some((store, ready)) = self.crashes.store().zip(self.crashes.ready(recording)) else {
            return;
        };
        self.exchanges = self.exchanges.saturating_add(1);
        let name = format!("exchange-{}-{}", ready.head.at_ms, self.exchanges);
        match store.keep_recording(&name, &ready) {
            Ok(file) => say(&format!(
                "plugin exchange recorded plugin={} request_id={}; run it again: cofferdam plugin replay {}",
                ready.head.plugin,
                ready
                    .head
                    .exchange
                    .and_then(|exchange| exchange.request_id)
                    .unwrap_or_default(),
                file.display()
            )),
            Err(why) => warn(&format!("warning: the recording of an exchange is not kept: {why}")),
        }
    }

    /// Whether a recording was there and is kept now.
    fn keep_recording(&self, signature: &str, recording: Option<&Recording>) -> bool {
        let Some((store, recording)) = self.crashes.store().zip(recording) else {
            return false;
        };
        let Some(ready) = self.crashes.ready(recording) else {
            return false;
        };
        let kept = store.keep_recording(signature, &ready);
        kept.inspect_err(|why| warn(&format!("warning: the recording of {signature} is not kept: {why}")))
            .is_ok()
    }

    /// Writes what was seen again, unless it was written less than `every` ago.
    fn write(&mut self, every: Duration) {
        let Some(store) = self.crashes.store() else { return };
        for known in self.known.values_mut() {
            if known.unwritten == 0 || known.written.elapsed() < every {
                continue;
            }
            let again = Crash {
                count: known.unwritten,
                ..known.crash.clone()
            };
            // What cannot be written now is tried again with the next death.
            if let Ok(kept) = store.keep(again) {
                known.crash = kept;
                known.unwritten = 0;
            }
            known.written = Instant::now();
        }
    }
}

/// Where reports are kept when the configuration does not say.
pub(crate) fn default_folder() -> Option<PathBuf> {
    Some(default_state()?.join("crashes"))
}

/// Where is kept what must be found again, when the configuration does not say (XDG Base Directory Specification, "state").
pub(crate) fn default_state() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(base.join("cofferdam"))
}

/// The rules of the log, to find places by: no digest is written, so its key is not asked for.
fn rules(plan: &Plan) -> Arc<Rules> {
    let mask = plan.logs.mask.as_ref();
    // What is wrong in them was found when the configuration was checked.
    let rules = mask.and_then(|mask| mask.rules(Some(Box::new(|_| [0; 32]))).ok());
    Arc::new(rules.unwrap_or_default())
}

/// Where the rules find something in a value.
fn found(rules: &Arc<Rules>, bytes: &[u8]) -> Vec<Range<usize>> {
    let mut masker = Masker::reporting(Arc::clone(rules), Syntax::Loose);
    let mut shown = Vec::new();
    masker.push(bytes, &mut shown);
    masker.finish(&mut shown);
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let findings = masker.report().findings.into_iter();
    let places = findings.map(|finding| (place(finding.offset_bytes), place(finding.length_bytes)));
    places.map(|(at, length)| at..at.saturating_add(length)).collect()
}
