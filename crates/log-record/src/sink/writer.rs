//! The writer thread: takes batches, writes them, and survives whatever the sink does.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::SystemTime;

use super::{Counters, Parcel, SinkFault, Target};
use crate::record::write_gap;

pub(super) enum Sink {
    Stdout(io::Stdout),
    File { file: File, path: PathBuf },
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    pub(super) fn open(target: Target) -> Result<Option<Self>, SinkFault> {
        Ok(match target {
            Target::Stdout => Some(Self::Stdout(io::stdout())),
            Target::File(path) => {
                let file = append(&path).map_err(|source| SinkFault::File {
                    path: path.clone(),
                    source,
                })?;
                Some(Self::File { file, path })
            }
            Target::Writer(writer) => Some(Self::Writer(writer)),
            Target::Off => None,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => {
                let mut lock = stdout.lock();
                lock.write_all(bytes)?;
                lock.flush()
            }
            Self::File { file, .. } => file.write_all(bytes),
            Self::Writer(writer) => {
                writer.write_all(bytes)?;
                writer.flush()
            }
        }
    }

    fn reopen(&mut self) {
        if let Self::File { file, path } = self {
            // When the path no longer opens, the old file is better than none.
            if let Ok(fresh) = append(path) {
                *file = fresh;
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

pub(super) struct Writer {
    sink: Sink,
    parcels: Receiver<Parcel>,
    counters: Arc<Counters>,
    /// Lost lines that a gap line has told of already.
    told: u64,
}

impl Writer {
    pub(super) fn new(sink: Sink, parcels: Receiver<Parcel>, counters: Arc<Counters>) -> Self {
        Self {
            sink,
            parcels,
            counters,
            told: 0,
        }
    }

    /// Runs until told to stop or until every sender is gone.
    pub(super) fn run(mut self) {
        while let Ok(parcel) = self.parcels.recv() {
            match parcel {
                Parcel::Lines { bytes, count } => {
                    self.write_gap();
                    self.write_lines(&bytes, count);
                }
                Parcel::Reopen => self.sink.reopen(),
                Parcel::Stop => break,
            }
        }
        self.write_gap();
    }

    fn write_lines(&mut self, bytes: &[u8], count: u64) {
        // A closed pipe answers EPIPE, for Rust's runtime ignores SIGPIPE. Trying again with each batch costs one failing call,
        // and a named pipe may find a new reader.
        let counter = match self.sink.write(bytes) {
            Ok(()) => &self.counters.written,
            Err(_) => &self.counters.failed,
        };
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// Tells in the log itself that lines are missing, so that a reader of the file alone knows.
    fn write_gap(&mut self) {
        let lost = self.counters.dropped.load(Ordering::Relaxed) + self.counters.failed.load(Ordering::Relaxed);
        if lost == self.told {
            return;
        }
        let mut line = Vec::new();
        write_gap(SystemTime::now(), lost - self.told, &mut line);
        line.push(b'\n');
        if self.sink.write(&line).is_ok() {
            self.told = lost;
        }
    }
}
