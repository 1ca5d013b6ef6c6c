//! What TLS and the kernel know of the two connections of an exchange, for its record.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use gate_serve::tls::{cipher_name, version_name};
use gate_upstream::UpstreamTls;
use log_kernel::{Congestion, Flow, Gauge, Moment, Tag};

use crate::journal::Journal;

/// What is known of both connections of an exchange that has ended.
#[derive(Debug)]
pub(crate) struct Wires<'a> {
    /// When the exchange began, by the clock of the kernel's time stamps.
    pub(crate) began: Moment,
    /// The connection to the client; none where the kernel refuses to tell.
    pub(crate) client: Option<WireFacts>,
    /// TLS with the client.
    pub(crate) tls: Option<ClientTls<'a>>,
    /// The connection to the upstream over which the exchange went last; none when there was none.
    pub(crate) upstream: Option<WireFacts>,
    /// TLS with the upstream.
    pub(crate) upstream_tls: Option<Agreed>,
}

/// The numbers of one connection. They are the connection's, of which the exchange may be one of many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WireFacts {
    /// By what its retransmits are found. Records wait where the client's address must not lie.
    pub(crate) connection: Tag,
    pub(crate) rtt_us: Option<u32>,
    pub(crate) rtt_variance_us: Option<u32>,
    /// Since the connection began.
    pub(crate) retransmits: Option<u32>,
    /// Those of which no record has told before; see [`Gauge::tell_retransmits`].
    pub(crate) retransmits_new: Option<u32>,
    pub(crate) congestion: Option<Congestion>,
    pub(crate) congestion_window_segments: Option<u32>,
    pub(crate) delivery_rate_bytes_per_s: Option<u64>,
}

/// What a handshake agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// `1.2` or `1.3`.
    pub(crate) version: &'static str,
    /// By its name at IANA; empty when it is not known.
    pub(crate) cipher: &'static str,
}

/// TLS with the client. Names are the client's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientTls<'a> {
    pub(crate) agreed: Agreed,
    pub(crate) server_name: Option<&'a str>,
    pub(crate) next_protocol: Option<&'static str>,
    /// Subject of its certificate.
    pub(crate) subject: Option<&'a str>,
}

/// A reading of both connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Both {
    client: Option<WireFacts>,
    upstream: Option<WireFacts>,
}

impl Journal {
    /// Reads both connections now, for a record that is written later: by then they may serve others. 1.2 µs.
    pub(crate) fn read_wires(&self) {
        self.wires.set(Some(self.read_both()));
    }

    fn read_both(&self) -> Both {
        let connection = &self.connection;
        let upstream = self.upstream_gauge.borrow();
        let ends = self.upstream_local.get().zip(self.endpoint.get());
        Both {
            client: read(&connection.gauge, (connection.local, connection.peer)),
            upstream: upstream.as_ref().zip(ends).and_then(|(gauge, ends)| read(gauge, ends)),
        }
    }

    /// What its record says of its connections. To be asked for once, and for an exchange that is written down: what is told here as new is
    /// told to no other.
    ///
    /// The kernel is asked when an exchange ends, and not also when it begins: that would cost each exchange twice as much, those without a
    /// record too, and the retransmits of a response mostly come after its last byte was handed over. Time stamps tell which were of an
    /// exchange, where there are any.
    pub(crate) fn wires(&self) -> Wires<'_> {
        let Both { client, upstream } = self.wires.take().unwrap_or_else(|| self.read_both());
        let tell = |facts: WireFacts, gauge: &Gauge| WireFacts {
            retransmits_new: facts.retransmits.map(|total| gauge.tell_retransmits(total)),
            ..facts
        };
        let gauge = self.upstream_gauge.borrow();
        Wires {
            began: Moment::of(self.clock),
            client: client.map(|facts| tell(facts, &self.connection.gauge)),
            tls: self.client_tls(),
            upstream: upstream.zip(gauge.as_ref()).map(|(facts, gauge)| tell(facts, gauge)),
            upstream_tls: upstream_tls(&self.upstream_tls),
        }
    }

    fn client_tls(&self) -> Option<ClientTls<'_>> {
        let tls = self.connection.tls.as_ref()?;
        Some(ClientTls {
            agreed: Agreed {
                version: bare(tls.version),
                cipher: tls.cipher,
            },
            server_name: tls.server_name.as_deref(),
            next_protocol: tls.alpn,
            subject: tls.peer.as_ref().and_then(|peer| peer.subject.as_deref()),
        })
    }
}

fn upstream_tls(settled: &RefCell<Option<Rc<UpstreamTls>>>) -> Option<Agreed> {
    let settled = settled.borrow();
    let tls = settled.as_ref()?;
    Some(Agreed {
        version: bare(version_name(tls.version)),
        cipher: tls.cipher.map_or("", cipher_name),
    })
}

/// The number of a version, as OpenTelemetry has it.
fn bare(version: &'static str) -> &'static str {
    version.strip_prefix("TLSv").unwrap_or(version)
}

fn read(gauge: &Gauge, (local, remote): (SocketAddr, SocketAddr)) -> Option<WireFacts> {
    let info = gauge.read().ok()?;
    Some(WireFacts {
        connection: Flow::new(local, remote).into(),
        rtt_us: info.rtt_us(),
        rtt_variance_us: info.rtt_variance_us(),
        retransmits: info.retransmits(),
        retransmits_new: None,
        congestion: gauge.congestion(),
        congestion_window_segments: info.congestion_window_segments(),
        delivery_rate_bytes_per_s: info.delivery_rate_bytes_per_s(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
mod tests;
