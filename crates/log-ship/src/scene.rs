//! What the tests of several files stand on: records, frames, ears, and waiting with a deadline.

pub(crate) mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::format::Format;
use crate::queue::{BatchLimits, QueueLimits};
use crate::record::{Class, Level, Record, Selection};
use crate::sink::Frame;
use crate::tally::Tally;

/// Waits for a condition, and fails when it does not come.
pub(crate) fn until(what: &str, mut comes: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !comes() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::yield_now();
    }
}

/// A record whose line says its number.
pub(crate) fn record(sequence: u64, level: Level) -> Arc<Record> {
    Arc::new(Record {
        sequence,
        time_ns: 1_795_437_296_000_000_000 + sequence,
        level,
        class: Class::Access,
        line: format!(r#"{{"n":{sequence},"text":"é \" \\ \u0007"}}"#)
            .into_bytes()
            .into(),
    })
}

/// Records with numbers from a range.
pub(crate) fn records(numbers: impl IntoIterator<Item = u64>) -> Vec<Arc<Record>> {
    numbers.into_iter().map(|number| record(number, Level::Info)).collect()
}

/// A frame that is quick.
pub(crate) fn frame(name: &str) -> Frame {
    Frame {
        name: name.to_owned(),
        selection: Selection::default(),
        format: Format::Json,
        queue: QueueLimits::default(),
        batch: BatchLimits {
            linger: Duration::from_millis(1),
            records_max: 100,
            ..BatchLimits::default()
        },
        retry: (Duration::from_millis(1), Duration::from_millis(20)),
        spool: None,
        durable: true,
        listener: Arc::new(|_| {}),
    }
}

/// The same with somebody who remembers what is said.
pub(crate) fn heard(mut frame: Frame) -> (Frame, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    frame.listener = Arc::new(move |notice| ears.lock().push(format!("{:?}: {}", notice.kind, notice.text)));
    (frame, heard)
}

/// The law of counts.
pub(crate) fn assert_exact(tally: &Tally) {
    assert_eq!(
        tally.accepted,
        tally.delivered + tally.dropped() + tally.held + tally.left,
        "{tally:?}"
    );
}
