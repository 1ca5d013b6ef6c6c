//! What is written down: rings for the workers, the rules by which values are masked, and the sinks, as the plan has them.

use std::fs::DirBuilder;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use gate_plan::{AccessLog, Plan};
use log_book::{Book, BookFault, Notice, Pen, RingCounts, Settings, Sheet, Subject, Wanted};
use log_mask::class::Class as Secret;
use log_mask::rules::{Action, Draft, QUERY_NAMES, Rules, SECRET_HEADERS, SECRET_NAMES};
use log_record::grade::{Class, Level};
use log_ship::{
    BatchLimits, FileSettings, Frame, Keep, Lane, QueueLimits, Selection, Ship, Sink, Sync, SystemClock, Tally,
};
use parking_lot::{Mutex, RwLock};

use crate::voice::{say, warn};

/// Names a folder for rings where the configuration names none.
const FOLDER_VARIABLE: &str = "COFFERDAM_RING_DIR";
/// How long an access line waits for others.
const LINGER: Duration = Duration::from_millis(50);
/// The shortest and the longest wait before a sink tries again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// The book of the process, for those who have no house.
static BOOK: RwLock<Weak<Book>> = RwLock::new(Weak::new());

/// Writes a record of what is done on threads that carry no traffic, if there is a log.
pub(crate) fn write_down(level: Level, class: Class, fill: impl FnOnce(&mut Sheet<'_>)) {
    let book = BOOK.read().upgrade();
    if let Some(book) = book {
        book.desk().write(Subject::now(level, class), fill);
    }
}

/// Has all files of sinks opened anew, after somebody has renamed them.
pub(crate) fn reopen() {
    let book = BOOK.read().upgrade();
    if let Some(book) = book {
        book.with_ship(|ship| ship.reopen());
    }
}

/// What is written down, and with what.
pub(crate) struct Logs {
    /// None where nobody wants anything.
    book: Mutex<Option<Arc<Book>>>,
    /// The file of the gateway, by which its rings are found again.
    main: PathBuf,
    workers: NonZeroUsize,
}

/// Pens for the workers, the first for the first.
pub(crate) type Pens = Vec<Pen>;

impl Logs {
    /// Opens what the plan asks for.
    pub(crate) fn open(plan: &Plan, main: &Path, workers: NonZeroUsize) -> anyhow::Result<(Self, Pens)> {
        let logs = Self {
            book: Mutex::default(),
            main: main.to_owned(),
            workers,
        };
        let pens = logs.begin(plan)?;
        Ok((
            logs,
            pens.unwrap_or_else(|| (0..workers.get()).map(|_| Pen::dry()).collect()),
        ))
    }

    fn begin(&self, plan: &Plan) -> anyhow::Result<Option<Pens>> {
        let selections = selections(plan);
        let wanted = Wanted::of(&selections);
        if !wanted.has_any() {
            return Ok(None);
        }
        let rules = Arc::new(rules(plan)?);
        let mut wrong = None;
        for base in Base::all() {
            match self.open_in(&base, plan, (Arc::clone(&rules), wanted)) {
                Ok((book, pens)) => {
                    if let Some(why) = wrong {
                        warn(&format!(
                            "warning: {why:#}\nhint: records wait in `{}` instead",
                            base.path().display()
                        ));
                    }
                    *BOOK.write() = Arc::downgrade(&book);
                    *self.book.lock() = Some(book);
                    return Ok(Some(pens));
                }
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        match wrong {
            Some(why) => Err(why.context("there is no room for the rings of the log")),
            None => bail!("there is no folder for the rings of the log"),
        }
    }

    fn open_in(&self, base: &Base, plan: &Plan, manner: (Arc<Rules>, Wanted)) -> anyhow::Result<(Arc<Book>, Pens)> {
        let name = crate::last_good::name_of(&self.main).context("the configuration has no absolute path")?;
        base.make()?;
        let settings = Settings {
            folder: base.path().join(name),
            rings: log_ring::Settings::default(),
            rules: manner.0,
            wanted: manner.1,
            listener: Arc::new(|notice| tell(&notice)),
        };
        let book = Book::open(settings, Ship::default())?;
        let pens = self.pens_of(&book).inspect_err(|_| abandon(&book))?;
        let sinks = sinks(plan).inspect_err(|_| abandon(&book))?;
        book.with_ship(|ship| *ship = Ship::new(sinks));
        Ok((Arc::new(book), pens))
    }

    /// Goes over to what another plan asks for. Gives pens where there were none; else what those that there are must follow.
    pub(crate) fn change(&self, plan: &Plan) -> anyhow::Result<Following> {
        let Some(book) = self.book() else {
            return Ok(match self.begin(plan)? {
                Some(pens) => Following::With(pens),
                None => Following::AsBefore,
            });
        };
        let rules = Arc::new(rules(plan)?);
        let wanted = Wanted::of(&selections(plan));
        let sinks = sinks(plan)?;
        let before = book.with_ship(|ship| std::mem::replace(ship, Ship::new(sinks)));
        end_aside(before);
        book.follow(Arc::clone(&rules), wanted);
        Ok(Following::Manner(rules, wanted))
    }

    /// Pens for workers that are started once more.
    pub(crate) fn pens(&self) -> anyhow::Result<Pens> {
        Ok(match self.book() {
            Some(book) => self.pens_of(&book)?,
            None => (0..self.workers.get()).map(|_| Pen::dry()).collect(),
        })
    }

    fn pens_of(&self, book: &Book) -> Result<Pens, BookFault> {
        let names = (0..self.workers.get()).map(|worker| format!("worker-{worker}"));
        names.map(|name| book.pen(&name)).collect()
    }

    fn book(&self) -> Option<Arc<Book>> {
        self.book.lock().clone()
    }

    /// What has become of records, by the names of sinks.
    pub(crate) fn tallies(&self) -> Vec<(String, Tally)> {
        self.book().map(|book| book.tallies()).unwrap_or_default()
    }

    /// How rings are.
    pub(crate) fn rings(&self) -> Vec<RingCounts> {
        self.book().map(|book| book.rings()).unwrap_or_default()
    }

    /// Carries what is left, for no longer than `wait`; says whether everything was carried.
    pub(crate) fn close(&self, wait: Duration) -> bool {
        let book = self.book.lock().take();
        book.is_none_or(|book| book.close(Instant::now() + wait))
    }
}

/// Nothing is in it yet.
fn abandon(book: &Book) {
    book.close(Instant::now());
}

/// What workers do after a change.
pub(crate) enum Following {
    /// Nothing.
    AsBefore,
    /// They write with these.
    With(Pens),
    /// They mask by other rules, and write what is wanted now.
    Manner(Arc<Rules>, Wanted),
}

/// Sinks that are no longer asked for carry what they hold, and nobody waits for them.
fn end_aside(mut before: Ship) {
    let thread = std::thread::Builder::new().name("log-end".to_owned());
    // Without a thread they end at once, and what they hold is in their spools or still in the rings.
    let _ = thread.spawn(move || before.end(Instant::now() + crate::assemble::ANSWER_MAX));
}

/// A folder of folders of rings.
enum Base {
    /// An operator's.
    Named(PathBuf),
    /// Where everybody may make files: it must be this user's alone.
    Default(PathBuf),
}

impl Base {
    /// Memory that outlives the process, else any folder for what is passing.
    fn all() -> Vec<Self> {
        if let Some(named) = std::env::var_os(FOLDER_VARIABLE).filter(|named| !named.is_empty()) {
            return vec![Self::Named(PathBuf::from(named))];
        }
        let user = std::fs::metadata("/proc/self").map_or(0, |about| about.uid());
        let name = format!("cofferdam-{user}");
        let memory = Path::new("/dev/shm").join(&name);
        vec![Self::Default(memory), Self::Default(std::env::temp_dir().join(&name))]
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Default(path) => path,
        }
    }

    fn make(&self) -> anyhow::Result<()> {
        match self {
            Self::Named(path) => {
                let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
                made.with_context(|| format!("`{}` cannot be made", path.display()))
            }
            Self::Default(path) => Ok(drop(log_ring::Folder::open(path)?)),
        }
    }
}

fn tell(notice: &Notice) {
    match notice {
        Notice::Recovering { process, records, path } => say(&format!(
            "records recovered process={process} records={records} ring={}",
            path.display()
        )),
        Notice::Refused { path, why } => warn(&format!("ring passed over path={}: {why}", path.display())),
        Notice::Damaged { ring, why, bytes } => {
            warn(&format!("ring damaged ring={ring} bytes_passed_over={bytes}: {why}"));
        }
        Notice::Kept { ring, why } => warn(&format!("ring kept ring={ring}: {why}")),
    }
}

/// What is masked where the configuration says nothing: what names itself a secret.
fn rules(_plan: &Plan) -> anyhow::Result<Rules> {
    let draft = Draft::default()
        .class(Secret::Key, Action::usual(Secret::Key))
        .names(SECRET_NAMES.iter().copied())
        .headers(SECRET_HEADERS.iter().copied())
        .query_names(QUERY_NAMES.iter().copied());
    Ok(draft.finish()?)
}

fn selections(plan: &Plan) -> Vec<Selection> {
    match plan.access_log {
        AccessLog::Off => Vec::new(),
        AccessLog::Stdout | AccessLog::File(_) => vec![access()],
    }
}

fn access() -> Selection {
    Selection {
        classes: vec![Class::Access, Class::Connection],
        ..Selection::default()
    }
}

fn sinks(plan: &Plan) -> anyhow::Result<Vec<Sink>> {
    let sink = match &plan.access_log {
        AccessLog::Off => return Ok(Vec::new()),
        AccessLog::Stdout => log_ship::start_stdout(frame("stdout"))?,
        AccessLog::File(path) => log_ship::start_files(frame("file"), file(path))?,
    };
    Ok(vec![sink])
}

fn frame(name: &str) -> Frame {
    Frame {
        name: name.to_owned(),
        selection: access(),
        queue: QueueLimits::default(),
        batch: BatchLimits {
            linger: LINGER,
            ..BatchLimits::default()
        },
        retry: RETRY,
        spool: None,
        durable: true,
        listener: Arc::new(|notice| {
            warn(&format!(
                "log sink={} times={}: {}",
                notice.sink, notice.times, notice.text
            ));
        }),
    }
}

/// One file that somebody else rotates.
fn file(path: &Path) -> FileSettings {
    FileSettings {
        lanes: vec![Lane {
            takes: Selection::default(),
            path: path.to_owned(),
            keep: Keep::default(),
        }],
        rotate_bytes: u64::MAX,
        rotate_every: Duration::MAX,
        compress: false,
        sync: Sync::Never,
        clock: Arc::new(SystemClock::default()),
    }
}
