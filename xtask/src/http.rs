//! Just enough HTTP to ask a server on this machine something.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// An answer without its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
}

impl Answer {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(':'));
        pairs
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    fn is_last(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The answer to `GET path`; none when there is none.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<Answer> {
    let request = request("GET", path, &[("connection", "close")], "");
    Connection::new(address, ANSWER_WAIT).ask(&request).ok()
}

/// A request as it is on the wire.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("content-length: {}\r\n", body.len());
    }
    text += "\r\n";
    text += body;
    text.into_bytes()
}

/// A connection that is kept, and opened again when the server has ended it.
pub(crate) struct Connection {
    address: SocketAddr,
    wait: Duration,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// Waits so long at most for each part of an answer; opens nothing yet.
    pub(crate) fn new(address: SocketAddr, wait: Duration) -> Self {
        Self {
            address,
            wait,
            stream: None,
        }
    }

    /// Sends a request and reads its answer to the end.
    ///
    /// # Errors
    /// When no whole answer came in time; the next request then goes over a new connection.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.open()?,
        };
        stream.get_mut().write_all(request)?;
        let answer = read_head(&mut stream)?;
        skip_body(&answer, &mut stream)?;
        if !answer.is_last() {
            self.stream = Some(stream);
        }
        Ok(answer)
    }

    fn open(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect_timeout(&self.address, self.wait)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.wait))?;
        Ok(BufReader::new(stream))
    }
}

fn read_head(stream: &mut impl BufRead) -> io::Result<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
    }
    let head = head.trim_end().to_owned();
    let code = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    match code.and_then(|code| code.parse().ok()) {
        Some(status) => Ok(Answer { status, head }),
        None => Err(io::Error::other(format!("no answer of HTTP/1.1: {head}"))),
    }
}

/// Reads the body away: by its length, by its chunks, or to the end of the connection.
fn skip_body(answer: &Answer, stream: &mut impl BufRead) -> io::Result<()> {
    let skip = |stream: &mut dyn BufRead, length: u64| -> io::Result<()> {
        match io::copy(&mut stream.take(length), &mut io::sink())? {
            read if read == length => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    };
    if answer.header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            skip(stream, length + 2)?;
            if length == 0 {
                return Ok(());
            }
        }
    }
    match answer.header("content-length").map(str::parse) {
        Some(length) => skip(stream, length.map_err(io::Error::other)?),
        None if answer.is_last() => io::copy(stream, &mut io::sink()).map(drop),
        None => Err(io::Error::other("an answer without an end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> io::Result<(u16, String)> {
        let mut stream = bytes.as_bytes();
        let answer = read_head(&mut stream)?;
        skip_body(&answer, &mut stream)?;
        Ok((answer.status, String::from_utf8_lossy(stream).into_owned()))
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_no_further() {
        let by_length = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP").unwrap();
        assert_eq!(by_length, (200, String::from("HTTP")));
        let by_chunks = "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nnext";
        assert_eq!(read(by_chunks).unwrap(), (503, String::from("next")));
        let by_end = read("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it").unwrap();
        assert_eq!(by_end, (200, String::new()));
    }

    #[test]
    fn half_an_answer_is_none() {
        for half in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "SMTP\r\n\r\n",
        ] {
            assert!(read(half).is_err(), "{half}");
        }
    }
}
