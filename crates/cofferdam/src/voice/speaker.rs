//! The one thread that writes to standard error: whoever reads there slowly, or not at all, holds up no worker.

use std::io::Write;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// LIMIT: texts waiting to be written.
const TEXTS_MAX: usize = 65_536;
/// LIMIT: how long the process waits at its end for its last words to be read.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// Of the process, as standard error is.
pub(super) static SPEAKER: LazyLock<Speaker> = LazyLock::new(Speaker::start);

enum Message {
    Text(String),
    Finish(SyncSender<()>),
}

/// Hands texts to the thread that writes them.
pub(super) struct Speaker {
    messages: SyncSender<Message>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Tally {
    /// Bytes that wait.
    bytes: AtomicUsize,
    /// Lines that nobody will read, since it was last said.
    lost: AtomicU64,
}

impl Speaker {
    fn start() -> Self {
        let (messages, waiting) = sync_channel(TEXTS_MAX);
        let tally = Arc::new(Tally::default());
        let told = Arc::clone(&tally);
        let thread = std::thread::Builder::new().name("voice".to_owned());
        // Without a thread every text is lost; a process that has none left for this has other troubles.
        let _ = thread.spawn(move || speak(&waiting, &told));
        Self { messages, tally }
    }

    /// Says a text, unless as many wait as may wait at all.
    pub(super) fn say(&self, text: String) {
        self.offer(text, usize::MAX);
    }

    /// Says a text unless `bytes_max` bytes wait already; false when it is lost.
    pub(super) fn offer(&self, text: String, bytes_max: usize) -> bool {
        let size = text.len();
        let waiting = self.tally.bytes.fetch_add(size, Ordering::Relaxed);
        if waiting.saturating_add(size) <= bytes_max && self.messages.try_send(Message::Text(text)).is_ok() {
            return true;
        }
        self.tally.bytes.fetch_sub(size, Ordering::Relaxed);
        self.tally.lost.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Waits until all that was said is written, or nobody reads it.
    pub(super) fn finish(&self) {
        let (done, written) = sync_channel(1);
        if self.messages.try_send(Message::Finish(done)).is_ok() {
            let _ = written.recv_timeout(FINISH_MAX);
        }
    }
}

fn speak(waiting: &Receiver<Message>, tally: &Tally) {
    for message in waiting {
        match message {
            Message::Text(text) => {
                write(&text);
                tally.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            }
            Message::Finish(done) => drop(done.try_send(())),
        }
        let lost = tally.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            write(&format!(
                "plugin lines lost={lost}; standard error is not read fast enough\n"
            ));
        }
    }
}

/// A closed standard error is no reason to stop.
fn write(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
