//! What the kernel knows of one connection: `TCP_INFO`, read in one call, and the name of its congestion control.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, RawFd};

use crate::fault::TcpInfoFault;
use crate::syscall;

/// Bytes that are asked for: up to the last field that is read here. A kernel with fewer writes fewer, one with more is cut.
const BYTES: usize = 248;

/// `TCP_INFINITE_SSTHRESH`: there was no loss yet that would have set one.
const NO_THRESHOLD: u32 = 0x7fff_ffff;

/// `TCP_CA_NAME_MAX`.
const NAME_BYTES: usize = 16;

/// State of a connection, as the kernel numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpState {
    /// Both sides may send.
    Established,
    /// Our SYN has no answer yet.
    SynSent,
    /// A SYN came, and our answer has none yet.
    SynReceived,
    /// We closed; our FIN is not acknowledged.
    FinWait1,
    /// We closed; the other side did not.
    FinWait2,
    /// Both closed; late segments are waited for.
    TimeWait,
    /// Over, or never begun.
    Closed,
    /// The other side closed; we did not.
    CloseWait,
    /// Both closed; our FIN is not acknowledged.
    LastAck,
    /// It waits for connections.
    Listening,
    /// Both closed at once.
    Closing,
    /// What later kernels may add.
    Other(u8),
}

impl TcpState {
    /// The state of that number in `linux/tcp_states.h`.
    #[must_use]
    pub fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // 12 is a SYN that has no socket of its own yet.
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Closed,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listening,
            11 => Self::Closing,
            other => Self::Other(other),
        }
    }

    /// A word for records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::SynSent => "syn_sent",
            Self::SynReceived => "syn_received",
            Self::FinWait1 => "fin_wait_1",
            Self::FinWait2 => "fin_wait_2",
            Self::TimeWait => "time_wait",
            Self::Closed => "closed",
            Self::CloseWait => "close_wait",
            Self::LastAck => "last_ack",
            Self::Listening => "listening",
            Self::Closing => "closing",
            Self::Other(_) => "other",
        }
    }
}

/// What the kernel wrote about one connection. Each number is there if the kernel wrote so far; old ones write less.
#[derive(Clone, Copy)]
pub struct TcpInfo {
    bytes: [u8; BYTES],
    length: usize,
}

macro_rules! numbers {
    ($($name:ident: $kind:ty, $at:literal, $meaning:literal;)*) => {
        impl TcpInfo {
            $(
                #[doc = $meaning]
                #[must_use]
                pub fn $name(&self) -> Option<$kind> {
                    self.take($at).map(<$kind>::from_ne_bytes)
                }
            )*
        }
    };
}

// Places in `struct tcp_info` of `linux/tcp.h`, which grows at its end only.
numbers! {
    unanswered_timeouts: u8, 2, "Timeouts in a row without an answer; back at zero with the next acknowledgement.";
    mss_bytes: u32, 16, "Bytes of the largest segment that we send.";
    in_flight_segments: u32, 24, "Segments that were sent and are not acknowledged.";
    lost_segments: u32, 32, "Segments that are taken for lost at this moment.";
    retransmitted_in_flight_segments: u32, 36, "Segments that were sent again and are not acknowledged.";
    rtt_variance_us: u32, 72, "Smoothed mean deviation of the round trip; 250 ms before the first measurement.";
    congestion_window_segments: u32, 80, "Segments that may be on their way.";
    retransmits: u32, 100, "Segments that were sent again since the connection began, SYN included.";
    bytes_acknowledged: u64, 120, "Bytes that we sent and the other side has.";
    bytes_received: u64, 128, "Bytes that came.";
    delivery_rate_bytes_per_s: u64, 160, "Latest measured rate at which our bytes arrived.";
    busy_us: u64, 168, "Time during which there was something to send or to be acknowledged.";
    receiver_limited_us: u64, 176, "Part of it that waited for the other side's receive window.";
    buffer_limited_us: u64, 184, "Part of it that waited for room in our send buffer.";
    delivered_segments: u32, 192, "Segments that arrived, those that were sent again included.";
    bytes_sent: u64, 200, "Payload bytes sent, those sent again included.";
    bytes_retransmitted: u64, 208, "Payload bytes sent again.";
    reorderings: u32, 220, "How often segments were seen to overtake each other.";
}

impl TcpInfo {
    /// Asks the kernel about a connected socket, IPv4 or IPv6. Some 0.6 µs, no allocation.
    ///
    /// # Errors
    /// The socket is none, is not of TCP, listens, or was never connected. One that has ended, also by a reset, still answers.
    pub fn read(socket: impl AsFd) -> Result<Self, TcpInfoFault> {
        Self::judge(|out| syscall::tcp_option(socket.as_fd(), libc::TCP_INFO, out))
    }

    /// The same by the number of a descriptor, for a [`crate::Gauge`] and others who know that its owner keeps it open.
    pub(crate) fn read_by_number(socket: RawFd) -> Result<Self, TcpInfoFault> {
        Self::judge(|out| syscall::tcp_option_of(socket, libc::TCP_INFO, out))
    }

    fn judge(ask: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Result<Self, TcpInfoFault> {
        let mut bytes = [0; BYTES];
        let length = ask(&mut bytes).map_err(TcpInfoFault::Refused)?;
        let info = Self { bytes, length };
        match info.state() {
            None => Err(TcpInfoFault::TooShort(length)),
            Some(TcpState::Listening) => Err(TcpInfoFault::NotConnected),
            // A socket that was connected has sent a SYN, or an answer to one.
            Some(TcpState::Closed) if info.take(136).map(u32::from_ne_bytes) == Some(0) => {
                Err(TcpInfoFault::NotConnected)
            }
            Some(_) => Ok(info),
        }
    }

    /// What a kernel wrote, given as bytes; for tests of those who read it.
    #[must_use]
    pub fn from_bytes(written: &[u8]) -> Self {
        let mut bytes = [0; BYTES];
        for (to, from) in bytes.iter_mut().zip(written) {
            *to = *from;
        }
        let length = written.len().min(BYTES);
        Self { bytes, length }
    }

    /// How many bytes the kernel wrote, of those that are read here.
    #[must_use]
    pub fn length_bytes(&self) -> usize {
        self.length
    }

    /// State of the connection.
    #[must_use]
    pub fn state(&self) -> Option<TcpState> {
        self.take(0).map(|[number]| TcpState::of(number))
    }

    /// Smoothed round trip; none before the first measurement.
    #[must_use]
    pub fn rtt_us(&self) -> Option<u32> {
        self.take(68).map(u32::from_ne_bytes).filter(|rtt| *rtt != 0)
    }

    /// Shortest round trip of late; none before the first measurement.
    #[must_use]
    pub fn rtt_min_us(&self) -> Option<u32> {
        self.take(148).map(u32::from_ne_bytes).filter(|rtt| *rtt != u32::MAX)
    }

    /// Congestion window at which growth becomes slow; none as long as nothing has set one.
    #[must_use]
    pub fn slow_start_threshold_segments(&self) -> Option<u32> {
        self.take(76)
            .map(u32::from_ne_bytes)
            .filter(|threshold| *threshold < NO_THRESHOLD)
    }

    /// Whether the delivery rate was bounded by how much there was to send, and so says little of the path.
    #[must_use]
    pub fn delivery_rate_is_of_sender(&self) -> Option<bool> {
        self.take(7).map(|[bits]| bits & 1 == 1)
    }

    fn take<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(..self.length)?.get(at..)?.first_chunk::<N>().copied()
    }
}

impl fmt::Debug for TcpInfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TcpInfo")
            .field("state", &self.state())
            .field("rtt_us", &self.rtt_us())
            .field("retransmits", &self.retransmits())
            .field("length_bytes", &self.length)
            .finish_non_exhaustive()
    }
}

/// Name of a congestion control, such as `cubic`; held without an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Congestion {
    bytes: [u8; NAME_BYTES],
    length: usize,
}

impl Congestion {
    /// The name; empty if the kernel wrote what is no text.
    #[must_use]
    pub fn name(&self) -> &str {
        let written = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl fmt::Debug for Congestion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.name(), out)
    }
}

/// Asks for the congestion control of a socket. It seldom changes: once for each connection is enough.
///
/// # Errors
/// The socket is none, or is not of TCP.
pub fn congestion(socket: impl AsFd) -> Result<Congestion, TcpInfoFault> {
    let mut bytes = [0; NAME_BYTES];
    let written =
        syscall::tcp_option(socket.as_fd(), libc::TCP_CONGESTION, &mut bytes).map_err(TcpInfoFault::Refused)?;
    let length = bytes.iter().take(written).take_while(|byte| **byte != 0).count();
    Ok(Congestion { bytes, length })
}
