//! A place where LLDB can attach: one listening socket and a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener as Bound};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::desk::{Desk, Seat};
use crate::image::Image;
use crate::session;

/// LIMIT: how long the end waits for a client to read that it is the end.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
/// How long it waits when the system gives it no connection: too many files are open.
const AGAIN: Duration = Duration::from_millis(100);

/// Who may attach. A client of the debugger reads everything that the guest can, so it is nobody from elsewhere unless that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Programs of this machine.
    Loopback,
    /// Whoever reaches the address.
    Anywhere,
}

/// Why nobody can attach.
#[derive(Debug, Error)]
pub enum Fault {
    /// The address is not one of this machine alone.
    #[error(
        "`{0}` can be reached from elsewhere, and a debugger's client reads all that a plugin can\n  hint: 127.0.0.1 is the address for LLDB on this machine"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("no debugger can attach at `{0}`: {1}")]
    NotBound(SocketAddr, io::Error),
}

/// A place where LLDB can attach; it ends when the last one that has it lets go.
pub struct Debugger {
    desk: Arc<Desk>,
    address: SocketAddr,
    image: watch::Sender<Image>,
}

impl Debugger {
    /// Listens at `address` for somebody who wants to see `image` run.
    ///
    /// # Errors
    /// When it must not or cannot.
    pub fn listen(address: SocketAddr, reach: Reach, image: Image) -> Result<Self, Fault> {
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(Fault::NotLoopback(address));
        }
        let failed = |why| Fault::NotBound(address, why);
        let bound = Bound::bind(address).map_err(failed)?;
        bound.set_nonblocking(true).map_err(failed)?;
        let address = bound.local_addr().map_err(failed)?;
        let desk = Desk::new();
        let image = watch::Sender::new(image);
        let host = Host {
            desk: Arc::clone(&desk),
            image: image.subscribe(),
        };
        std::thread::Builder::new()
            .name("lldb".to_owned())
            .spawn(move || host.work(bound))
            .map_err(failed)?;
        Ok(Self { desk, address, image })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What one types into LLDB to attach.
    #[must_use]
    pub fn command(&self) -> String {
        format!("process connect --plugin wasm connect://{}", self.address)
    }

    /// What clients see from now on. One that has seen something else is sent away: it would look for the guest's code in a module that
    /// is not the guest's.
    pub fn show(&self, image: &Image) {
        let shown = self.image.send_if_modified(|shown| {
            let other = !shown.is(image);
            if other {
                *shown = image.clone();
            }
            other
        });
        if shown {
            self.desk.close();
        }
    }

    /// The place for a guest, if no other has it.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        self.desk.seat()
    }

    /// Waits until a client is there.
    pub async fn attached(&self) {
        self.desk.attached().await;
    }

    /// Tells a client that is there that the program has ended, and waits a little until it has read it.
    pub async fn exited(&self, code: u8) {
        if self.desk.exited(code) {
            // A client that has stopped the guest after its last instruction reads it when it goes on, or never.
            let _ = tokio::time::timeout(GOODBYE_MAX, self.desk.detached()).await;
        }
    }
}

/// What the thread has.
struct Host {
    desk: Arc<Desk>,
    /// Closed when nobody can be debugged any more.
    image: watch::Receiver<Image>,
}

impl Host {
    fn work(self, bound: Bound) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(bound)
        };
        let Ok(listener) = listener else { return };
        while self.image.has_changed().is_ok() {
            // What a client sends is its own affair: what its reader makes of it ends this session and nothing else.
            let one = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.one(&listener))));
            if one.is_err() {
                self.desk.close();
            }
        }
    }

    /// One client from its coming to its going.
    async fn one(&self, listener: &TcpListener) {
        let mut ended = self.image.clone();
        let stream = tokio::select! {
            _ = ended.wait_for(|_| false) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else {
            return tokio::time::sleep(AGAIN).await;
        };
        // Packets are small and each waits for its answer.
        let _ = stream.set_nodelay(true);
        let mut changed = self.image.clone();
        let image = changed.borrow_and_update().clone();
        tokio::select! {
            // What it said wrong is between it and its user.
            _ = session::serve(stream, &self.desk, image) => {}
            () = refuse(listener) => {}
            _ = changed.changed() => {}
        }
    }
}

/// One client at a time: others are sent away at once.
async fn refuse(listener: &TcpListener) {
    loop {
        if listener.accept().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
