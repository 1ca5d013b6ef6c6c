//! What the tests of the whole gateway stand on: programs that are started and stopped, an upstream that does as it is
//! told and remembers everything, and clients that show a message exactly as it was on the wire.
//!
//! Here live [`process`] and the programs it starts ([`gateway`], [`envoy`], [`redis`], [`etcd`], [`registry`], [`prometheus`], [`rsyslog`], [`lldb`]), the
//! fake of Consul ([`consul`]), a line that can be cut ([`cut`]), the scripted upstream ([`backend`]) and the clients ([`client`], over TLS with [`tls`]). Nothing here knows what a right answer is: the tests judge. Dev only: no
//! shipped crate depends on this one.
//!
//! Everything waits for a condition with a deadline; nothing sleeps and hopes. Every address is on loopback.

pub mod place;
pub mod golden;
pub mod port;
pub mod process;
pub mod gateway;
pub mod envoy;
pub mod redis;
pub mod etcd;
pub mod consul;
pub mod cut;
pub mod registry;
pub mod prometheus;
pub mod rsyslog;
pub mod lldb;
pub mod fields;
mod wire;
pub mod backend;
pub mod client;
pub mod tls;
