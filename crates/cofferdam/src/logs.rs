//! What is written down: rings for the workers, the rules by which values are masked, and the sinks, as the plan has them.

pub(crate) mod screen;
pub(crate) mod sinks;
pub(crate) mod tracing;
pub(crate) mod digest;

use std::fs::DirBuilder;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use gate_plan::Plan;
use log_book::{Book, BookFault, Notice, Pen, RingCounts, Settings, Sheet, Subject, Wanted};
use log_mask::rules::Rules;
use log_record::grade::{Class, Level};
use log_ship::{Ship, Tally};
use parking_lot::{Mutex, RwLock};

use self::screen::{Counts, Screen, Shared};
use crate::loaded::Loaded;

use crate::voice::{say, warn};

/// Names a folder for rings where the configuration names none.
const FOLDER_VARIABLE: &str = "COFFERDAM_RING_DIR";
/// Memory that outlives the process.
const MEMORY: &str = "/dev/shm";
/// LIMIT: bytes of one record.
const PAYLOAD_BYTES_MAX: u32 = 64 * 1024;
/// How long a sink that is wanted no more may carry what it holds.
const END_WAIT_MAX: Duration = Duration::from_secs(10);

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
    /// What became of records in log guests.
    screened: Mutex<Arc<Mutex<Counts>>>,
    /// The file of the gateway, by which its rings are found again.
    main: PathBuf,
    workers: NonZeroUsize,
}

/// Pens for the workers, the first for the first.
pub(crate) type Pens = Vec<Pen>;

impl Logs {
    /// Opens what the plan asks for.
    pub(crate) fn open(loaded: &Loaded, main: &Path, workers: NonZeroUsize) -> anyhow::Result<(Self, Pens)> {
        let logs = Self {
            book: Mutex::default(),
            screened: Mutex::default(),
            main: main.to_owned(),
            workers,
        };
        let pens = logs.begin(loaded)?;
        Ok((
            logs,
            pens.unwrap_or_else(|| (0..workers.get()).map(|_| Pen::dry()).collect()),
        ))
    }

    fn begin(&self, loaded: &Loaded) -> anyhow::Result<Option<Pens>> {
        let plan = &*loaded.plan;
        let wanted = wishes(plan);
        if !wanted.has_any() {
            return Ok(None);
        }
        let screen = self.screen(loaded);
        let rules = Arc::new(rules(plan)?);
        let mut wrong = None;
        for base in Base::all(Some(plan)) {
            match self.open_in(&base, (plan, screen.clone()), (Arc::clone(&rules), wanted)) {
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

    fn open_in(
        &self,
        base: &Base,
        (plan, screen): (&Plan, Option<Shared>),
        manner: (Arc<Rules>, Wanted),
    ) -> anyhow::Result<(Arc<Book>, Pens)> {
        let folder = base.of(&self.main)?;
        base.make()?;
        let settings = Settings {
            folder,
            rings: log_ring::Settings {
                ring_bytes: plan.logs.rings.bytes,
                payload_bytes_max: u32::try_from(plan.logs.rings.bytes / 8)
                    .unwrap_or(u32::MAX)
                    .min(PAYLOAD_BYTES_MAX),
                ..log_ring::Settings::default()
            },
            rules: manner.0,
            wanted: manner.1,
            screen: screen.map(boxed),
            listener: Arc::new(|notice| tell(&notice)),
        };
        // What a dead process left is given to the sinks that there are when the book opens.
        let ship = Ship::default();
        ship.change(sinks::wanted(plan)?, END_WAIT_MAX)?;
        let book = Book::open(settings, ship)?;
        let pens = self.pens_of(&book).inspect_err(|_| abandon(&book))?;
        Ok((Arc::new(book), pens))
    }

    /// Whether both plans have the same written down.
    pub(crate) fn is_alike(loaded: &Loaded, other: &Plan) -> bool {
        let one = &loaded.plan;
        // A guest's module or files may have changed under their names.
        one.logs.sandbox.is_none()
            && one.access_log == other.access_log
            && one.logs == other.logs
            && one.tracing == other.tracing
    }

    /// Goes over to what another plan asks for. Gives pens where there were none; else what those that there are must follow.
    pub(crate) fn change(&self, loaded: &Loaded) -> anyhow::Result<Following> {
        let plan = &*loaded.plan;
        let Some(book) = self.book() else {
            let pens = self.begin(loaded)?;
            return Ok(pens.map_or(Following::AsBefore, Following::With));
        };
        let rules = Arc::new(rules(plan)?);
        let wanted = wishes(plan);
        let sinks = sinks::wanted(plan)?;
        // A new sink gets nothing that new guests have not seen, and guests go last.
        let screen = self.screen(loaded);
        let has_guests = screen.is_some();
        if let Some(screen) = screen {
            book.show_to(Some(boxed(screen)))?;
        }
        book.with_ship(|ship| ship.change(sinks, END_WAIT_MAX))?;
        book.follow(Arc::clone(&rules), wanted);
        if !has_guests {
            book.show_to(None)?;
        }
        Ok(Following::Manner(rules, wanted))
    }

    /// The guests of what is loaded, whose counts are shown from now on.
    fn screen(&self, loaded: &Loaded) -> Option<Shared> {
        let screen = loaded.screen.lock().take();
        *self.screened.lock() = screen.as_ref().map(Screen::counts).unwrap_or_default();
        screen.map(Shared::new)
    }

    /// What became of records in log guests.
    pub(crate) fn screened(&self) -> Counts {
        let counts = Arc::clone(&self.screened.lock());
        counts.lock().clone()
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

    /// How often something of each class was masked.
    pub(crate) fn masked(&self) -> Vec<(log_mask::class::Class, u64)> {
        self.book().map(|book| book.masked()).unwrap_or_default()
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

fn boxed(screen: Shared) -> Box<dyn log_book::Screen> {
    Box::new(screen)
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

/// Every folder in which the gateway of `main` may have its rings.
pub(crate) fn ring_folders(plan: &Plan, main: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Base::all(Some(plan)).iter().map(|base| base.of(main)).collect()
}

/// Where there must be room for rings.
pub(crate) fn ring_room(plan: Option<&Plan>) -> PathBuf {
    let bases = Base::all(plan);
    let room = bases.first().and_then(|base| match base {
        Base::Named(path) => Some(path.as_path()),
        Base::Default(path) => path.parent(),
    });
    room.unwrap_or(Path::new(MEMORY)).to_owned()
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
    fn all(plan: Option<&Plan>) -> Vec<Self> {
        if let Some(named) = plan.and_then(|plan| plan.logs.rings.dir.as_ref()) {
            return vec![Self::Named(named.clone())];
        }
        if let Some(named) = std::env::var_os(FOLDER_VARIABLE).filter(|named| !named.is_empty()) {
            return vec![Self::Named(PathBuf::from(named))];
        }
        let user = std::fs::metadata("/proc/self").map_or(0, |about| about.uid());
        let name = format!("cofferdam-{user}");
        let memory = Path::new(MEMORY).join(&name);
        vec![Self::Default(memory), Self::Default(std::env::temp_dir().join(&name))]
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Default(path) => path,
        }
    }

    /// Where rings of the gateway of `main` lie.
    fn of(&self, main: &Path) -> anyhow::Result<PathBuf> {
        let name = crate::anchor::name_of(main).context("the configuration has no absolute path")?;
        Ok(self.path().join(name))
    }

    fn make(&self) -> anyhow::Result<()> {
        match self {
            Self::Named(path) => {
                let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
                made.with_context(|| format!("`{}` cannot be made", path.display()))
            }
            Self::Default(path) => {
                log_ring::Folder::open(path)?;
                Ok(())
            }
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

/// What is masked.
pub(crate) fn rules(plan: &Plan) -> anyhow::Result<Rules> {
    let Some(mask) = &plan.logs.mask else {
        return Ok(Rules::default());
    };
    let digest = mask.hash.as_ref().map(digest::digest).transpose()?;
    let hash = digest.map(|digest| -> gate_plan::logs::Digest { Box::new(move |bytes| (digest.hash)(bytes)) });
    Ok(mask.rules(hash)?)
}

/// What anybody wants of what is said: from the level on that the configuration names, where plugins or the gateway speak.
fn wishes(plan: &Plan) -> Wanted {
    let spoken = [Class::Plugin, Class::Gateway];
    let all = Wanted::of(&sinks::selections(plan));
    spoken
        .into_iter()
        .fold(all, |wanted, class| wanted.from_level(class, plan.logs.level))
}
