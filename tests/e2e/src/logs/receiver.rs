//! Those to whom sinks send: an HTTP server that can be late, on a thread of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

use anyhow::{Context, Result};

/// Takes what is posted to it and says yes; ends with the test.
pub(super) struct Receiver {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Receiver {
    /// On a port that the system chooses.
    pub(super) fn start() -> Result<Self> {
        Self::over(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?)
    }

    /// On a port that was somebody's before.
    pub(super) fn at(port: u16) -> Result<Self> {
        Self::over(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?)
    }

    fn over(listener: TcpListener) -> Result<Self> {
        let address = listener.local_addr()?;
        let bodies = Arc::new(Mutex::default());
        let kept = Arc::clone(&bodies);
        std::thread::Builder::new().name("receiver".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    // The other side's end is the end.
                    let _ = serve(&stream, &kept);
                });
            }
        })?;
        Ok(Self { address, bodies })
    }

    /// Where sinks post to.
    pub(super) fn url(&self) -> String {
        format!("http://{}/take", self.address)
    }

    /// What came, in the order in which it did.
    pub(super) fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().clone()
    }

    /// All of it as text, each piece with a line's end.
    pub(super) fn text(&self) -> String {
        let bodies = self.bodies();
        bodies
            .iter()
            .map(|body| String::from_utf8_lossy(body).trim_end().to_owned() + "\n")
            .collect()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Vec<u8>>>) -> Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(body) = post(&mut reader)? {
        kept.lock().push(body);
    }
    Ok(())
}

/// Reads one thing that was sent, and answers where that is done; none at the end.
fn post(reader: &mut BufReader<&TcpStream>) -> Result<Option<Vec<u8>>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = Some(value.trim().parse()?);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length.context("no length")?];
    reader.read_exact(&mut body)?;
    reader
        .get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    Ok(Some(body))
}
