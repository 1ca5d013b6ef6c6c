//! The table of faults.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::{BodyFault, UpstreamFault};

fn each() -> Vec<UpstreamFault> {
    let upstream: Arc<str> = Arc::from("secret-name");
    let address = "10.11.12.13:14".parse().unwrap();
    let within = Duration::from_secs(5);
    let cause = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
    let up = || Arc::clone(&upstream);
    let body = |cause| UpstreamFault::RequestBody { upstream: up(), cause };
    vec![
        UpstreamFault::NoSuchUpstream { name: up() },
        UpstreamFault::NoEndpoint { upstream: up() },
        UpstreamFault::Resolve {
            upstream: up(),
            host: Arc::from("secret.test"),
            reason: Arc::from("no record"),
        },
        UpstreamFault::ConnectTimeout {
            upstream: up(),
            address,
            within,
        },
        UpstreamFault::Connect {
            upstream: up(),
            address,
            cause: Arc::clone(&cause),
        },
        UpstreamFault::Connect {
            upstream: up(),
            address,
            cause: Arc::new(io::ErrorKind::HostUnreachable.into()),
        },
        UpstreamFault::TlsHandshake {
            upstream: up(),
            address,
            cause,
        },
        UpstreamFault::NoHttp2 {
            upstream: up(),
            address,
            reason: Arc::from("silence"),
        },
        UpstreamFault::Overflow {
            upstream: up(),
            address,
        },
        UpstreamFault::StreamReset {
            upstream: up(),
            address,
            reason: h2::Reason::REFUSED_STREAM,
        },
        UpstreamFault::StreamReset {
            upstream: up(),
            address,
            reason: h2::Reason::INTERNAL_ERROR,
        },
        UpstreamFault::RequestTimeout {
            upstream: up(),
            address,
            within,
        },
        UpstreamFault::Unsendable {
            upstream: up(),
            reason: Arc::from("bad host"),
        },
        body(BodyFault::ClientGone),
        body(BodyFault::Idle),
        body(BodyFault::TooLong),
        body(BodyFault::GivenUp),
        body(BodyFault::Unreadable(Arc::new(io::Error::other("bad chunk")))),
    ]
}

#[test]
fn each_fault_has_a_code_of_its_own() {
    let codes: BTreeSet<_> = each().iter().map(UpstreamFault::code).collect();
    assert_eq!(codes.len(), each().len());
    assert!(codes.iter().all(|code| code.starts_with("upstream.")));
}

#[test]
fn the_clients_text_names_nobody() {
    for fault in each() {
        let text = fault.client_text();
        assert!(!text.contains("secret") && !text.contains("10.11"), "{text}");
        assert!(fault.to_string().contains("secret-name"), "{fault}");
    }
}

#[test]
fn the_operators_texts() {
    let told: Vec<_> = each().iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "no upstream is called `secret-name`",
            "upstream `secret-name` has no endpoint",
            "upstream `secret-name`: `secret.test` has no address: no record",
            "upstream `secret-name`: no connection to 10.11.12.13:14 within 5s",
            "upstream `secret-name`: no connection to 10.11.12.13:14: connection refused",
            "upstream `secret-name`: no connection to 10.11.12.13:14: host unreachable",
            "upstream `secret-name`: no TLS with 10.11.12.13:14: connection refused",
            "upstream `secret-name`: no HTTP/2 with 10.11.12.13:14: silence; hint: `protocol: http1` where the upstream knows no HTTP/2",
            "upstream `secret-name`: all connections to 10.11.12.13:14 are full",
            "upstream `secret-name`: 10.11.12.13:14 reset the stream: refused stream before processing any application logic",
            "upstream `secret-name`: 10.11.12.13:14 reset the stream: unexpected internal error encountered",
            "upstream `secret-name`: no answer from 10.11.12.13:14 within 5s",
            "upstream `secret-name`: the request cannot be sent: bad host",
            "upstream `secret-name`: the client broke off its request body",
            "upstream `secret-name`: no byte of the request body came for too long",
            "upstream `secret-name`: the request body is longer than its limit",
            "upstream `secret-name`: the exchange was given up",
            "upstream `secret-name`: the request body could not be read: bad chunk",
        ]
    );
}

#[test]
fn every_fault_before_an_answer_is_counted_under_its_code() {
    let stats = crate::UpstreamStats::default();
    each().iter().for_each(|fault| stats.failed(fault));
    let counted: BTreeSet<_> = stats
        .failures()
        .filter(|(_, count)| *count == 1)
        .map(|(code, _)| code)
        .collect();
    let mut wanted: BTreeSet<_> = each().iter().map(UpstreamFault::code).collect();
    wanted.remove("upstream.unknown");
    assert_eq!(counted, wanted);
}
