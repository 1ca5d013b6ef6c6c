//! What a gateway says of itself on its admin listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};

use crate::command::last_lines;

/// The page `/metrics`, with its head.
pub(super) fn read(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin).context("the admin listener is gone")?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("no metrics")?;
    ensure!(text.starts_with("HTTP/1.1 200"), "no metrics: {}", last_lines(&text, 3));
    Ok(text)
}

/// The sum of the values whose name and labels begin so.
pub(super) fn total(metrics: &str, beginning: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(beginning));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .fold(0.0, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_by_their_beginning() {
        let text = "a{plugin=\"x\",code=\"one\"} 2\na{plugin=\"x\",code=\"two\"} 3\na{plugin=\"y\"} 9\n";
        assert_eq!(total(text, "a{plugin=\"x\""), 5.0);
        assert_eq!(total(text, "b"), 0.0);
    }
}
