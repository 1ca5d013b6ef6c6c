//! Accepts the connections of one listener on one worker, and hands each to a task of its own.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gate_plan::Protocol;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::door::{Door, Settings};
use crate::http::{self, Crew, Desk};
use crate::roster::{Entry, Roster};
use crate::service::Service;
use crate::stream::Stream;
use crate::unserved::{Unserved, Why};

/// LIMIT: pause after a failed accept, doubled up to the second value while accepts go on failing. The connection that could not be
/// accepted stays in the backlog, so without a pause the worker would spin.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What the accept loops of one worker share.
pub(crate) struct Floor<S> {
    pub(crate) service: Rc<S>,
    pub(crate) roster: Rc<Roster>,
    pub(crate) crew: Crew,
    /// Connections of worker `i` of `n` are numbered `i + 1`, `i + 1 + n`, `i + 1 + 2n`, …: unique without anything shared.
    pub(crate) next_connection: Cell<u64>,
    pub(crate) workers: u64,
}

/// Accepts until told to stop. What the kernel has accepted by then is still served: a closed socket would reset it.
pub(crate) async fn run<S: Service>(floor: Rc<Floor<S>>, door: Arc<Door>, socket: TcpListener, stop: Rc<Notify>) {
    let mut pause = PAUSE_MIN;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.notified() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = PAUSE_MIN;
                admit(&floor, &door, stream, peer);
            }
            Err(fault) if is_of_client(&fault) => {}
            Err(_) => {
                door.tally().accepts_failed.fetch_add(1, Ordering::Relaxed);
                tokio::select! {
                    () = stop.notified() => break,
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                }
            }
        }
    }
    for (stream, peer) in waiting(socket) {
        admit(&floor, &door, stream, peer);
    }
}

/// Connections that are in the backlog now. Asks the kernel itself: the event queue may not have told of them yet.
fn waiting(socket: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let socket = socket.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, peer) = socket.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    })
}

/// accept(2): errors that belong to one connection, which is gone already.
fn is_of_client(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn admit<S: Service>(floor: &Rc<Floor<S>>, door: &Arc<Door>, stream: TcpStream, peer: SocketAddr) {
    let settings = door.settings();
    door.tally().accepted.fetch_add(1, Ordering::Relaxed);
    if floor.roster.len() >= settings.limits().connections_max {
        door.tally().full.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let id = floor.next_connection.get();
    floor.next_connection.set(id.wrapping_add(floor.workers));
    let entry = floor.roster.enter(id, door.id(), settings.limits().header_timeout);
    let guest = Guest {
        entry,
        open: Open::count(door),
        settings,
        id,
        peer,
    };
    let host = Rc::clone(floor);
    floor.crew.start(async move { guest.serve(&host, stream).await });
}

/// A connection that was let in.
struct Guest {
    entry: Entry,
    open: Open,
    settings: Arc<Settings>,
    id: u64,
    peer: SocketAddr,
}

impl Guest {
    async fn serve<S: Service>(self, floor: &Floor<S>, stream: TcpStream) {
        let Ok(local) = stream.local_addr() else { return };
        let presence = Rc::clone(self.entry.presence());
        let came = Instant::now();
        let (mut stream, tls) = match self.settings.tls() {
            None => (Stream::from(stream), None),
            Some(tls) => match presence
                .unless_aborted(tls.accept(stream, self.settings.limits().header_timeout))
                .await
            {
                Some(Ok((stream, info))) => (Stream::from(stream), Some(info)),
                Some(Err(unshaken)) => {
                    self.open.door.tally().handshakes_failed.fetch_add(1, Ordering::Relaxed);
                    floor.service.unserved(&Unserved {
                        peer: self.peer,
                        local,
                        listener: self.settings.spec(),
                        server_name: unshaken.server_name.as_deref(),
                        lasted: came.elapsed(),
                        why: Why::Handshake(unshaken.why),
                    });
                    return;
                }
                None => return,
            },
        };
        let gauge = stream.mount();
        let listener = Arc::clone(self.settings.spec());
        let connection = Rc::new(Connection {
            id: self.id,
            peer: self.peer,
            local,
            listener,
            tls,
            gauge,
            started: Instant::now(),
        });
        let service = Rc::clone(&floor.service);
        match self.settings.spec().protocol {
            Protocol::Http => {
                let (limits, crew) = (*self.settings.limits(), floor.crew.clone());
                let door = Arc::clone(&self.open.door);
                http::serve(
                    stream,
                    Desk {
                        service,
                        connection,
                        presence,
                        limits,
                        door,
                        crew,
                    },
                )
                .await;
            }
            Protocol::Tcp { .. } => {
                let _in_flight = presence.begin();
                presence.unless_aborted(service.tcp(connection, stream)).await;
            }
        }
    }
}

/// Counts a connection as open until dropped.
struct Open {
    door: Arc<Door>,
}

impl Open {
    fn count(door: &Arc<Door>) -> Self {
        door.tally().open.fetch_add(1, Ordering::Relaxed);
        Self { door: Arc::clone(door) }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.door.tally().open.fetch_sub(1, Ordering::Relaxed);
    }
}
