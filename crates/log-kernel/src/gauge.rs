//! A look at a socket for whoever does not own it: the owner holds the mount beside it, others the gauge.

use std::cell::Cell;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;

use crate::fault::TcpInfoFault;
use crate::tcp_info::{Congestion, TcpInfo, congestion};

/// Reads a connection whose socket somebody else owns, on the same thread.
///
/// A socket moves into hyper with its stream, and the exchange that ends has no way to it; a second descriptor would keep it open after its
/// owner closed it. So the number is lent, and taken back before the socket closes.
#[derive(Clone)]
pub struct Gauge(Rc<Shared>);

/// Stands beside a socket and is dropped before it: **declare it before the stream**, for fields are dropped in the order in which they stand.
pub struct Mount(Rc<Shared>);

struct Shared {
    socket: Cell<Option<RawFd>>,
    last: Cell<Option<TcpInfo>>,
    /// Segments sent again of which a record has told.
    told: Cell<u32>,
    congestion: Option<Congestion>,
}

impl Mount {
    /// A mount for a socket, and the first gauge. Asks for the name of its congestion control, once.
    #[must_use]
    pub fn beside(socket: impl AsFd) -> (Self, Gauge) {
        let socket = socket.as_fd();
        let shared = Rc::new(Shared {
            socket: Cell::new(Some(socket.as_raw_fd())),
            last: Cell::new(None),
            told: Cell::new(0),
            congestion: congestion(socket).ok(),
        });
        (Self(Rc::clone(&shared)), Gauge(shared))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let socket = self.0.socket.take();
        // A connection often closes just before its last exchange is written down.
        if Rc::strong_count(&self.0) > 1
            && let Some(socket) = socket
        {
            self.0.last.set(TcpInfo::read_by_number(socket).ok());
        }
    }
}

impl Gauge {
    /// What the kernel knows now, or knew when the socket was closed.
    ///
    /// # Errors
    /// As [`TcpInfo::read`]; and the socket was closed, and could not be read then.
    pub fn read(&self) -> Result<TcpInfo, TcpInfoFault> {
        match self.0.socket.get() {
            Some(socket) => TcpInfo::read_by_number(socket),
            None => self.0.last.get().ok_or(TcpInfoFault::Closed),
        }
    }

    /// Of the segments that were ever sent again, which are `total` by now, those of which no record has told; from now on they are told.
    ///
    /// Every one is in one record. What follows an exchange's last byte is in the next record of the connection: when the gateway has handed
    /// a response to the kernel, most of it is still to be sent. Where exchanges share a connection, whichever is written down first tells.
    #[must_use]
    pub fn tell_retransmits(&self, total: u32) -> u32 {
        let told = self.0.told.get();
        self.0.told.set(told.max(total));
        total.saturating_sub(told)
    }

    /// Its congestion control, as it was when the mount was made.
    #[must_use]
    pub fn congestion(&self) -> Option<Congestion> {
        self.0.congestion
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Gauge").field(&self.0.socket.get()).finish()
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Mount").field(&self.0.socket.get()).finish()
    }
}
