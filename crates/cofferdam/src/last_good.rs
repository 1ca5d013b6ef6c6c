//! What served last, kept on disk: so that a start goes well although a registry is down, or a module was spoilt while the gateway was stopped.
//!
//! A folder holds the texts of configurations, modules by their digest, and `served.json`, which says which of them served. It is written last,
//! in one go: whoever reads finds what served before, or what serves now.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gate_plan::{Plan, Protocol};
use parking_lot::{Condvar, Mutex};
use plug_package::{Digest, Document, Form, Reference, read_file};
use serde::{Deserialize, Serialize};

use crate::loaded::{Loaded, Provenance, Runs};
use crate::settle::Stand;
use crate::sources::Had;
use crate::text::Text;
use crate::voice::warn;

/// LIMIT: bytes of what says what served.
const SERVED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// LIMIT: bytes of a text or module that is read again.
const KEPT_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// LIMIT: how long a stop waits until what serves is kept.
const STOP_MAX: Duration = Duration::from_secs(5);
/// LIMIT: of many changes one after the other, how often one is written: the last of each such time.
const PACE: Duration = Duration::from_millis(100);
/// So much of that may be saved up: changes that come now and then are written at once.
const SAVED_MAX: Duration = Duration::from_secs(2);
/// The form of `served.json`.
const VERSION: u32 = 1;
/// The file that says which texts and modules served.
const SERVED: &str = "served.json";

/// What served, as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Served {
    version: u32,
    /// The configuration's file or place, for people.
    origin: String,
    folder: PathBuf,
    /// SHA-256 of the text in force.
    text: String,
    plugins: Vec<Kept>,
    /// Routes and TCP listeners that stayed as they were, with the SHA-256 of the text in which they are so.
    held: Vec<(String, String)>,
    /// Plugins that did not run.
    missing: Vec<String>,
    /// Generations of rollouts that are not over, beside those that served.
    #[serde(default)]
    spare: Vec<Kept>,
}

/// A plugin that served.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    name: String,
    /// SHA-256 of the text in which it is configured so.
    text: String,
    /// SHA-256 of its module.
    module: String,
    /// Its image and the digest of that.
    image: Option<(String, String)>,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    made: Option<u64>,
    /// Signatures that came with it.
    signatures: Vec<KeptSignature>,
    /// Its number, and what it was made of; none where an older release kept it.
    #[serde(default)]
    generation: Option<(u64, String)>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptSignature {
    form: String,
    /// In Base64.
    bytes: String,
    beside: Option<String>,
}

/// What served before the gateway was started.
pub(crate) struct LastGood {
    folder: PathBuf,
    /// The text that was in force, and those of what stayed as it was.
    pub(crate) text: Arc<Text>,
    pub(crate) held: Vec<(String, Arc<Text>)>,
    /// The plan that was in force, as far as it can be told.
    pub(crate) plan: Arc<Plan>,
    /// Its plugins that ran.
    pub(crate) specs: Vec<Arc<gate_plan::Plugin>>,
    pub(crate) missing: Vec<String>,
    plugins: Vec<(Kept, Arc<Text>)>,
    /// Other generations of them, of rollouts that were not over.
    spare: Vec<(Kept, Arc<Text>, Arc<gate_plan::Plugin>)>,
}

impl LastGood {
    /// Reads what served; none when nothing was kept.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, String> {
        let Some(served) = served(folder)? else { return Ok(None) };
        let text = kept_text(folder, &served, &served.text)?;
        let mut plan = text
            .plan()
            .map_err(|findings| format!("the text that served last is not understood any more: {findings}"))?;
        let mut plugins = Vec::new();
        let mut specs = Vec::new();
        for kept in &served.plugins {
            // One that cannot be found again is no reason to lose the others.
            match found(folder, &served, kept) {
                Ok((text, spec)) => {
                    plugins.push((kept.clone(), text));
                    specs.push(spec);
                }
                Err(why) => warn(&format!(
                    "warning: plugin `{}` is not kept as it served last: {why}",
                    kept.name
                )),
            }
        }
        let spare = served.spare.iter().filter_map(|kept| {
            let (text, spec) = found(folder, &served, kept).ok()?;
            Some((kept.clone(), text, spec))
        });
        let spare = spare.collect();
        let mut held = Vec::new();
        for (place, text) in &served.held {
            let text = kept_text(folder, &served, text).and_then(|text| hold(&mut plan, place, &text).map(|()| text));
            match text {
                Ok(text) => held.push((place.clone(), text)),
                Err(why) => warn(&format!("warning: `{place}` is not kept as it served last: {why}")),
            }
        }
        Ok(Some(Self {
            folder: folder.to_owned(),
            text,
            held,
            plan: Arc::new(plan),
            specs,
            missing: served.missing,
            plugins,
            spare,
        }))
    }

    /// Whether a plugin was kept.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.plugins.iter().any(|(kept, _)| kept.name == name)
    }

    /// A plugin as it served: what it was configured as, and its module.
    pub(crate) fn had(&self, name: &str) -> Result<(Arc<gate_plan::Plugin>, Arc<Text>, Had), String> {
        let unknown = || String::from("it was not kept");
        let (kept, text) = self
            .plugins
            .iter()
            .find(|(kept, _)| kept.name == name)
            .ok_or_else(unknown)?;
        let spec = self.specs.iter().find(|spec| spec.name == name).ok_or_else(unknown)?;
        let path = module(&self.folder, &kept.module);
        let bytes = verified(&path, &kept.module)?;
        let image = kept.image.as_ref().map(|(reference, digest)| {
            let reference = Reference::parse(reference).map_err(|why| why.to_string())?;
            let digest = Digest::parse(digest).map_err(|why| why.to_string())?;
            Ok::<_, String>((reference, digest))
        });
        let had = Had {
            bytes: bytes.into(),
            path,
            digest: kept.module.clone(),
            looks: None,
            image: image.transpose()?,
            made: kept
                .made
                .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))),
            documents: kept.signatures.iter().filter_map(KeptSignature::document).collect(),
            unasked: None,
        };
        Ok((Arc::clone(spec), Arc::clone(text), had))
    }

    /// A plugin that cannot serve as it did: the generation before it takes its place, if its rollout was not over. One that was only tried
    /// does not.
    pub(crate) fn forget(&mut self, name: &str) {
        let number = |kept: &Kept| kept.generation.as_ref().map(|(number, _)| *number);
        let served = self.plugins.iter().find(|(kept, _)| kept.name == name);
        let served = served.and_then(|(kept, _)| number(kept));
        self.specs.retain(|spec| spec.name != name);
        self.plugins.retain(|(kept, _)| kept.name != name);
        let is_before = |kept: &Kept| kept.name == name && number(kept) < served;
        if let Some(place) = self.spare.iter().position(|(kept, ..)| is_before(kept)) {
            let (kept, text, spec) = self.spare.remove(place);
            self.specs.push(spec);
            self.plugins.push((kept, text));
        }
    }
}

/// Numbers of the generations that are kept: plugin, what it is made of, number. What cannot be read has none.
pub(crate) fn numbers(folder: &Path) -> Vec<(String, String, u64)> {
    let served = served(folder).ok().flatten();
    let all = served
        .into_iter()
        .flat_map(|served| [served.plugins, served.spare].concat());
    let number = |kept: Kept| kept.generation.map(|(number, made_of)| (kept.name, made_of, number));
    all.filter_map(number).collect()
}

/// The text that served last; none when nothing was kept.
pub(crate) fn text(folder: &Path) -> Result<Option<Arc<Text>>, String> {
    let Some(served) = served(folder)? else { return Ok(None) };
    kept_text(folder, &served, &served.text).map(Some)
}

/// Whether what served of a plugin was begun by an operator beside the configuration.
pub(crate) fn served_as_begun(folder: &Path, plugin: &str) -> bool {
    let Ok(Some(served)) = served(folder) else { return false };
    let kept = served.plugins.iter().find(|kept| kept.name == plugin);
    let text = kept.and_then(|kept| kept_text(folder, &served, &kept.text).ok());
    text.is_some_and(|text| text.begun.contains_key(plugin))
}

fn served(folder: &Path) -> Result<Option<Served>, String> {
    let file = folder.join(SERVED);
    if !file.exists() {
        return Ok(None);
    }
    let shown = file.display();
    let bytes = read_file(&file, SERVED_BYTES_MAX).map_err(|why| format!("`{shown}` cannot be read: {why}"))?;
    let served: Served = serde_json::from_slice(&bytes).map_err(|why| format!("`{shown}` is not understood: {why}"))?;
    if served.version != VERSION {
        return Err(format!("`{shown}` has version {}, not {VERSION}", served.version));
    }
    Ok(Some(served))
}

/// The plugin as the text has it in which it served.
fn found(folder: &Path, served: &Served, kept: &Kept) -> Result<(Arc<Text>, Arc<gate_plan::Plugin>), String> {
    let text = kept_text(folder, served, &kept.text)?;
    let plan = text.plan().map_err(|wrong| wrong.to_string())?;
    let spec = plan.plugins.iter().find(|spec| spec.name == kept.name);
    let spec = spec.ok_or("its text does not name it")?;
    Ok((text, Arc::clone(spec)))
}

/// Puts a route or TCP listener into the plan as it is in `text`.
fn hold(plan: &mut Plan, place: &str, text: &Text) -> Result<(), String> {
    let before = text.plan().map_err(|wrong| wrong.to_string())?;
    plan.routes = plan.routes.holding(&before.routes, &[place.to_owned()]);
    let old = before.listeners.iter().find(|listener| listener.name == place);
    let now = plan.listeners.iter_mut().find(|listener| listener.name == place);
    if let (Some(now), Some(old)) = (now, old)
        && matches!(old.protocol, Protocol::Tcp { .. })
    {
        Arc::make_mut(now).protocol.clone_from(&old.protocol);
    }
    Ok(())
}

fn kept_text(folder: &Path, served: &Served, sha256: &str) -> Result<Arc<Text>, String> {
    let bytes = verified(&text_file(folder, sha256), sha256)?;
    Text::from_kept(bytes, &served.origin, &served.folder)
}

/// The bytes of a kept file, which must be those that were kept.
fn verified(path: &Path, sha256: &str) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let bytes = read_file(path, KEPT_BYTES_MAX).map_err(|why| format!("`{shown}` cannot be read: {why}"))?;
    match plug_host::digest(&bytes) == sha256 {
        true => Ok(bytes),
        false => Err(format!("`{shown}` is damaged")),
    }
}

fn text_file(folder: &Path, sha256: &str) -> PathBuf {
    folder.join("texts").join(format!("{sha256}.yaml"))
}

fn module(folder: &Path, sha256: &str) -> PathBuf {
    folder.join("modules").join(format!("{sha256}.wasm"))
}

impl KeptSignature {
    fn of(document: &Document) -> Self {
        Self {
            form: document.form.word().to_owned(),
            bytes: STANDARD.encode(&document.bytes),
            beside: document.beside.clone(),
        }
    }

    /// None when it is not understood: a signature that is missing lets nothing through.
    fn document(&self) -> Option<Document> {
        let form = Form::ALL.into_iter().find(|form| form.word() == self.form)?;
        let mut document = Document::new(form, STANDARD.decode(&self.bytes).ok()?.into());
        document.beside.clone_from(&self.beside);
        Some(document)
    }
}

/// What serves now and is to be kept.
pub(crate) struct Snapshot {
    text: Arc<Text>,
    running: Vec<Runs>,
    held: Vec<(String, Arc<Text>)>,
    missing: Vec<String>,
    /// Generations that do not serve, but may have to.
    spare: Vec<Runs>,
}

impl Snapshot {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let missing = loaded.standings.iter();
        let missing = missing.filter(|standing| standing.stand == Stand::Missing);
        Self {
            text: Arc::clone(&loaded.text),
            running: loaded.running.clone(),
            held: loaded.held(),
            missing: missing.map(|standing| standing.plugin.clone()).collect(),
            spare: loaded.spare.clone(),
        }
    }

    /// Those that are kept beside what serves. One whose bytes nobody has any more cannot be.
    fn spare<'all>(&'all self, folder: &'all Path) -> impl Iterator<Item = &'all Runs> {
        let serves = |spare: &&Runs| !self.running.iter().any(|runs| Arc::ptr_eq(&runs.plugin, &spare.plugin));
        let is_had = |spare: &&Runs| {
            spare.provenance.bytes.lock().is_some() || module(folder, &spare.provenance.sha256).exists()
        };
        self.spare.iter().filter(serves).filter(is_had)
    }

    fn served(&self, folder: &Path) -> Served {
        let kept = |runs: &Runs| {
            let Provenance {
                sha256,
                image,
                made,
                documents,
                ..
            } = &*runs.provenance;
            Kept {
                name: runs.spec.name.clone(),
                text: runs.text.sha256.clone(),
                module: sha256.clone(),
                image: image
                    .as_ref()
                    .map(|(reference, digest)| (reference.to_string(), digest.to_string())),
                made: made
                    .and_then(|made| made.duration_since(UNIX_EPOCH).ok())
                    .map(|since| since.as_secs()),
                signatures: documents.iter().map(KeptSignature::of).collect(),
                generation: Some((runs.plugin.generation, runs.fingerprint())),
            }
        };
        Served {
            version: VERSION,
            origin: self.text.origin.clone(),
            folder: self.text.folder.clone(),
            text: self.text.sha256.clone(),
            plugins: self.running.iter().map(kept).collect(),
            held: self
                .held
                .iter()
                .map(|(place, text)| (place.clone(), text.sha256.clone()))
                .collect(),
            missing: self.missing.clone(),
            spare: self.spare(folder).map(kept).collect(),
        }
    }

    /// Nobody needs the bytes of what is kept, unless it may be taken out and put back by its rollout.
    fn drop_bytes(&self) {
        let may_go = |runs: &&Runs| !self.spare.iter().any(|spare| Arc::ptr_eq(&spare.plugin, &runs.plugin));
        for runs in self.running.iter().filter(may_go) {
            runs.provenance.bytes.lock().take();
        }
    }

    /// Texts and modules first, then what names them, then what nobody names any more goes.
    fn write(&self, folder: &Path) -> io::Result<()> {
        let of_held = self.held.iter().map(|(_, text)| text);
        let all: Vec<&Runs> = self.running.iter().chain(self.spare(folder)).collect();
        let texts = all.iter().map(|runs| &runs.text).chain(of_held).chain([&self.text]);
        let mut wanted: HashSet<PathBuf> = HashSet::new();
        for text in texts {
            let file = text_file(folder, &text.sha256);
            put(&file, || Some(text.kept()))?;
            wanted.insert(file);
        }
        for runs in all {
            let file = module(folder, &runs.provenance.sha256);
            put(&file, || {
                runs.provenance.bytes.lock().as_ref().map(|bytes| bytes.to_vec())
            })?;
            wanted.insert(file);
        }
        let served = serde_json::to_vec_pretty(&self.served(folder))?;
        replace(&folder.join(SERVED), &served)?;
        self.drop_bytes();
        for part in ["texts", "modules"] {
            // What serves is kept already; what could not be cleared away is tried again with the next change.
            let entries = fs::read_dir(folder.join(part)).into_iter().flatten().flatten();
            for old in entries.map(|entry| entry.path()).filter(|path| !wanted.contains(path)) {
                let _ = fs::remove_file(old);
            }
        }
        clear_parts(folder);
        Ok(())
    }
}

/// Puts a file where its name says what it holds, so that one that is there is the one that is meant.
fn put(file: &Path, bytes: impl Fn() -> Option<Vec<u8>>) -> io::Result<()> {
    if file.exists() {
        return Ok(());
    }
    match bytes() {
        Some(bytes) => replace(file, &bytes),
        None => Err(io::Error::other(format!("`{}` is gone", file.display()))),
    }
}

/// Writes a file in one go, for the user of the gateway alone: texts hold secrets.
pub(crate) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let part = file.with_extension(format!("{}.part", std::process::id()));
    let mut open = fs::OpenOptions::new();
    open.write(true).create(true).truncate(true).mode(0o600);
    let mut written = open.open(&part)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    fs::rename(&part, file)?;
    // A name is on disk when its folder is.
    file.parent()
        .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// Takes away what a process left that ended while it wrote.
pub(crate) fn clear_parts(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let parts = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "part"));
    for part in parts {
        // It takes room, and nothing else.
        let _ = fs::remove_file(part);
    }
}

/// Where a gateway of `main` keeps what served.
pub(crate) fn folder(plan: &Plan, main: &Path) -> Option<PathBuf> {
    folder_in(plan.state_dir.clone(), main)
}

/// The same, where no plan is known yet.
pub(crate) fn folder_in(state_dir: Option<PathBuf>, main: &Path) -> Option<PathBuf> {
    let state = state_dir.or_else(crate::crashes::default_state)?;
    Some(state.join("served").join(crate::anchor::name_of(main)?))
}

/// Keeps what serves, on a thread of its own: what is newer takes the place of what waits.
pub(crate) struct Keeper {
    /// The file of the gateway.
    main: PathBuf,
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    snapshot: Option<(PathBuf, Snapshot)>,
    busy: bool,
    /// How many wait until it is written.
    waited_for: usize,
    /// The last writing went wrong.
    failed: bool,
    ends: bool,
}

impl Keeper {
    pub(crate) fn start(main: &Path) -> io::Result<Self> {
        let desk: Arc<Desk> = Arc::default();
        let works = Arc::clone(&desk);
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || works.work())?;
        Ok(Self {
            main: main.to_owned(),
            desk,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Keeps what serves now.
    pub(crate) fn keep(&self, plan: &Plan, snapshot: Snapshot) {
        match folder(plan, &self.main) {
            Some(folder) => {
                self.desk.waiting.lock().snapshot = Some((folder, snapshot));
                self.desk.changed.notify_all();
            }
            None => snapshot.drop_bytes(),
        }
    }

    /// Whether what was to be kept is on disk, after a wait within a bound. Where nothing is kept, nothing is missing.
    pub(crate) fn has_kept(&self) -> bool {
        let until = Instant::now() + STOP_MAX;
        let mut waiting = self.desk.waiting.lock();
        waiting.waited_for += 1;
        self.desk.changed.notify_all();
        let mut is_late = false;
        while !is_late && (waiting.snapshot.is_some() || waiting.busy) {
            is_late = self.desk.changed.wait_until(&mut waiting, until).timed_out();
        }
        waiting.waited_for -= 1;
        !is_late && !waiting.failed
    }

    /// Waits until what serves is kept, within a bound.
    pub(crate) fn stop(&self) {
        let until = Instant::now() + STOP_MAX;
        let mut waiting = self.desk.waiting.lock();
        waiting.ends = true;
        self.desk.changed.notify_all();
        while waiting.snapshot.is_some() || waiting.busy {
            if self.desk.changed.wait_until(&mut waiting, until).timed_out() {
                return;
            }
        }
        drop(waiting);
        if let Some(thread) = self.thread.lock().take() {
            // A panic there was written to stderr by the panic hook; nothing else is left of it.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn work(&self) {
        // When there would be one written at each pace; behind the clock, as much is saved up.
        let mut paced = Instant::now().checked_sub(SAVED_MAX).unwrap_or_else(Instant::now);
        loop {
            let mut waiting = self.waiting.lock();
            let (folder, snapshot) = loop {
                let is_due = waiting.ends || waiting.waited_for > 0 || paced <= Instant::now();
                if let Some(snapshot) = waiting.snapshot.take_if(|_| is_due) {
                    break snapshot;
                }
                if waiting.ends {
                    return;
                }
                match waiting.snapshot {
                    Some(_) => drop(self.changed.wait_until(&mut waiting, paced)),
                    None => self.changed.wait(&mut waiting),
                }
            };
            waiting.busy = true;
            drop(waiting);
            let written = snapshot.write(&folder);
            let failed = written.is_err();
            if let Err(why) = written {
                warn(&format!(
                    "warning: what serves is not kept in `{}`: {why}\nhint: `state_dir` names another folder",
                    folder.display()
                ));
            }
            let mut waiting = self.waiting.lock();
            (waiting.busy, waiting.failed) = (false, failed);
            drop(waiting);
            let now = Instant::now();
            let saved = now.checked_sub(SAVED_MAX).unwrap_or(paced);
            // What somebody waited for is written at once, and holds up nothing that comes later.
            paced = paced.max(saved).min(now) + PACE;
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
