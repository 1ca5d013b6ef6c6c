//! The life of one exchange: routed, led through its plugins, sent upstream, led back, recorded. Read this room first.
//!
//! Lives here: the order of things, pausing, what plugins may hold, local replies, the one exit of an exchange, callouts.
//! Never enters: sockets of clients (`gate-serve`), pools of connections (`gate-upstream`), the engine (`plug-host`), YAML.
//! From: `gate-serve`, one call for each request. To: a response, or an aborted stream; and one record.

mod serve;
mod head;
mod request_id;
mod clock;
pub use clock::now_ns;
mod trace_settings;
pub use trace_settings::{DebugSettings, DebugWindows, Formats, TraceHeaders, TraceSettings, tenant_number};
mod trace_headers;
mod stages;
mod tracing;
pub use tracing::Untold;
mod traced;
pub use traced::{Captured, Ended, level_of};
mod journal;
mod property;
mod chain;
mod arms;
pub use arms::Trial;
mod shadow;
mod lane;
mod instead;
mod flowing;
mod source;
mod pump;
mod passing;
mod silence;
mod answer;
mod echo;
mod response_body;
pub use response_body::{BodyError, ResponseBody};
mod finish;
mod written;
pub use written::write_ids;
mod spanned;
mod shown;
mod wires;
mod unserved;
mod lag;
mod flow;
pub use flow::{Change, Flow, FlowParts, RouteTally, Sampled};
mod serving;
pub use serving::Serving;
mod tcp;
mod tcp_lane;
pub mod rehearsal;
mod called;
mod callouts;
pub use callouts::{Callouts, Voice};
mod grpc;
mod redis;
mod resp;
