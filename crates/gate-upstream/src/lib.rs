//! Upstreams: where an exchange's request goes and how it gets there.
//!
//! *Lives here:* endpoints and their DNS names, balancing, pooled HTTP/1.1 and HTTP/2 connections, TLS towards upstreams, connect and
//! request timeouts, retries that cannot repeat an effect, raw streams for TCP and Redis.
//! *Never enters:* routes, plugins, access records, YAML, anything of the client's connection; no lock and no other thread's state on
//! the request path.
//! *Data comes from* `gate-plan` (the [`gate_plan::Upstream`]s, through [`Upstreams::prepare`] on a control thread) and from
//! `gate-flow` (requests). *It goes to* the endpoints' sockets, and back to `gate-flow` as [`Sent`] or [`UpstreamFault`].
//!
//! One [`Upstreams`] belongs to one worker and never leaves it (`!Send`); all of it runs inside that worker's `LocalSet`.

mod upstreams;

mod prepare;

mod find;

mod upstream;

mod endpoint;

mod balance;

mod resolve;

mod send;

mod http1;

mod http2;

mod shape;

mod body;

mod alarm;

mod dial;

mod raw;

mod fault;

mod stats;

#[cfg(test)]
mod tests;

pub use body::{BodyFault, LocalBody, OutBody};
pub use endpoint::{Endpoint, HostState, Lease};
pub use fault::{Side, UpstreamFault, broken_off};
pub use prepare::{Prepared, UpstreamSetupFault};
pub use raw::{UpstreamStream, UpstreamTls};
pub use send::{Ready, Sent};
pub use stats::{Counter, UpstreamStats};
pub use upstream::Upstream;
pub use upstreams::Upstreams;
