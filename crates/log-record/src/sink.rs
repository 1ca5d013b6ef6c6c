//! The way of access lines out of the process: buffers on the workers, one writer thread, nothing that ever waits for a slow sink.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::record::Record;

mod writer;

/// LIMIT: bytes that a worker collects before it hands them over.
const BATCH_BYTES: usize = 32 * 1024;
/// LIMIT: batches waiting for the writer thread, over all workers: 8 MiB of lines; beyond it lines are dropped and counted.
const BATCHES_MAX: usize = 256;
/// How often a worker hands over what it has, so that a quiet gateway's lines appear soon.
pub const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// Where access lines go.
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, opened for appending and created if missing.
    File(PathBuf),
    /// Any writer; for tests and embedding.
    Writer(Box<dyn Write + Send>),
    /// Nowhere; records are not even encoded.
    Off,
}

/// Why a sink is not able to start.
#[derive(Debug, thiserror::Error)]
pub enum SinkFault {
    /// The file does not open.
    #[error("access log file `{path}` does not open: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No thread.
    #[error("the access log's writer thread does not start: {0}")]
    Thread(io::Error),
}

/// The process's access log.
pub struct AccessSink {
    lane: Option<SyncSender<Parcel>>,
    counters: Arc<Counters>,
    ended: Option<Receiver<()>>,
}

/// What has become of access lines so far. Each line ends in exactly one of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Lines that the sink took.
    pub written: u64,
    /// Lines dropped because the writer thread was behind.
    pub dropped: u64,
    /// Lines lost because the sink refused them, as a closed pipe does.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

enum Parcel {
    Lines { bytes: Vec<u8>, count: u64 },
    Reopen,
    Stop,
}

impl AccessSink {
    /// Opens the target and starts the writer thread.
    pub fn start(target: Target) -> Result<Self, SinkFault> {
        let counters = Arc::new(Counters::default());
        let Some(sink) = writer::Sink::open(target)? else {
            return Ok(Self {
                lane: None,
                counters,
                ended: None,
            });
        };
        let (lane, parcels) = sync_channel(BATCHES_MAX);
        let (end, ended) = sync_channel(1);
        let writer = writer::Writer::new(sink, parcels, Arc::clone(&counters));
        std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || {
                writer.run();
                // The other side may have stopped waiting.
                let _ = end.try_send(());
            })
            .map_err(SinkFault::Thread)?;
        Ok(Self {
            lane: Some(lane),
            counters,
            ended: Some(ended),
        })
    }

    /// A buffer for one worker.
    pub fn buffer(&self) -> AccessBuffer {
        AccessBuffer {
            lane: self.lane.clone(),
            counters: Arc::clone(&self.counters),
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// Opens the file anew, after it was moved away by log rotation. Lines handed over before still go to the old one.
    pub fn reopen(&self) {
        if let Some(lane) = &self.lane {
            // A full queue means that the writer is stuck; whoever rotates logs will ask again.
            let _ = lane.try_send(Parcel::Reopen);
        }
    }

    /// What has become of the lines so far.
    pub fn tally(&self) -> Tally {
        Tally {
            written: self.counters.written.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }

    /// Writes what was handed over and ends the writer thread; waits no longer than `wait`, for a pipe may never be read again.
    /// Says whether everything was written in time. Buffers flushed afterwards drop their lines.
    pub fn stop(mut self, wait: Duration) -> bool {
        let (Some(lane), Some(ended)) = (self.lane.take(), self.ended.take()) else {
            return true;
        };
        let mut stop = Parcel::Stop;
        let started = std::time::Instant::now();
        loop {
            match lane.try_send(stop) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => break,
                Err(TrySendError::Full(back)) if started.elapsed() < wait => stop = back,
                Err(TrySendError::Full(_)) => return false,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        !matches!(
            ended.recv_timeout(wait.saturating_sub(started.elapsed())),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

/// A worker's end of the access log. Nothing in it waits.
pub struct AccessBuffer {
    lane: Option<SyncSender<Parcel>>,
    counters: Arc<Counters>,
    bytes: Vec<u8>,
    count: u64,
}

impl AccessBuffer {
    /// Encodes a record; hands the buffer over when it is full enough.
    pub fn write(&mut self, record: &Record<'_>) {
        if self.lane.is_none() {
            return;
        }
        if self.bytes.capacity() == 0 {
            // Lines are about 0.5 KiB: the last one rarely makes the buffer grow.
            self.bytes.reserve(BATCH_BYTES + 2048);
        }
        record.write_json(&mut self.bytes);
        self.bytes.push(b'\n');
        self.count += 1;
        if self.bytes.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Hands over what there is; the worker calls it every [`FLUSH_EVERY`] and when it stops.
    pub fn flush(&mut self) {
        let Some(lane) = &self.lane else { return };
        if self.bytes.is_empty() {
            return;
        }
        let parcel = Parcel::Lines {
            bytes: std::mem::take(&mut self.bytes),
            count: std::mem::take(&mut self.count),
        };
        if let Err(
            TrySendError::Full(Parcel::Lines { mut bytes, count })
            | TrySendError::Disconnected(Parcel::Lines { mut bytes, count }),
        ) = lane.try_send(parcel)
        {
            self.counters.dropped.fetch_add(count, Ordering::Relaxed);
            bytes.clear();
            self.bytes = bytes;
        }
    }
}

impl Drop for AccessBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests;
