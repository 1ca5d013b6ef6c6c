//! The room of traces: which trace an exchange belongs to, what its stages were, and whether what is said about it is kept.
//!
//! What lives here: trace context in and out (W3C `traceparent` and `tracestate`, B3), ids, the spans of one exchange, sampling with the factor by
//! which counts are made whole again, levels that end by themselves, and debug windows that a burst opens, with the seconds before it.
//! What never enters: a clock, a socket, a file, a thread, a lock, YAML, the names of fields and headers' maps. Time comes in as nanoseconds of a
//! monotonic clock that all workers share; randomness comes in as a seed.
//! Data comes from `gate-flow`, which pushes a request's headers into [`Arrived`], asks a [`Table`] when an exchange begins, for each line and when
//! it ends, and opens and closes [`Spans`]; and from `cofferdam`, which swaps tables and floors whole, behind an `Arc`.
//! It goes back to `gate-flow` as headers of fixed size and verdicts, and through it to `log-record`, which alone spells the fields.
//!
//! An exchange, in the order of calls: [`Arrived::push`] for each header, [`Trace::begin`], [`Table::begin`] when its route is known,
//! [`Trace::decided`], [`Context::traceparent`] and [`State::text`] at the span of each try of an upstream, [`Table::line`] for each line that
//! is above its floor, [`Burst::observe`] and [`Table::end`] when it is over. The table is read anew for each question, so that a swap is
//! in force at once; a decision keeps what its factor needs.
//!
//! One worker owns one [`Ids`], one [`Meters`], one [`Burst`] and one [`Before`]; one exchange owns one [`Trace`], one [`Decision`] and one [`Spans`].

mod fault;
pub use fault::Fault;

mod hex;
mod text;
pub use text::Text;
mod id;
pub use id::{Ids, SpanId, TraceId};

mod threshold;
pub use threshold::{Randomness, Threshold};
mod parent;
mod state;
pub use state::{State, Told};
mod b3;
mod context;
pub use context::{Arrived, Asked, Context, Origin, Trace, Trust};

mod span;
pub use span::{Attribute, Place, Span, Spans, Stage, Status, Value};

mod level;
pub use level::{Floor, Floors, Levels};
pub use log_record::grade::Level;
mod meter;
pub use meter::{Meters, Rate};
mod rules;
pub use rules::{Keep, Limit, Parents, Per, Rule, Settings, Subject, Table};
mod tail;
pub use tail::{Faults, Outcome, Slow, Statuses, Tail};
mod decision;
pub use decision::{Decision, Kept, Verdict, Why, WhyNot};

mod burst;
pub use burst::{Burst, BurstSettings, Kind, Observation, Trigger, Turn};
mod window;
pub use window::{Admission, Bodies, Notice, Window};
mod before;
pub use before::Before;

#[cfg(test)]
mod tests;
