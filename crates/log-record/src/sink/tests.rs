//! Sinks that work, block, break and rotate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use parking_lot::Mutex;

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn record(path: &str) -> Record<'_> {
    Record {
        listener: "web".into(),
        path: path.as_bytes().into(),
        ..Record::default()
    }
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock();
        std::str::from_utf8(&bytes)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A sink that takes nothing until the gate is opened.
struct Gate {
    page: Page,
    open: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.open.recv();
        self.page.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_of_several_workers_arrive_whole() {
    let page = Page::default();
    let sink = AccessSink::start(Target::Writer(Box::new(page.clone()))).unwrap();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let mut buffer = sink.buffer();
            std::thread::spawn(move || {
                for number in 0..500 {
                    buffer.write(&record(&format!("/{number}")));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    assert!(sink.stop(LONG));
    assert_eq!(page.lines().len(), 1500);
}

#[test]
fn a_full_batch_is_handed_over_without_being_asked() {
    let page = Page::default();
    let sink = AccessSink::start(Target::Writer(Box::new(page.clone()))).unwrap();
    let mut buffer = sink.buffer();
    while buffer.count > 0 || buffer.bytes.capacity() == 0 {
        buffer.write(&record("/"));
    }
    assert!(sink.stop(LONG));
    assert!(page.0.lock().len() >= BATCH_BYTES);
}

#[test]
fn a_stuck_sink_never_stops_a_worker_and_every_lost_line_is_counted() {
    let (open, gate) = sync_channel(0);
    let page = Page::default();
    let sink = AccessSink::start(Target::Writer(Box::new(Gate {
        page: page.clone(),
        open: gate,
    })))
    .unwrap();
    let mut buffer = sink.buffer();
    let total = u64::try_from(BATCHES_MAX).unwrap() + 40;
    for _ in 0..total {
        buffer.write(&record("/"));
        buffer.flush();
    }
    let dropped = sink.tally().dropped;
    // One batch may be in the writer's hands, besides those in the queue.
    assert!((39..=40).contains(&dropped), "dropped {dropped}");
    drop(open);
    drop(buffer);
    let counters = Arc::clone(&sink.counters);
    assert!(sink.stop(LONG));
    assert_eq!(counters.written.load(Ordering::Relaxed) + dropped, total);
    let told: u64 = page
        .lines()
        .iter()
        .filter_map(|line| line["cofferdam.records_dropped"].as_u64())
        .sum();
    assert_eq!(told, dropped);
}

#[test]
fn a_broken_pipe_kills_nothing_and_is_counted() {
    let sink = AccessSink::start(Target::Writer(Box::new(Broken))).unwrap();
    let mut buffer = sink.buffer();
    let counters = Arc::clone(&sink.counters);
    for _ in 0..3 {
        buffer.write(&record("/"));
        buffer.flush();
    }
    drop(buffer);
    assert!(sink.stop(LONG));
    assert_eq!(counters.failed.load(Ordering::Relaxed), 3);
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let (open, gate) = sync_channel(0);
    let sink = AccessSink::start(Target::Writer(Box::new(Gate {
        page: Page::default(),
        open: gate,
    })))
    .unwrap();
    let mut buffer = sink.buffer();
    buffer.write(&record("/"));
    buffer.flush();
    assert!(!sink.stop(Duration::from_millis(20)));
    drop(open);
}

#[test]
fn a_file_is_appended_to_and_opened_anew_after_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.json");
    std::fs::write(&path, "before\n").unwrap();
    let sink = AccessSink::start(Target::File(path.clone())).unwrap();
    let mut buffer = sink.buffer();
    buffer.write(&record("/old"));
    buffer.flush();
    while sink.tally().written < 1 {
        std::thread::yield_now();
    }
    std::fs::rename(&path, folder.path().join("access.json.1")).unwrap();
    sink.reopen();
    buffer.write(&record("/new"));
    drop(buffer);
    assert!(sink.stop(LONG));
    let old = std::fs::read_to_string(folder.path().join("access.json.1")).unwrap();
    let new = std::fs::read_to_string(&path).unwrap();
    assert!(
        old.starts_with("before\n") && old.contains("/old") && !old.contains("/new"),
        "{old}"
    );
    assert!(new.contains("/new") && !new.contains("/old"), "{new}");
}

#[test]
fn a_file_that_does_not_open_is_named() {
    let fault = AccessSink::start(Target::File("/no/such/folder/access.json".into()))
        .err()
        .unwrap();
    assert!(
        fault
            .to_string()
            .starts_with("access log file `/no/such/folder/access.json` does not open: "),
        "{fault}"
    );
}

#[test]
fn nothing_is_encoded_when_the_log_is_off() {
    let sink = AccessSink::start(Target::Off).unwrap();
    let mut buffer = sink.buffer();
    buffer.write(&record("/"));
    assert_eq!(buffer.bytes.capacity(), 0);
    drop(buffer);
    assert!(sink.stop(Duration::ZERO));
}
