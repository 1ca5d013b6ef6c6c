//! Following the configuration file and the signals of the system while the gateway serves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, SystemTime};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::assemble::House;
use crate::load::Loader;
use crate::voice::{fail, say};

/// How often files are looked at. Polling also sees renames, symlink swaps and network file systems.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Signals as wishes, apart: who stops does not wait for a configuration that is being read.
pub(crate) struct Signals {
    pub(crate) stops: Receiver<()>,
    pub(crate) reloads: Receiver<()>,
}

impl Signals {
    /// Takes SIGTERM and SIGINT as "stop" and SIGHUP as "read the configuration again".
    pub(crate) fn take() -> io::Result<Self> {
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        // LIMIT: one of each may wait; more of them ask for nothing more.
        let ((stop, stops), (reload, reloads)) = (sync_channel(1), sync_channel(1));
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                let wish = if signal == SIGHUP { &reload } else { &stop };
                // Full is as good, and who does not listen any more needs no signal.
                let _ = wish.try_send(());
            }
        })?;
        Ok(Self { stops, reloads })
    }
}

/// What a file looks like from outside; none when it is not there.
type Looks = Option<(SystemTime, u64, u64)>;

/// Notices changes of the files a configuration was read from.
pub(crate) struct Watcher {
    main: PathBuf,
    files: Vec<(PathBuf, Looks)>,
}

impl Watcher {
    pub(crate) fn new(main: &Path, files: &[PathBuf]) -> Self {
        let files = files.iter().map(|file| (file.clone(), looks(file))).collect();
        Self {
            main: main.to_owned(),
            files,
        }
    }

    /// Whether anything changed since the last look.
    fn changed(&mut self) -> bool {
        let mut changed = false;
        for (file, before) in &mut self.files {
            let now = looks(file);
            changed |= now != *before;
            *before = now;
        }
        changed
    }
}

fn looks(file: &Path) -> Looks {
    use std::os::unix::fs::MetadataExt;
    let about = std::fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len(), about.ino()))
}

/// Follows files and wishes on a thread of its own, until the gateway stops.
pub(crate) fn follow(house: Arc<House>, loader: Loader, watcher: Watcher, reloads: Receiver<()>) -> io::Result<()> {
    let (mut loader, mut watcher) = (loader, watcher);
    let follow = move || {
        while house.is_ready() {
            let asked = match reloads.recv_timeout(LOOK_EVERY) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if house.is_ready() && (watcher.changed() || asked) {
                watcher = reload(&house, &mut loader, watcher);
            }
        }
    };
    std::thread::Builder::new().name("reload".to_owned()).spawn(follow)?;
    Ok(())
}

/// A wrong file changes nothing and says why; the next change of any of its files is tried again.
fn reload(house: &Arc<House>, loader: &mut Loader, watcher: Watcher) -> Watcher {
    let main = watcher.main.clone();
    let loaded = match loader.load(&main, &house.plugins()) {
        Ok(loaded) => loaded,
        Err(wrong) => {
            house.refused();
            fail(&format!(
                "configuration refused file={} generation={}",
                main.display(),
                house.generation()
            ));
            wrong.texts.iter().for_each(|text| fail(text.trim_end()));
            return watcher;
        }
    };
    let files = loaded.files.clone();
    match house.change(loaded) {
        Ok(()) => {
            say(&format!(
                "configuration applied file={} generation={}",
                main.display(),
                house.generation()
            ));
            Watcher::new(&main, &files)
        }
        Err(why) => {
            house.refused();
            fail(&format!(
                "configuration refused file={} generation={}\nerror: {why:#}",
                main.display(),
                house.generation()
            ));
            watcher
        }
    }
}
