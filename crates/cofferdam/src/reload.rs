//! Following the configuration file and the signals of the system while the gateway serves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use control_store::Bell;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use crate::assemble::House;
use crate::feed::Feed;
use crate::load::{Before, Loader};
use crate::looks::Looks;
use crate::records;
use crate::voice::{fail, say, warn};

/// How often files are looked at where the system tells nothing: on network file systems.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long nothing more must be told of files before they are read: who changes several of them has them read once.
const QUIET: Duration = Duration::from_millis(10);
/// LIMIT: how long they are waited for who never stop.
const QUIET_MAX: Duration = Duration::from_millis(50);

/// How long it takes at first until a plugin is tried again that could not be fetched; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// LIMIT: the longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// Signals as wishes, apart: who stops does not wait for a configuration that is being read.
pub(crate) struct Signals {
    pub(crate) stops: Receiver<()>,
    pub(crate) reloads: Reloads,
}

/// Reasons to look whether something is to be read again.
pub(crate) struct Reloads {
    rings: Receiver<()>,
    ring: SyncSender<()>,
    /// Whether somebody wants it read, changed or not.
    asked: Arc<AtomicBool>,
    /// Whether what is to be read is whole.
    whole: Arc<AtomicBool>,
}

impl Reloads {
    /// What rings when something may still be written.
    fn ring(&self) -> impl Fn() + Send + Sync + Clone + 'static {
        let ring = self.ring.clone();
        move || {
            // Full is as good.
            let _ = ring.try_send(());
        }
    }

    /// What rings when all is there.
    pub(crate) fn ring_whole(&self) -> impl Fn() + Send + Sync + Clone + 'static {
        let (ring, whole) = (self.ring(), Arc::clone(&self.whole));
        move || {
            whole.store(true, Ordering::Release);
            ring();
        }
    }

    /// Waits for a reason; whether somebody asked.
    fn wait(&self) -> bool {
        let began = Instant::now();
        match self.rings.recv_timeout(LOOK_EVERY) {
            Ok(()) => {
                let rung = Instant::now();
                let may_change = || !self.whole.swap(false, Ordering::AcqRel) && rung.elapsed() < QUIET_MAX;
                while may_change() && self.rings.recv_timeout(QUIET).is_ok() {}
            }
            Err(RecvTimeoutError::Timeout) => {}
            // We have an end of it ourselves.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY.saturating_sub(began.elapsed())),
        }
        self.asked.swap(false, Ordering::AcqRel)
    }
}

impl Signals {
    /// Takes SIGTERM and SIGINT as "stop" and SIGHUP as "read the configuration again" and SIGUSR1 as
    /// "open the files of the log again", as nginx and Envoy do.
    pub(crate) fn take() -> io::Result<Self> {
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        // LIMIT: one of each may wait; more of them ask for nothing more.
        let ((stop, stops), (ring, rings)) = (sync_channel(1), sync_channel(1));
        let asked = Arc::new(AtomicBool::new(false));
        let reloads = Reloads {
            rings,
            ring,
            asked: Arc::clone(&asked),
            whole: Arc::default(),
        };
        let ring = reloads.ring_whole();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    crate::logs::reopen();
                } else if signal == SIGHUP {
                    asked.store(true, Ordering::Release);
                    ring();
                } else {
                    // Full is as good, and who does not listen any more needs no signal.
                    let _ = stop.try_send(());
                }
            }
        })?;
        Ok(Self { stops, reloads })
    }
}

/// Notices changes of the files a configuration was read from.
pub(crate) struct Watcher {
    main: PathBuf,
    /// With what each looked like; none for one that was not there.
    files: Vec<(PathBuf, Option<Looks>)>,
}

impl Watcher {
    /// Before anything was read.
    pub(crate) fn new(main: &Path) -> Self {
        Self {
            main: main.to_owned(),
            files: vec![(main.to_owned(), Looks::of(main))],
        }
    }

    /// Follows what was read since `began`. Files that were followed before look as they did then, and those that are new as if nobody had
    /// seen them where they changed since: what somebody wrote while they were read, which may take as long as a registry likes, is read next.
    pub(crate) fn follow(&mut self, files: &[PathBuf], began: SystemTime) {
        let known = |file: &PathBuf| {
            self.files
                .iter()
                .find(|(known, _)| known == file)
                .map(|(_, looks)| *looks)
        };
        let seen =
            |file: &PathBuf| known(file).unwrap_or_else(|| Looks::of(file).filter(|looks| looks.is_older_than(began)));
        let all = [self.main.clone()].into_iter().chain(files.iter().cloned());
        self.files = all.map(|file| (file.clone(), seen(&file))).collect();
    }

    /// As [`Watcher::follow`], and goes on with what was followed before: a change of either may be what is missing.
    fn follow_too(&mut self, files: &[PathBuf], began: SystemTime) {
        let before = self.files.iter().skip(1).map(|(file, _)| file.clone());
        let new = files
            .iter()
            .filter(|file| self.files.iter().all(|(known, _)| known != *file))
            .cloned();
        let all: Vec<PathBuf> = before.chain(new).collect();
        self.follow(&all, began);
    }

    /// The files that are followed.
    fn files(&self) -> Vec<PathBuf> {
        self.files.iter().map(|(file, _)| file.clone()).collect()
    }

    /// Whether anything changed since the last look.
    fn changed(&mut self) -> bool {
        let mut changed = false;
        for (file, before) in &mut self.files {
            let now = Looks::of(file);
            changed |= now != *before;
            *before = now;
        }
        changed
    }
}

/// When plugins that could not be fetched are tried again.
#[derive(Default)]
struct Retry {
    wait: Duration,
    at: Option<Instant>,
}

impl Retry {
    fn after(&mut self, may_pass: bool) {
        if !may_pass {
            *self = Self::default();
            return;
        }
        self.wait = self.wait.saturating_mul(2).clamp(RETRY_FIRST, RETRY_MAX);
        self.at = Instant::now().checked_add(self.wait);
    }

    fn is_due(&self) -> bool {
        self.at.is_some_and(|at| at <= Instant::now())
    }
}

/// Follows files and wishes on a thread of its own, until the gateway stops. `may_pass` says whether trying again may help as it is.
pub(crate) fn follow(
    house: Arc<House>,
    (mut loader, may_pass): (Loader, bool),
    (mut feed, mut watcher): (Feed, Watcher),
    reloads: Reloads,
) -> io::Result<()> {
    let bell = match Bell::start(reloads.ring()) {
        Ok(bell) => Some(bell),
        Err(why) => {
            warn(&format!(
                "warning: changes of files are seen after up to {LOOK_EVERY:?} only: {why}"
            ));
            None
        }
    };
    house.orders.wakes(reloads.ring());
    let (mut retry, mut had_failed) = (Retry::default(), false);
    let mut sight = records::Sight::default();
    retry.after(may_pass);
    let follow = move || {
        while house.is_ready() {
            if let Some(bell) = &bell {
                bell.follow(&watcher.files());
            }
            let asked = reloads.wait();
            sight.look(&house);
            let began = SystemTime::now();
            if let Some(files) = crate::begun::obey(&house, &mut loader) {
                watcher.follow(&files, began);
            }
            let (delivered, changed) = (feed.has_news(), watcher.changed());
            // What is configured is to be followed again; asked for once, also when it cannot be read.
            let has_failed = crate::begun::has_failed(&house);
            let failed = has_failed && !had_failed;
            had_failed = has_failed;
            if delivered || changed || asked || failed {
                retry = Retry::default();
            } else if !retry.is_due() {
                continue;
            }
            if house.is_ready() {
                retry.after(reload(&house, &mut loader, (&mut feed, &mut watcher)));
            }
        }
    };
    std::thread::Builder::new().name("reload".to_owned()).spawn(follow)?;
    Ok(())
}

/// A wrong file changes nothing and says why; the next change of any of its files is tried again. Whether trying again may help as it is.
fn reload(house: &Arc<House>, loader: &mut Loader, (feed, watcher): (&mut Feed, &mut Watcher)) -> bool {
    let (main, began, took) = (feed.origin(), SystemTime::now(), Instant::now());
    let former = Before::Serving(house.former());
    let text = feed
        .text()
        .map(|text| crate::begun::carry(house.former().text.as_ref(), &text));
    let (text, ended) = match text {
        Ok((text, ended)) => (Ok(crate::begun::without_failed(house, &text)), ended),
        Err(wrong) => (Err(wrong), Vec::new()),
    };
    let digest = text.as_ref().map(|text| text.base.clone()).unwrap_or_default();
    let digest_before = house.former().text.map(|text| text.base.clone()).unwrap_or_default();
    if text.is_ok() {
        records::configuration_read(&main, &digest);
    }
    let loaded = match text.and_then(|text| loader.load(&text, former)) {
        Ok(loaded) => loaded,
        Err(wrong) => {
            house.refused();
            records::configuration_refused(&main, &digest, house.generation(), &wrong.texts);
            fail(&format!(
                "configuration refused file={} generation={}",
                main,
                house.generation()
            ));
            wrong.texts.iter().for_each(|text| fail(text.trim_end()));
            feed.refused(&wrong.texts, house.generation());
            watcher.follow_too(&wrong.files, began);
            return false;
        }
    };
    records::configuration_checked(&main, &digest, took.elapsed());
    let (files, may_pass) = (loaded.files.clone(), loaded.may_pass());
    match house.rollouts.apply(house, loaded) {
        Ok((refused, troubles)) => {
            let refused = match refused {
                0 => String::new(),
                refused => format!(" refused_plugins={refused}"),
            };
            say(&format!(
                "configuration applied file={} generation={}{refused} ms={:.1}",
                main,
                house.generation(),
                took.elapsed().as_secs_f64() * 1e3
            ));
            let again = house.served.comes(&digest);
            let outcome = (house.generation(), took.elapsed(), again);
            records::configuration_applied((&main, &digest, &digest_before), outcome);
            troubles.iter().for_each(|trouble| fail(trouble));
            crate::begun::tell_ended(&ended);
            feed.applied(house, &troubles);
            watcher.follow(&files, began);
            may_pass
        }
        Err(why) => {
            house.refused();
            fail(&format!(
                "configuration refused file={} generation={}\nerror: {why:#}",
                main,
                house.generation()
            ));
            let why = [format!("{why:#}")];
            records::configuration_refused(&main, &digest, house.generation(), &why);
            feed.refused(&why, house.generation());
            watcher.follow_too(&files, began);
            may_pass
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    /// Files that were written a while ago.
    fn written(names: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
        for file in &files {
            fs::write(file, "old").unwrap();
            let past = SystemTime::now() - Duration::from_secs(100);
            fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(past)
                .unwrap();
        }
        (folder, files)
    }

    #[test]
    fn what_is_written_while_it_is_read_is_read_again() {
        let (_folder, files) = written(&["main", "key", "module"]);
        let mut watcher = Watcher::new(&files[0]);
        watcher.follow(&files[..2], SystemTime::now());
        assert!(!watcher.changed());
        // A load begins, and takes its time: the main file, which was followed, and the module, which was not, are written meanwhile.
        let began = SystemTime::now() - Duration::from_secs(10);
        fs::write(&files[0], "newer").unwrap();
        watcher.follow(&files, began);
        assert!(watcher.changed());
        assert!(!watcher.changed());
        fs::write(&files[2], "newer").unwrap();
        watcher.follow(&files[..2], began);
        watcher.follow(&files, began);
        assert!(watcher.changed());
        assert!(!watcher.changed());
    }

    #[test]
    fn what_a_refused_configuration_names_is_followed_beside_what_serves() {
        let (folder, mut files) = written(&["main", "module"]);
        let mut watcher = Watcher::new(&files[0]);
        watcher.follow(&files, SystemTime::now());
        files.push(folder.path().join("signature"));
        watcher.follow_too(&files[2..], SystemTime::now());
        assert!(!watcher.changed());
        fs::write(&files[2], "new").unwrap();
        assert!(watcher.changed());
        fs::write(&files[1], "newer").unwrap();
        assert!(watcher.changed());
    }
}
