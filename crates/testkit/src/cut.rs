//! A line between two programs that can be cut without either of them being told, as a network does it.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nothing comes through, and nobody is told.
    Cut,
    /// Connections are ended, and no new one comes through.
    Severed,
}

/// A port that leads to another one while the line is whole.
#[derive(Debug)]
pub struct Line {
    /// Where it listens.
    pub address: SocketAddr,
    state: watch::Sender<State>,
}

impl Line {
    /// Leads to `target`, on threads of its own.
    ///
    /// # Errors
    /// When no port is free.
    pub fn to(target: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (sender, state) = watch::channel(State::Whole);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                let mut ended = state.clone();
                let accepting = async {
                    while let Ok((client, _)) = listener.accept().await {
                        tokio::spawn(carry(client, target, state.clone()));
                    }
                };
                tokio::select! {
                    () = accepting => {}
                    // The line is gone for good with its owner.
                    _ = async { while ended.changed().await.is_ok() {} } => {}
                }
            });
        });
        Ok(Self { address, state: sender })
    }

    /// From now on nothing comes through, and nobody is told.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Ends every connection; new ones wait until the line is mended.
    pub fn sever(&self) {
        self.state.send_replace(State::Severed);
    }

    /// Everything comes through again, also what waited.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn carry(client: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    if state.wait_for(|state| *state == State::Whole).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut severed = state.clone();
    let there = pour(&mut from_client, &mut to_server, state.clone());
    let back = pour(&mut from_server, &mut to_client, state.clone());
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = severed.wait_for(|state| *state == State::Severed) => {}
    }
}

async fn pour(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        // A cut line carries no end either.
        if state.wait_for(|state| *state == State::Whole).await.is_err() {
            return;
        }
        let bytes = match read {
            Ok(0) | Err(_) => break,
            Ok(count) => buffer.get(..count).unwrap_or_default(),
        };
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
