//! Changes in folders, told by the system within milliseconds (inotify).

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;

use crate::fault::{Result, StoreFault};

/// LIMIT: folders that are watched at a time; files in others are seen where somebody looks at them.
const FOLDERS_MAX: usize = 1024;
/// LIMIT: bytes of events that are read at a time.
const EVENTS_BYTES: usize = 4096;

/// What matters: a file that was written to its end, one that was moved here or went, and a link that leads elsewhere, as it does for a `ConfigMap` of
/// Kubernetes. Not each write, nor a file that was just
/// begun: nobody shall read one that is half written.
fn what_matters() -> WatchFlags {
    WatchFlags::CLOSE_WRITE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
}

/// Folders whose changes are told.
pub(crate) struct Folders {
    /// What the system tells is read like a pipe. What it says of each event does not matter here: that there is one, does.
    told: Receiver,
    /// By the numbers that the system gives them.
    watched: Mutex<BTreeSet<i32>>,
}

impl Folders {
    /// Needs a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self {
            told: Receiver::from_owned_fd_unchecked(descriptor)?,
            watched: Mutex::default(),
        })
    }

    /// Watches every folder whose change may change one of these files, and no other. What cannot be watched is left out.
    pub(crate) fn follow(&self, files: &[PathBuf]) {
        let mut watched = self.watched.lock();
        let folders: BTreeSet<PathBuf> = files.iter().flat_map(|file| folders_of(file)).collect();
        // Watched anew each time: where a folder was replaced, another one is found.
        let folders = folders.into_iter().take(FOLDERS_MAX);
        let found = folders.filter_map(|folder| inotify::add_watch(&self.told, &folder, what_matters()).ok());
        let found: BTreeSet<i32> = found.collect();
        for old in watched.difference(&found) {
            // It is gone with its folder, or goes now.
            let _ = inotify::remove_watch(&self.told, *old);
        }
        *watched = found;
    }

    /// Ends when something has changed.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        let mut buffer = [0; EVENTS_BYTES];
        loop {
            self.told.readable().await?;
            let mut some = false;
            loop {
                match self.told.try_read(&mut buffer) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Ok(_) => some = true,
                    Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                    Err(why) if why.kind() == ErrorKind::Interrupted => {}
                    Err(why) => return Err(why),
                }
            }
            if some {
                return Ok(());
            }
        }
    }
}

/// The folder of a file, and those in which links stand on the way to it.
fn folders_of(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        Some(parent) => Some(parent.to_owned()),
        None => None,
    };
    let mut folders: Vec<PathBuf> = parent(file).into_iter().collect();
    let mut so_far = PathBuf::new();
    for component in file.components() {
        so_far.push(component);
        let is_link = matches!(component, Component::Normal(_))
            && std::fs::symlink_metadata(&so_far).is_ok_and(|about| about.is_symlink());
        if is_link {
            folders.extend(parent(&so_far));
            // Where the link of a ConfigMap leads, another link follows.
            let target = std::fs::read_link(&so_far).ok();
            let there = target.zip(parent(&so_far)).map(|(target, here)| here.join(target));
            folders.extend(there.and_then(|there| parent(&there)));
        }
    }
    folders
}

/// Rings when files change. A thread of its own, until it is dropped.
pub struct Bell {
    folders: Arc<Folders>,
    stop: Arc<Notify>,
}

impl Bell {
    /// Rings by `ring`, which must return at once.
    ///
    /// # Errors
    /// When the system gives no thread, or tells nothing of files.
    pub fn start(ring: impl Fn() + Send + 'static) -> Result<Self> {
        let failed = |why: io::Error| StoreFault::Thread(why.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.map_err(failed)?;
        let folders = {
            let _inside = runtime.enter();
            Arc::new(Folders::new().map_err(failed)?)
        };
        let stop = Arc::new(Notify::new());
        let (told, stopped) = (Arc::clone(&folders), Arc::clone(&stop));
        let listen = move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        () = stopped.notified() => return,
                        changed = told.changed() => match changed {
                            Ok(()) => ring(),
                            Err(_) => return,
                        },
                    }
                }
            });
        };
        std::thread::Builder::new()
            .name(String::from("files"))
            .spawn(listen)
            .map_err(failed)?;
        Ok(Self { folders, stop })
    }

    /// Rings for these files from now on, and for no other before long.
    pub fn follow(&self, files: &[PathBuf]) {
        self.folders.follow(files);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn bell(files: &[PathBuf]) -> (Bell, Receiver<()>) {
        let (ring, rings) = sync_channel(1);
        let bell = Bell::start(move || ring.try_send(()).unwrap_or_default()).unwrap();
        bell.follow(files);
        (bell, rings)
    }

    #[test]
    fn a_file_that_is_renamed_over_another_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, "old").unwrap();
        let (_bell, rings) = bell(std::slice::from_ref(&file));
        let elsewhere = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
        let aside = elsewhere.path().join("next");
        fs::write(&aside, "new").unwrap();
        fs::rename(&aside, &file).unwrap();
        rings.recv_timeout(DEADLINE).expect("the rename is told");
    }

    #[test]
    fn a_config_map_of_kubernetes_that_is_swapped_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..v1", "..v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("gateway.yaml"), version).unwrap();
        }
        symlink("..v1", at("..data")).unwrap();
        symlink("..data/gateway.yaml", at("gateway.yaml")).unwrap();
        let (_bell, rings) = bell(&[at("gateway.yaml")]);
        symlink("..v2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        rings.recv_timeout(DEADLINE).expect("the swap is told");
        assert_eq!(fs::read_to_string(at("gateway.yaml")).unwrap(), "..v2");
    }

    #[test]
    fn a_folder_behind_a_link_that_is_swapped_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            fs::create_dir_all(at(version).join("deep")).unwrap();
            fs::write(at(version).join("deep/module.wasm"), version).unwrap();
        }
        symlink("v1", at("current")).unwrap();
        symlink("v2", at("next")).unwrap();
        let (_bell, rings) = bell(&[at("current/deep/module.wasm")]);
        fs::rename(at("next"), at("current")).unwrap();
        rings.recv_timeout(DEADLINE).expect("the swap is told");
    }
}
