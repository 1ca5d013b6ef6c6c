//! Where texts of configurations come from: a file, or a store that a file names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use control_store::{Current, Delivered, News, Outcome, Revision, Settings, Store, Watch};
use gate_plan::{Bootstrap, Machine};

use crate::assemble::House;
use crate::begun::Begun;
use crate::text::{Text, Wrong, read_text};
use crate::voice::{fail, say, warn};

/// LIMIT: how long an ending gateway waits until the store has what it said last.
const SETTLE_MAX: Duration = Duration::from_secs(3);

/// Gives the text that is to serve.
pub(crate) enum Feed {
    /// Of a file.
    File(PathBuf),
    /// Of a store.
    Store(Box<Followed>),
}

/// A store that is followed.
pub(crate) struct Followed {
    watch: Arc<Watch>,
    settings: Settings,
    machine: Arc<Machine>,
    text: Arc<Text>,
    /// Of the text; none when it is what served before the start.
    revision: Option<Revision>,
}

/// What a file says, when it names a store.
fn bootstrap(file: &Path) -> Result<Option<(Bootstrap, PathBuf)>, Wrong> {
    let text = read_text(file).map_err(|why| Wrong::of(vec![why], &[]))?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    match gate_plan::bootstrap(&text, &file.display().to_string()) {
        None => Ok(None),
        Some(Ok(bootstrap)) => Ok(Some((bootstrap, folder))),
        Some(Err(findings)) => Err(Wrong {
            texts: vec![findings.to_string()],
            findings: findings.iter().map(|finding| finding.to_json()).collect(),
            files: Vec::new(),
        }),
    }
}

/// The settings of the store that a file names; none when it is a configuration itself.
pub(crate) fn settings(file: &Path) -> Result<Option<Settings>, Wrong> {
    let named = bootstrap(file)?;
    Ok(named.map(|(bootstrap, folder)| crate::stores::settings(&bootstrap.store, &folder)))
}

/// The text as it stands now, in the file or in the store that it names.
pub(crate) fn now(file: &Path) -> Result<Arc<Text>, Wrong> {
    let Some((bootstrap, folder)) = bootstrap(file)? else {
        return Text::read(file);
    };
    let settings = crate::stores::settings(&bootstrap.store, &folder);
    let current = Store::open(&settings).and_then(|mut store| store.current());
    let failed = |why: String| Wrong::of(vec![format!("error: {why}")], &[]);
    match current.map_err(|why| failed(why.to_string()))? {
        Current::Delivered(delivered) => Ok(text(&delivered, &Arc::new(bootstrap.machine))),
        Current::Nothing => Err(failed(String::from("nothing stands in the store yet"))),
        Current::Untaken(why) => Err(failed(why)),
    }
}

fn text(delivered: &Delivered, machine: &Arc<Machine>) -> Arc<Text> {
    let grants = delivered.documents.get("grants").cloned();
    let text = Text::new((delivered.text.clone(), grants), &delivered.origin, &delivered.folder);
    text.on(machine).granted_from(delivered.grants_from.clone())
}

impl Feed {
    /// Opens what a file is: a configuration, or the name of a store, whose text is waited for. `ring` is called when there is another one.
    pub(crate) fn open(file: &Path, ring: impl Fn() + Send + Sync + 'static) -> Result<Self, Wrong> {
        let Some((bootstrap, folder)) = bootstrap(file)? else {
            return Ok(Self::File(file.to_owned()));
        };
        let settings = crate::stores::settings(&bootstrap.store, &folder);
        let shown = settings.backend.shown();
        let watch =
            Watch::start(settings.clone(), ring).map_err(|why| Wrong::of(vec![format!("error: {why}")], &[]))?;
        let machine = Arc::new(bootstrap.machine);
        let end = Instant::now() + bootstrap.store.wait;
        let first = first(&watch, end);
        if let Some(delivered) = first {
            return Ok(Self::Store(Box::new(Followed {
                text: text(&delivered, &machine),
                revision: Some(delivered.revision),
                watch: Arc::new(watch),
                settings,
                machine,
            })));
        }
        let state_dir = machine.state_dir.as_ref().map(|path| folder.join(path));
        let kept = crate::last_good::folder_in(state_dir, file).map(|folder| crate::last_good::text(&folder));
        let waited = bootstrap.store.wait;
        match kept {
            Some(Ok(Some(kept))) => {
                warn(&format!(
                    "warning: no configuration from `{shown}` within {waited:?}; going on with what served last"
                ));
                Ok(Self::Store(Box::new(Followed {
                    // What was begun beside it is not the store's, and is found again by itself.
                    text: kept.on(&machine).with_begun(Begun::new()),
                    revision: None,
                    watch: Arc::new(watch),
                    settings,
                    machine,
                })))
            }
            Some(Err(why)) => Err(Wrong::of(
                vec![format!(
                    "error: no configuration from `{shown}` within {waited:?}, and {why}"
                )],
                &[],
            )),
            _ => Err(Wrong::of(
                vec![format!(
                    "error: no configuration from `{shown}` within {waited:?}, and nothing is kept of what served last"
                )],
                &[],
            )),
        }
    }

    /// The text that is to serve.
    pub(crate) fn text(&self) -> Result<Arc<Text>, Wrong> {
        match self {
            Self::File(file) => Text::read(file),
            Self::Store(followed) => Ok(Arc::clone(&followed.text)),
        }
    }

    /// What messages call where it is from.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Store(followed) => match followed.revision {
                Some(revision) => format!("{}@{}", followed.text.origin, revision.number),
                None => followed.text.origin.clone(),
            },
        }
    }

    /// The store, when there is one.
    pub(crate) fn store(&self) -> Option<Settings> {
        match self {
            Self::File(_) => None,
            Self::Store(followed) => Some(followed.settings.clone()),
        }
    }

    /// Whether the store has given another text; says what else it tells.
    pub(crate) fn has_news(&mut self) -> bool {
        let Self::Store(followed) = self else { return false };
        let mut has_news = false;
        while let Some(news) = followed.watch.next(Duration::ZERO) {
            if let Some(delivered) = said(news) {
                followed.text = text(&delivered, &followed.machine);
                followed.revision = Some(delivered.revision);
                has_news = true;
            }
        }
        has_news
    }

    /// Tells the store that its text serves, and what of it does not.
    pub(crate) fn applied(&self, house: &House, troubles: &[String]) {
        let Self::Store(followed) = self else { return };
        // It is there already after the first time.
        let _ = house.store.set(Arc::clone(&followed.watch));
        followed.report(true, troubles, house.generation());
    }

    /// Tells the store that its text does not serve, and why.
    pub(crate) fn refused(&self, texts: &[String], generation: u64) {
        if let Self::Store(followed) = self {
            followed.report(false, texts, generation);
        }
    }

    /// Waits until the store has what it was told.
    pub(crate) fn settle(&self) {
        if let Self::Store(followed) = self
            && !followed.watch.settled(SETTLE_MAX)
        {
            warn("warning: the store was not told what became of its configuration");
        }
    }
}

impl Followed {
    fn report(&self, accepted: bool, texts: &[String], generation: u64) {
        let Some(revision) = &self.revision else { return };
        let outcome = Outcome {
            accepted,
            errors: texts.iter().map(|text| text.trim_end().to_owned()).collect(),
            generation,
        };
        self.watch.report(revision, outcome);
    }
}

/// The first text that is delivered before `end`.
fn first(watch: &Watch, end: Instant) -> Option<Delivered> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let news = watch.next(left)?;
        if let Some(delivered) = said(news) {
            return Some(delivered);
        }
    }
}

/// Says what a store tells; a text is given back.
fn said(news: News) -> Option<Delivered> {
    match news {
        News::Delivered(delivered) => return Some(*delivered),
        News::Connected => say("store connected"),
        News::Lost { why } => warn(&format!("store lost: {why}")),
        News::Untaken { why } => fail(&format!("store: not taken: {why}")),
        News::Unreported { why } => warn(&format!(
            "store: what became of its configuration cannot be written: {why}"
        )),
    }
    None
}
