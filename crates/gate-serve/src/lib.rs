//! The room of sockets: listeners, TLS, HTTP/1.1, HTTP/2 and TCP towards clients, the worker threads, and how all of it ends.
//!
//! What lives here: binding (before anything starts), one accept socket for each worker and listener, handshakes and certificates, the
//! framing of requests and what RFC 9112 says about wrong ones, time and size limits of a connection, draining.
//! What never enters: routes, plugins, upstreams, access records, metric names; nothing here looks at a request beyond its framing.
//! Data comes from clients' sockets and, as a checked Plan's listeners, from `cofferdam`. It goes, as one [`service::Service`] call for
//! each request or TCP connection, to whoever built the service: `cofferdam` puts `gate-flow` behind it.
//!
//! A panic in the service or in this room ends one connection (HTTP/1, TCP) or one stream (HTTP/2), is counted, and the worker lives.
//! A panic in a worker's own loop ends that worker: its sockets close, so the kernel gives new connections to the other workers, and
//! [`worker::Workers::lost`] names it.

pub mod service;

pub mod certificate;
pub mod connection;

pub mod stream;

pub mod bind;

pub mod worker;

mod accept;
mod door;
mod roster;

pub mod tls;

mod http;
mod wire;

mod head_check;
mod head_tap;

pub mod refusal;
pub mod unserved;

mod reply;

#[cfg(test)]
mod fixture;
