//! A port that was free a moment ago, for programs that cannot be told port 0.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// A loopback port that nothing listens on. Another program may take it before the caller does: give port 0 to whatever
/// can say which port it got, and start again where this one was taken.
///
/// # Errors
/// When no port is free.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr().context("no local address")?.port())
}
