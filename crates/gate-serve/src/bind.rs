//! Opens all listening sockets before anything starts.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::{Limits, Listener};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::door::{Door, Settings};
use crate::tls::TlsFault;

/// LIMIT: connections that wait to be accepted, for each socket.
const BACKLOG: i32 = 1024;
/// Silence after which the kernel asks whether the client is still there; a vanished one is gone three probes later.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// Why a listener does not open. Each names the listener.
#[derive(Debug, thiserror::Error)]
pub enum BindFault {
    /// Somebody listens there.
    #[error(
        "listener `{listener}`: address {address} is taken\nhint: another process listens there; `ss -ltnp` shows which"
    )]
    Taken {
        /// The listener.
        listener: String,
        /// Its address.
        address: SocketAddr,
    },
    /// Ports below 1024 need a privilege.
    #[error(
        "listener `{listener}`: address {address} is not permitted\nhint: ports below 1024 need root or CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The listener.
        listener: String,
        /// Its address.
        address: SocketAddr,
    },
    /// The address belongs to another machine.
    #[error("listener `{listener}`: address {address} is none of this machine's")]
    NotLocal {
        /// The listener.
        listener: String,
        /// Its address.
        address: SocketAddr,
    },
    /// Something else.
    #[error("listener `{listener}`: address {address} does not open: {source}")]
    Socket {
        /// The listener.
        listener: String,
        /// Its address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Its TLS files are not usable.
    #[error("listener `{listener}`: {fault}")]
    Tls {
        /// The listener.
        listener: String,
        /// What is wrong.
        fault: TlsFault,
    },
}

/// A listener with a socket for each worker: clients may connect, nobody accepts yet. Dropped, it closes.
#[derive(Debug)]
pub struct BoundListener {
    pub(crate) door: Arc<Door>,
    pub(crate) sockets: Vec<TcpListener>,
}

impl BoundListener {
    /// Where it stands, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.door.settings().spec().name.clone()
    }
}

/// Opens every listener, with a socket for each of `workers`, and reads its TLS files. On a fault, what was opened is closed again.
pub fn bind(
    listeners: &[Arc<Listener>],
    limits: Limits,
    workers: NonZeroUsize,
) -> Result<Vec<BoundListener>, BindFault> {
    let open = |spec: &Arc<Listener>| {
        let settings = settings(spec, limits, None)?;
        let sockets = open_all(spec.listen, workers).map_err(|source| named(spec, source))?;
        let address = sockets
            .first()
            .map_or(Ok(spec.listen), TcpListener::local_addr)
            .map_err(|source| named(spec, source))?;
        Ok(BoundListener {
            door: Arc::new(Door::new(address, settings)),
            sockets,
        })
    };
    listeners.iter().map(open).collect()
}

pub(crate) fn settings(spec: &Arc<Listener>, limits: Limits, before: Option<&Settings>) -> Result<Settings, BindFault> {
    Settings::new(spec, limits, before).map_err(|fault| BindFault::Tls {
        listener: spec.name.clone(),
        fault,
    })
}

fn named(spec: &Listener, source: io::Error) -> BindFault {
    let (listener, address) = (spec.name.clone(), spec.listen);
    match source.kind() {
        io::ErrorKind::AddrInUse => BindFault::Taken { listener, address },
        io::ErrorKind::PermissionDenied => BindFault::Denied { listener, address },
        io::ErrorKind::AddrNotAvailable => BindFault::NotLocal { listener, address },
        _ => BindFault::Socket {
            listener,
            address,
            source,
        },
    }
}

/// The first socket is bound without `SO_REUSEPORT`, so that the kernel refuses when any other process listens there, one with
/// `SO_REUSEPORT` included; only then is it opened to our own further sockets. Between the two steps the port is ours, so there is no
/// moment at which two gateways could both believe they have it.
fn open_all(address: SocketAddr, workers: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    let first = socket(address)?;
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    first.listen(BACKLOG)?;
    let first = TcpListener::from(first);
    let chosen = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers.get() {
        let next = socket(address)?;
        next.set_reuse_port(true)?;
        next.bind(&chosen.into())?;
        next.listen(BACKLOG)?;
        sockets.push(next.into());
    }
    Ok(sockets)
}

/// Options that accepted connections inherit on Linux are set here, once, and not on each connection.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it, a restart fails while connections of the last run are in TIME_WAIT. It does not let two sockets listen.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // As in Envoy: `[::]` does not take IPv4, so that `0.0.0.0` and `[::]` may stand side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_retries(3))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
