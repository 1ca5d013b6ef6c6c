//! One retransmit, as the program writes it and as we read it: the only place that knows the form.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::Flow;
use crate::moment::Moment;
use crate::tcp_info::TcpState;

/// Bytes of an event. Whole words of eight, as the program clears them one by one.
pub(crate) const EVENT_BYTES: i16 = 72;

/// Where each part stands in an event; the program writes there.
pub(crate) mod at {
    pub(crate) const MOMENT: i16 = 0;
    pub(crate) const LOCAL_V6: i16 = 8;
    pub(crate) const REMOTE_V6: i16 = 24;
    pub(crate) const LOCAL_V4: i16 = 40;
    pub(crate) const REMOTE_V4: i16 = 44;
    pub(crate) const LOCAL_PORT: i16 = 48;
    pub(crate) const REMOTE_PORT: i16 = 50;
    pub(crate) const FAMILY: i16 = 52;
    pub(crate) const STATE: i16 = 54;
    pub(crate) const SEGMENTS: i16 = 56;
    pub(crate) const TOTAL: i16 = 60;
    pub(crate) const FAILURE: i16 = 64;
}

/// A segment that the kernel sent again, or several that it sent as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retransmit {
    /// When.
    pub at: Moment,
    /// Of which connection; our end first.
    pub flow: Flow,
    /// State of the connection.
    pub state: TcpState,
    /// Into how many segments it was cut on the wire, which is what `TCP_INFO` counts.
    pub segments: u16,
    /// Segments of this connection that were ever sent again, this one included.
    pub total: u32,
    /// Error with which the sending failed on this machine already; only kernels since 6.15 tell.
    pub failure: Option<i32>,
}

impl Retransmit {
    /// Reads what the program wrote. None when it is something else, or of neither IPv4 nor IPv6.
    pub(crate) fn read(event: &[u8]) -> Option<Self> {
        let family = i32::from(u16::from_ne_bytes(part(event, at::FAMILY)?));
        let (local, remote) = if family == libc::AF_INET {
            let address = |at| part::<4>(event, at).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
            (address(at::LOCAL_V4)?, address(at::REMOTE_V4)?)
        } else if family == libc::AF_INET6 {
            let address = |at| part::<16>(event, at).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical());
            (address(at::LOCAL_V6)?, address(at::REMOTE_V6)?)
        } else {
            return None;
        };
        // The kernel keeps our port as a number, and the other one as it stands on the wire.
        let local_port = u16::from_ne_bytes(part(event, at::LOCAL_PORT)?);
        let remote_port = u16::from_be_bytes(part(event, at::REMOTE_PORT)?);
        let failure = i32::from_ne_bytes(part(event, at::FAILURE)?);
        let [state] = part(event, at::STATE)?;
        Some(Self {
            at: Moment::from_ns(u64::from_ne_bytes(part(event, at::MOMENT)?)),
            flow: Flow {
                local: (local, local_port),
                remote: (remote, remote_port),
            },
            state: TcpState::of(state),
            segments: u16::from_ne_bytes(part(event, at::SEGMENTS)?),
            total: u32::from_ne_bytes(part(event, at::TOTAL)?),
            failure: (failure != 0).then(|| failure.saturating_neg()),
        })
    }
}

fn part<const N: usize>(event: &[u8], at: i16) -> Option<[u8; N]> {
    event.get(usize::try_from(at).ok()?..)?.first_chunk().copied()
}
