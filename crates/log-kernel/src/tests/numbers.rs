//! `TCP_INFO` of real sockets, of kernels that write less, and of what is no connection.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;

use socket2::{Domain, SockRef, Socket, Type};

use super::sockets::{V4, addresses, pair};
use crate::btf::Btf;
use crate::fault::TcpInfoFault;
use crate::{Mount, TcpInfo, TcpState, congestion};

#[test]
fn a_connection_tells_its_numbers_over_ipv4_and_ipv6() {
    for address in addresses() {
        let (mut near, mut far) = pair(address);
        near.write_all(&[1; 5000]).unwrap();
        far.read_exact(&mut [0; 5000]).unwrap();
        far.write_all(&[2; 70]).unwrap();
        near.read_exact(&mut [0; 70]).unwrap();
        let info = TcpInfo::read(&near).unwrap();
        assert_eq!(info.state(), Some(TcpState::Established));
        assert!(info.rtt_us().is_some_and(|rtt| rtt < 10_000_000), "{info:?}");
        assert!(info.rtt_variance_us().is_some());
        assert_eq!(info.mss_bytes(), SockRef::from(&near).tcp_mss().ok());
        assert!(info.congestion_window_segments().is_some_and(|window| window > 0));
        assert_eq!(info.retransmits(), Some(0));
        assert_eq!(info.lost_segments(), Some(0));
        assert_eq!(info.bytes_received(), Some(70));
        assert_eq!(info.bytes_sent(), Some(5000));
        assert!(info.delivered_segments().is_some_and(|delivered| delivered > 0));
        assert!(info.busy_us().is_some() && info.receiver_limited_us().is_some() && info.buffer_limited_us().is_some());
        let name = SockRef::from(&near).tcp_congestion().unwrap();
        let name = name.split(|byte| *byte == 0).next().unwrap();
        assert_eq!(congestion(&near).unwrap().name().as_bytes(), name);
    }
}

/// Where a number ends, and whether it is told.
type End = (usize, fn(&TcpInfo) -> bool);

#[test]
fn each_number_is_there_exactly_if_the_kernel_wrote_so_far() {
    let ends: [End; 10] = [
        (1, |info| info.state().is_some()),
        (20, |info| info.mss_bytes().is_some()),
        (36, |info| info.lost_segments().is_some()),
        (72, |info| info.rtt_us().is_some()),
        (80, |info| info.slow_start_threshold_segments().is_some()),
        (104, |info| info.retransmits().is_some()),
        (168, |info| info.delivery_rate_bytes_per_s().is_some()),
        (192, |info| info.buffer_limited_us().is_some()),
        (196, |info| info.delivered_segments().is_some()),
        (224, |info| info.reorderings().is_some()),
    ];
    let written = [1; 300];
    for length in 0..=written.len() {
        let info = TcpInfo::from_bytes(&written[..length]);
        for (end, is_there) in ends {
            assert_eq!(is_there(&info), length >= end, "{length} bytes, the end at {end}");
        }
    }
}

#[test]
fn what_means_nothing_is_not_told_as_a_number() {
    let mut written = [0_u8; 248];
    written[76..80].copy_from_slice(&0x7fff_ffff_u32.to_ne_bytes());
    written[148..152].copy_from_slice(&u32::MAX.to_ne_bytes());
    let info = TcpInfo::from_bytes(&written);
    assert_eq!(info.rtt_us(), None);
    assert_eq!(info.rtt_min_us(), None);
    assert_eq!(info.slow_start_threshold_segments(), None);
    assert_eq!(info.state(), Some(TcpState::Other(0)));
}

#[test]
fn what_is_no_connection_is_an_error() {
    let refused = |fault: TcpInfoFault| matches!(fault, TcpInfoFault::Refused(_));
    assert!(refused(TcpInfo::read(UdpSocket::bind((V4, 0)).unwrap()).unwrap_err()));
    assert!(refused(TcpInfo::read(UnixStream::pair().unwrap().0).unwrap_err()));
    assert!(refused(TcpInfo::read(File::open("/dev/null").unwrap()).unwrap_err()));
    assert!(refused(congestion(UdpSocket::bind((V4, 0)).unwrap()).unwrap_err()));
    let listener = TcpListener::bind((V4, 0)).unwrap();
    assert!(matches!(TcpInfo::read(&listener), Err(TcpInfoFault::NotConnected)));
    let fresh = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    assert!(matches!(TcpInfo::read(&fresh), Err(TcpInfoFault::NotConnected)));
}

#[test]
fn a_connection_that_was_reset_still_answers() {
    let (mut near, far) = pair(V4);
    near.write_all(b"unread").unwrap();
    // Closing with unread bytes resets (RFC 1122 section 4.2.2.13).
    drop(far);
    super::sockets::until("the reset came", || {
        TcpInfo::read(&near).unwrap().state() == Some(TcpState::Closed)
    });
    assert_eq!(TcpInfo::read(&near).unwrap().bytes_sent(), Some(6));
}

#[test]
fn a_gauge_reads_while_the_socket_is_open_and_remembers_its_end() {
    let (mut near, mut far) = pair(V4);
    let (mount, gauge) = Mount::beside(&near);
    near.write_all(b"four").unwrap();
    assert_eq!(gauge.read().unwrap().bytes_sent(), Some(4));
    near.write_all(b"more").unwrap();
    far.read_exact(&mut [0; 8]).unwrap();
    let second = gauge.clone();
    drop(mount);
    drop(near);
    // Another socket may get the number now; it is not read.
    let _others: Vec<UdpSocket> = (0..4).map(|_| UdpSocket::bind((V4, 0)).unwrap()).collect();
    assert_eq!(second.read().unwrap().bytes_sent(), Some(8));
    assert_eq!(gauge.congestion(), congestion(&far).ok());
}

#[test]
fn a_gauge_of_what_could_not_be_read_says_so_when_it_is_closed() {
    let socket = UdpSocket::bind((V4, 0)).unwrap();
    let (mount, gauge) = Mount::beside(&socket);
    assert!(matches!(gauge.read(), Err(TcpInfoFault::Refused(_))));
    assert_eq!(gauge.congestion(), None);
    drop(mount);
    assert!(matches!(gauge.read(), Err(TcpInfoFault::Closed)));
}

#[test]
fn places_of_numbers_are_those_of_the_kernel_that_runs_here() {
    let Ok(types) = std::fs::read(crate::watch::TYPES) else {
        return;
    };
    let types = Btf::parse(&types).unwrap();
    for (member, place) in [
        ("tcpi_state", 0),
        ("tcpi_retransmits", 2),
        ("tcpi_snd_mss", 16),
        ("tcpi_unacked", 24),
        ("tcpi_lost", 32),
        ("tcpi_retrans", 36),
        ("tcpi_rtt", 68),
        ("tcpi_rttvar", 72),
        ("tcpi_snd_ssthresh", 76),
        ("tcpi_snd_cwnd", 80),
        ("tcpi_total_retrans", 100),
        ("tcpi_bytes_acked", 120),
        ("tcpi_bytes_received", 128),
        ("tcpi_segs_out", 136),
        ("tcpi_min_rtt", 148),
        ("tcpi_delivery_rate", 160),
        ("tcpi_busy_time", 168),
        ("tcpi_rwnd_limited", 176),
        ("tcpi_sndbuf_limited", 184),
        ("tcpi_delivered", 192),
        ("tcpi_bytes_sent", 200),
        ("tcpi_bytes_retrans", 208),
        ("tcpi_reord_seen", 220),
    ] {
        assert_eq!(types.place("tcp_info", &[member]).unwrap().offset, place, "{member}");
    }
}
