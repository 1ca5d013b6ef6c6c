//! Streams of server-sent events that never end: who sends them, and who sees that none is broken and no event missing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Between two events of a stream.
const EVENT_EVERY: Duration = Duration::from_millis(50);

/// How long a stream may be silent before it counts as broken.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Sends numbered events to whoever asks, for as long as somebody reads.
pub(super) struct Source {
    address: SocketAddr,
}

impl Source {
    pub(super) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for events")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        Ok(Self { address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Whoever stops reading ends it.
fn serve(mut stream: TcpStream) -> Option<()> {
    let mut head = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    while head.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        .ok()?;
    for number in 0_u64.. {
        let event = format!("data: {number}\n\n");
        stream
            .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
            .ok()?;
        std::thread::sleep(EVENT_EVERY);
    }
    None
}

/// Open streams.
pub(super) struct Listeners {
    stop: Arc<AtomicBool>,
    events: Arc<AtomicU64>,
    threads: Vec<JoinHandle<bool>>,
}

/// What became of them.
pub(super) struct Heard {
    pub(super) broken: usize,
    pub(super) events: u64,
}

impl Listeners {
    /// Opens so many streams, each of which has begun.
    pub(super) fn open(gateway: SocketAddr, count: usize) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let events = Arc::new(AtomicU64::new(0));
        let mut threads = Vec::new();
        for _ in 0..count {
            let stream = begin(gateway)?;
            let (stop, events) = (Arc::clone(&stop), Arc::clone(&events));
            threads.push(std::thread::spawn(move || listen(stream, &stop, &events)));
        }
        Ok(Self { stop, events, threads })
    }

    /// Ends them and counts those that had ended by themselves, or had missed an event.
    pub(super) fn close(self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        let whole = self.threads.into_iter().filter_map(|thread| thread.join().ok());
        let broken = whole.filter(|is_whole| !is_whole).count();
        Heard {
            broken,
            events: self.events.load(Ordering::Relaxed),
        }
    }
}

fn begin(gateway: SocketAddr) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(gateway).context("the gateway does not listen")?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: bench\r\n\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "no stream of events: {line}");
    while reader.read_line(&mut line)? > 2 {}
    Ok(reader)
}

/// Reads chunks until told to stop; false when the stream ends first, or an event is missing.
fn listen(mut stream: BufReader<TcpStream>, stop: &AtomicBool, events: &AtomicU64) -> bool {
    let mut text = String::new();
    let mut expected = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let Some(chunk) = chunk(&mut stream) else { return false };
        text.push_str(&chunk);
        while let Some((event, rest)) = text.split_once("\n\n") {
            if event.strip_prefix("data: ").and_then(|number| number.parse().ok()) != Some(expected) {
                return false;
            }
            expected += 1;
            events.fetch_add(1, Ordering::Relaxed);
            text = rest.to_owned();
        }
    }
    true
}

fn chunk(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = String::new();
    stream.read_line(&mut length).ok()?;
    let length = u64::from_str_radix(length.trim(), 16)
        .ok()
        .filter(|length| *length > 0)?;
    let mut chunk = String::new();
    stream.by_ref().take(length + 2).read_to_string(&mut chunk).ok()?;
    Some(chunk.strip_suffix("\r\n")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_whole_until_their_source_is_gone() {
        let source = Source::start().unwrap();
        let listeners = Listeners::open(source.address(), 3).unwrap();
        while listeners.events.load(Ordering::Relaxed) < 6 {
            std::thread::yield_now();
        }
        let heard = listeners.close();
        assert_eq!(heard.broken, 0);
    }

    #[test]
    fn a_stream_that_ends_or_skips_an_event_is_broken() {
        for body in ["9\r\ndata: 0\n\n\r\n0\r\n\r\n", "9\r\ndata: 1\n\n\r\n"] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                stream
                    .write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes())
                    .unwrap();
            });
            let reader = begin(address).unwrap();
            assert!(!listen(reader, &AtomicBool::new(false), &AtomicU64::new(0)), "{body}");
        }
    }
}
