//! Who takes what the sink sends: there, not there, or silent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use super::State;

/// The other side of a sink, on an address that stays its own.
pub(super) struct Receiver {
    address: SocketAddr,
    lines: Arc<AtomicU64>,
    open: Option<Open>,
}

/// What listens now.
struct Open {
    ends: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    /// Nobody accepts from it.
    _silent: Option<TcpListener>,
}

impl Receiver {
    /// Takes what comes.
    pub(super) fn start(address: SocketAddr) -> Result<Self> {
        let lines = Arc::default();
        let mut receiver = Self {
            address,
            lines,
            open: None,
        };
        receiver.turn(State::There)?;
        Ok(receiver)
    }

    /// Lines that it has taken.
    pub(super) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Ends what it is, connections included, and begins anew.
    pub(super) fn turn(&mut self, state: State) -> Result<()> {
        if let Some(open) = self.open.take() {
            open.end(self.address);
        }
        if state == State::Refused {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address).context("the sink's port is somebody else's")?;
        let ends = Arc::new(AtomicBool::new(false));
        self.open = Some(match state {
            State::Silent => Open {
                ends,
                accepting: None,
                _silent: Some(listener),
            },
            _ => {
                let (lines, until) = (Arc::clone(&self.lines), Arc::clone(&ends));
                let accepting = thread::spawn(move || accept(&listener, &lines, &until));
                Open {
                    ends,
                    accepting: Some(accepting),
                    _silent: None,
                }
            }
        });
        Ok(())
    }
}

impl Open {
    fn end(self, address: SocketAddr) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(accepting) = self.accepting {
            // It looks up with the next connection.
            TcpStream::connect(address).ok();
            accepting.join().ok();
        }
    }
}

fn accept(listener: &TcpListener, lines: &Arc<AtomicU64>, ends: &Arc<AtomicBool>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let (lines, ends) = (Arc::clone(lines), Arc::clone(ends));
        thread::spawn(move || while !ends.load(Ordering::Relaxed) && take(&stream, &lines).is_some() {});
    }
}

/// Takes one thing that was posted and says yes; none at the end.
fn take(stream: &TcpStream, lines: &AtomicU64) -> Option<()> {
    // Who sends waits for the answer, so nothing of the next is read here.
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let taken = body.iter().filter(|byte| **byte == b'\n').count();
    lines.fetch_add(taken as u64, Ordering::Relaxed);
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}
