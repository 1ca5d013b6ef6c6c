//! A listener as the workers see it: where it stands, how it is set now, what was counted at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use gate_plan::{Limits, Listener, Protocol};

use crate::refusal::Refusal;
use crate::tls::{CertificateReport, Speech, TlsDoor, TlsFault};

/// All doors of the process.
pub(crate) type Doors = ArcSwap<Vec<Arc<Door>>>;

/// One bound address, shared by the workers; it keeps its sockets when its settings change.
#[derive(Debug)]
pub(crate) struct Door {
    id: u64,
    address: SocketAddr,
    settings: ArcSwap<Settings>,
    tally: ListenerTally,
}

/// How a door is set; a connection keeps the settings with which it came.
#[derive(Debug)]
pub(crate) struct Settings {
    spec: Arc<Listener>,
    limits: Limits,
    tls: Option<Arc<TlsDoor>>,
}

impl Settings {
    /// Takes over `before`'s TLS when it reads the same files, so that nothing is read twice and tickets stay valid.
    pub(crate) fn new(spec: &Arc<Listener>, limits: Limits, before: Option<&Self>) -> Result<Self, TlsFault> {
        let speech = match spec.protocol {
            Protocol::Http => Speech::Http,
            Protocol::Tcp { .. } => Speech::Bytes,
        };
        let kept = before.and_then(|before| before.tls.clone());
        let tls = match (&spec.tls, kept) {
            (None, _) => None,
            (Some(files), Some(kept)) if kept.files() == files && kept.speech() == speech => Some(kept),
            (Some(files), _) => Some(Arc::new(TlsDoor::open(files, speech)?)),
        };
        Ok(Self {
            spec: Arc::clone(spec),
            limits,
            tls,
        })
    }

    pub(crate) fn spec(&self) -> &Arc<Listener> {
        &self.spec
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn tls(&self) -> Option<&Arc<TlsDoor>> {
        self.tls.as_ref()
    }
}

impl Door {
    pub(crate) fn new(address: SocketAddr, settings: Settings) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            address,
            settings: ArcSwap::from_pointee(settings),
            tally: ListenerTally::default(),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    pub(crate) fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    pub(crate) fn tally(&self) -> &ListenerTally {
        &self.tally
    }

    /// Whether a listener of a new plan stands where this one stands. Port 0 says nothing, so there the name decides.
    pub(crate) fn is_for(&self, spec: &Listener) -> bool {
        let mine = self.settings.load();
        mine.spec.listen == spec.listen && (spec.listen.port() != 0 || mine.spec.name == spec.name)
    }

    pub(crate) fn report(&self) -> ListenerReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let tally = &self.tally;
        let settings = self.settings.load();
        ListenerReport {
            name: settings.spec.name.clone(),
            address: self.address,
            accepted: read(&tally.accepted),
            open: read(&tally.open),
            full: read(&tally.full),
            handshakes_failed: read(&tally.handshakes_failed),
            accepts_failed: read(&tally.accepts_failed),
            refused: Refusal::ALL.into_iter().zip(tally.refused.iter().map(read)).collect(),
            certificates_applied: read(&tally.certificates_applied),
            certificates_refused: read(&tally.certificates_refused),
            certificates: settings.tls.as_ref().map(|tls| tls.report()).unwrap_or_default(),
        }
    }
}

/// What was counted at a listener. Shared by the workers, written once or twice for each connection, never for a good request.
#[derive(Debug, Default)]
pub(crate) struct ListenerTally {
    pub(crate) accepted: AtomicU64,
    pub(crate) open: AtomicU64,
    pub(crate) full: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) accepts_failed: AtomicU64,
    pub(crate) certificates_applied: AtomicU64,
    pub(crate) certificates_refused: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl ListenerTally {
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let counter = Refusal::ALL
            .iter()
            .zip(&self.refused)
            .find(|(known, _)| **known == refusal);
        if let Some((_, counter)) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What was counted at a listener so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerReport {
    /// Its name.
    pub name: String,
    /// Where it stands, with the port that the system chose for port 0.
    pub address: SocketAddr,
    /// Connections accepted, those of `full` and `handshakes_failed` included.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections closed at once because the worker had `limits.connections_max`.
    pub full: u64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: u64,
    /// Failed accepts, as when file descriptors run out.
    pub accepts_failed: u64,
    /// Refused requests by reason.
    pub refused: Vec<(Refusal, u64)>,
    /// Changes of certificate files that were taken over while it served.
    pub certificates_applied: u64,
    /// Changes of certificate files that were not usable.
    pub certificates_refused: u64,
    /// Certificates that it serves now, in the order of the configuration; none without TLS.
    pub certificates: Vec<CertificateReport>,
}
