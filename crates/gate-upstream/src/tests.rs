//! The room as its callers use it, against real peers on 127.0.0.1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod peer;

mod configuration;

mod endpoints;

mod faults;

mod gauges;

mod http1;

mod http2;

mod names;

mod timeouts;

mod tls;
