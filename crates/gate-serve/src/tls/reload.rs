//! Notices changed certificate files and takes them over; a bad new file leaves the old certificates in force.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use gate_plan::{ClientCertificates, ServerTls};

use super::{Loaded, TlsDoor, TlsFault};
use crate::door::{Door, Doors};

/// What tells one state of a file from another. A Kubernetes secret is a symlink that is swapped, so the inode behind it changes
/// although its time may not; an editor that writes in place changes time or size. Absent for a file that is not there.
pub(super) type Fingerprint = Option<(u64, u64, u64, i64, i64)>;

/// What became of changed certificate files.
#[derive(Debug)]
pub struct CertificateNews {
    /// Name of the listener.
    pub listener: String,
    /// Why the old certificates stay in force, when they do.
    pub result: Result<(), TlsFault>,
}

pub(super) fn fingerprints(files: &ServerTls) -> Vec<Fingerprint> {
    let authorities = match &files.client_certificates {
        ClientCertificates::None => None,
        ClientCertificates::Optional { authorities } | ClientCertificates::Required { authorities } => {
            Some(authorities.as_path())
        }
    };
    let pairs = files
        .certificates
        .iter()
        .flat_map(|pair| [pair.chain.as_path(), pair.key.as_path()]);
    pairs.chain(authorities).map(fingerprint).collect()
}

fn fingerprint(file: &Path) -> Fingerprint {
    let data = std::fs::metadata(file).ok()?;
    Some((data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
}

impl TlsDoor {
    /// Reads the files again if they changed since they were last read. None when they did not.
    ///
    /// A chain and its key are two files: between their two changes they do not match, which is told once and ends with the second.
    pub(crate) fn refresh(&self) -> Option<Result<(), TlsFault>> {
        let mut seen = self.seen.lock();
        let now = fingerprints(&self.files);
        if *seen == now {
            return None;
        }
        *seen = now;
        Some(Loaded::read(&self.files, self.speech).map(|loaded| self.loaded.store(Arc::new(loaded))))
    }
}

/// Looks at all doors once, and counts what it finds.
pub(crate) fn refresh(doors: &[Arc<Door>]) -> Vec<CertificateNews> {
    let look = |door: &Arc<Door>| {
        let settings = door.settings();
        let result = settings.tls()?.refresh()?;
        let count = match result {
            Ok(()) => &door.tally().certificates_applied,
            Err(_) => &door.tally().certificates_refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        Some(CertificateNews {
            listener: settings.spec().name.clone(),
            result,
        })
    };
    doors.iter().filter_map(look).collect()
}

/// A thread that looks at certificate files every now and then. Ends when dropped, or when the workers are gone.
#[derive(Debug)]
pub struct CertificateWatch {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CertificateWatch {
    pub(crate) fn start(
        doors: Weak<Doors>,
        period: Duration,
        report: impl Fn(CertificateNews) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let watch = move || {
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let Some(doors) = doors.upgrade() else { return };
                refresh(&doors.load()).into_iter().for_each(&report);
            }
        };
        let thread = std::thread::Builder::new().name("certificates".into()).spawn(watch)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for CertificateWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was written to stderr by the panic hook; nothing else is left of it.
            let _ = thread.join();
        }
    }
}
