//! What a record is told of connections: those of real sockets, and of handshakes as they were settled.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gate_plan::{Listener, Plan};
use gate_serve::certificate::CertificateFacts;
use gate_serve::connection::{Connection, TlsInfo};
use gate_upstream::{Ready, Upstreams};
use http::Version;
use log_kernel::Mount;
use log_record::field;
use log_record::packed::Value;
use plug_host::{Process, Services};

use super::*;
use crate::callouts::Callouts;
use crate::flow::Change;
use crate::serving::Serving;
use crate::written;

/// One connection of this machine with itself, and what lets it be read.
struct Wire {
    mount: Mount,
    gauge: Gauge,
    near: TcpStream,
    _far: TcpStream,
}

impl Wire {
    fn lay() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        let (mount, gauge) = Mount::beside(&near);
        Self {
            mount,
            gauge,
            near,
            _far: far,
        }
    }

    fn ends(&self) -> (SocketAddr, SocketAddr) {
        (self.near.local_addr().unwrap(), self.near.peer_addr().unwrap())
    }

    /// The socket is closed as its owner does it.
    fn close(self) {
        drop(self.mount);
        drop(self.near);
    }
}

fn serving() -> Rc<Serving> {
    let plan: Plan = gate_plan::check("listeners: [{ name: web, listen: '127.0.0.1:1' }]\n", "t.yaml").unwrap();
    let upstreams = Upstreams::prepare(&plan.upstreams).unwrap();
    let change = Change {
        plan: Arc::new(plan),
        plugins: Vec::new(),
        trials: Vec::new(),
        upstreams_of_both: upstreams.clone(),
        tracing: Arc::default(),
        upstreams,
    };
    let upstreams = Upstreams::new();
    let callouts = Callouts::new(
        Rc::clone(&upstreams),
        Rc::new(|_| {}),
        Rc::new(RefCell::new(log_book::Pen::dry())),
    );
    let services = Services {
        process: Arc::new(Process::default()),
        outside: Rc::clone(&callouts) as Rc<_>,
        worker: 0,
        trial: None,
    };
    Rc::new(Serving::arrange(&change, (upstreams, &callouts), &services, None))
}

/// An exchange that came over a connection.
fn exchange(wire: &Wire, tls: Option<TlsInfo>) -> Rc<Journal> {
    let serving = serving();
    let (local, peer) = wire.ends();
    let listener: Arc<Listener> = Arc::clone(serving.plan.listeners.first().unwrap());
    let connection = Connection {
        id: 1,
        peer,
        local,
        listener,
        tls,
        gauge: wire.gauge.clone(),
        started: Instant::now(),
    };
    Journal::new(
        serving,
        Rc::new(connection),
        &crate::tcp::nothing(),
        Version::HTTP_11,
        None,
    )
}

fn reaches(journal: &Journal, wire: &Wire, tls: Option<UpstreamTls>) {
    let (local, endpoint) = wire.ends();
    journal.reaches(Ready {
        endpoint,
        local,
        tls: tls.map(Rc::new),
        gauge: wire.gauge.clone(),
    });
}

#[test]
fn both_connections_are_told_by_their_ends_and_numbers() {
    let (client, server) = (Wire::lay(), Wire::lay());
    let journal = exchange(&client, None);
    reaches(&journal, &server, None);
    let wires = journal.wires();
    for (facts, wire) in [(wires.client.unwrap(), &client), (wires.upstream.unwrap(), &server)] {
        let (local, remote) = wire.ends();
        assert_eq!(facts.connection, Flow::new(local, remote).into());
        assert!(facts.rtt_us.is_some_and(|rtt| rtt > 0), "{facts:?}");
        assert_eq!((facts.retransmits, facts.retransmits_new), (Some(0), Some(0)));
        assert!(facts.congestion_window_segments.is_some_and(|window| window > 0));
        assert_eq!(facts.congestion, wire.gauge.congestion());
    }
    assert!(wires.began <= Moment::now() && wires.began >= Moment::now().before(Duration::from_secs(60)));
    assert_eq!((wires.tls, wires.upstream_tls), (None, None));
}

#[test]
fn an_exchange_that_asked_no_upstream_has_facts_of_its_client_alone() {
    let client = Wire::lay();
    let journal = exchange(&client, None);
    assert!(journal.wires().upstream.is_none() && journal.wires().client.is_some());
}

#[test]
fn an_exchange_that_went_on_elsewhere_tells_of_the_last_connection() {
    let (client, first, second) = (Wire::lay(), Wire::lay(), Wire::lay());
    let journal = exchange(&client, None);
    reaches(&journal, &first, None);
    reaches(&journal, &second, None);
    let (local, remote) = second.ends();
    assert_eq!(
        journal.wires().upstream.unwrap().connection,
        Flow::new(local, remote).into()
    );
}

#[test]
fn a_record_of_a_connection_that_sent_again_has_no_address_in_it() {
    let client = Wire::lay();
    let journal = exchange(&client, None);
    let facts = WireFacts {
        retransmits: Some(2),
        retransmits_new: Some(1),
        ..journal.wires().client.unwrap()
    };
    let mut pen = log_book::Pen::dry();
    let packed = pen.pack(|sheet| written::wire(sheet, &facts, &written::CLIENT));
    let mut connection = None;
    for (field, value) in log_record::packed::Fields::new(packed) {
        assert!(!matches!(value, Value::Socket(_)), "{}", field.name);
        if *field == field::CLIENT_CONNECTION {
            connection = Some(value);
        }
    }
    assert_eq!(connection, Some(Value::Integer(facts.connection.bits())));
    // Nor is it there in other words: the client's port alone would be two bytes of it.
    let (near, far) = client.ends();
    for port in [near.port(), far.port()] {
        let text = port.to_string();
        let found = packed.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        assert!(!found, "{text} in {packed:?}");
    }
}

#[test]
fn what_was_read_before_the_plugins_were_told_is_what_is_told() {
    let (client, server) = (Wire::lay(), Wire::lay());
    let journal = exchange(&client, None);
    reaches(&journal, &server, None);
    journal.read_wires();
    // Until the record is written, another exchange of the connection may be written down.
    assert_eq!(server.gauge.tell_retransmits(3), 3);
    let early = journal.wires.get().unwrap().upstream.unwrap();
    server.close();
    let told = journal.wires().upstream.unwrap();
    assert_eq!((told.rtt_us, told.retransmits), (early.rtt_us, early.retransmits));
    assert_eq!(told.retransmits_new, Some(0));
}

#[test]
fn connections_that_are_closed_have_their_last_numbers() {
    let (client, server) = (Wire::lay(), Wire::lay());
    let journal = exchange(&client, None);
    reaches(&journal, &server, None);
    client.close();
    server.close();
    let wires = journal.wires();
    assert!(wires.client.is_some() && wires.upstream.is_some());
}

#[test]
fn both_handshakes_are_told_in_the_words_of_opentelemetry() {
    let (client, server) = (Wire::lay(), Wire::lay());
    let mut peer = CertificateFacts::of(b"beyond our reader");
    peer.subject = Some("CN=friend".to_owned());
    let tls = TlsInfo {
        version: "TLSv1.2",
        cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        server_name: Some("shop.example".to_owned()),
        alpn: Some("h2"),
        local: Arc::new(CertificateFacts::default()),
        peer: Some(peer),
    };
    let journal = exchange(&client, Some(tls));
    let settled = UpstreamTls {
        version: Some(rustls::ProtocolVersion::TLSv1_3),
        cipher: Some(rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        peer: None,
        local: None,
    };
    reaches(&journal, &server, Some(settled));
    let wires = journal.wires();
    let told = ClientTls {
        agreed: Agreed {
            version: "1.2",
            cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        },
        server_name: Some("shop.example"),
        next_protocol: Some("h2"),
        subject: Some("CN=friend"),
    };
    assert_eq!(wires.tls, Some(told));
    let with_upstream = Agreed {
        version: "1.3",
        cipher: "TLS_CHACHA20_POLY1305_SHA256",
    };
    assert_eq!(wires.upstream_tls, Some(with_upstream));
}
