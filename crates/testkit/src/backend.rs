//! A scripted upstream: it answers as it was told and remembers every request exactly.

mod http1;
mod http2;
mod bytes_only;
mod record;
mod reply;
mod shared;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot;

use shared::Shared;

pub use record::{Record, RecordEnd};
pub use reply::{Reply, Step};

/// What a backend speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge; what gRPC needs.
    Http2,
    /// Bytes: what comes is recorded and sent back.
    Bytes,
}

/// A running upstream on a thread of its own, so that it answers while a test blocks. Dropped, it closes everything.
///
/// A request is answered by the next queued reply, else by the one for its path (without the query), else by the
/// default: 200 with the body `hello from NAME`.
#[derive(Debug)]
pub struct Backend {
    /// Name, which the default reply says.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

impl Backend {
    /// Starts an upstream on a port that the system chooses.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start(name: &str, speaks: Speaks) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(name));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(format!("backend {name}"))
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = accept(listener, speaks, serving) => {}
                    }
                });
            })?;
        Ok(Self {
            name: name.to_owned(),
            address,
            shared,
            _stop: stop,
        })
    }

    /// Answers requests for a path in this way.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().by_path.insert(path.to_owned(), reply);
    }

    /// Answers the next request that is not answered yet in this way, whatever its path.
    pub fn queue(&self, reply: Reply) {
        self.shared.replies.lock().queue.push_back(reply);
    }

    /// Lets one reply pass its [`Step::Wait`] of this name, now or when it comes to it.
    pub fn release(&self, gate: &str) {
        self.shared.gate(gate).add_permits(1);
    }

    /// Forgets replies, records and gates; connections stay.
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// All requests since the start or the last [`Backend::clear`].
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.shared.records.lock().all.clone()
    }

    /// The requests since the last time this was asked; they are forgotten.
    #[must_use]
    pub fn take_records(&self) -> Vec<Record> {
        self.shared.take_records()
    }

    /// Waits until `judge` makes something of the records.
    ///
    /// # Errors
    /// When it makes nothing of them by the deadline; the error shows them.
    pub async fn until<T>(&self, deadline: Duration, judge: impl Fn(&[Record]) -> Option<T>) -> Result<T> {
        let mut changes = self.shared.changes.subscribe();
        let search = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = judge(&self.shared.records.lock().all) {
                    return found;
                }
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(deadline, search).await.with_context(|| {
            format!(
                "backend `{}` did not see what was waited for: {:#?}",
                self.name,
                self.records()
            )
        })
    }
}

async fn accept(listener: TcpListener, speaks: Speaks, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let mut connection = 0;
    while let Ok((stream, peer)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        connection += 1;
        let caller = record::Caller { connection, peer };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // What a peer does wrong is in the record; there is nobody else to tell.
            let _ = match speaks {
                Speaks::Http1 => http1::serve(stream, caller, &shared).await,
                Speaks::Http2 => http2::serve(stream, caller, shared).await,
                Speaks::Bytes => bytes_only::serve(stream, caller, &shared).await,
            };
        });
    }
}

#[cfg(test)]
mod tests;
