//! Connections that lose segments without any help of the network, and how they are waited for.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, SockFilter, Socket, Type};

use crate::fault::LoadFault;
use crate::flow::Flow;
use crate::watch::{Counts, Retransmits, Settings};
use crate::{Facts, Grade, Table, TcpInfo, Topic};

/// Initial timeout of a SYN (RFC 6298 section 2.1); no timer fires earlier.
pub(super) const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
/// What nothing here takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(super) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The loopback addresses of this machine; some have no IPv6.
pub(super) fn addresses() -> Vec<IpAddr> {
    let has = |address: &IpAddr| TcpListener::bind((*address, 0)).is_ok();
    [V4, V6].into_iter().filter(has).collect()
}

/// A connected pair.
pub(super) fn pair(address: IpAddr) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near, far)
}

/// A listener whose backlog is full, and connections that wait for it: their SYNs are dropped, and sent again and again.
pub(super) struct Crowd {
    _listener: Socket,
    _first: Socket,
    pub(super) waiting: Vec<Socket>,
    address: SocketAddr,
}

impl Crowd {
    pub(super) fn gather(address: IpAddr, count: usize) -> Self {
        let domain = if address.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
        let listener = Socket::new(domain, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::from(SocketAddr::new(address, 0))).unwrap();
        // Room for one, which the first connection takes.
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let first = Socket::new(domain, Type::STREAM, None).unwrap();
        first.connect(&address.into()).unwrap();
        let connect = |_| {
            let socket = Socket::new(domain, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let begun = socket.connect(&address.into());
            assert_eq!(begun.unwrap_err().raw_os_error(), Some(libc::EINPROGRESS));
            socket
        };
        let waiting = (0..count).map(connect).collect();
        Self {
            _listener: listener,
            _first: first,
            waiting,
            address,
        }
    }

    pub(super) fn flow(&self, socket: &Socket) -> Flow {
        Flow::new(socket.local_addr().unwrap().as_socket().unwrap(), self.address)
    }
}

/// From now on the kernel drops whatever comes to this socket, before TCP sees it.
pub(super) fn deafen(socket: &TcpStream) {
    let drop_all = [SockFilter::new(0x06, 0, 0, 0)];
    socket2::SockRef::from(socket).attach_filter(&drop_all).unwrap();
}

/// Retransmits of this machine; or, where the kernel refuses, none, after it was checked that the doctor says just that and what to do.
pub(super) fn watched(settings: &Settings) -> Option<Retransmits> {
    match Retransmits::watch(settings) {
        Ok(retransmits) => Some(retransmits),
        Err(fault) => {
            explained(&fault);
            None
        }
    }
}

/// The doctor finds what the loader found, and its cause.
pub(super) fn explained(fault: &LoadFault) {
    let findings = Facts::gather().findings();
    let of = |topic: Topic| findings.iter().find(|finding| finding.topic == topic).unwrap();
    let own = of(Topic::Retransmits);
    assert_eq!(own.grade, Grade::Missing);
    assert_eq!(own.found, fault.to_string());
    assert!(own.follows.contains("`TCP_INFO`"), "{own}");
    let causes = findings.iter().filter(|finding| finding.topic != Topic::Retransmits);
    let cause = causes
        .into_iter()
        .find(|finding| finding.grade != Grade::Good && finding.next == own.next);
    // A kernel without `bpf`, and a security module, are seen nowhere else.
    let is_own_cause = own.next.contains("security module") || own.next.contains("CONFIG_");
    assert!(cause.is_some() || is_own_cause, "no finding says why: {own}");
    assert_eq!(of(Topic::TcpInfo).grade, Grade::Good);
}

/// Brings the table up to the present, once there is something or a moment has passed.
pub(super) fn look(retransmits: &mut Retransmits, table: &mut Table) -> Counts {
    retransmits.wait(Duration::from_millis(50)).unwrap();
    retransmits.drain_into(table).unwrap()
}

/// Asks again and again until it is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
    }
}

/// Reads from a socket until there is nothing, to know that something came.
pub(super) fn is_empty(socket: &TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let nothing = socket.peek(&mut [0]);
    nothing.is_err_and(|fault| fault.kind() == ErrorKind::WouldBlock)
}

/// What `TCP_INFO` counts.
pub(super) fn counted(socket: impl std::os::fd::AsFd) -> u64 {
    u64::from(TcpInfo::read(socket).unwrap().retransmits().unwrap())
}
